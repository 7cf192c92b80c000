"""
A bus in memory that is deterministic and goes wrong on purpose; driven by a `ManualClock` and a seed.

It is held to the contract suite of the real ones. Nothing waits: `poll` returns at once, time moves with the clock.
A crash needs no method: drop the consumer and producer without closing them, and open others.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.bus.assignment import sticky_assignment
from ingest.bus.contract import Consumer, Draft, Position, Rebalance, Record, TopicPartition, TopicSpec
from ingest.bus.embedded_producer import BYTES_IN_FLIGHT_MAX
from ingest.bus.refusals import in_flight_full, missing, partition_mismatch, record_too_large
from ingest.clock import NS_PER_S
from ingest.errors import BusFenced, BusRetryable

if TYPE_CHECKING:
    from tests.support.clock import ManualClock

SESSION_S = 6.0


@dataclass(slots=True)
class Faults:
    """Chances between 0 and 1, of each call that could meet them. All zero: a bus that only works."""

    refused_call: float = 0.0  # poll, flush, begin, commit: BusRetryable, nothing happened
    lost_answer: float = 0.0  # commit: BusRetryable, and it did or did not happen
    revocation: float = 0.0  # commit with offsets: the member is expelled just before
    redelivery: float = 0.0  # poll: all partitions are taken away and given back, from the committed offset
    late_record: float = 0.0  # an append stays invisible, with all behind it, for up to `late_s_max`
    late_s_max: float = 2.0


@dataclass(slots=True)
class _Log:
    spec: TopicSpec
    records: list[tuple[int, Record]] = field(default_factory=list)  # (monotonic ns from which it is visible, record)
    next_offset: int = 0
    compacted_to: int = 0


@dataclass(slots=True)
class _Member:
    generation: int
    topics: frozenset[str]
    beat_ns: int


@dataclass(slots=True)
class _Group:
    generation: int = 0
    members: dict[str, _Member] = field(default_factory=dict)
    owners: dict[TopicPartition, tuple[str, int]] = field(default_factory=dict)  # name, generation
    committed: dict[TopicPartition, int] = field(default_factory=dict)

    def next_generation(self) -> int:
        self.generation += 1
        return self.generation

    def expel(self, name: str) -> None:
        if self.members.pop(name, None):
            self.owners = {at: owner for at, owner in self.owners.items() if owner[0] != name}
            self.next_generation()


class SimulatedBus:
    """See `ingest.bus.contract.Bus`."""

    def __init__(
        self,
        clock: ManualClock,
        seed: int = 0,
        faults: Faults | None = None,
        bytes_in_flight_max: int = BYTES_IN_FLIGHT_MAX,
    ) -> None:
        self.clock, self.faults = clock, faults or Faults()
        self.bytes_in_flight_max = bytes_in_flight_max
        self.random = random.Random(seed)
        self.specs: dict[str, TopicSpec] = {}
        self.logs: dict[TopicPartition, _Log] = {}
        self.groups: dict[str, _Group] = {}
        self.epochs: dict[str, int] = {}
        self._lost_until_ns = 0
        self._lost_answers: list[bool] = []

    # faults on purpose

    def lose_broker(self, seconds: float) -> None:
        """Every call fails for so long."""
        self._lost_until_ns = self.clock.monotonic_ns() + round(seconds * NS_PER_S)

    def lose_next_commit_answer(self, *, it_happens: bool) -> None:
        self._lost_answers.append(it_happens)

    def expel(self, group: str, member: str) -> None:
        """As if its session had timed out, without its knowing."""
        self.groups[group].expel(member)

    def meets(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance

    def check_reachable(self) -> None:
        if self.clock.monotonic_ns() < self._lost_until_ns:
            raise unreachable("a broker that is down")
        if self.meets(self.faults.refused_call):
            raise unreachable("a refused call")

    def commit_fate(self) -> bool | None:
        """None: the answer arrives. Otherwise it is lost, and this is whether the commit happens."""
        if self._lost_answers:
            return self._lost_answers.pop(0)
        return self.random.random() < 0.5 if self.meets(self.faults.lost_answer) else None

    # the contract

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        self.check_reachable()
        for spec in specs:
            if spec.name in self.specs and self.specs[spec.name].partitions != spec.partitions:
                raise partition_mismatch(spec, self.specs[spec.name].partitions)
        for spec in specs:
            if spec.name not in self.specs:
                self.specs[spec.name] = spec
                self.logs |= {TopicPartition(spec.name, p): _Log(spec) for p in range(spec.partitions)}

    def partition_counts(self) -> Mapping[str, int]:
        return {name: spec.partitions for name, spec in self.specs.items()}

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        member: str,
        on_assigned: Rebalance | None = None,
        on_revoked: Rebalance | None = None,
    ) -> SimulatedConsumer:
        self.check_reachable()
        for topic in topics:
            self.log(TopicPartition(topic, 0))
        return SimulatedConsumer(self, group, frozenset(topics), member, on_assigned, on_revoked)

    def producer(self, transactional_id: str | None = None) -> SimulatedProducer:
        self.check_reachable()
        return SimulatedProducer(self, transactional_id)

    def last_records(self, topic: str, partition: int) -> Mapping[bytes, Record]:
        self.check_reachable()
        last = {
            record.key: record for record in self.visible(TopicPartition(topic, partition)) if record.key is not None
        }
        return {key: record for key, record in last.items() if record.value is not None}

    def last_record(self, topic: str, partition: int, key: bytes) -> Record | None:
        return self.last_records(topic, partition).get(key)

    def read(self, topic: str, partition: int, offset: int, records_max: int = 500) -> Sequence[Record]:
        self.check_reachable()
        return [r for r in self.visible(TopicPartition(topic, partition)) if r.position.offset >= offset][:records_max]

    def close(self) -> None:
        pass

    # the log

    def log(self, at: TopicPartition) -> _Log:
        if at not in self.logs:
            raise missing(at)
        return self.logs[at]

    def visible(self, at: TopicPartition) -> list[Record]:
        """What a reader may see now: all before the first that is late."""
        now_ns = self.clock.monotonic_ns()
        records = self.log(at).records
        count = next((i for i, (from_ns, _) in enumerate(records) if from_ns > now_ns), len(records))
        return [record for _, record in records[:count]]

    def append(self, draft: Draft) -> None:
        at = TopicPartition(draft.topic, draft.partition)
        log, late_ns = self.log(at), 0
        if self.meets(self.faults.late_record):
            late_ns = round(self.random.random() * self.faults.late_s_max * NS_PER_S)
        record = Record(Position(*at, log.next_offset), draft.key, draft.value, draft.headers, self.clock.now_ns())
        log.records.append((self.clock.monotonic_ns() + late_ns, record))
        log.next_offset += 1
        if len(log.records) > 2 * log.compacted_to + 1_000:
            self._prune(at)

    def prune(self) -> None:
        """Drop what is past its topic's retention, or superseded in a compacted topic."""
        for at in self.logs:
            self._prune(at)

    def _prune(self, at: TopicPartition) -> None:
        log, visible = self.log(at), self.visible(at)
        if log.spec.retention_s is not None:
            horizon_ns = self.clock.now_ns() - log.spec.retention_s * NS_PER_S
            gone = {record.position for record in visible if record.appended_at_ns < horizon_ns}
        else:
            last = {record.key: record.position for record in visible if record.key is not None}
            gone = {r.position for r in visible if r.key is not None and last[r.key] != r.position}
        log.records = [pair for pair in log.records if pair[1].position not in gone]
        log.compacted_to = len(log.records)

    def move_offsets(
        self, group: str, name: str, held: Mapping[TopicPartition, int], offsets: Mapping[TopicPartition, int]
    ) -> None:
        state = self.groups[group]
        for at in offsets:
            if at not in held or state.owners.get(at) != (name, held[at]):
                raise fenced(f"member {name} of group {group}", f"{at.topic}/{at.partition} owned by another")
        state.committed |= offsets


