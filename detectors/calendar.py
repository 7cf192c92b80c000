"""
The clock on the wall of each site, and its public holidays: what rules by local time are keyed by.

Instants are UTC everywhere; only what a person reads off a wall, a time of the week or a closing time, is local. In the
night when clocks are set back an hour comes twice: its second pass is marked. An hour that is left out never comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays
import msgspec

from ingest.clock import NS_PER_S

SUNDAY = 6  # as `date.weekday` counts
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SiteCalendar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    time_zone: str = ""  # IANA name, `Europe/Zurich`; empty: that of the district
    country: str = ""  # ISO 3166 code of the country whose public holidays count; empty: as in the district
    subdivision: str = ""  # its part, `ZH`

    def __post_init__(self) -> None:
        _check(self.time_zone, self.country, self.subdivision if self.country else "")


class CalendarSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    time_zone: str = ""  # IANA name, `Europe/Zurich`; empty: the `time_zone` of the whole page
    country: str = ""  # ISO 3166 code of the country whose public holidays count, `CH`; empty: no holidays
    subdivision: str = ""  # its part, `ZH`; empty: the holidays of the whole country
    sites: dict[str, SiteCalendar] = {}  # sites that lie elsewhere, by their id, with the same keys

    def __post_init__(self) -> None:
        _check(self.time_zone, self.country, self.subdivision)
        for site in self.sites.values():
            _check("", site.country or self.country, site.subdivision)


@dataclass(frozen=True, slots=True)
class LocalTime:
    """What a wall clock and the calendar beside it show."""

    day: int  # proleptic ordinal, as `date.toordinal`
    minute: int  # of the day, [0, 1440)
    weekday: int  # 0 is Monday
    is_holiday: bool
    is_second_pass: bool  # of an hour that comes twice

    @property
    def kind_of_day(self) -> int:
        """The weekday that this day is like: a public holiday is like a Sunday."""
        return SUNDAY if self.is_holiday else self.weekday


@dataclass(frozen=True)
class Calendar:
    """The calendars of a district's sites."""

    settings: CalendarSettings

    def of_site(self, site: str) -> SiteCalendar:
        """What a site's own entry leaves open is as in the district."""
        district, own = self.settings, self.settings.sites.get(site, SiteCalendar())
        elsewhere = own.country not in ("", district.country)
        return SiteCalendar(
            time_zone=own.time_zone or district.time_zone or "UTC",
            country=own.country or district.country,
            subdivision=own.subdivision or ("" if elsewhere else district.subdivision),
        )

    def distinct(self, sites: Sequence[str]) -> tuple[tuple[SiteCalendar, ...], list[int]]:
        """The calendars of these sites, each once, and for each site which of them is its own."""
        own = [self.of_site(site) for site in sites]
        calendars = tuple(dict.fromkeys(own))
        return calendars, [calendars.index(each) for each in own]


def local_time(calendar: SiteCalendar, at_ns: int) -> LocalTime:
    """What the wall clock of a site shows at an instant (UTC)."""
    local = (_EPOCH + timedelta(seconds=at_ns // NS_PER_S)).astimezone(ZoneInfo(calendar.time_zone or "UTC"))
    day = local.date()
    return LocalTime(
        day=day.toordinal(),
        minute=local.hour * 60 + local.minute,
        weekday=day.weekday(),
        is_holiday=is_holiday(calendar, day),
        is_second_pass=local.fold == 1,
    )


def is_holiday(calendar: SiteCalendar, day: date) -> bool:
    """Whether a day is a public holiday at a site."""
    return day in public_holidays(calendar.country, calendar.subdivision, day.year)


@cache
def public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    """
    The public holidays of a year; none without a country.

    Raises:
        NotImplementedError: the country or its subdivision is not known.

    Source: the `holidays` package, which names its sources for each country.
    """
    if not country:
        return frozenset()
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))


def _check(time_zone: str, country: str, subdivision: str) -> None:
    try:
        ZoneInfo(time_zone or "UTC")
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f'Expected an IANA time zone such as Europe/Zurich, got "{time_zone}"') from error
    if subdivision and not country:
        raise ValueError("Expected a country for the subdivision")
    try:
        public_holidays(country, subdivision, 2026)
    except NotImplementedError as error:
        raise ValueError(f"Expected a country and subdivision whose holidays are known: {error}") from error
