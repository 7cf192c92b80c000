"""When a zone is closed: what can be read, what is refused, and how nights, holidays and calendars are meant."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import SettingsError, SettingsFaults
from ingest.registry.closing import PH, check_closing, check_ical, closed_hours, closed_times, is_closed
from ingest.registry.district import Zone, ZoneClass
from ingest.registry.files import read_zones

WORKDAY, HOLIDAY = (2, False), (2, True)
ZURICH = ZoneInfo("Europe/Zurich")


def calendar(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:depot", *lines, "END:VCALENDAR", ""])


def event(*lines: str) -> str:
    return calendar("BEGIN:VEVENT", "UID:1", "SUMMARY:night", *lines, "END:VEVENT")


def test_hours_past_midnight_belong_to_the_day_on_which_they_begin() -> None:
    rules = closed_hours("Fr 22:00-05:00")
    friday, saturday, thursday = (4, False), (5, False), (3, False)
    assert is_closed(rules, 23 * 60, friday, thursday)
    assert is_closed(rules, 4 * 60, saturday, friday)
    assert not is_closed(rules, 5 * 60, saturday, friday)
    assert not is_closed(rules, 4 * 60, friday, thursday)


def test_a_holiday_follows_only_the_rules_that_name_it_where_there_are_such() -> None:
    rules = closed_hours("Mo-Fr 22:00-24:00; Su,PH 00:00-24:00")
    assert is_closed(rules, 600, HOLIDAY, WORKDAY) and not is_closed(rules, 600, WORKDAY, WORKDAY)
    assert is_closed(closed_hours("We 10:00-11:00"), 600, HOLIDAY, WORKDAY)


def test_days_go_round_the_week() -> None:
    assert closed_hours("Sa-Mo 10:00-11:00")[0].days == {5, 6, 0}
    assert closed_hours("PH,Tu 10:00-11:00")[0].days == {1, PH}
    assert is_closed(closed_hours("24/7"), 0, HOLIDAY, WORKDAY)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no time in it"),
        ("nights", "names a day"),
        ("Mo", "no time such as"),
        ("Mo 22-5", "no time such as"),
        ("Mo 22:00-25:00", "beyond 24:00"),
        ("Mo 22:75-23:00", "beyond 24:00"),
        ("Mo 8:00-8:00", "no length"),
        ("Fri 8:00-9:00", "names a day"),
    ],
)
def test_hours_that_cannot_be_read_are_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        closed_hours(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert closed_hours(text)
    except ValueError as error:
        assert str(error)


def test_events_of_a_calendar_repeat_and_keep_to_the_wall_clock_when_it_is_set_back() -> None:
    text = event("DTSTART:20261020T220000", "DTEND:20261021T050000", "RRULE:FREQ=DAILY", "EXDATE:20261022T220000")
    check_ical(text)
    hours = [(end - begin) / 3_600 for begin, end in closed_times(text, ZURICH, date(2026, 10, 25))]
    assert hours == [8.0, 7.0]  # one hour of the first night came twice
    assert closed_times(text, ZURICH, date(2026, 10, 22))[-1][1] == datetime(2026, 10, 22, 3, tzinfo=UTC).timestamp()


def test_a_whole_day_of_a_calendar_is_a_day_of_the_site() -> None:
    times = closed_times(event("DTSTART;VALUE=DATE:20260801"), ZURICH, date(2026, 8, 1))
    assert times[0][0] == datetime(2026, 7, 31, 22, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hello", "no iCalendar"),
        (calendar(), "no event"),
        (event("DTEND:20260102T000000Z"), "no DTSTART"),
        (event("DTSTART:20260101T000000Z", "RRULE:FREQ=SECONDLY"), "within the hour"),
        (event("DTSTART:2026"), "cannot be laid out"),
        (event("DTSTART:20260101T000000Z", f"DESCRIPTION:{'x' * 300_000}"), "at most 262,144"),
    ],
)
def test_a_calendar_that_cannot_be_used_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_ical(text)


def file_of(folder: Path, **properties: object) -> Path:
    ring = [[8.54, 47.37], [8.541, 47.37], [8.541, 47.371], [8.54, 47.37]]
    feature = {
        "type": "Feature",
        "properties": {"id": "depot", "site": "yard", "class": "track", **properties},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    path = folder / "zones.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), "utf-8")
    return path


def test_closed_hours_and_the_calendar_beside_the_file_come_with_the_zone(tmp_path: Path) -> None:
    text = event("DTSTART:20260101T000000Z", "DTEND:20260101T010000Z")
    (tmp_path / "depot.ics").write_bytes(text.encode())
    (row,) = read_zones(file_of(tmp_path, closed="Mo-Fr 22:00-05:00", closed_calendar="depot.ics"))
    assert (row.closed, row.zone_class) == ("Mo-Fr 22:00-05:00", ZoneClass.TRACK)
    assert row.closed_calendar.splitlines() == text.splitlines()


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"closed": "nights"}, "closed: expected hours such as .* names a day"),
        ({"closed_calendar": "missing.ics"}, "closed_calendar: expected an iCalendar file, got missing.ics: No such"),
        ({"closed_calendar": "zones.geojson"}, "closed_calendar: expected events in zones.geojson"),
        ({"exits_way": "in"}, "exits_way: expected a zone with exits, got none"),
        ({"exits_way": "up"}, "exits_way: expected one of in, out, both"),
    ],
)
def test_faults_of_a_schedule_are_named_with_their_zone(
    tmp_path: Path, properties: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsFaults, match=message):
        read_zones(file_of(tmp_path, **properties))


def test_a_zone_of_the_registry_is_checked_again() -> None:
    bad = Zone(
        id="depot", name="", site="yard", partition=0, zone_class=ZoneClass.OPEN, polygon=(), closed="nights"
    )  # fmt: skip
    with pytest.raises(SettingsError, match="zone depot: closed: expected times at which it is closed"):
        check_closing(bad)
