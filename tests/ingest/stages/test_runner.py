"""The runner over a real bus in a file: each effect once, whatever is cut, broken or fenced."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from ingest.bus.contract import Bus, Draft, Record, TopicSpec
from ingest.bus.embedded import EmbeddedBus
from ingest.clock import SystemClock
from ingest.errors import BusFenced, BusRetryable, RecordError
from ingest.metrics import Metrics
from ingest.schema.ids import record_id
from ingest.stages.checkpoint import last_snapshot
from ingest.stages.runner import Runner
from ingest.stages.stage import Progress, Read
from tests.support.waiting import until

SPECS = [
    TopicSpec("in", 2, 3600),
    TopicSpec("out", 2, 3600),
    TopicSpec("dt.state.sum", 2, None),
    TopicSpec("dt.dead", 1, 3600),
]


class Sum:
    """Appends the running sum of what it reads, with a computed id; `poison` cannot be read, `bomb` not stepped."""

    name, version, reads, writes = "sum", 1, "in", "out"
    saves = 0

    def initial(self, partition: int) -> int:
        return 0

    def decode(self, record: Record) -> int:
        if record.value == b"poison":
            raise RecordError("value", expected="a number", got="poison", mend="-", position=record.position)
        return -1 if record.value == b"bomb" else int(record.value or b"0")

    def step(self, state: int, batch: Sequence[Read[int]]) -> tuple[int, list[bytes]]:
        out = []
        for read in batch:
            if read.value < 0:
                raise ZeroDivisionError("bomb")
            state += read.value
            name = record_id(self.name, self.version, *read.position, 0)
            out.append(f"{name} {state}".encode())
        return state, out

    def encode(self, partition: int, output: bytes) -> Draft:
        return Draft(self.writes, partition, None, output)

    def save(self, state: int) -> bytes:
        self.saves += 1
        return b"%d" % state

    def restore(self, partition: int, snapshot: bytes) -> int:
        return int(snapshot)

    def live(self, state: int) -> Mapping[str, bytes]:
        return {}

    def progress(self, state: int) -> Progress:
        return Progress()


EACH_COMMIT, SELDOM_S = 0.0, 1_000.0
# All that holds with a snapshot for each commit holds with hardly any.
SNAPSHOTS_APART_S = pytest.mark.parametrize("apart_s", [EACH_COMMIT, SELDOM_S])


def runner(bus: Bus, member: str = "a", apart_s: float = EACH_COMMIT) -> Runner[int, int, bytes]:
    return Runner(
        bus,
        Sum(),
        member=member,
        clock=SystemClock(),
        metrics=Metrics(CollectorRegistry()),
        log=structlog.get_logger(),
        records_max=3,
        snapshots_apart_s=apart_s,
    )


def feed(bus: Bus, values: Sequence[bytes], partition: int = 0) -> None:
    producer = bus.producer()
    for value in values:
        producer.append(Draft("in", partition, None, value))
    producer.flush()
    producer.close()


def texts(bus: Bus, topic: str = "out", partition: int = 0) -> list[bytes | None]:
    return [record.value for record in bus.read(topic, partition, 0, 10_000)]


def drain(line: Runner[int, int, bytes], bus: Bus, count: int) -> None:
    done = 0

    def all_read() -> bool:
        nonlocal done
        done += line.run_once(0.01)
        return done >= count

    until(all_read, f"{count} records done")


@pytest.fixture
def bus(tmp_path: Path) -> Bus:
    made = EmbeddedBus(tmp_path / "bus.sqlite")
    made.create_topics(SPECS)
    return made


def uncut(tmp_path: Path, values: Sequence[bytes]) -> list[bytes | None]:
    whole = EmbeddedBus(tmp_path / "whole.sqlite")
    whole.create_topics(SPECS)
    feed(whole, values)
    line = runner(whole)
    drain(line, whole, len(values))
    line.close()
    return texts(whole)


@SNAPSHOTS_APART_S
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.integers(0, 99), min_size=1, max_size=12), cuts=st.lists(st.integers(1, 4), max_size=4))
def test_a_run_that_is_cut_anywhere_and_restored_appends_the_same_bytes(
    values: list[int], cuts: list[int], apart_s: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    given_values = [b"%d" % value for value in values]
    cut_bus = EmbeddedBus(folder / "bus.sqlite")
    cut_bus.create_topics(SPECS)
    feed(cut_bus, given_values)
    left = len(values)
    for cut in [*cuts, left]:
        line = runner(cut_bus, apart_s=apart_s)
        goal = min(cut, left)
        before = len(texts(cut_bus))
        while len(texts(cut_bus)) < before + goal:
            line.run_once(0.01)
        left -= len(texts(cut_bus)) - before
        line.close()
    assert texts(cut_bus) == uncut(folder, given_values)


def test_what_cannot_be_read_or_stepped_is_a_dead_letter_and_the_line_goes_on(bus: Bus) -> None:
    feed(bus, [b"1", b"poison", b"2", b"bomb", b"4"])
    line = runner(bus)
    with capture_logs() as logs:
        drain(line, bus, 5)
    line.close()
    assert [text.split()[1] for text in texts(bus) if text] == [b"1", b"3", b"7"]
    dead = bus.read("dt.dead", 0, 0)
    assert [record.value for record in dead] == [b"poison", b"bomb"]
    reasons = [dict(record.headers)["reason"].decode() for record in dead]
    assert reasons[0].startswith("value: expected a number, got poison") and reasons[1] == "ZeroDivisionError: bomb"
    assert {"record.dead"} <= {entry["event"] for entry in logs}


@SNAPSHOTS_APART_S
@pytest.mark.parametrize("call", ["begin", "append", "move_offsets", "commit"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_of_the_commit_loses_and_doubles_nothing(
    bus: Bus, tmp_path: Path, call: str, when: str, apart_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [b"%d" % value for value in range(9)]
    feed(bus, values)
    line = runner(bus, apart_s=apart_s)
    line.run_once(0.01)
    _, producer = line._open()
    real = getattr(producer, call)

    class Killed(BaseException):
        pass

    def crash(*args: object) -> None:
        if when == "after":
            real(*args)
        raise Killed

    monkeypatch.setattr(producer, call, crash, raising=True)
    with pytest.raises(Killed):
        drain(line, bus, 9)
    # The process is gone: nothing is closed, the next one has the same name.
    again = runner(bus, apart_s=apart_s)
    until(lambda: again.run_once(0.01) or len(texts(bus)) == 9, "the rest is done")
    until(lambda: not again.run_once(0.01) and len(texts(bus)) >= 9, "all are there")
    again.close()
    assert texts(bus) == uncut(tmp_path, values)


@SNAPSHOTS_APART_S
def test_after_a_commit_of_unknown_outcome_the_truth_is_taken_from_the_bus(
    bus: Bus, tmp_path: Path, apart_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [b"%d" % value for value in range(9)]
    feed(bus, values)
    line = runner(bus, apart_s=apart_s)
    until(lambda: line.run_once(0.01), "the first batch")
    _, producer = line._open()
    real = producer.commit

    def commit_but_lose_the_answer() -> None:
        real()
        raise BusRetryable("bus", expected="an answer", got="none", mend="-")

    monkeypatch.setattr(producer, "commit", commit_but_lose_the_answer)
    stop = threading.Event()
    running = threading.Thread(target=line.run, args=(stop,))
    running.start()
    until(lambda: len(texts(bus)) >= 9, "all are there")
    stop.set()
    running.join()
    assert texts(bus) == uncut(tmp_path, values)


@SNAPSHOTS_APART_S
def test_a_zombie_appends_nothing_once_its_replacement_is_there(bus: Bus, apart_s: float) -> None:
    feed(bus, [b"1", b"2", b"3"])
    zombie = runner(bus, apart_s=apart_s)
    until(lambda: zombie.run_once(0.01), "the zombie works")
    replacement = runner(bus, apart_s=apart_s)
    replacement.run_once(0.01)
    feed(bus, [b"4"])
    with pytest.raises(BusFenced):
        until(lambda: zombie.run_once(0.01), "the zombie tries")
    until(lambda: replacement.run_once(0.01), "the replacement goes on")
    replacement.close()
    assert [text.split()[1] for text in texts(bus) if text] == [b"1", b"3", b"6", b"10"]


def test_a_broken_snapshot_starts_the_line_afresh_where_the_group_stood(bus: Bus) -> None:
    feed(bus, [b"5"])
    line = runner(bus)
    drain(line, bus, 1)
    line.close()
    producer = bus.producer()
    producer.append(Draft("dt.state.sum", 0, b"0", b"rubbish"))
    producer.flush()
    producer.close()
    feed(bus, [b"2"])
    again = runner(bus)
    with capture_logs() as logs:
        drain(again, bus, 1)
    again.close()
    assert [text.split()[1] for text in texts(bus) if text] == [b"5", b"2"]
    assert "snapshot.refused" in {entry["event"] for entry in logs}


def saved_offset(bus: Bus) -> int:
    """The next offset in the last snapshot of partition 0."""
    snapshot = last_snapshot(bus, "sum", 0)
    return -1 if snapshot is None else snapshot.next_offset


def test_snapshots_that_are_far_apart_are_the_first_and_the_one_of_the_farewell(bus: Bus) -> None:
    feed(bus, [b"%d" % value for value in range(9)])
    line, stop = runner(bus, apart_s=SELDOM_S), threading.Event()
    running = threading.Thread(target=line.run, args=(stop,))
    running.start()
    until(lambda: len(texts(bus)) == 9, "all are told")
    stop.set()
    running.join()
    assert saved_offset(bus) == 9
    assert isinstance(line.stage, Sum) and line.stage.saves == 2


def test_who_takes_over_steps_in_silence_what_was_told_since_the_snapshot(bus: Bus) -> None:
    feed(bus, [b"1", b"2", b"3", b"bomb", b"4", b"poison", b"5"])
    crashed = runner(bus, apart_s=SELDOM_S)
    drain(crashed, bus, 7)
    assert 0 < saved_offset(bus) < 7
    told, dead = texts(bus), texts(bus, "dt.dead")
    again = runner(bus, apart_s=SELDOM_S)
    until(lambda: again.run_once(0.01) < 0 or again.states.get(0) == 15, "the state is what it was")
    until(lambda: again.run_once(0.01) == 0, "nothing is left")
    assert (texts(bus), texts(bus, "dt.dead")) == (told, dead)
    feed(bus, [b"6"])
    drain(again, bus, 1)
    again.close()
    assert [text.split()[1] for text in texts(bus) if text] == [b"1", b"3", b"6", b"10", b"15", b"21"]


def test_a_worker_that_dies_while_it_catches_up_leaves_the_group_where_it_stood(bus: Bus) -> None:
    feed(bus, [b"%d" % value for value in range(9)])
    drain(runner(bus, apart_s=SELDOM_S), bus, 9)
    told = texts(bus)
    for _ in range(3):  # each takes three of the nine again, and dies
        drain(runner(bus, apart_s=SELDOM_S), bus, 3)
    last = runner(bus, apart_s=SELDOM_S)
    until(lambda: last.states.get(0) == 36 or last.run_once(0.01) < 0, "the state is what it was")
    last.close()
    assert texts(bus) == told


def test_a_drained_runner_leaves_its_partitions_at_once(bus: Bus) -> None:
    feed(bus, [b"1"])
    stop = threading.Event()
    first = runner(bus, "a")
    running = threading.Thread(target=first.run, args=(stop,))
    running.start()
    until(lambda: texts(bus), "the first has worked")
    stop.set()
    running.join()
    feed(bus, [b"2"])
    second = runner(bus, "b")
    drain(second, bus, 1)
    second.close()
    assert [text.split()[1] for text in texts(bus) if text] == [b"1", b"3"]


def test_a_line_that_has_gone_quiet_is_saved_where_it_stands(bus: Bus) -> None:
    line = runner(bus, apart_s=0.2)
    feed(bus, [b"1"])
    drain(line, bus, 1)
    feed(bus, [b"2"])
    drain(line, bus, 1)

    def is_saved() -> bool:
        line.run_once(0.01)
        snapshot = last_snapshot(bus, "sum", 0)
        return snapshot is not None and (snapshot.next_offset, snapshot.state) == (2, b"3")

    until(is_saved, "the snapshot of the quiet line")
    before = len(bus.read("dt.state.sum", 0, 0))
    for _ in range(3):
        line.run_once(0.15)
    assert len(bus.read("dt.state.sum", 0, 0)) == before, "what is saved is not saved again"
    line.close()
