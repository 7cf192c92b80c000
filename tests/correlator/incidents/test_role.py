"""The role between bus and casebook: what it does when either is away, and how it shares its work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import create_engine, make_url, text

from correlator.casebook.outbox import publish
from correlator.casebook.sql import open_casebook
from correlator.incidents.merge import incident_id, take
from correlator.incidents.role import CorrelateRole
from correlator.incidents.settings import CorrelateSettings
from ingest.bus.contract import Bus
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.kafka import open_kafka
from ingest.bus.kafka_settings import KafkaSettings
from ingest.bus.topics import ALERTS, topic_specs
from ingest.clock import SystemClock
from ingest.errors import BusRetryable, StoreRetryable
from ingest.schema.codec import decode_alert
from ingest.schema.finding import Level, Phase, Place
from tests.correlator.cases import SQUARE, at_ns, draft, east_of, finding, kinds
from tests.correlator.watch import Watch
from tests.support import parts
from tests.support.kafka_jars import PartMissingError
from tests.support.waiting import until

ELSEWHERE: dict[str, Any] = {"zone": "south-square", "place": east_of(SQUARE, 5_000), "site": "south"}


@pytest.fixture
def watch(casebook_url: str) -> Any:
    watch = Watch(casebook_url)
    yield watch
    watch.kill()


class Failing:
    """A casebook whose next calls of some methods fail; what was asked may have been done."""

    def __init__(self, book: Any) -> None:
        self.book, self.done = book, True
        self.failures: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.book, name)

        def call(*args: Any, **named: Any) -> Any:
            if self.failures.get(name, 0):
                self.failures[name] -= 1
                if self.done:
                    found(*args, **named)
                raise StoreRetryable("casebook", expected="an answer", got="silence", mend="Trying again.")
            return found(*args, **named)

        return call


def test_it_goes_on_where_the_casebook_says_whatever_the_groups_offsets_say(watch: Watch) -> None:
    watch.play(finding("a"), finding("b", 1, **ELSEWHERE))
    group = watch.bus.groups["correlate"]
    watch.kill()
    group.committed = dict.fromkeys(group.committed, 0)
    watch.start()
    watch.clock.advance(10)
    watch.turn()
    assert kinds(watch.said()) == ["opened", "opened"]
    watch.kill()
    group.committed = dict.fromkeys(group.committed, 50)
    watch.push(finding("c", 2, onset_s=2, zone="c", place=east_of(SQUARE, 9_000)))
    watch.start()
    watch.clock.advance(10)
    watch.turn()
    watch.turn()
    assert kinds(watch.said()).count("opened") == 3


@pytest.mark.parametrize("done", [True, False])
def test_a_casebook_that_gives_no_answer_loses_and_doubles_nothing(watch: Watch, done: bool) -> None:
    failing = Failing(watch.casebook)
    failing.done = done
    watch.role.close()
    watch.start(wrap_casebook=lambda book: failing)
    watch.turn()
    names = ("record", "positions", "load_open", "cursor", "move_cursor", "revision")
    for number, name in enumerate(names):
        failing.failures = {name: 2}
        place = east_of(SQUARE, 1_000 * number)
        watch.push(finding(name, watch.t_s, onset_s=watch.t_s, zone=name, place=place))
        watch.until(watch.t_s + 5)
    expected = {incident_id(name) for name in names}
    assert {view.id for view in watch.open()} == expected
    opened = [alert.incident.id for alert in watch.said() if alert.type == "incident.opened"]
    assert sorted(opened) == sorted(expected)
    assert {alert.id for alert in watch.heard()} == {alert.id for alert in watch.said()}


def test_a_bus_that_is_away_delays_alerts_and_loses_none(watch: Watch) -> None:
    watch.turn()
    watch.push(finding("a", 0))
    watch.until(2)
    watch.bus.lose_broker(90)
    watch.until(60)
    watch.until(100)
    assert kinds(watch.said())[0] == "opened"
    assert {alert.id for alert in watch.heard()} == {alert.id for alert in watch.said()}
    heard = [alert.sequence for alert in watch.heard()]
    assert heard == sorted(heard)


def test_what_a_desk_does_is_not_undone_by_what_the_correlator_knew_before(watch: Watch) -> None:
    watch.play(finding("a"))
    watch.casebook.act(incident_id("a"), "acknowledge", actor="desk-1", version=None, at_ns=at_ns(3))
    watch.play(finding("a", 5, Phase.UPDATED, Level.RED))
    (view,) = watch.open()
    assert (view.state, view.level, view.acknowledged_by) == ("acknowledged", Level.RED, "desk-1")
    watch.until(100)
    assert [alert.type for alert in watch.said() if "breached" in alert.type] == []


def test_two_correlators_share_the_partitions_and_tell_everything_once(watch: Watch) -> None:
    second = open_casebook(watch.url)
    other = CorrelateRole(
        watch.bus,
        second,
        watch.settings,
        watch.clock,
        None,
        structlog.wrap_logger(structlog.ReturnLogger()),
        member="correlate-2",
    )

    def turns(count: int) -> None:
        for _ in range(count):
            watch.clock.advance(0.5)
            watch.turn()
            try:
                other.run_once()
            except Exception as error:
                other.reset(leave=isinstance(error, BusRetryable))

    turns(4)
    for number in range(20):
        t_s = watch.t_s
        place = east_of(SQUARE, 1_000 * (number // 2))
        # Two partitions see each place: their findings are one incident, whoever takes them.
        watch.push(
            finding(f"c{number}", t_s, onset_s=t_s, place=place, zone=f"z{number}", site=f"s{number % 2}"),
            partition=number % 2,
        )
        turns(1)
    turns(6)
    assert len(watch.open()) == 10
    assert set(watch.casebook.positions("correlate").values()) == {10}
    assert sum(len(view.cameras) for view in watch.open()) == 10
    assert sum(view.finding_count for view in watch.open()) == 20
    assert kinds(watch.said()).count("opened") == 10
    assert {alert.id for alert in watch.heard()} == {alert.id for alert in watch.said()}
    other.close()
    second.close()


def test_what_was_detected_long_ago_is_recorded_and_what_is_still_so_is_told(watch: Watch) -> None:
    watch.push(finding("a", 0), finding("a", 5, Phase.CLEARED), finding("b", 0, **ELSEWHERE))
    watch.clock.advance(1_000)
    watch.turn()
    watch.turn()
    assert kinds(watch.said()) == ["recorded", "recorded", "recorded"]
    watch.until(1_010)
    watch.play(finding("b", 1_010, Phase.UPDATED, **ELSEWHERE))
    watch.until(1_060)
    assert kinds(watch.said())[3:] == ["recorded", "opened"]  # silent for long, and back again
    watch.until(1_071)
    told = watch.said()[-1]
    assert (told.type, told.incident.zone) == ("incident.breached", "south-square")


def test_a_broken_record_is_a_dead_letter_and_the_line_goes_on(watch: Watch) -> None:
    watch.push(finding("a"))
    watch.push_broken()
    watch.push(finding("n", place=Place(lon=500.0, lat=0.0, radius_m=1.0)), finding("b", 1, **ELSEWHERE))
    watch.push(finding("nul\0", 1))
    watch.until(2)
    reasons = [dict(record.headers)["reason"].decode() for record in watch.bus.read("dt.dead", 0, 0)]
    assert len(reasons) == 3
    assert "a place on the earth" in reasons[1]
    assert len(watch.open()) == 2
    assert watch.casebook.positions("correlate")[("dt.findings", 0)] == 5  # type: ignore[index]


def test_a_finding_that_the_correlator_stumbles_over_does_not_stop_the_line(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    from correlator.incidents import stage

    def stumbling(board: Any, event: Any, *rest: Any) -> None:
        if event.data.condition == "stone":
            raise ZeroDivisionError("a stone on the line")
        take(board, event, *rest)

    monkeypatch.setattr(stage, "take", stumbling)
    watch.push(finding("a"), finding("stone"), finding("b", 1, **ELSEWHERE))
    watch.until(2)
    assert len(watch.open()) == 2
    (letter,) = watch.bus.read("dt.dead", 0, 0)
    assert dict(letter.headers)["reason"] == b"ZeroDivisionError: a stone on the line"
    assert kinds(watch.said()) == ["opened", "opened"]


def test_connections_that_the_server_cuts_lose_and_double_nothing(postgres_url: str, watch: Watch) -> None:
    if not watch.url.startswith("postgresql"):
        pytest.skip("a file has no server")
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    cut = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    name, stop = {"name": make_url(watch.url).database}, threading.Event()

    def cutting() -> None:
        with engine.connect() as connection:
            while not stop.is_set():
                connection.execute(cut, name)
                stop.wait(0.03)

    thread = threading.Thread(target=cutting)
    thread.start()
    for number in range(40):
        where: dict[str, Any] = {"zone": f"z{number}", "place": east_of(SQUARE, 1_000 * number)}
        watch.push(finding(f"c{number}", watch.t_s, onset_s=watch.t_s, **where))
        watch.clock.advance(0.1)
        watch.turn()
    stop.set()
    thread.join()
    engine.dispose()
    for _ in range(20):
        watch.clock.advance(1)
        watch.turn()
    opened = [alert.incident.zone for alert in watch.said() if alert.type == "incident.opened"]
    assert sorted(filter(None, opened)) == sorted(f"z{number}" for number in range(40))
    assert [alert.sequence for alert in watch.said()] == list(range(1, watch.casebook.sequence() + 1))
    assert {alert.id for alert in watch.heard()} == {alert.id for alert in watch.said()}


def test_publishing_again_sends_the_same_ids_again(watch: Watch) -> None:
    watch.play(finding("a"), finding("b", 1, **ELSEWHERE))
    watch.until(3)
    once = watch.heard()
    sent = publish(watch.bus.producer(), watch.casebook, "bus-2", partitions=watch.partitions)
    assert sent == len(once)
    assert {alert.id for alert in watch.heard()} == {alert.id for alert in once}
    assert publish(watch.bus.producer(), watch.casebook, "bus-2", partitions=watch.partitions) == 0


@pytest.fixture(params=["embedded", "kafka"])
def real_bus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bus]:
    if request.param == "embedded":
        with EmbeddedBus(tmp_path / "bus.db") as bus:
            yield bus
        return
    try:
        parts.find_kafka()
    except PartMissingError as missing:
        pytest.skip(str(missing))
    # A broker of its own: the topics of the wire have their real names here.
    with parts.kafka(tmp_path / "kafka") as broker:
        kafka = open_kafka(KafkaSettings(bootstrap_servers=(broker.bootstrap_servers,), session_s=6.0))
        yield kafka
        kafka.close()


def test_told_to_stop_it_publishes_what_is_there_and_started_again_goes_on(real_bus: Bus, tmp_path: Path) -> None:
    real_bus.create_topics(topic_specs(2, []))
    producer = real_bus.producer()
    log = structlog.wrap_logger(structlog.ReturnLogger())
    for turn in range(2):
        casebook, stop = open_casebook(f"sqlite:///{tmp_path}/casebook.db"), threading.Event()
        role = CorrelateRole(real_bus, casebook, CorrelateSettings(late_s=1e12), SystemClock(), None, log)
        thread = threading.Thread(target=role.run, args=(stop,))
        thread.start()
        for number in range(25 * turn, 25 * turn + 25):
            where: dict[str, Any] = {"zone": f"z{number}", "place": east_of(SQUARE, 1_000 * number)}
            producer.append(draft(finding(f"c{number}", **where), number % 2))
        producer.flush()
        until(lambda: casebook.incident(incident_id(f"c{25 * turn}")), "the first incident", 40)  # noqa: B023
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
        alerts = [decode_alert(record) for partition in (0, 1) for record in real_bus.read(ALERTS, partition, 0, 1_000)]
        assert sorted(alert.sequence for alert in alerts) == list(range(1, casebook.sequence() + 1))
        casebook.close()
    opened = [alert.incident.id for alert in alerts if alert.type == "incident.opened"]
    assert len(set(opened)) == len(opened)
    assert set(opened) >= {incident_id(f"c{number}") for number in range(25)}
