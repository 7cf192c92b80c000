"""Times as people write them, in the zone of the clock on the wall; days of 23 and 25 hours included."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingest.clock import utc_ns
from ingest.errors import SettingsError

DAYS_MAX = 31


def time_zone_of(thing: str, name: str) -> ZoneInfo:
    """
    Raises:
        SettingsError: there is no such zone here.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            thing, expected="a time zone like Europe/Berlin", got=repr(name), mend="Mend the name, or install tzdata."
        ) from error


def span_of(from_text: str, to_text: str | None, zone: tzinfo) -> tuple[int, int]:
    """
    [from, to) in ns of UTC.

    Args:
        from_text: a day, `2026-11-25`, or a time, `2026-11-25T14:00`; without an offset it is in `zone`. Of an hour
            that comes twice the first is meant.
        to_text: likewise; a day is meant with all of it, and of an hour that comes twice the second. None: the end of
            the day of `from_text`.

    Raises:
        SettingsError: not such a text, the end not after the beginning, or more than 31 days between them.
    """
    start = _moment("from", from_text, zone, end=False)
    end = _moment("to", from_text[:10] if to_text is None else to_text, zone, end=True)
    if not start < end:
        raise SettingsError(
            "to", expected=f"a time after {start.isoformat()}", got=end.isoformat(), mend="Exchange the two."
        )
    if end - start > timedelta(days=DAYS_MAX, hours=1):  # a month with one day of 25 hours
        raise SettingsError(
            "to", expected=f"at most {DAYS_MAX} days after from", got=f"{(end - start).days} days", mend="Ask in parts."
        )
    return utc_ns(start), utc_ns(end)


def _moment(which: str, text: str, zone: tzinfo, *, end: bool) -> datetime:
    """The moment in UTC-aware arithmetic: local times are taken there at once, so that days may have 23 or 25 hours."""
    try:
        given = datetime.fromisoformat(text.strip())
        if end and len(text.strip()) == 10:
            given += timedelta(days=1)  # of the calendar, before the zone says how long that is
        local = given if given.tzinfo else given.replace(tzinfo=zone, fold=int(end and len(text.strip()) > 10))
        return local.astimezone(ZoneInfo("UTC"))
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            which, expected="a day or a time, 2026-11-25 or 2026-11-25T14:00", got=repr(text[:40]), mend="Mend it."
        ) from error
