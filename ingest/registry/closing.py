"""
When a zone is closed: hours of the week as text, and events of a calendar file (iCalendar, RFC 5545).

    Mo-Fr 22:00-05:00; Sa,Su,PH 00:00-24:00       24/7

The text is of the form that OpenStreetMap uses for opening hours, as far as days and times go. Hours past midnight
belong to the day on which they begin. `PH` is a public holiday; where a rule names it, a holiday follows only such
rules. In a calendar file every event is a time at which the zone is closed.

Source: https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

import icalendar
import recurring_ical_events

from ingest.errors import SettingsError
from ingest.registry.district import Zone

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
PH = 7
DAY_MIN = 1_440
ICAL_BYTES_MAX, ICAL_EVENTS_MAX = 256 * 1024, 2_000
_TIMES = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_DAY = re.compile(r"(Mo|Tu|We|Th|Fr|Sa|Su)(?:\s*-\s*(Mo|Tu|We|Th|Fr|Sa|Su))?|PH")
_FREQUENT = {"SECONDLY", "MINUTELY"}


@dataclass(frozen=True, slots=True)
class Hours:
    """A time of some days at which a zone is closed."""

    days: frozenset[int]  # 0 is Monday, 7 a public holiday
    begins_min: int  # of the day, local
    ends_min: int  # after it; above 1440 it ends on the next day


@lru_cache(maxsize=1_024)
def closed_hours(text: str) -> tuple[Hours, ...]:
    """
    The hours of a text.

    Raises:
        ValueError: says what of it cannot be read.
    """
    if text.strip() == "24/7":
        return (Hours(frozenset(range(8)), 0, DAY_MIN),)
    rules: list[Hours] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        head = re.match(r"[A-Za-z][A-Za-z,\s-]*", part)
        days = _days(head[0], part) if head else frozenset(range(7))
        times = part[head.end() if head else 0 :].strip()
        for span in times.split(","):
            found = _TIMES.fullmatch(span.strip())
            if found is None:
                raise ValueError(f'"{span.strip() or part}" is no time such as 22:00-05:00')
            hours = [int(each) for each in found.groups()]
            begins, ends = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
            if begins >= DAY_MIN or ends > DAY_MIN or hours[1] > 59 or hours[3] > 59:
                raise ValueError(f'"{span.strip()}" is beyond 24:00')
            if begins == ends:
                raise ValueError(f'"{span.strip()}" has no length; write 00:00-24:00 for a whole day')
            rules.append(Hours(days, begins, ends if ends > begins else ends + DAY_MIN))
    if not rules:
        raise ValueError("there is no time in it")
    return tuple(rules)


def is_closed(rules: tuple[Hours, ...], minute: int, today: tuple[int, bool], yesterday: tuple[int, bool]) -> bool:
    """
    Whether a wall clock shows a time of the rules.

    Args:
        minute: of the day.
        today: its weekday and whether it is a public holiday.
        yesterday: the same of the day before, whose hours may not be over.
    """
    names_holidays = any(PH in rule.days for rule in rules)

    def of_day(rule: Hours, weekday: int, is_holiday: bool) -> bool:
        return (PH if is_holiday and names_holidays else weekday) in rule.days

    return any(
        (rule.begins_min <= minute < rule.ends_min and of_day(rule, *today))
        or (minute + DAY_MIN < rule.ends_min and of_day(rule, *yesterday))
        for rule in rules
    )


def check_ical(text: str) -> None:
    """
    Raises:
        ValueError: says why the text of a calendar file cannot be used.
    """
    if len(text.encode()) > ICAL_BYTES_MAX:
        raise ValueError(f"{len(text.encode()):,} bytes; at most {ICAL_BYTES_MAX:,}")
    calendar = _calendar(text)
    events = calendar.walk("VEVENT")
    if not events:
        raise ValueError("no event in it")
    if len(events) > ICAL_EVENTS_MAX:
        raise ValueError(f"{len(events):,} events; at most {ICAL_EVENTS_MAX:,}")
    for event in events:
        named = str(event.get("SUMMARY", event.get("UID", "")))[:40]
        if "DTSTART" not in event:
            raise ValueError(f'event "{named}" has no DTSTART')
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            if _FREQUENT & {str(each).upper() for each in rule.get("FREQ", [])}:
                raise ValueError(f'event "{named}" repeats within the hour')
    try:
        closed_times(text, UTC, date(2026, 1, 1))
    except Exception as error:  # the parser's own, of many types
        raise ValueError(f"its events cannot be laid out: {type(error).__name__}: {error}"[:200]) from error


def check_closing(zone: Zone) -> None:
    """
    Raises:
        SettingsError: the closed hours or the calendar of a zone of the registry cannot be read.
    """
    for column, text, check in (
        ("closed", zone.closed, closed_hours),
        ("closed_calendar", zone.closed_calendar, check_ical),
    ):
        try:
            if text:
                check(text)
        except ValueError as error:
            raise SettingsError(
                f"zone {zone.id}: {column}",
                expected="times at which it is closed",
                got=str(error),
                mend="Mend them in the file of the zones and import it again.",
            ) from error


@lru_cache(maxsize=4_096)
def closed_times(text: str, zone: tzinfo, day: date) -> tuple[tuple[int, int], ...]:
    """
    Begin and end, seconds since 1970 UTC, of the events of a calendar that touch a day; sorted.

    Args:
        zone: for events that name no time zone, and for whole days.
    """
    begin = datetime.combine(day, time(), zone)
    found = recurring_ical_events.of(_calendar(text), skip_bad_series=False).between(begin, begin + timedelta(days=1))
    return tuple(sorted({(_seconds(event.start, zone), _seconds(event.end, zone)) for event in found}))


def _seconds(at: date | datetime, zone: tzinfo) -> int:
    if not isinstance(at, datetime):
        at = datetime.combine(at, time(), zone)
    elif at.tzinfo is None:
        at = at.replace(tzinfo=zone)
    return int(at.timestamp())


@lru_cache(maxsize=256)
def _calendar(text: str) -> icalendar.Component:
    try:
        return icalendar.Calendar.from_ical(text)
    except (ValueError, IndexError, KeyError) as error:
        raise ValueError(f"no iCalendar: {error}"[:200]) from error


def _days(text: str, part: str) -> frozenset[int]:
    days: set[int] = set()
    for each in text.split(","):
        found = _DAY.fullmatch(each.strip())
        if found is None:
            raise ValueError(f'"{part}" names a day that is not of Mo, Tu, We, Th, Fr, Sa, Su, PH')
        if found[0] == "PH":
            days.add(PH)
            continue
        first = DAYS.index(found[1])
        last = DAYS.index(found[2] or found[1])
        days |= {day % 7 for day in range(first, last + 1 if last >= first else last + 8)}
    return frozenset(days)
