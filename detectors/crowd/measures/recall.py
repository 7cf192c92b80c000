"""
Which share of the persons boxes find, from counts by hand, and what a count of boxes then says.

The recall p falls as people hide one another, so it is a curve over density, one for each site: boxes per m2 grow more
slowly than persons per m2, and the inverse of that growth takes boxes back to persons. It is valid up to the density at
which half of the people are found, or at which four more people make less than one more box: above that a count cannot
be corrected, and is a lower bound.

    n-hat = found / p(found / area)
    n-hat +- 1.96 sqrt(found (1 - p) + found^2 s_p^2 / p^2) dn/dfound,  where dn/dfound = 1 / p if p does not change

Source: the count is a sum of independent finds (Poisson binomial); s_p, how much p differs from frame to frame, by the
delta method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import msgspec
import numpy as np

from detectors.geometry.homography import Bools, Floats, Ints

RECALL_MIN = 0.5  # below it, more people are guessed than seen
GROWTH_MIN = 0.25  # boxes per person more; below it the error of a count is multiplied by more than four
SIGMAS_95 = 1.96

Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


class RecallCurve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `drumtower calibrate recall` says of a site; between two densities, boxes grow evenly with persons."""

    per_m2: tuple[Annotated[float, msgspec.Meta(ge=0.0)], ...]  # true densities, ascending
    recall: tuple[Share, ...]  # share of the persons that boxes find at each
    recall_sd: tuple[Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)], ...]  # how much each differs from frame to frame
    per_m2_max: Annotated[float, msgspec.Meta(gt=0.0)]  # above it a count is a lower bound

    def __post_init__(self) -> None:
        if not len(self.per_m2) == len(self.recall) == len(self.recall_sd) >= 1:
            raise ValueError("Expected per_m2, recall and recall_sd of one length, at least 1")
        found = [density * share for density, share in zip(self.per_m2, self.recall, strict=True)]
        if any(later <= earlier for values in (self.per_m2, found) for earlier, later in pairwise(values)):
            raise ValueError("Expected per_m2, and per_m2 x recall, to rise from each density to the next")


def level_curve(recall: float, recall_sd: float, per_m2_max: float) -> RecallCurve:
    """The same recall at all densities."""
    return RecallCurve(per_m2=(0.0,), recall=(recall,), recall_sd=(recall_sd,), per_m2_max=per_m2_max)


@dataclass(frozen=True, slots=True, eq=False)
class RecallTable:
    """
    The curves of Z zones in K pieces over the density of boxes. From the start of a piece on, persons/m2 grow by
    `growth` with each box/m2. Pieces that a zone has not start at infinity.
    """

    from_found_per_m2: Floats  # (Z, K) ascending, the first is 0
    from_per_m2: Floats  # (Z, K) persons/m2 there
    growth: Floats  # (Z, K)
    recall: Floats  # (Z, K) of a piece that starts at 0
    recall_sd: Floats  # (Z, K)
    per_m2_max: Floats  # (Z,)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What K counts of boxes say. NaN for a count that is NaN."""

    persons: Floats  # (K,)
    low: Floats  # (K,) 95 %
    high: Floats  # (K,) 95 %; infinite where `persons` is a lower bound
    recall: Floats  # (K,) that was used
    beyond: Bools  # (K,) so dense that the count is a lower bound


def recall_table(curves: Sequence[RecallCurve]) -> RecallTable:
    """The curves of zones, one each."""
    pieces = max((len(curve.per_m2) for curve in curves), default=0) + 1
    shape = (len(curves), pieces)
    from_found, from_per_m2, growth = np.full(shape, np.inf), np.zeros(shape), np.ones(shape)
    recall, spread = np.ones(shape), np.zeros(shape)
    for row, curve in enumerate(curves):  # once for a district
        knots = len(curve.per_m2)
        per_m2, p, sd = (np.array(each) for each in (curve.per_m2, curve.recall, curve.recall_sd))
        found = per_m2 * p
        from_found[row, 0], from_found[row, 1 : knots + 1] = 0.0, found
        from_per_m2[row, 1 : knots + 1] = per_m2
        # Below the first density and above the last the recall is theirs.
        growth[row, : knots + 1] = [1.0 / p[0], *(np.diff(per_m2) / np.diff(found)), 1.0 / p[-1]]
        recall[row, : knots + 1] = [p[0], *p]
        spread[row, : knots + 1] = [sd[0], *np.maximum(sd[:-1], sd[1:]), sd[-1]]
    limit = np.array([curve.per_m2_max for curve in curves], np.float64)
    return RecallTable(from_found, from_per_m2, growth, recall, spread, limit)


def recall_at(table: RecallTable, row: Ints, found_per_m2: Floats) -> tuple[Floats, Floats, Floats]:
    """
    What holds where there are (K,) boxes/m2, by the curves of the rows (K,).

    Returns:
        (K,) recall, (K,) its spread, and (K,) how many persons one more box stands for.
    """
    piece = np.maximum((table.from_found_per_m2[row] <= found_per_m2[:, None]).sum(axis=1) - 1, 0)
    from_per_m2, growth = table.from_per_m2[row, piece], table.growth[row, piece]
    per_m2 = from_per_m2 + growth * (found_per_m2 - table.from_found_per_m2[row, piece])
    # A piece that starts at 0 has one recall, to the last bit.
    changing = (from_per_m2 > 0.0) & (per_m2 > 0.0)
    recall = np.where(changing, found_per_m2 / np.where(changing, per_m2, 1.0), table.recall[row, piece])
    return recall, table.recall_sd[row, piece], growth


def corrected(table: RecallTable, row: Ints, found: Floats, area_m2: Floats) -> Counted:
    """
    The persons that counts of boxes stand for.

    Args:
        row: (K,) the zone of each.
        found: (K,) boxes.
        area_m2: (K,) of the ground that they were counted on.
    """
    recall, spread, growth = recall_at(table, row, found / area_m2)
    half = SIGMAS_95 * np.sqrt(found * (1.0 - recall) + (found * spread / recall) ** 2) * growth
    persons = found / recall
    beyond = persons / area_m2 > table.per_m2_max[row]
    return Counted(persons, np.maximum(persons - half, 0.0), np.where(beyond, np.inf, persons + half), recall, beyond)


def curves_of(sites: Sequence[str], default: RecallCurve, measured: Mapping[str, RecallCurve]) -> list[RecallCurve]:
    """The curve of each site, the default where nobody has counted by hand."""
    return [measured.get(site, default) for site in sites]
