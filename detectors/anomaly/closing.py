"""Which zones are closed at a moment: by the hours of their week, or during an event of their calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from detectors.calendar import Calendar, SiteCalendar, is_holiday, local_time
from detectors.geometry.homography import Bools
from ingest.clock import NS_PER_S
from ingest.errors import SettingsError
from ingest.registry.closing import Hours, check_closing, closed_hours, closed_times, is_closed
from ingest.registry.district import Zone


@dataclass(frozen=True)
class Closing:
    """Of one zone that is closed at times."""

    zone: int  # its row
    calendar: SiteCalendar
    hours: tuple[Hours, ...]
    events: str  # text of a calendar file


def closings(zones: Sequence[Zone], calendar: Calendar) -> tuple[Closing, ...]:
    """Those of the zones that have any; what cannot be read closes nothing, and `drumtower check` names it."""
    found = []
    for row, zone in enumerate(zones):
        try:
            check_closing(zone)
        except SettingsError:
            continue
        if zone.closed or zone.closed_calendar:
            hours = closed_hours(zone.closed) if zone.closed else ()
            found.append(Closing(row, calendar.of_site(zone.site), hours, zone.closed_calendar))
    return tuple(found)


def closed_zones(closing: Sequence[Closing], zones: int, at_ns: int) -> Bools:
    """(Z,) which of the zones are closed at an instant; it is the same within a minute."""
    closed = np.zeros(zones, np.bool_)
    for each in closing:  # once a minute, and few
        local = local_time(each.calendar, at_ns)
        day = date.fromordinal(local.day)
        before = date.fromordinal(local.day - 1)
        today = (local.weekday, local.is_holiday)
        yesterday = (before.weekday(), is_holiday(each.calendar, before))
        closed[each.zone] = is_closed(each.hours, local.minute, today, yesterday)
        if each.events and not closed[each.zone]:
            times = closed_times(each.events, ZoneInfo(each.calendar.time_zone or "UTC"), day)
            closed[each.zone] = any(begin <= at_ns // NS_PER_S < end for begin, end in times)
    return closed
