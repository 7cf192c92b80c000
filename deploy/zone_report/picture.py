"""The record of a zone as a picture: occupancy, density over the bands of level of service, and alerts."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import numpy as np

from deploy.zone_report.report import Known, ZoneReport, notes
from detectors.crowd.measures.level_of_service import QUEUE_PER_M2, WALKWAY_PER_M2, Service
from ingest.clock import NS_PER_S, utc
from ingest.errors import SettingsError
from ingest.schema.finding import Level

# Okabe and Ito's colours, told apart by the colour-blind.
LEVEL_COLOURS = {Level.NOTICE: "#56b4e9", Level.AMBER: "#e69f00", Level.RED: "#d55e00", Level.CRITICAL: "#7b1fa2"}
_BLUE, _GREY = "#0072b2", "#767676"
_BANDS = ("#f7fbff", "#e8f1fa", "#fff7e0", "#ffe8bf", "#ffd0a6", "#ffb3a0")  # A to F
# Text stays text in an SVG: it can be searched, and the reader's fonts have letters that ours do not.
_LOOK: dict[Any, Any] = {"svg.hashsalt": "drumtower", "svg.fonttype": "none", "font.family": "DejaVu Sans"}
_ONE_AT_A_TIME = threading.Lock()  # the library's settings are of the whole process


def picture(report: ZoneReport, kind: Literal["svg", "png"]) -> bytes:
    """
    The picture as a file.

    Raises:
        SettingsError: the library that draws is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SettingsError(
            "crowd report", expected="matplotlib, which draws pictures", got="an installation without it",
            mend="Run `pip install 'drumtower[report]'`, or ask for csv only.",
        ) from error  # fmt: skip
    with _ONE_AT_A_TIME, matplotlib.rc_context(_LOOK):
        figure = Figure(figsize=(12.0, 8.5), dpi=110)
        FigureCanvasAgg(figure)
        axes = figure.subplots(3, 1, sharex=True, height_ratios=(4, 3, 1.6))
        for each in axes:
            _gaps(each, report)
        _occupancy(axes[0], report)
        _density(axes[1], report)
        _alerts(axes[2], report)
        _time_axis(axes[-1], report)
        _words(figure, report)
        out = io.BytesIO()
        figure.savefig(out, format=kind, metadata={"Date": None} if kind == "svg" else {})
        return out.getvalue()


def _occupancy(axes: Any, report: ZoneReport) -> None:
    at = _times(report)
    persons, low, high = (report.column(name) for name in ("persons", "low", "high"))
    # Where a number is a lower bound, its interval is open above: nothing is drawn there.
    axes.fill_between(at, low, np.where(np.isnan(high), persons, high), color=_BLUE, alpha=0.25, lw=0)
    axes.plot(at, persons, color=_BLUE, lw=1.2, marker=".", ms=1.5, label="mean of the minute, 95 % interval")
    axes.plot(at, report.column("persons_max"), color=_BLUE, lw=0.5, ls=":", label="highest of the minute")
    if report.capacity is not None:
        axes.axhline(report.capacity, color="#d55e00", lw=1, ls="--", label=f"safe capacity {report.capacity}")
    bound = np.array([minute is not None and minute.lower_bound for minute in report.minutes], np.bool_)
    if bound.any():
        shown = np.where(bound, persons, np.nan)
        axes.plot(at, shown, color=_BLUE, marker="^", ms=3, ls="", label="lower bound: more people than can be counted")
    axes.set_ylabel("persons")
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    axes.legend(loc="upper left", fontsize=8, framealpha=0.8)


def _density(axes: Any, report: ZoneReport) -> None:
    at = _times(report)
    mean, local = report.column("per_m2"), report.column("local_per_m2_max")
    bounds = QUEUE_PER_M2 if report.is_waiting else WALKWAY_PER_M2
    known = np.concatenate([mean, local, [1.25 * bounds[-1]]])
    top = 1.3 * float(np.nanmax(known))
    edges = [0.0, *bounds, top]
    for band, colour in zip(Service, _BANDS, strict=True):
        axes.axhspan(edges[band], edges[band + 1], color=colour, lw=0, zorder=0)
        middle = (edges[band] + edges[band + 1]) / 2
        axes.text(1.005, middle, band.name, transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=_GREY)
    axes.plot(at, mean, color="black", lw=1.2, marker=".", ms=1.5, label="mean of the zone")
    axes.plot(at, local, color="#d55e00", lw=0.8, marker=".", ms=1.5, label="where people stood most densely")
    axes.set_ylabel("persons/m²")
    axes.set_ylim(0, top)
    axes.legend(loc="upper left", fontsize=8, framealpha=0.8)


