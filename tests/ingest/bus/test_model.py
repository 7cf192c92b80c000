"""Any order of calls on the buses without a broker, against a model of a few lines."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ingest.bus.contract import Bus, Consumer, Draft, Producer, Record, TopicPartition, TopicSpec
from ingest.bus.embedded import EmbeddedBus
from ingest.errors import BusFenced
from tests.support.clock import ManualClock
from tests.support.simulated_bus import SimulatedBus

PARTITIONS = 3
PLACES = st.integers(0, PARTITIONS - 1)
KEYS = st.sampled_from([b"a", b"b", b"c"])
VALUES = st.none() | st.binary(max_size=3)
MEMBERS = st.sampled_from(["one", "two"])


class BusModel(RuleBasedStateMachine):
    """Two topics ("in", and compacted "state"), two members, two incarnations of one transactional id."""

    bus: Bus

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[int, list[bytes | None]] = {p: [] for p in range(PARTITIONS)}
        self.last: dict[int, dict[bytes, bytes | None]] = {p: {} for p in range(PARTITIONS)}
        self.committed: dict[TopicPartition, int] = {}
        self.consumers: dict[str, Consumer] = {}
        self.producers: list[Producer] = []
        self.open: dict[int, tuple[list[Draft], list[tuple[str, Consumer, dict[TopicPartition, int]]]]] = {}

    def make(self) -> Bus:
        return SimulatedBus(ManualClock())

    @initialize()
    def start(self) -> None:
        self.bus = self.make()
        self.bus.create_topics([TopicSpec("in", PARTITIONS, 3_600), TopicSpec("state", PARTITIONS, None)])
        self.plain = self.bus.producer()

    def note(self, draft: Draft) -> None:
        if draft.topic == "in":
            self.written[draft.partition].append(draft.value)
        elif draft.key is not None:
            self.last[draft.partition][draft.key] = draft.value

    @rule(topic=st.sampled_from(["in", "state"]), partition=PLACES, key=KEYS, value=VALUES)
    def append(self, topic: str, partition: int, key: bytes, value: bytes | None) -> None:
        draft = Draft(topic, partition, key, value)
        self.plain.append(draft)
        self.plain.flush()
        self.note(draft)

    @rule()
    def new_producer(self) -> None:
        self.producers.append(self.bus.producer("p"))

    @precondition(lambda self: self.producers)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        i = data.draw(st.integers(0, len(self.producers) - 1))
        if i in self.open:
            return
        try:
            self.producers[i].begin()
        except BusFenced:
            assert i < len(self.producers) - 1
        else:
            self.open[i] = ([], [])

    @precondition(lambda self: self.open)
    @rule(data=st.data(), topic=st.sampled_from(["in", "state"]), partition=PLACES, key=KEYS, value=VALUES)
    def append_in_transaction(
        self, data: st.DataObject, topic: str, partition: int, key: bytes, value: bytes | None
    ) -> None:
        i = data.draw(st.sampled_from(sorted(self.open)))
        draft = Draft(topic, partition, key, value)
        self.producers[i].append(draft)
        self.open[i][0].append(draft)

    @precondition(lambda self: self.open and self.consumers)
    @rule(data=st.data(), offset=st.integers(0, 20))
    def move_offsets(self, data: st.DataObject, offset: int) -> None:
        i = data.draw(st.sampled_from(sorted(self.open)))
        name = data.draw(st.sampled_from(sorted(self.consumers)))
        consumer = self.consumers[name]
        if not consumer.assignment():
            return
        at = min(consumer.assignment())
        self.producers[i].move_offsets(consumer, {at: offset})
        self.open[i][1].append((name, consumer, {at: offset}))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        i = data.draw(st.sampled_from(sorted(self.open)))
        drafts, moves = self.open.pop(i)
        is_newest = i == len(self.producers) - 1
        try:
            self.producers[i].commit()
        except BusFenced:
            # Only for a reason: a newer producer, or a membership that has moved on.
            assert not is_newest or moves
            if is_newest:
                self.producers.append(self.bus.producer("p"))
            return
        assert is_newest
        for name, consumer, offsets in moves:
            assert self.consumers.get(name) is consumer
            self.committed |= offsets
        for draft in drafts:
            self.note(draft)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        i = data.draw(st.sampled_from(sorted(self.open)))
        del self.open[i]
        self.producers[i].abort()

    @rule(name=MEMBERS)
    def join(self, name: str) -> None:
        former = self.consumers.get(name)
        self.consumers[name] = self.bus.consumer("g", ["in"], name)
        if former is not None:
            with pytest.raises(BusFenced):
                former.poll(0)
            former.close()

    @precondition(lambda self: self.consumers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.consumers.pop(data.draw(st.sampled_from(sorted(self.consumers)))).close()

    @precondition(lambda self: self.consumers)
    @rule(data=st.data(), records_max=st.integers(1, 4))
    def poll(self, data: st.DataObject, records_max: int) -> None:
        consumer = self.consumers[data.draw(st.sampled_from(sorted(self.consumers)))]
        records = consumer.poll(0, records_max)
        assert len(records) <= records_max
        by_place: dict[TopicPartition, list[Record]] = {}
        for record in records:
            by_place.setdefault(TopicPartition(*record.position[:2]), []).append(record)
        assert by_place.keys() <= consumer.assignment()
        for at, got in by_place.items():
            first = got[0].position.offset
            assert [record.value for record in got] == self.written[at.partition][first : first + len(got)]

    @precondition(lambda self: self.consumers)
    @rule()
    def share_out(self) -> None:
        for _ in range(3):
            for consumer in self.consumers.values():
                consumer.poll(0, 1)
        sizes = [len(consumer.assignment()) for consumer in self.consumers.values()]
        assert sum(sizes) == PARTITIONS
        assert max(sizes) - min(sizes) <= 1

    @precondition(lambda self: self.consumers)
    @rule(data=st.data(), offset=st.integers(0, 20))
    def commit_offsets(self, data: st.DataObject, offset: int) -> None:
        consumer = self.consumers[data.draw(st.sampled_from(sorted(self.consumers)))]
        if consumer.assignment():
            at = max(consumer.assignment())
            consumer.commit({at: offset})
            self.committed[at] = offset

    @invariant()
    def what_can_be_read_is_what_was_committed(self) -> None:
        if not hasattr(self, "bus"):
            return
        for p in range(PARTITIONS):
            assert [record.value for record in self.bus.read("in", p, 0)] == self.written[p]
            alive = {key: value for key, value in self.last[p].items() if value is not None}
            assert {key: record.value for key, record in self.bus.last_records("state", p).items()} == alive

    @invariant()
    def no_partition_has_two_owners_and_the_offsets_are_the_committed_ones(self) -> None:
        shares = [consumer.assignment() for consumer in self.consumers.values()]
        assert sum(map(len, shares)) == len(frozenset().union(*shares))
        for consumer in self.consumers.values():
            for p in range(PARTITIONS):
                at = TopicPartition("in", p)
                assert consumer.committed(at) == self.committed.get(at)

    def teardown(self) -> None:
        for consumer in self.consumers.values():
            consumer.close()
        for producer in self.producers:
            producer.abort()
            producer.close()


class EmbeddedModel(BusModel):
    def make(self) -> Bus:
        self.folder = Path(tempfile.mkdtemp())
        return EmbeddedBus(self.folder / "bus.sqlite", ManualClock())

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "bus"):
            self.plain.close()
            self.bus.close()
            shutil.rmtree(self.folder)


TestSimulatedBusIsTheModel = BusModel.TestCase
TestSimulatedBusIsTheModel.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestEmbeddedBusIsTheModel = EmbeddedModel.TestCase
TestEmbeddedBusIsTheModel.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