class SimulatedConsumer:
    """See `ingest.bus.contract.Consumer`."""

    def __init__(
        self,
        bus: SimulatedBus,
        group: str,
        topics: frozenset[str],
        name: str,
        on_assigned: Rebalance | None,
        on_revoked: Rebalance | None,
    ) -> None:
        self._bus, self.group, self._topics, self.name = bus, group, topics, name
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self.held: dict[TopicPartition, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._paused: frozenset[TopicPartition] = frozenset()
        self._is_closed = False
        self._join()

    @property
    def _state(self) -> _Group:
        return self._bus.groups.setdefault(self.group, _Group())

    def _join(self) -> None:
        state = self._state
        self._generation = state.next_generation()
        state.members[self.name] = _Member(self._generation, self._topics, self._bus.clock.monotonic_ns())
        for at, (owner, _) in state.owners.items():
            if owner == self.name:
                state.owners[at] = (owner, self._generation)

    def poll(self, timeout_s: float, records_max: int = 500) -> Sequence[Record]:
        assert not self._is_closed, "a closed consumer cannot poll"
        self._bus.check_reachable()
        if self.held and self._bus.meets(self._bus.faults.redelivery):
            self._bus.expel(self.group, self.name)
        self._rebalance()
        found: list[Record] = []
        for at in sorted(self.held.keys() - self._paused):
            ahead = [r for r in self._bus.visible(at) if r.position.offset >= self._positions[at]]
            taken = ahead[: records_max - len(found)]
            if taken:
                self._positions[at] = taken[-1].position.offset + 1
                found += taken
        return found

    def _rebalance(self) -> None:
        state, now_ns = self._state, self._bus.clock.monotonic_ns()
        me = state.members.get(self.name)
        if me is not None and me.generation != self._generation:
            raise fenced(f"member {self.name} of group {self.group}", "another one of its name")
        if me is None:
            self._revoke(frozenset(self.held))
            self._join()
            me = state.members[self.name]
        me.beat_ns = now_ns
        for name in [name for name, member in state.members.items() if now_ns - member.beat_ns > SESSION_S * NS_PER_S]:
            state.expel(name)
        counts = self._bus.partition_counts()
        subscriptions = {name: member.topics for name, member in state.members.items()}
        while True:
            wanted = sticky_assignment(counts, subscriptions, {at: name for at, (name, _) in state.owners.items()})
            ours = {at for at, name in wanted.items() if name == self.name}
            if not (free := ours - state.owners.keys()):
                break
            state.owners |= dict.fromkeys(sorted(free), (self.name, state.next_generation()))
        leaving = frozenset(self.held.keys() - ours)
        self._revoke(leaving)
        mine = {at for at, (name, _) in state.owners.items() if name == self.name}
        for at in mine - ours:
            del state.owners[at]
            state.next_generation()
        fresh = frozenset(at for at in ours if state.owners[at][0] == self.name and at not in self.held)
        for at in fresh:
            self.held[at] = state.owners[at][1]
            self._positions[at] = state.committed.get(at, 0)
        if fresh and self._on_assigned:
            self._on_assigned(fresh)

    def _revoke(self, partitions: frozenset[TopicPartition]) -> None:
        if partitions and self._on_revoked:
            self._on_revoked(partitions)
        for at in partitions:
            del self.held[at], self._positions[at]
        self._paused -= partitions

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.held)

    def seek(self, at: TopicPartition, offset: int) -> None:
        assert at in self.held, f"{at} is not owned by {self.name}"
        self._positions[at] = offset

    def committed(self, at: TopicPartition) -> int | None:
        self._bus.check_reachable()
        return self._state.committed.get(at)

    def end_offset(self, at: TopicPartition) -> int:
        visible, log = self._bus.visible(at), self._bus.log(at)
        if len(visible) == len(log.records):
            return log.next_offset
        return visible[-1].position.offset + 1 if visible else log.records[0][1].position.offset

    def end_offsets(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: self.end_offset(at) for at in partitions}

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._bus.check_reachable()
        self._bus.move_offsets(self.group, self.name, self.held, offsets)

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        self._paused |= partitions & self.held.keys()

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        self._paused -= partitions

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._revoke(frozenset(self.held))
        me = self._state.members.get(self.name)
        if me is not None and me.generation == self._generation:
            self._state.expel(self.name)


