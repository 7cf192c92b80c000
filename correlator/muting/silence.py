"""
A silence: what somebody planned not to be told, where, from when to when, and why. Every silence ends.

It mutes notices, never incidents: what it muted is in the casebook, is counted, and is told when the silence ends and
it is still so. What is worse than its level is told all the same.

Source of the rule of repetition: RFC 5545 (iCalendar) 3.3.10, read by python-dateutil.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
from dateutil.rrule import rrulebase, rrulestr  # type: ignore[import-untyped]

from ingest.clock import utc
from ingest.schema.alert import IncidentView
from ingest.schema.finding import FindingData, Level

LASTS_MAX = timedelta(days=31)  # one piece of it
ENDS_MAX = timedelta(days=3 * 366)
_FREQUENT = ("SECONDLY", "MINUTELY", "HOURLY")
_TEXT_MAX = 500


class Silence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str = ""  # given by the casebook
    kind: str = "*"  # `crowd.*`, as shells match names
    site: str | None = None  # None: all; of site, zone and camera all that are given must fit
    zone: str | None = None
    camera: str | None = None
    from_at: datetime
    to_at: datetime  # of the first time, where it repeats
    repeats: str = ""  # RRULE with UNTIL or COUNT: `FREQ=WEEKLY;BYDAY=SA;UNTIL=20270301T000000Z`
    time_zone: str = "UTC"  # of the wall clock that it repeats by
    level_max: Level = Level.RED  # the highest level that it mutes
    reason: str
    author: str  # the desk
    created_at: datetime | None = None  # given by the casebook
    ended_at: datetime | None = None  # when somebody ended it early


Fault = tuple[str, str, str, str]  # what, expected, got, mend


def fault_of(silence: Silence) -> Fault | None:
    """What is wrong with a silence; None: nothing."""
    if None in (silence.from_at.tzinfo, silence.to_at.tzinfo):
        return "from_at, to_at", "times with their zone", "one without", "Write 2026-12-01T08:00:00Z."
    if not silence.from_at < silence.to_at:
        return "to_at", "a time after from_at", "none", "A silence has an end."
    if silence.to_at - silence.from_at > LASTS_MAX:
        return "to_at", f"at most {LASTS_MAX.days} days after from_at", "more", "Repeat it, or set it anew."
    for name in ("reason", "author"):
        text = getattr(silence, name).strip()
        if not 0 < len(text) <= _TEXT_MAX or not text.isprintable():
            return f"{name}", f"1 to {_TEXT_MAX} printable characters", "another text", "Say why, and who."
    try:
        ZoneInfo(silence.time_zone)
    except (KeyError, ValueError, OSError):
        return "time_zone", "a name such as Europe/Berlin", f"{silence.time_zone[:60]!r}", "Mend the name."
    return _repetition_fault(silence) if silence.repeats else None


def _repetition_fault(silence: Silence) -> Fault | None:
    rule = silence.repeats.upper()
    if "\n" in rule or any(word in rule for word in _FREQUENT) or len(rule) > _TEXT_MAX:
        return "repeats", "one RRULE of days, weeks, months or years", "another", "Use FREQ=DAILY or slower."
    if "UNTIL=" not in rule and "COUNT=" not in rule:
        return "repeats", "UNTIL or COUNT in it", "none", "Every silence ends."
    try:
        last = _last(silence)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        return "repeats", "an RRULE of RFC 5545", f"{error}", "See docs/incidents.md."
    if last is None:
        return "repeats", "times", "none", "Mend the rule."
    if last - silence.from_at > ENDS_MAX:
        return "repeats", f"an end within {ENDS_MAX.days} days", "a later one", "Set an earlier UNTIL."
    return None


@lru_cache(maxsize=256)
def _rule(repeats: str, from_at: datetime, time_zone: str) -> rrulebase:
    """The rule on the wall clock: it repeats at the same hour in summer and winter."""
    return rrulestr(repeats.removeprefix("RRULE:"), dtstart=from_at.astimezone(ZoneInfo(time_zone)), cache=True)


def _last(silence: Silence) -> datetime | None:
    last = None
    horizon = silence.from_at + ENDS_MAX + timedelta(days=1)
    for last in _rule(silence.repeats, silence.from_at, silence.time_zone):
        if last > horizon:
            break
    return last


def expires_at(silence: Silence) -> datetime:
    """When it is over for good."""
    if silence.ended_at is not None:
        return silence.ended_at
    last = _last(silence) if silence.repeats else None
    return silence.to_at if last is None else (last + (silence.to_at - silence.from_at)).astimezone(UTC)


@lru_cache(maxsize=4_096)
def _is_within(repeats: str, from_at: datetime, to_at: datetime, time_zone: str, at: datetime) -> bool:
    if not repeats:
        return from_at <= at < to_at
    began = _rule(repeats, from_at, time_zone).before(at.astimezone(ZoneInfo(time_zone)), inc=True)
    return began is not None and at.astimezone(UTC) < began.astimezone(UTC) + (to_at - from_at)


def is_in_force(silence: Silence, at_ns: int) -> bool:
    """Whether it mutes at this time; to the second."""
    at = utc(at_ns).replace(microsecond=0)
    if silence.ended_at is not None and at >= silence.ended_at:
        return False
    return _is_within(silence.repeats, silence.from_at, silence.to_at, silence.time_zone, at)


def is_meant(silence: Silence, data: FindingData | IncidentView) -> bool:
    """Whether it is about what this says, whenever that was; its level is another matter."""
    return (
        fnmatchcase(data.kind, silence.kind)
        and silence.site in (None, data.site)
        and silence.zone in (None, data.zone)
        and (silence.camera is None or (bool(data.cameras) and set(data.cameras) == {silence.camera}))
    )


def in_force(silences: tuple[Silence, ...], at_ns: int) -> Iterator[Silence]:
    return (silence for silence in silences if is_in_force(silence, at_ns))
