"""The record of a zone for the file of an event: honest about gaps, right about time, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import defusedxml.ElementTree as ElementTree
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.casebook.contract import Casebook
from correlator.casebook.sql import open_casebook
from deploy.parts import open_registry_bus
from deploy.settings import Settings
from deploy.zone_report.files import write_report
from deploy.zone_report.picture import picture, stretches
from deploy.zone_report.report import Known, ZoneReport, notes, zone_report
from deploy.zone_report.span import span_of, time_zone_of
from deploy.zone_report.table import ALERT_COLUMNS, MINUTE_COLUMNS, _cell, alerts_csv, minutes_csv
from ingest.clock import utc, utc_ns
from ingest.errors import SettingsError
from ingest.registry.district import Zone, ZoneClass, district_of
from ingest.registry.topics import registry_drafts
from ingest.schema.zone_minute import ZoneMinute, ZoneMinutes
from tests.correlator.cases import START_NS, board_of, finding
from tests.deploy.command import drumtower
from tests.deploy.desk import SQUARE_RING, DeskServer

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE_NS = 60_000_000_000
FIRST_NS = START_NS // MINUTE_NS * MINUTE_NS
FACTS: dict[str, object] = {
    "readings": 60,
    "persons": 40.0,
    "persons_max": 44.0,
    "low": 35.0,
    "high": 47.0,
    "per_m2": 0.4,
}
ZONE = Zone(
    id="north-square", name="North square", site="north", partition=0, zone_class=ZoneClass.OPEN,
    polygon=SQUARE_RING, safe_capacity=100,
)  # fmt: skip


@pytest.fixture
def casebook(tmp_path: Path) -> Iterator[Casebook]:
    book = open_casebook(f"sqlite:///{tmp_path / 'casebook.sqlite'}")
    yield book
    book.close()


def keep(book: Casebook, minutes: dict[int, dict[str, object]], synthetic: bool = False) -> None:
    book.keep_minutes(
        [
            ZoneMinutes(
                partition=0, starts_at=utc(FIRST_NS + minute * MINUTE_NS), synthetic=synthetic,
                zones=(ZoneMinute(id="north-square", **facts),),  # type: ignore[arg-type]
            )
            for minute, facts in minutes.items()
        ]
    )  # fmt: skip


def report(book: Casebook, minutes: int = 10, zone: Zone = ZONE) -> ZoneReport:
    to_ns = FIRST_NS + minutes * MINUTE_NS
    return zone_report(book, district_of([], [zone]), "north-square", FIRST_NS, to_ns, to_ns + MINUTE_NS, BERLIN)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@given(st.dates(datetime(2020, 1, 1).date(), datetime(2029, 12, 31).date()))
def test_a_day_begins_and_ends_at_local_midnight_however_long_it_is(day: date) -> None:
    start, end = (
        utc(at_ns).astimezone(BERLIN) for at_ns in span_of(day.isoformat(), None, BERLIN)
    )  # fmt: skip
    assert (start.date(), start.time().isoformat()) == (day, "00:00:00")
    assert (end.date(), end.time().isoformat()) == (day + timedelta(days=1), "00:00:00")


def test_the_days_on_which_clocks_change_have_23_and_25_hours() -> None:
    def hours(day: str) -> float:
        start, end = span_of(day, None, BERLIN)
        return (end - start) / 3_600e9

    assert [hours(day) for day in ("2026-03-29", "2026-10-25", "2026-11-25")] == [23, 25, 24]
    start, end = span_of("2026-10-25T02:00", "2026-10-25T02:30", BERLIN)
    assert (end - start) / 3_600e9 == 1.5, "of the hour that comes twice, all is meant"


def test_a_time_with_an_offset_is_taken_as_it_stands() -> None:
    start, _ = span_of("2026-11-25T14:00+00:00", "2026-11-26", BERLIN)
    assert utc(start) == datetime(2026, 11, 25, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("yesterday", None, "from: expected a day or a time"),
        ("2026-11-25", "soon", "to: expected a day or a time"),
        ("2026-11-25T14:00", "2026-11-25T13:00", "to: expected a time after"),
        ("2026-01-01", "2026-12-31", "to: expected at most 31 days"),
        ("9999-12-31", None, "to: expected a day or a time"),
    ],
)
def test_times_that_are_none_are_refused_by_name(start: str, end: str | None, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        span_of(start, end, BERLIN)


def test_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(SettingsError, match="expected a time zone like Europe/Berlin, got 'Mars/Crater'"):
        time_zone_of("time_zone", "Mars/Crater")


def test_a_gap_is_a_row_without_a_number_and_says_what_kind_of_gap_it_is(casebook: Casebook) -> None:
    keep(casebook, {0: FACTS, 1: {}, 3: FACTS | {"degraded": True}, 4: FACTS | {"lower_bound": True, "high": None}})
    rows = table(minutes_csv(report(casebook, 6)))
    assert [row["known"] for row in rows] == ["measured", "not_seen", "no_record", "degraded", "degraded", "no_record"]
    assert [row["persons"] for row in rows] == ["40.0", "", "", "40.0", "40.0", ""]
    assert (rows[4]["persons_high"], rows[4]["lower_bound"]) == ("", "yes")
    assert rows[0]["starts_at_local"].endswith(("+01:00", "+02:00")) and rows[0]["starts_at_utc"].endswith("+00:00")
    assert (rows[0]["level_of_service"], rows[0]["local_density"]) == ("B", "not measurable")
    assert tuple(rows[0]) == MINUTE_COLUMNS


def test_shares_and_stretches_cover_the_whole_time(casebook: Casebook) -> None:
    keep(casebook, {0: FACTS, 1: FACTS, 4: {}, 5: FACTS | {"degraded": True}})
    found = report(casebook, 10)
    assert sum(found.shares().values()) == pytest.approx(1.0)
    parts = list(stretches(found))
    assert parts[0][1] == found.from_ns and parts[-1][2] == found.to_ns
    assert all(before[2] == after[1] for before, after in pairwise(parts))
    assert [known for known, *_ in parts] == [
        Known.MEASURED, Known.NO_RECORD, Known.NOT_SEEN, Known.DEGRADED, Known.NO_RECORD,
    ]  # fmt: skip
    assert found.service_shares()["B"] == 1.0


def test_what_is_not_yet_over_is_not_in_the_record(casebook: Casebook) -> None:
    now_ns = FIRST_NS + 3 * MINUTE_NS + 5_000_000_000
    found = zone_report(
        casebook, district_of([], [ZONE]), "north-square", FIRST_NS, FIRST_NS + 60 * MINUTE_NS, now_ns, BERLIN
    )
    assert len(found.minutes) == 3


def test_places_where_people_wait_are_judged_as_queues(casebook: Casebook) -> None:
    keep(casebook, {0: FACTS | {"per_m2": 0.8}})
    waiting = Zone(**{name: getattr(ZONE, name) for name in ZONE.__struct_fields__} | {"zone_class": ZoneClass.QUEUE})
    bands = [table(minutes_csv(report(casebook, 1, zone)))[0]["level_of_service"] for zone in (ZONE, waiting)]
    assert bands == ["D", "A"]


def test_alerts_tell_level_acknowledgement_and_exercise(casebook: Casebook) -> None:
    board = board_of([finding("a", 60)])
    casebook.record("correlate", board.take_changes(), {}, {})
    (one,) = casebook.incidents(state="all", limit=9).items
    casebook.act(one.id, "acknowledge", actor="=desk-2", version=None, at_ns=START_NS + 90 * 10**9)
    board = board_of([finding("b", 120, kind="crowd.surge", drill=True)])
    board.revision = casebook.revision()
    casebook.record("correlate", board.take_changes(), {}, {})
    keep(casebook, {0: FACTS})
    rows = table(alerts_csv(report(casebook)))
    assert tuple(rows[0]) == ALERT_COLUMNS
    assert (rows[0]["level"], rows[0]["acknowledged_by"], rows[0]["seen_in_time"]) == ("amber", "'=desk-2", "yes")
    assert [row["exercise"] for row in rows] == ["no", "yes"] and rows[1]["title"].startswith("Exercise: ")
    assert any("EXERCISE" in line for line in notes(report(casebook)))
    assert "Exercise" in texts(picture(report(casebook), "svg"))


@given(st.sampled_from("=+-@\t\r|%"), st.text(max_size=20), st.sampled_from(["", " ", "  "]))
def test_no_text_of_a_table_is_a_formula(first: str, rest: str, before: str) -> None:
    cell = _cell(before + first + rest)
    assert isinstance(cell, str) and cell.startswith("'")
    assert _cell(-1.5) == -1.5, "a number is a number"


def texts(svg: bytes) -> str:
    """What the drawing says, as text that can be searched."""
    return " ".join(ElementTree.fromstring(svg).itertext())


def test_the_picture_is_the_same_each_time_and_marks_what_is_synthetic(casebook: Casebook) -> None:
    keep(casebook, {0: FACTS, 1: FACTS})
    plain = picture(report(casebook), "svg")
    assert plain == picture(report(casebook), "svg")
    ElementTree.fromstring(plain)
    assert "SYNTHETIC" not in texts(plain)
    keep(casebook, {1: FACTS}, synthetic=True)
    assert "SYNTHETIC" in texts(picture(report(casebook), "svg"))
    assert picture(report(casebook), "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["Platz $1$ & <b>", r"$\frac{1}{0}$", "Плошча", "日" * 40, ""])
def test_a_name_is_drawn_as_it_is_written(casebook: Casebook, name: str) -> None:
    keep(casebook, {0: FACTS})
    assert f"{name} (north-square, site north)" in texts(picture(replace(report(casebook), name=name), "svg"))


@pytest.mark.parametrize("minutes", [0, 1, 1440])
def test_a_record_without_anything_in_it_is_drawn_as_one_gap(casebook: Casebook, minutes: int) -> None:
    empty = report(casebook, minutes)
    assert picture(empty, "png").startswith(b"\x89PNG")
    assert all(known is Known.NO_RECORD for known in empty.known)
    assert empty.service_shares() == {}


def test_without_the_library_that_draws_the_mend_is_said(casebook: Casebook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SettingsError, match=r"pip install 'drumtower\[report\]'"):
        picture(report(casebook), "svg")


def district_at(data: Path) -> Settings:
    settings = Settings(data=str(data), time_zone="Europe/Berlin")
    with open_registry_bus(settings) as bus:
        producer = bus.producer()
        for draft in registry_drafts(district_of([], []), district_of([], [ZONE])):
            producer.append(draft)
        producer.flush()
    return settings


def test_a_report_is_files_and_a_row_in_the_audit(tmp_path: Path) -> None:
    settings = district_at(tmp_path / "data")
    book = open_casebook(f"sqlite:///{tmp_path / 'data' / 'casebook.sqlite'}")
    keep(book, {0: FACTS})
    day = utc(FIRST_NS).astimezone(BERLIN).date().isoformat()
    paths = write_report(settings, "north-square", day, None, None, ("csv", "svg", "png"), tmp_path / "file")
    assert [path.name for path in paths] == [
        f"north-square_{day}.{ending}" for ending in ("minutes.csv", "alerts.csv", "svg", "png")
    ]
    assert paths[0].read_bytes().startswith(b"\xef\xbb\xbf")
    rows = table(paths[0].read_text("utf-8-sig"))
    assert len(rows) <= 1440 and sum(row["known"] == "measured" for row in rows) == 1
    assert ("read", "report of zone north-square") in [(row.act, row.subject) for row in book.audit_after(0, 9)]
    book.close()


def test_the_command_says_what_it_wrote_and_what_it_could_not(tmp_path: Path) -> None:
    district_at(tmp_path / "data")
    common = ("--data", tmp_path / "data", "--folder", tmp_path, "--from", "2026-11-24")
    said = drumtower("crowd", "report", "north-square", "--format", "csv", *common)
    assert said.code == 0 and len(said.out.splitlines()) == 2, said.err
    unknown = drumtower("crowd", "report", "north-sqare", *common)
    assert unknown.code == 2
    assert unknown.first_line == (
        "zone 'north-sqare': expected one of the registry or of the record, got none of this id. One of north-square."
    )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskServer]:
    desk = DeskServer(tmp_path)
    desk.show("normal", 40)
    desk.start()
    yield desk
    desk.close()


def test_the_api_gives_the_same_tables_and_picture_and_writes_it_down(desk: DeskServer) -> None:
    keep(desk.watch.casebook, {0: FACTS})
    desk.watch.clock.advance(3_600)
    start = utc(FIRST_NS).isoformat().replace("+00:00", "Z")
    end = utc(FIRST_NS + 10 * MINUTE_NS).isoformat().replace("+00:00", "Z")
    with httpx.Client(base_url=desk.url, timeout=20, transport=httpx.HTTPTransport(retries=5)) as api:
        query = {"from": start, "to": end}
        path = "/api/zones/north-square/report"
        answer = api.get(f"{path}.csv", params=query)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
        rows = table(answer.content.decode("utf-8-sig"))
        assert [row["known"] for row in rows] == ["measured", *["no_record"] * 9]
        assert api.get(f"{path}.alerts.csv", params=query).status_code == 200
        drawn = api.get(f"{path}.svg", params=query)
        assert drawn.headers["content-type"] == "image/svg+xml" and b"<svg" in drawn.content
        for wrong, status in (
            (f"{path}.pdf?from=2026-01-01", 404),
            (f"{path}.csv", 400),
            (f"{path}.csv?from=soon", 400),
            (f"{path}.csv?from=2026-01-01&time_zone=Mars", 400),
            ("/api/zones/no-zone/report.csv?from=2026-05-01", 404),
        ):
            refused = api.get(wrong)
            assert refused.status_code == status and refused.json()["error"]["hint"], wrong
    acts = [(row.actor, row.act, row.subject) for row in desk.watch.casebook.audit_after(0, 100)]
    assert acts.count(("127.0.0.1", "read", "report of zone north-square")) == 3
    assert utc_ns(utc(FIRST_NS)) == FIRST_NS
