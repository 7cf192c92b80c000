"""
What was counted in each zone in the last seven weeks, by local time of week, one byte a slot.

A day is one row of a ring of 49, so that the same weekday of six weeks back is there while today's row fills. A count
is kept on a logarithmic scale: exact to a seventh of a person near zero, to 2 % above a hundred. What was not observed
is missing. A public holiday is like no other day, and none is like it: its row bears its day with a minus, so that it
is never looked up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detectors.geometry.homography import Bools, Floats, Ints
from ingest.schema.tick import U8

RING_DAYS = 49
WEEKS = 6
MISSING = 255
NO_DAY = 0
_SCALE, _BEND = 28.0, 8.0  # code = 28 ln(1 + x / 8): 254 is 69,000 persons
_TRIMMED = 6  # a sixth of the values at either end
_COUNT_OF_CODE = np.append(_BEND * np.expm1(np.arange(255) / _SCALE), np.nan)

I32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """A local day of Z zones."""

    day: I32  # (Z,) ordinal of the day, negative if it was a holiday; NO_DAY where none was seen
    counts: U8  # (Z, S) codes of S slots a day


Days = tuple[Day, ...]  # RING_DAYS of them, by ordinal modulo RING_DAYS


def no_days(zones: int, slots: int) -> Days:
    empty = Day(np.full(zones, NO_DAY, np.int32), np.full((zones, slots), MISSING, np.uint8))
    return (empty,) * RING_DAYS


def code_of(count: Floats) -> U8:
    """Codes of counts >= 0; NaN is missing."""
    known = ~np.isnan(count)
    code = np.rint(_SCALE * np.log1p(np.where(known, count, 0.0) / _BEND))
    return np.where(known, np.minimum(code, MISSING - 1), MISSING).astype(np.uint8)


def count_of(code: U8) -> Floats:
    """Counts of codes; NaN where missing."""
    return np.asarray(_COUNT_OF_CODE[code], np.float64)


def written(days: Days, zones: Bools, day: int, is_holiday: bool, slot: int, count: Floats) -> Days:
    """
    The days with a count at a slot of some zones. A row that held an older day is emptied first.

    Args:
        zones: (Z,) which zones.
        count: (Z,) NaN where nothing was observed.
    """
    row, mark = day % RING_DAYS, np.int32(-day if is_holiday else day)
    old = days[row]
    fresh = zones & (old.day != mark)
    counts = np.where(fresh[:, None], np.uint8(MISSING), old.counts)
    counts[:, slot] = np.where(zones, code_of(count), counts[:, slot])
    new = replace(old, day=np.where(zones, mark, old.day), counts=counts)
    return (*days[:row], new, *days[row + 1 :])


def expected(days: Days, day: int, kind_of_day: int, slot: int) -> tuple[Floats, Ints]:
    """
    What is usual at a slot of the week: the mean of the median and the trimmed mean of it and the slots beside it, over
    six weeks.

    Args:
        day: ordinal of the day; days before it count.
        kind_of_day: the weekday that it is like.

    Returns:
        (Z,) NaN where nothing is known, and (Z,) in how many weeks the slot itself was observed.
    """
    weekday = (day + 6) % 7  # ordinal 1 was a Monday
    last = day - ((weekday - kind_of_day) % 7 or 7)
    slots = days[0].counts.shape[1]
    columns, weeks = [], np.zeros(len(days[0].day), np.int64)
    for week in range(WEEKS):
        for beside in (-1, 0, 1):
            shift, at = divmod(slot + beside, slots)
            then = last - 7 * week + shift
            row = days[then % RING_DAYS]
            there = (row.day == then) & (then < day)
            columns.append(np.where(there, row.counts[:, at], np.uint8(MISSING)))
            if beside == 0:
                weeks += columns[-1] != MISSING
    values = np.sort(count_of(np.stack(columns, axis=1)), axis=1)  # NaN last
    return _middle(values), weeks


def days_observed(days: Days, day: int, observed_share: float) -> Ints:
    """(Z,) days in the ring before `day`, holidays too, in which at least a share of the slots was observed."""
    total = np.zeros(len(days[0].day), np.int64)
    for row in days:
        ordinal = np.abs(row.day)
        young = (row.day != NO_DAY) & (ordinal < day) & (ordinal > day - RING_DAYS)
        total += young & ((row.counts != MISSING).mean(axis=1) >= observed_share)
    return total


def _middle(values: Floats) -> Floats:
    """(Z,) mean of the median and the trimmed mean of (Z, n) values in order, NaN last; NaN where there are none."""
    count = (~np.isnan(values)).sum(axis=1)
    row = np.arange(len(values))
    lower, upper = np.maximum((count - 1) // 2, 0), np.maximum(count // 2, 0)
    upper = np.minimum(upper, values.shape[1] - 1)
    median = (values[row, lower] + values[row, upper]) / 2.0
    cut = count // _TRIMMED
    place = np.arange(values.shape[1])
    inner = (place >= cut[:, None]) & (place < (count - cut)[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        trimmed = np.where(inner, values, 0.0).sum(axis=1) / inner.sum(axis=1)
    return np.where(count > 0, (median + trimmed) / 2.0, np.nan)
