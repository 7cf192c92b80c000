"""
The figures of crowd safety in docs/crowd.md: kept as JSON beside it, and each number of the page that names one filled
in from there, so that page and benchmark cannot drift apart.

A number is followed by the figure that it is and how it is written: `12.7<!--=gathering_delay_clean_s:.1f-->`. Between
`<!--goals-->` and `<!--/goals-->` stands the table of goals, which this module makes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.measuring import Figures

FOLDER = Path(__file__).parents[1] / "docs" / "crowd"
PAGE = FOLDER.parent / "crowd.md"
_QUOTED = re.compile(r"[-+\d.,e%]+(?=<!--=)(<!--=(\w+):([^>]*?)-->)")
_GOALS = re.compile(r"(<!--goals-->\n).*?(<!--/goals-->)", re.DOTALL)


@dataclass(frozen=True)
class Goal:
    figure: str
    what: str
    sign: str  # `<=` or `>=`
    bound: float

    def reached(self, value: float) -> bool:
        return value <= self.bound if self.sign == "<=" else value >= self.bound


GOALS = (
    Goal("classic_max_rel_diff", "classic density against PedPy, greatest relative difference", "<=", 1e-9),
    Goal("voronoi_max_rel_diff", "Voronoi density against PedPy, without walls", "<=", 1e-9),
    Goal("voronoi_walls_max_rel_diff", "the same with walls", "<=", 0.01),
    Goal("voronoi_ratio_10", "Voronoi density, 10 persons a frame, times faster than PedPy", ">=", 100),
    Goal("voronoi_ratio_38", "the same, 38 persons a frame", ">=", 50),
    Goal("crossings_ratio", "crossings of a line, times faster than PedPy", ">=", 150),
    Goal("classic_ratio_64_zones", "classic density of 64 zones, times faster than PedPy", ">=", 25),
    Goal("zone_frames_ratio_64", "zones x frames, times faster than supervision's PolygonZone", ">=", 400),
    Goal("engine_core_s_per_s", "the whole crowd engine, core-seconds a second", "<=", 0.2),
    Goal("gathering_delay_clean_s", "gathering, clean, median delay, s", "<=", 12),
    Goal("gathering_delay_noisy_s", "gathering, noisy, median delay, s", "<=", 30),
    Goal("surge_delay_noisy_s", "surge, noisy, median delay, s", "<=", 3),
    Goal("counterflow_delay_noisy_s", "counter-flow, noisy, median delay, s", "<=", 25),
    Goal("oscillation_delay_noisy_s", "oscillation, noisy, median delay, s", "<=", 45),
    Goal("missed", "events missed", "<=", 0),
    Goal("turbulence_not_measurable_share", "turbulence at 10 cm noise and more told as not measurable", ">=", 1),
    Goal("turbulence_false_at_noise", "turbulence told at that noise", "<=", 0),
    Goal("real_false_alerts", "false alerts on recordings of uneventful places", "<=", 0),
)


def write(figures: Figures, folder: Path = FOLDER, page: Path = PAGE) -> None:
    """Keep the figures and the plots, and fill the page anew."""
    from benchmarks import crowd_plots

    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: figures[name] for name in sorted(figures)}
    lines = msgspec.json.format(msgspec.json.encode(kept), indent=2).decode()
    (folder / "figures.json").write_text(lines + "\n", "utf-8")
    crowd_plots.draw(kept, folder)
    page.write_text(filled(page.read_text("utf-8"), kept), "utf-8")


def figures_kept(folder: Path = FOLDER) -> Figures:
    return msgspec.json.decode((folder / "figures.json").read_bytes(), type=Figures)


def quoted(text: str) -> list[str]:
    """The figures that a page names, in their order."""
    return [match[2] for match in _QUOTED.finditer(text)]


def filled(text: str, figures: Mapping[str, float]) -> str:
    """
    The page with the figures as they are.

    Raises:
        KeyError: the page names a figure that is not there.
    """

    def number(match: re.Match[str]) -> str:
        return f"{format(figures[match[2]], match[3])}{match[1]}"

    text = _QUOTED.sub(number, text)
    return _GOALS.sub(lambda match: match[1] + goals_table(figures) + match[2], text)


def goals_table(figures: Mapping[str, float]) -> str:
    lines = ["| | goal | measured | |", "|---|---|---|---|"]
    for goal in GOALS:
        value = figures.get(goal.figure)
        said = "not measured" if value is None else f"{value:.3g}"
        verdict = "" if value is None else "reached" if goal.reached(value) else "**not reached**"
        lines.append(f"| {goal.what} | {goal.sign} {goal.bound:g} | {said} | {verdict} |")
    return "\n".join(lines) + "\n"
