"""The record of zones in the casebook, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from correlator.casebook.contract import Casebook
from correlator.zone_history.minutes import MINUTE_NS
from correlator.zone_history.role import HistoryRole
from ingest.bus.contract import Draft
from ingest.bus.topics import ZONE_MINUTES, topic_specs
from ingest.clock import utc
from ingest.schema.zone_minute import ZoneMinute, ZoneMinutes, encode_zone_minutes
from tests.correlator.cases import SQUARE, board_of, east_of, finding
from tests.correlator.cases import at_ns as case_ns
from tests.support.clock import START_NS, ManualClock
from tests.support.simulated_bus import SimulatedBus

FIRST_NS = START_NS // MINUTE_NS * MINUTE_NS
LOG = structlog.wrap_logger(structlog.ReturnLogger())


def told(minute: int, persons: float | None = 12.0, zones: Sequence[str] = ("square",), **facts: Any) -> ZoneMinutes:
    measured = {"readings": 60, "persons": persons, "persons_max": 20.0, "low": 10.0, "high": 15.5, "per_m2": 0.25}
    seen = {} if persons is None else measured
    return ZoneMinutes(
        partition=0,
        starts_at=utc(FIRST_NS + minute * MINUTE_NS),
        zones=tuple(ZoneMinute(id=zone, **(seen | facts)) for zone in zones),
    )


def test_minutes_come_back_in_order_as_they_were_told_and_gaps_stay_gaps(casebook: Casebook) -> None:
    casebook.keep_minutes([told(5), told(2, None), told(0, local_per_m2_max=2.5, lower_bound=True, degraded=True)])
    kept = casebook.zone_minutes("square", FIRST_NS, FIRST_NS + 10 * MINUTE_NS)
    assert [(one.starts_at_ns - FIRST_NS) // MINUTE_NS for one in kept] == [0, 2, 5]
    assert [one.measured for one in kept] == [
        *told(0, local_per_m2_max=2.5, lower_bound=True, degraded=True).zones,
        *told(2, None).zones,
        *told(5).zones,
    ]
    assert casebook.zone_minutes("gate", FIRST_NS, FIRST_NS + 10 * MINUTE_NS) == ()


def test_a_minute_that_is_told_again_is_the_same_row(casebook: Casebook) -> None:
    casebook.keep_minutes([told(0, 3.0), told(0, 4.0)])
    casebook.keep_minutes([told(0, 5.0)])
    (kept,) = casebook.zone_minutes("square", FIRST_NS, FIRST_NS + MINUTE_NS)
    assert kept.measured.persons == 5.0


def test_a_day_of_many_zones_is_asked_zone_by_zone(casebook: Casebook) -> None:
    zones = [f"zone-{number}" for number in range(7)]
    casebook.keep_minutes([told(minute, float(minute), zones) for minute in range(0, 1500, 100)])
    kept = casebook.zone_minutes("zone-3", FIRST_NS + 100 * MINUTE_NS, FIRST_NS + 1400 * MINUTE_NS)
    assert [one.measured.persons for one in kept] == [float(minute) for minute in range(100, 1400, 100)]


def test_what_is_older_than_its_time_goes(casebook: Casebook) -> None:
    casebook.keep_minutes([told(minute) for minute in range(10)])
    assert casebook.prune_minutes(FIRST_NS + 7 * MINUTE_NS) == 7
    assert len(casebook.zone_minutes("square", FIRST_NS, FIRST_NS + 10 * MINUTE_NS)) == 3


def test_incidents_of_a_zone_are_those_with_a_condition_there(casebook: Casebook) -> None:
    gate = finding("b", zone="gate", kind="crowd.surge", site="south", place=east_of(SQUARE, 5_000))
    board = board_of([finding("a"), gate])
    casebook.record("correlate", board.take_changes(), {}, {})
    here = casebook.incidents_of_zone("gate", case_ns(-10), case_ns(10))
    assert [one.kind for one in here] == ["crowd.surge"]
    assert casebook.incidents_of_zone("gate", case_ns(-10), case_ns(0)) == (), "it was detected at the end"
    assert casebook.incidents_of_zone("nowhere", case_ns(-10), case_ns(10)) == ()


def line(casebook: Casebook) -> tuple[SimulatedBus, HistoryRole, Callable[..., None]]:
    clock = ManualClock()
    bus = SimulatedBus(clock)
    bus.create_topics(topic_specs(1, []))
    producer = bus.producer()

    def push(minutes: ZoneMinutes) -> None:
        value, headers = encode_zone_minutes(minutes)
        producer.append(Draft(ZONE_MINUTES, 0, b"0", value, headers))
        producer.flush()

    return bus, HistoryRole(bus, casebook, 1.0, clock, LOG, "history-1"), push


def test_what_is_on_the_bus_is_kept_once_although_a_worker_dies_before_it_says_so(casebook: Casebook) -> None:
    bus, role, push = line(casebook)
    push(told(0))
    records = bus.read(ZONE_MINUTES, 0, 0)
    casebook.keep_minutes(role._read(records))  # written, and gone before the offset was moved
    push(told(1))
    while role.run_once():
        pass
    kept = casebook.zone_minutes("square", FIRST_NS, FIRST_NS + 9 * MINUTE_NS)
    assert [one.measured for one in kept] == [*told(0).zones, *told(1).zones]


def test_a_broken_record_is_a_gap_and_the_line_goes_on(casebook: Casebook) -> None:
    _, role, push = line(casebook)
    push(told(0))
    role._bus.producer().append(Draft(ZONE_MINUTES, 0, b"0", b"not a minute"))
    push(told(2))
    while role.run_once():
        pass
    assert len(casebook.zone_minutes("square", FIRST_NS, FIRST_NS + 9 * MINUTE_NS)) == 2


def test_the_role_takes_away_what_is_older_than_the_settings_say(casebook: Casebook) -> None:
    bus, role, push = line(casebook)
    push(told(0))
    while role.run_once():
        pass
    bus.clock.advance(2 * 86_400)
    role.run_once()
    assert casebook.zone_minutes("square", FIRST_NS, FIRST_NS + MINUTE_NS) == ()
