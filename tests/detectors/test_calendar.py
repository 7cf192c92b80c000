"""The clock on the wall, also where it is set back, and where it is off by half an hour."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.calendar import SUNDAY, Calendar, CalendarSettings, SiteCalendar, is_holiday, local_time
from ingest.clock import NS_PER_S

ZURICH = SiteCalendar(time_zone="Europe/Zurich", country="CH", subdivision="ZH")


def ns(*utc: int) -> int:
    return int(datetime(*utc, tzinfo=UTC).timestamp()) * NS_PER_S  # type: ignore[arg-type, misc]


def test_the_hour_that_comes_twice_is_marked_the_second_time() -> None:
    first, second = local_time(ZURICH, ns(2026, 10, 25, 0, 30)), local_time(ZURICH, ns(2026, 10, 25, 1, 30))
    assert (first.minute, first.is_second_pass) == (150, False)
    assert (second.minute, second.is_second_pass) == (150, True)
    assert not local_time(ZURICH, ns(2026, 10, 25, 2, 0)).is_second_pass


def test_the_hour_that_is_left_out_never_comes() -> None:
    start = ns(2026, 3, 28, 23)
    seen = {local_time(ZURICH, start + quarter * 900 * NS_PER_S).minute for quarter in range(92)}
    assert len(seen) == 92 and not seen & set(range(120, 180))


@pytest.mark.parametrize(
    ("zone", "minute"),
    [("Asia/Kolkata", 17 * 60 + 30), ("Asia/Kathmandu", 17 * 60 + 45), ("Australia/Lord_Howe", 1_380)],
)
def test_zones_that_are_off_by_parts_of_an_hour_keep_their_own_wall_clock(zone: str, minute: int) -> None:
    assert local_time(SiteCalendar(time_zone=zone), ns(2026, 1, 5, 12)).minute == minute


@given(st.integers(0, 4_000_000_000), st.sampled_from(["Europe/Zurich", "Australia/Lord_Howe", "America/St_Johns"]))
def test_a_wall_clock_shows_a_time_of_a_day(at_s: int, zone: str) -> None:
    shown = local_time(SiteCalendar(time_zone=zone), at_s * NS_PER_S)
    assert 0 <= shown.minute < 1_440 and shown.weekday == (shown.day - 1) % 7


def test_a_public_holiday_is_like_a_sunday_where_it_is_one() -> None:
    easter_monday = ns(2026, 4, 6, 10)
    assert local_time(ZURICH, easter_monday).kind_of_day == SUNDAY
    assert local_time(SiteCalendar(time_zone="Europe/Zurich"), easter_monday).kind_of_day == 0
    assert is_holiday(ZURICH, date(2026, 8, 1)) and not is_holiday(ZURICH, date(2026, 8, 3))


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"time_zone": "Europe/Zurick"}, "Expected an IANA time zone"),
        ({"time_zone": "../../etc/passwd"}, "Expected an IANA time zone"),
        ({"subdivision": "ZH"}, "Expected a country for the subdivision"),
        ({"country": "XX"}, "Expected a country and subdivision whose holidays are known"),
        ({"country": "CH", "subdivision": "QQ"}, "does not have subdivision QQ"),
        ({"sites": {"square": {"country": "XX"}}}, "holidays are known"),
    ],
)
def test_a_calendar_that_is_none_is_refused(given_: dict[str, object], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(given_, CalendarSettings)


def test_sites_that_lie_elsewhere_have_their_own_clock() -> None:
    calendar = Calendar(CalendarSettings(time_zone="Europe/Zurich", sites={"harbour": SiteCalendar(time_zone="UTC")}))
    calendars, index = calendar.distinct(["square", "harbour", "square"])
    assert [each.time_zone for each in calendars] == ["Europe/Zurich", "UTC"] and index == [0, 1, 0]
