"""
A recall curve from counts by hand: frames of a site in which somebody counted the persons, and how many boxes there
were. In bands of density, for what is lost at a square half full is not what is lost in a crush.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from detectors.crowd.measures.recall import GROWTH_MIN, RECALL_MIN, RecallCurve, corrected, recall_table
from detectors.geometry.homography import Bools, Floats, Ints
from ingest.errors import SettingsError, SettingsFaults

BANDS_PER_M2: Floats = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, np.inf])
FRAMES_MIN = 20  # of a band: of fewer, the recall is anybody's guess
COLUMNS = ("site", "area_m2", "counted", "found")


@dataclass(frozen=True, slots=True, eq=False)
class HandCounts:
    """F frames of one site."""

    area_m2: Floats  # (F,) of the ground that was counted
    counted: Floats  # (F,) persons, by hand
    found: Floats  # (F,) boxes


@dataclass(frozen=True, slots=True)
class Band:
    """What was seen in the frames of one band of density."""

    low_per_m2: float
    high_per_m2: float
    frames: int
    recall: float
    recall_sd: float
    used: bool
    mae_persons: float  # of the corrected count; NaN where the band is not used
    bias_persons: float
    mape: float
    covered: float  # share of the frames whose true count lies in its interval

    def said(self) -> str:
        """A line for people."""
        high = "more" if np.isinf(self.high_per_m2) else f"{self.high_per_m2:g}"
        head = f"{self.low_per_m2:g} to {high} persons/m2: {self.frames} frames, recall {self.recall:.2f}"
        if not self.used:
            return f"{head}; not used, {'too few frames' if self.frames < FRAMES_MIN else 'beyond what is valid'}"
        return (
            f"{head} +- {self.recall_sd:.2f}; corrected: mean error {self.mae_persons:.1f} persons ({self.mape:.0%}), "
            f"bias {self.bias_persons:+.1f}, {self.covered:.0%} within the interval"
        )


def read_hand_counts(name: str, lines: Iterable[str]) -> dict[str, HandCounts]:
    """
    The frames of each site of a CSV file.

    Raises:
        SettingsError: a column is missing, or there is no row.
        SettingsFaults: each row that is not four good values, with its line.
    """
    rows = csv.DictReader(lines)
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise SettingsError(
            name, expected=f"the columns {', '.join(COLUMNS)}", got=f"none called {', '.join(missing)}",
            mend="One frame a row: site, area of the ground in m2, persons counted by hand, boxes found.",
        )  # fmt: skip
    sites: dict[str, list[tuple[float, float, float]]] = {}
    faults: list[SettingsError] = []
    for row in rows:
        try:
            sites.setdefault(row["site"] or "", []).append(_numbers(row))
        except ValueError as error:
            faults.append(_bad_line(f"{name}: line {rows.line_num}", str(error)))
    if faults:
        raise SettingsFaults(faults)
    if not sites:
        raise SettingsError(name, expected="a row for each frame that was counted", got="none", mend="Add rows.")
    return {site: HandCounts(*np.array(values, np.float64).T) for site, values in sites.items()}


def fit_recall(site: str, counts: HandCounts) -> tuple[RecallCurve, list[Band]]:
    """
    The curve through the bands with enough frames, and what each band says.

    The recall of a band is the ratio of its sums; its spread is how much it differs from frame to frame beyond chance,
    and how uncertain the ratio is. The curve ends where less than half are found, or where four more people make less
    than one more box.

    Source: ratio estimator over clusters; Cochran, Sampling Techniques, 3rd ed., ch. 6.

    Raises:
        SettingsError: no band has enough frames, or even the thinnest crowd is found by less than half.
    """
    per_m2 = counts.counted / counts.area_m2
    band = np.searchsorted(BANDS_PER_M2, per_m2, side="right") - 1
    full = [b for b in range(len(BANDS_PER_M2) - 1) if ((band == b) & (counts.counted > 0)).sum() >= FRAMES_MIN]
    if not full:
        most = int(np.bincount(band[counts.counted > 0], minlength=1).max())
        raise SettingsError(
            f"site {site}: hand counts", expected=f"at least {FRAMES_MIN} frames with people in one band of density",
            got=f"{most} at most", mend="Count more frames of the same density.",
        )  # fmt: skip
    knots: list[tuple[float, float, float]] = []
    for b in full:
        chosen = band == b
        recall, spread = _ratio(counts, chosen)
        density = float(counts.counted[chosen].sum() / counts.area_m2[chosen].sum())
        before, found_before = (knots[-1][0], knots[-1][0] * knots[-1][1]) if knots else (0.0, 0.0)
        if recall < RECALL_MIN or density * recall - found_before < GROWTH_MIN * (density - before):
            break
        knots.append((density, recall, spread))
    if not knots:
        recall, _ = _ratio(counts, band == full[0])
        raise SettingsError(
            f"site {site}: hand counts", expected=f"at least {RECALL_MIN:.0%} found in the thinnest band",
            got=f"{recall:.0%}", mend="Mount the camera higher, or let another model find the persons.",
        )  # fmt: skip
    densities, recalls, spreads = (tuple(round(each, 4) for each in column) for column in zip(*knots, strict=True))
    # Valid to the last band that was counted, not beyond.
    limit = float(per_m2[band == full[len(knots) - 1]].max())
    curve = RecallCurve(per_m2=densities, recall=recalls, recall_sd=spreads, per_m2_max=round(limit, 4))
    return curve, [_band(counts, curve, band, b, b in full[: len(knots)]) for b in np.unique(band).tolist()]


def toml_of(curves: Mapping[str, RecallCurve]) -> str:
    """The curves as they stand in the settings file."""
    lines = []
    for site, curve in sorted(curves.items()):
        lines += [
            f'[detect.occupancy.recall_at."{site}"]',
            f"per_m2 = [{_listed(curve.per_m2)}]",
            f"recall = [{_listed(curve.recall)}]",
            f"recall_sd = [{_listed(curve.recall_sd)}]",
            f"per_m2_max = {curve.per_m2_max}",
            "",
        ]
    return "\n".join(lines)


def _numbers(row: dict[str, str]) -> tuple[float, float, float]:
    area_m2, counted, found = (float(row[column] or "") for column in COLUMNS[1:])
    if not row["site"] or not (area_m2 > 0.0 and counted >= 0.0 and found >= 0.0):
        raise ValueError(", ".join(f"{column} {row[column]!r}" for column in COLUMNS))
    if not np.isfinite([area_m2, counted, found]).all():
        raise ValueError("a number that is not finite")
    return area_m2, counted, found


def _bad_line(thing: str, got: str) -> SettingsError:
    return SettingsError(
        thing, expected="a site, an area > 0 and counts >= 0", got=got, mend="Mend the line or remove it."
    )


def _ratio(counts: HandCounts, chosen: Bools) -> tuple[float, float]:
    counted, found = counts.counted[chosen], counts.found[chosen]
    ratio = float(found.sum() / counted.sum())
    frames, square = len(counted), (found - ratio * counted) ** 2
    if frames < 2:
        return min(ratio, 1.0), 0.99
    uncertain = frames / (frames - 1) * square.sum() / counted.sum() ** 2
    chance = counted * max(ratio * (1.0 - ratio), 0.0)
    differs = max((square - chance).sum() / (counted**2).sum(), 0.0)
    return min(ratio, 1.0), min(float(np.sqrt(uncertain + differs)), 0.99)


def _band(counts: HandCounts, curve: RecallCurve, band: Ints, index: int, used: bool) -> Band:
    chosen = band == index
    truth, area_m2 = counts.counted[chosen], counts.area_m2[chosen]
    recall, spread = _ratio(counts, chosen) if truth.sum() > 0 else (np.nan, np.nan)
    said = corrected(recall_table([curve]), np.zeros(len(truth), np.int64), counts.found[chosen], area_m2)
    off = said.persons - truth
    covered = (said.low <= truth) & (truth <= said.high)
    there = truth > 0
    mape = float((np.abs(off[there]) / truth[there]).mean()) if there.any() else np.nan
    return Band(
        low_per_m2=float(BANDS_PER_M2[index]),
        high_per_m2=float(BANDS_PER_M2[index + 1]),
        frames=len(truth),
        recall=recall,
        recall_sd=spread,
        used=used,
        mae_persons=float(np.abs(off).mean()) if used else np.nan,
        bias_persons=float(off.mean()) if used else np.nan,
        mape=mape if used else np.nan,
        covered=float(covered.mean()) if used else np.nan,
    )


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(str(value) for value in values)
