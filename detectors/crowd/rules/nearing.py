"""
Since when a measure has been near its threshold: so that what grows into it is told when it gets there.

A hold shows that something stays. What grows has stayed below the threshold for a while before it reaches it, and a
hold that only begins there says so again, later. So the hold counts from a share of the threshold on; the threshold
itself must then be exceeded for two samples, which one bad sample does not do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.geometry.homography import Bools, Floats

CONFIRM_S = 1.0  # two samples


@dataclass(frozen=True, slots=True, eq=False)
class Nearing:
    since_s: Floats  # (Z,) s of the first sample near the threshold; NaN where it is not near
    last_s: Floats  # (Z,) s of the last such sample


def not_near(zones: int) -> Nearing:
    unknown = np.full(zones, np.nan)
    return Nearing(unknown, unknown)


def nearing(before: Nearing, near: Bools, at_s: float, gap_s: float) -> Nearing:
    """After a sample at `at_s` that was near in the zones `near` (Z,); a dip of up to `gap_s` does not end it."""
    with np.errstate(invalid="ignore"):
        gone = ~(at_s - before.last_s <= gap_s)
    since_s = np.where(gone, np.nan, before.since_s)
    return Nearing(
        np.where(near, np.fmin(since_s, at_s), since_s), np.where(near, at_s, np.where(gone, np.nan, before.last_s))
    )


def stays(now: Nearing, at_s: float, hold_s: float) -> Bools:
    """(Z,) whether it has been near for `hold_s`."""
    with np.errstate(invalid="ignore"):
        result: Bools = at_s - now.since_s >= hold_s
    return result