def _alerts(axes: Any, report: ZoneReport) -> None:
    for level, colour in LEVEL_COLOURS.items():
        row = level.rank
        for one in (each for each in report.incidents if each.level is level):
            start, end = _within(report, one.detected_at), _within(report, one.ended_at)
            hatch = "//" if one.drill else None
            axes.barh(row, _days(end) - _days(start), left=_days(start), height=0.6, color=colour, hatch=hatch)
            seen = one.clocks.get("seen")
            if seen is not None and seen.met_at is not None:
                axes.plot([_days(_within(report, seen.met_at))], [row], marker="|", ms=12, color="black", ls="")
            if one.drill:
                axes.text(_days(start), row + 0.38, "Exercise", fontsize=7)
    axes.set_yticks([level.rank for level in Level], [level.value for level in Level], fontsize=8)
    axes.set_ylim(0.4, len(Level) + 0.8)
    axes.set_ylabel("alerts")


def _gaps(axes: Any, report: ZoneReport) -> None:
    """Where nothing is known, and where it is known less well, behind everything."""
    look: dict[Known, dict[str, Any]] = {
        Known.NO_RECORD: {"facecolor": "#e4e4e4", "hatch": "xx", "edgecolor": "#bdbdbd"},
        Known.NOT_SEEN: {"facecolor": "#ececec", "hatch": "//", "edgecolor": "#c4c4c4"},
        Known.DEGRADED: {"facecolor": "#fff2b3", "alpha": 0.55},
    }
    for known, start_ns, end_ns in stretches(report):
        if known in look:
            axes.axvspan(_days(utc(start_ns)), _days(utc(end_ns)), lw=0, zorder=0.5, **look[known])


def stretches(report: ZoneReport) -> Iterator[tuple[Known, int, int]]:
    """How the time is known, as (how, from, to) in ns, in order and without holes."""
    known, starts = report.known, report.starts_ns
    begun = 0
    for index in range(1, len(known) + 1):
        if index == len(known) or known[index] is not known[begun]:
            yield known[begun], starts[begun], starts[begun] + (index - begun) * 60 * NS_PER_S
            begun = index


def _time_axis(axes: Any, report: ZoneReport) -> None:
    dates = _dates()
    locator = dates.AutoDateLocator(tz=report.clock, maxticks=13)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=report.clock))
    end_ns = max(report.to_ns, report.from_ns + 60 * NS_PER_S)
    axes.set_xlim(_days(utc(report.from_ns)), _days(utc(end_ns)))


def _words(figure: Any, report: ZoneReport) -> None:
    def local(at_ns: int) -> str:
        return utc(at_ns).astimezone(report.clock).strftime("%Y-%m-%d %H:%M %z")

    head = f"{report.name} ({report.zone}{', site ' + report.site if report.site else ''})"
    span = f"{local(report.from_ns)} to {local(report.to_ns)}, {report.clock}"
    # A name may hold a dollar sign: it is no formula.
    figure.text(0.07, 0.965, head, fontsize=13, weight="bold", parse_math=False)
    figure.text(0.07, 0.942, span, fontsize=9, color=_GREY, parse_math=False)
    key = "yellow: degraded   ///: not seen   xxx: no record   |: acknowledged"
    figure.text(0.07, 0.012, "\n".join([*notes(report), key]), fontsize=8, va="bottom", parse_math=False)
    figure.subplots_adjust(left=0.07, right=0.965, top=0.925, bottom=0.165, hspace=0.08)
    if any(report.synthetic):
        figure.text(0.965, 0.955, "SYNTHETIC", fontsize=15, weight="bold", color="#d55e00", ha="right")


def _times(report: ZoneReport) -> list[datetime]:
    return [utc(at_ns + 30 * NS_PER_S) for at_ns in report.starts_ns]


def _within(report: ZoneReport, at: datetime | None) -> datetime:
    """A time, or the end of the record where there is none yet; never beyond its ends."""
    first, last = utc(report.from_ns), utc(report.to_ns)
    return last if at is None else min(max(at, first), last)


def _days(at: datetime) -> float:
    return float(_dates().date2num(at))


def _dates() -> Any:
    from matplotlib import dates

    return dates