class SimulatedProducer:
    """See `ingest.bus.contract.Producer`."""

    def __init__(self, bus: SimulatedBus, transactional_id: str | None) -> None:
        self._bus, self._id = bus, transactional_id
        self._drafts: list[Draft] = []
        self._bytes = 0
        self._moves: list[tuple[SimulatedConsumer, dict[TopicPartition, int], dict[TopicPartition, int]]] = []
        self._fenced: BusFenced | None = None
        self._is_open = False
        if transactional_id is not None:
            bus.epochs[transactional_id] = self._epoch = bus.epochs.get(transactional_id, 0) + 1

    def append(self, draft: Draft) -> None:
        self._raise_if_fenced()
        assert self._id is None or self._is_open, "append outside of a transaction"
        at = TopicPartition(draft.topic, draft.partition)
        size, bytes_max = draft.size_bytes, self._bus.log(at).spec.message_bytes_max
        if size > bytes_max:
            raise record_too_large(draft.topic, bytes_max, size)
        if self._bytes + size > self._bus.bytes_in_flight_max:
            raise in_flight_full(self._bus.bytes_in_flight_max, self._bytes + size)
        self._drafts.append(draft)
        self._bytes += size

    def flush(self, timeout_s: float = 30.0) -> None:
        if self._id is None and self._drafts:
            self._bus.check_reachable()
            self._write()

    def begin(self) -> None:
        self._raise_if_fenced()
        assert self._id is not None, "a producer without a transactional id has no transactions"
        assert not self._is_open, "a transaction is open already"
        self._bus.check_reachable()
        self._is_open = True

    def move_offsets(self, consumer: Consumer, offsets: Mapping[TopicPartition, int]) -> None:
        self._raise_if_fenced()
        assert self._is_open, "offsets moved outside of a transaction"
        assert isinstance(consumer, SimulatedConsumer), "the consumer is one of another bus"
        if offsets.keys() - consumer.held.keys():
            self._stop(fenced(f"member {consumer.name} of group {consumer.group}", "a partition that it does not hold"))
        self._moves.append((consumer, dict(consumer.held), dict(offsets)))

    def commit(self) -> None:
        self._raise_if_fenced()
        assert self._is_open, "no transaction is open"
        self._bus.check_reachable()
        fate = self._bus.commit_fate()
        if fate is False:
            raise unreachable("no answer to a commit")
        for consumer, _, _ in self._moves:
            if self._bus.meets(self._bus.faults.revocation):
                self._bus.expel(consumer.group, consumer.name)
        self._write()
        self._is_open = False
        if fate is True:
            raise unreachable("no answer to a commit")

    def _write(self) -> None:
        try:
            if self._id is not None and self._bus.epochs[self._id] != self._epoch:
                raise fenced(f"producer {self._id}", f"epoch {self._bus.epochs[self._id]}, not {self._epoch}")
            # All are checked before the first is moved: all or nothing.
            for consumer, held, offsets in self._moves:
                owners = self._bus.groups[consumer.group].owners
                if any(owners.get(at) != (consumer.name, held[at]) for at in offsets):
                    raise fenced(f"member {consumer.name} of group {consumer.group}", "a partition that moved on")
        except BusFenced as error:
            self._stop(error)
        for consumer, held, offsets in self._moves:
            self._bus.move_offsets(consumer.group, consumer.name, held, offsets)
        for draft in self._drafts:
            self._bus.append(draft)
        self._clear()

    def _stop(self, error: BusFenced) -> None:
        self._fenced = error
        self._clear()
        raise error

    def _raise_if_fenced(self) -> None:
        if self._fenced is not None:
            raise self._fenced

    def _clear(self) -> None:
        self._drafts, self._bytes, self._moves = [], 0, []

    def abort(self) -> None:
        self._clear()
        self._is_open = False

    def close(self) -> None:
        if self._fenced is None and self._id is None:
            self.flush()
        self._clear()


def fenced(thing: str, got: str) -> BusFenced:
    return BusFenced(thing, expected="to own what it writes for", got=got, mend="Another worker took over; stop.")


def unreachable(got: str) -> BusRetryable:
    return BusRetryable("simulated bus", expected="an answer", got=got, mend="Try again.")
