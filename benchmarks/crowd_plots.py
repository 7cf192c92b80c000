"""The plots of docs/crowd.md, as SVG whose text stays text; the same figures draw the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.measuring import talk
from detectors.crowd.measures.level_of_service import QUEUE_PER_M2, WALKWAY_PER_M2, Service
from detectors.crowd.rules.pressure import PressureSettings
from detectors.geometry.homography import Floats

_LOOK: dict[Any, Any] = {
    "svg.hashsalt": "drumtower", "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9,
}  # fmt: skip
_BLUE, _RED, _GREEN, _GREY = "#0072b2", "#d55e00", "#009e73", "#767676"
_BANDS = ("#f7fbff", "#e8f1fa", "#fff7e0", "#ffe8bf", "#ffd0a6", "#ffb3a0")  # A to F
_RULES = ("gathering", "surge", "counterflow", "congestion", "oscillation")
_LIMITS_S = {"gathering": (12, 30), "surge": (None, 3), "counterflow": (None, 25), "oscillation": (None, 45)}
_BASELINES = ("raw_count", "polygon_zone", "adwin", "cusum")
# Bodies of the model of what is seen: upright cylinders.
_BODY_M, _SHOULDER_M = 1.7, 0.25
_FEET_M, _WAIST_M, _HEAD_M = 0.1, 1.0, 1.5  # of a head, its lower end


def draw(figures: Mapping[str, float], folder: Path) -> None:
    """Write all plots into a folder; those of a recording only where it is there."""
    with matplotlib.rc_context(_LOOK):
        _bands(folder / "bands.svg")
        _visibility(folder / "seen.svg")
        _noise(folder / "noise.svg")
        _delays(figures, folder / "delays.svg")
        _densities(folder / "densities.svg")


@contextmanager
def _plot(path: Path, width: float, height: float, columns: int = 1) -> Iterator[Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    yield figure.subplots(1, columns, squeeze=False)[0]
    figure.savefig(path, format="svg", metadata={"Date": None})


def _bands(path: Path) -> None:
    """Level of service of walkways and queues, beside the thresholds of the levels."""
    with _plot(path, 7.5, 2.2) as (axes,):
        for row, (name, bounds) in enumerate((("queues", QUEUE_PER_M2), ("walkways", WALKWAY_PER_M2))):
            edges = [0.0, *bounds, 7.0]
            for band, colour in zip(Service, _BANDS, strict=True):
                axes.barh(row, edges[band + 1] - edges[band], left=edges[band], color=colour, edgecolor=_GREY, lw=0.5)
                middle = (edges[band] + min(edges[band + 1], 6.5)) / 2
                axes.text(middle, row, band.name, ha="center", va="center", fontsize=8)
            axes.text(-0.1, row, name, ha="right", va="center")
        for per_m2, name, colour in ((2.5, "amber", "#b37400"), (3.5, "red", _RED), (5.0, "critical", "#7b1fa2")):
            axes.axvline(per_m2, color=colour, ls="--", lw=1)
            axes.text(per_m2, 1.55, name, color=colour, ha="center", fontsize=8)
        axes.set(xlim=(0, 6.5), ylim=(-0.5, 1.8), yticks=[], xlabel="persons/m²")


def _visibility(path: Path) -> None:
    """Share of people whose feet, waist or head is hidden by nobody."""
    densities = np.array([0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0])
    with _plot(path, 8.5, 2.8, 3) as row:
        for axes, (height_m, range_m) in zip(row, ((4.0, 10.0), (6.0, 10.0), (10.0, 20.0)), strict=True):
            shares = np.array([seen_shares(each, height_m, range_m) for each in densities])
            for part, (name, colour) in enumerate((("head", _GREEN), ("waist", _BLUE), ("feet", _RED))):
                axes.plot(densities, shares[:, part], color=colour, marker="o", ms=3, label=name)
            axes.set(title=f"camera {height_m:g} m high, {range_m:g} m away", ylim=(0, 1.02), xlabel="persons/m²")
            axes.title.set_fontsize(9)
        row[0].set_ylabel("share not hidden")
        row[0].legend(fontsize=8)


def seen_shares(per_m2: float, height_m: float, range_m: float, seed: int = 1) -> tuple[float, float, float]:
    """
    Share of a random standing crowd whose head, waist and feet no body hides from a camera.

    A geometric model, not a detector: bodies are cylinders of 1.7 m x 0.5 m whose axes keep 0.3 m apart.
    """
    random = np.random.default_rng(seed)
    half_m = 8.0
    people: list[Floats] = []
    for place in random.uniform(-half_m, half_m, (int(per_m2 * 4 * half_m**2) * 4, 2)):
        if len(people) >= per_m2 * 4 * half_m**2:
            break
        if not people or np.min(np.linalg.norm(np.array(people) - place, axis=1)) >= 0.3:
            people.append(place)
    ground = np.array(people) + np.array([range_m, 0.0])
    about = np.flatnonzero(np.abs(ground - [range_m, 0.0]).max(axis=1) < 4.5)
    away = np.linalg.norm(ground, axis=1)
    unit = ground[about] / away[about, None]
    along = unit @ ground.T  # (K, N)
    beside = np.abs(unit[:, :1] * ground[:, 1] - unit[:, 1:] * ground[:, 0])
    in_line = (beside < _SHOULDER_M) & (along > 0.1) & (along < away[about, None] - 0.15)
    shares = []
    for part_m in (_HEAD_M, _WAIST_M, _FEET_M):
        ray_m = height_m - (height_m - part_m) * along / away[about, None]
        shares.append(float(1.0 - (in_line & (ray_m < _BODY_M)).any(axis=1).mean()))
    return shares[0], shares[1], shares[2]


def _noise(path: Path) -> None:
    """The pressure that noise of places alone would make, and where it can be measured no more."""
    settings = PressureSettings()
    noise_m = np.linspace(0.005, 0.2, 200)
    with _plot(path, 7.5, 3.0) as (axes,):
        for per_m2, colour in ((4.0, _GREEN), (6.0, _BLUE), (8.0, _RED)):
            axes.plot(noise_m * 100, 2.0 * per_m2 * 2.0 * noise_m**2, color=colour, label=f"{per_m2:g} persons/m²")
        axes.axhline(settings.noise_per_s2_max, color="black", ls="--", lw=1)
        axes.text(20, settings.noise_per_s2_max * 1.15, "above: not measurable", ha="right", fontsize=8)
        axes.axhline(0.02, color=_GREY, ls=":", lw=1)
        axes.text(20, 0.022, "published onset of turbulence, 0.02 /s²", ha="right", fontsize=8, color=_GREY)
        axes.set(yscale="log", ylim=(1e-3, 2), xlim=(0, 20.5), xlabel="noise of a place, cm (velocities over 1 s)")
        axes.set_ylabel("pressure of noise alone, /s²")
        axes.legend(fontsize=8)


def _delays(figures: Mapping[str, float], path: Path) -> None:
    """Median delay of each rule, up to the worst, and of simpler methods for gatherings with what they cost."""
    with _plot(path, 9.0, 3.4, 2) as (rules, methods):
        for row, rule in enumerate(_RULES):
            for shift, level, colour in ((0.18, "clean", _GREEN), (-0.18, "noisy", _BLUE)):
                median = figures.get(f"{rule}_delay_{level}_s")
                if median is None:
                    continue
                worst = figures.get(f"{rule}_delay_{level}_max_s", median)
                rules.barh(row + shift, median, height=0.3, color=colour, label=level if row == 0 else None)
                rules.plot([median, worst], [row + shift] * 2, color="black", lw=1, marker="|", ms=6)
            for shift, limit in zip((0.18, -0.18), _LIMITS_S.get(rule, (None, None)), strict=True):
                if limit is not None:
                    rules.plot([limit] * 2, [row + shift - 0.17, row + shift + 0.17], color=_RED, lw=2)
        rules.set_yticks(range(len(_RULES)), [rule.replace("counterflow", "counter-flow") for rule in _RULES])
        rules.set(xlabel="s after the onset; line: up to the worst; red: goal")
        rules.legend(fontsize=8)
        names = ["crowd.gathering", *(name.replace("_", " ") for name in _BASELINES)]
        for row, name in enumerate(("gathering", *(f"baseline_{each}" for each in _BASELINES))):
            for shift, level, colour in ((0.18, "clean", _GREEN), (-0.18, "noisy", _BLUE)):
                delay = figures.get(f"{name}_delay_{level}_s")
                if delay is None:
                    continue
                methods.barh(row + shift, delay, height=0.3, color=colour)
                false = figures.get(f"{name}_false_{level}", 0.0)
                colour = _RED if false else _GREY
                methods.text(34, row + shift, f"{false:.0f} false", va="center", fontsize=7, color=colour)
        methods.axvline(0, color="black", lw=0.8)
        methods.set_yticks(range(len(names)), names)
        methods.set(xlabel="s after 20 persons had gathered", xlim=(-30, 48))


def _densities(path: Path) -> None:
    """Classic and Voronoi density on the recorded bottleneck."""
    from benchmarks import crowd_pedpy

    if not crowd_pedpy.RECORDING.exists():
        talk("plots: ../shared is not there, so densities.svg stays as it is")
        return
    seconds, classic, voronoi = crowd_pedpy.series()
    with _plot(path, 7.5, 2.6) as (axes,):
        axes.step(seconds, classic, color=_GREY, lw=0.8, label="classic", where="mid")
        axes.plot(seconds, voronoi, color=_BLUE, lw=1.2, label="Voronoi")
        axes.set(xlabel="s of the recording", ylabel="persons/m²", ylim=(0, None))
        axes.legend(fontsize=8)
