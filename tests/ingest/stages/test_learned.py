"""What a stage learns over weeks is kept in parts, each written only when it has changed, as of the snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ingest.bus.contract import Bus, Draft, Record, TopicSpec
from ingest.bus.embedded import EmbeddedBus
from ingest.clock import SystemClock
from ingest.metrics import Metrics
from ingest.stages.learned import Part, last_parts
from ingest.stages.runner import Runner
from ingest.stages.stage import Progress, Read
from tests.support.waiting import until

TOPICS = [
    TopicSpec("in", 1, 3600),
    TopicSpec("out", 1, 3600),
    TopicSpec("dt.state.weeks", 1, None),
    TopicSpec("dt.learned.weeks", 1, None),
    TopicSpec("dt.dead", 1, 3600),
]


@dataclass(frozen=True, eq=False)
class Seen:
    letters: str


@dataclass(frozen=True)
class State:
    count: int
    of: Mapping[str, Seen]  # by vowel or not


class Weeks:
    """Counts letters, and learns them in two parts."""

    name, version, reads, writes = "weeks", 1, "in", "out"

    def initial(self, partition: int) -> State:
        return State(0, {"vowels": Seen(""), "others": Seen("")})

    def decode(self, record: Record) -> str:
        return (record.value or b"").decode()

    def step(self, state: State, batch: Sequence[Read[str]]) -> tuple[State, list[str]]:
        out = []
        for read in batch:
            part = "vowels" if read.value in "aeiou" else "others"
            now = Seen(state.of[part].letters + read.value)
            state = State(state.count + 1, {**state.of, part: now})
            out.append(f"{state.count} {state.of['vowels'].letters} {state.of['others'].letters}")
        return state, out

    def encode(self, partition: int, output: str) -> Draft:
        return Draft(self.writes, partition, None, output.encode())

    def save(self, state: State) -> bytes:
        return b"%d" % state.count

    def restore(self, partition: int, snapshot: bytes) -> State:
        return replace(self.initial(partition), count=int(snapshot))

    def learned(self, state: State) -> Mapping[str, Part]:
        return {name: Part(seen, lambda seen=seen: seen.letters.encode()) for name, seen in state.of.items()}  # type: ignore[misc]

    def recall(self, state: State, parts: Mapping[str, bytes]) -> State:
        return replace(state, of={name: Seen(parts.get(name, b"").decode()) for name in state.of})

    def live(self, state: State) -> Mapping[str, bytes]:
        return {}

    def progress(self, state: State) -> Progress:
        return Progress()


def runner(bus: Bus, apart_s: float = 0.0) -> Runner[State, str, str]:
    return Runner(
        bus,
        Weeks(),
        member="a",
        clock=SystemClock(),
        metrics=Metrics(CollectorRegistry()),
        log=structlog.get_logger(),
        records_max=3,
        snapshots_apart_s=apart_s,
    )


def made(path: Path) -> Bus:
    bus = EmbeddedBus(path)
    bus.create_topics(TOPICS)
    return bus


def feed(bus: Bus, letters: str) -> None:
    producer = bus.producer()
    for each in letters:
        producer.append(Draft("in", 0, None, each.encode()))
    producer.flush()
    producer.close()


def drain(line: Runner[State, str, str], count: int) -> None:
    done = 0

    def all_read() -> bool:
        nonlocal done
        done += line.run_once(0.01)
        return done >= count

    until(all_read, f"{count} records done")


def told(bus: Bus) -> list[str]:
    return [(record.value or b"").decode() for record in bus.read("out", 0, 0, 10_000)]


@pytest.fixture
def bus(tmp_path: Path) -> Bus:
    return made(tmp_path / "bus.sqlite")


def test_a_part_is_written_only_when_it_has_changed(bus: Bus) -> None:
    line = runner(bus)
    feed(bus, "bcd")
    drain(line, 3)
    first = bus.last_records("dt.learned.weeks", 0)
    feed(bus, "fgh")
    drain(line, 3)
    then = bus.last_records("dt.learned.weeks", 0)
    assert {key for key in then if then[key].position != first[key].position} == {b"others"}
    assert last_parts(bus, "weeks", 0) == ({"vowels": b"", "others": b"bcdfgh"}, [])
    line.close()


def test_what_was_learned_outlives_a_snapshot_that_cannot_be_read(bus: Bus) -> None:
    line = runner(bus)
    feed(bus, "abc")
    drain(line, 3)
    line.close()
    producer = bus.producer()
    producer.append(Draft("dt.state.weeks", 0, b"0", b"rubbish"))
    producer.flush()
    feed(bus, "d")
    again = runner(bus)
    drain(again, 1)
    assert told(bus)[-1] == "1 a bcd"  # the count began anew, the letters did not
    again.close()


def test_a_part_that_is_broken_is_learned_anew_and_the_rest_stays(bus: Bus) -> None:
    line = runner(bus)
    feed(bus, "abe")
    drain(line, 3)
    line.close()
    producer = bus.producer()
    producer.append(Draft("dt.learned.weeks", 0, b"vowels", b"rubbish"))
    producer.flush()
    parts, faults = last_parts(bus, "weeks", 0)
    assert parts == {"others": b"b"} and len(faults) == 1
    feed(bus, "i")
    again = runner(bus)
    drain(again, 1)
    assert told(bus)[-1] == "4 i b"
    again.close()


@given(st.text("abcdeu", min_size=1, max_size=12), st.lists(st.integers(1, 4), max_size=6), st.booleans())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_workers_that_are_replaced_learn_what_one_worker_would(
    tmp_path_factory: pytest.TempPathFactory, letters: str, polls: list[int], seldom: bool
) -> None:
    folder = tmp_path_factory.mktemp("learned")
    whole, cut = made(folder / "whole.sqlite"), made(folder / "cut.sqlite")
    for each in (whole, cut):
        feed(each, letters)
    line = runner(whole)
    drain(line, len(letters))
    line.close()
    for count in polls:
        part = runner(cut, 1_000.0 if seldom else 0.0)
        for _ in range(count):
            part.run_once(0.01)
        part.close()  # no farewell: what was not saved is stepped again
    rest = runner(cut)
    until(lambda: rest.run_once(0.01) >= 0 and len(told(cut)) >= len(letters), "all letters")
    rest.close()
    assert told(cut) == told(whole)
    whole.close()
    cut.close()
