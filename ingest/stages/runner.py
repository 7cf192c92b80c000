"""
The one runner. It drives a stage over any bus so that each record has its effect once:

    1. step the batch            4. append the output               6. commit
    2. encode output, snapshot   5. append snapshot and position    7. only then replace the state in memory
    3. begin

A crash anywhere leaves all or nothing. What cannot be read or stepped goes to the dead-letter topic in the same
transaction, and the line goes on.

A snapshot may be older than the group's offset, where one with each commit would cost too much: what lies between the
two has had its effect already, and is stepped again in silence. That gives the same state, since a step is pure.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol

from ingest.bus.contract import Bus, Consumer, Draft, Producer, Record, TopicPartition
from ingest.bus.dead_letter import dead_letter
from ingest.clock import NS_PER_S, Clock
from ingest.errors import BusError, BusFenced, BusRetryable, RecordError, StoreRetryable
from ingest.live.contract import LiveStore
from ingest.stages.checkpoint import Snapshot, last_snapshot, snapshot_draft
from ingest.stages.learned import Learning, changed_drafts, last_parts
from ingest.stages.stage import Input, Output, Read, Stage, State
from ingest.stages.watermark import NEVER_NS, combined_ns

# A commit costs as much as several ticks, here and at the broker: what comes within this time shares one. A record
# that comes alone waits for nothing.
COMMITS_APART_NS = 100_000_000
LIVE_PERIOD_NS = NS_PER_S
LIVE_LIFETIME_S = 15.0
IDLE_NS = 10 * NS_PER_S
_SAVES_SPREAD = 16
REBUILDS_MAX = 3  # a replacement that its predecessor's last send took down rebuilds; a real zombie gives up
REBUILD_WINDOW_NS = 60 * NS_PER_S


class StageLog(Protocol):
    """structlog's bound logger, as far as it is used here."""

    def info(self, event: str, **facts: object) -> object: ...

    def warning(self, event: str, **facts: object) -> object: ...

    def error(self, event: str, **facts: object) -> object: ...


class StageMetrics(Protocol):
    def stepped(self, stage: str, records: int, outputs: int, dead: int, seconds: float) -> None: ...

    def committed(self, stage: str, seconds: float) -> None: ...

    def lag(self, stage: str, partition: int, records: int) -> None: ...

    def rows_dropped(self, stage: str, cause: str, rows: int) -> None: ...

    def watermark_delay(self, stage: str, seconds: float) -> None: ...


@dataclass(slots=True)
class _Line(Generic[State]):
    """One owned partition: its state and the next offset, always of the same moment."""

    state: State
    next_offset: int
    heard_ns: int  # monotonic, when its last record was taken
    told_offset: int  # what stands before it has had its effect already
    saved_offset: int | None  # of the last snapshot; None where there is none
    saved_ns: int  # monotonic, when that was written
    learned: Mapping[str, object] = field(default_factory=dict)  # token of each part as last written


@dataclass(slots=True)
class _Stepped(Generic[State]):
    line: _Line[State]
    is_silent: bool  # all of it has had its effect already
    drafts: list[Draft] = field(default_factory=list)
    outputs: int = 0
    dead: int = 0


class Runner(Generic[State, Input, Output]):
    """
    Args:
        member: stable name of this worker in the stage's group, and its transactional id.
        live: where `Stage.live` is shown, about once a second; None shows nothing.
        snapshots_apart_s: least time between two snapshots of a partition; 0 makes one with each commit, as a stage
            needs whose steps are not the same when they are taken again.
    """

    def __init__(
        self,
        bus: Bus,
        stage: Stage[State, Input, Output],
        *,
        member: str,
        clock: Clock,
        metrics: StageMetrics,
        log: StageLog,
        live: LiveStore | None = None,
        records_max: int = 500,
        snapshots_apart_s: float = 0.0,
    ) -> None:
        self._bus, self.stage, self._member = bus, stage, member
        self._clock, self._metrics, self._log, self._live = clock, metrics, log, live
        self._records_max, self._snapshots_apart_ns = records_max, int(snapshots_apart_s * NS_PER_S)
        self._lines: dict[int, _Line[State]] = {}
        self._fresh: set[int] = set()
        self._live_shown_ns = clock.monotonic_ns() - LIVE_PERIOD_NS
        self._rebuilt_ns: list[int] = []
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None

    def run(self, stop: threading.Event, idle: Callable[[], None] | None = None) -> None:
        """
        Until `stop` is set; then what was polled is finished, committed, and the group is left at once.

        Raises:
            BusFenced: another worker owns this line now.
        """
        try:
            while not stop.is_set():
                begun_ns = self._clock.monotonic_ns()
                try:
                    if self.run_once():
                        took_ns = self._clock.monotonic_ns() - begun_ns
                        stop.wait(max(0, COMMITS_APART_NS - took_ns) / NS_PER_S)
                except BusRetryable as error:
                    self._log.warning("bus.retried", stage=self.stage.name, reason=str(error))
                    self._reload()
                    stop.wait(0.2)
                except BusFenced as error:
                    self._rebuild(error)
                if idle is not None:
                    idle()
            self._save_rest()
        finally:
            self.close()

    def run_once(self, timeout_s: float = 0.1) -> int:
        """Poll once and carry what came through to its commit; the number of records that were done."""
        consumer, producer = self._open()
        records = consumer.poll(timeout_s, self._records_max)
        fresh, self._fresh = self._fresh, set()
        if fresh:
            self._fresh = set(fresh)  # stays so until all are loaded: a failure in between loads them again
            for partition in sorted(fresh):
                self._take_over(consumer, partition)
            self._fresh.clear()
        batches: dict[int, list[Record]] = {}
        for record in records:
            line = self._lines.get(record.position.partition)
            # What was polled before the seek of a fresh line, or after a revocation, is read again by its owner.
            if (
                line is not None
                and record.position.offset >= line.next_offset
                and record.position.partition not in fresh
            ):
                batches.setdefault(record.position.partition, []).append(record)
        if batches:
            self._carry(consumer, producer, batches)
        else:
            self._save(consumer, producer, self._unsaved(self._snapshots_apart_ns))
        self._show()
        return sum(map(len, batches.values()))

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            self._close_part(consumer)
        self._drop_producer()
        self._lines.clear()

    @property
    def states(self) -> Mapping[int, State]:
        """The state of each owned partition."""
        return {partition: line.state for partition, line in self._lines.items()}

    def _open(self) -> tuple[Consumer, Producer]:
        if self._producer is None:
            self._producer = self._bus.producer(f"{self.stage.name}.{self._member}")
        if self._consumer is None:
            self._consumer = self._bus.consumer(
                self.stage.name, [self.stage.reads], self._member, self._on_assigned, self._on_revoked
            )
        return self._consumer, self._producer

    def _on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        self._fresh |= {at.partition for at in partitions}

    def _on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        for at in partitions:
            self._fresh.discard(at.partition)
            self._lines.pop(at.partition, None)

    def _take_over(self, consumer: Consumer, partition: int) -> None:
        stage, at = self.stage, TopicPartition(self.stage.reads, partition)
        try:
            snapshot = last_snapshot(self._bus, stage.name, partition)
            state = None if snapshot is None else stage.restore(partition, snapshot.state)
        except RecordError as error:
            # In doubt, tell twice: a line without its memory may repeat a finding, a line that stands still loses all.
            self._log.error("snapshot.refused", stage=stage.name, partition=partition, reason=str(error))
            snapshot = state = None
        told_offset, now_ns = consumer.committed(at) or 0, self._clock.monotonic_ns()
        if snapshot is None or state is None:
            line = _Line(stage.initial(partition), told_offset, now_ns, told_offset, None, now_ns)
        else:
            # Not all at once: the snapshots of many lines would hold up a commit.
            saved_ns = now_ns - self._snapshots_apart_ns * (partition % _SAVES_SPREAD) // _SAVES_SPREAD
            offset = snapshot.next_offset
            line = _Line(state, offset, now_ns, max(told_offset, offset), offset, saved_ns)
        self._recall(partition, line)
        self._lines[partition] = line
        consumer.seek(at, line.next_offset)

    def _recall(self, partition: int, line: _Line[State]) -> None:
        stage = self.stage
        if not isinstance(stage, Learning):
            return
        parts, faults = last_parts(self._bus, stage.name, partition)
        for fault in faults:
            self._log.error("learned.refused", stage=stage.name, partition=partition, reason=str(fault))
        line.state = stage.recall(line.state, parts)
        known = {name: part.token for name, part in stage.learned(line.state).items()}
        line.learned = {name: token for name, token in known.items() if name in parts}

    def _carry(self, consumer: Consumer, producer: Producer, batches: Mapping[int, list[Record]]) -> None:
        started_ns = self._clock.monotonic_ns()
        stepped = {partition: self._step(partition, records) for partition, records in batches.items()}  # 1, 2
        # A line that still catches up with what was told has nothing to tell, and must not move the offset back.
        telling = {partition: done for partition, done in stepped.items() if not done.is_silent}
        due = {
            partition: done.line
            for partition, done in telling.items()
            if done.line.saved_offset is None or started_ns - done.line.saved_ns >= self._snapshots_apart_ns
        }
        snapshots = [draft for partition, line in due.items() for draft in self._snapshot(partition, line, started_ns)]
        stepped_ns = self._clock.monotonic_ns()
        if telling:
            drafts = [draft for done in telling.values() for draft in done.drafts]
            positions = {partition: done.line.next_offset for partition, done in telling.items()}
            self._commit(consumer, producer, [*drafts, *snapshots], positions)
        for partition, done in stepped.items():
            if partition in self._lines:
                self._count_dropped(self._lines[partition].state, done.line.state)
                self._lines[partition] = done.line  # 7
        self._report(consumer, batches, stepped, started_ns, stepped_ns)

    def _snapshot(self, partition: int, line: _Line[State], now_ns: int) -> list[Draft]:
        """Of a line, which then knows of it; and what it has learned since the last."""
        line.saved_offset, line.saved_ns = line.next_offset, now_ns
        saved = self.stage.save(line.state)
        drafts = [snapshot_draft(Snapshot(self.stage.name, self.stage.version, line.next_offset, saved), partition)]
        if isinstance(self.stage, Learning):
            parts = self.stage.learned(line.state)
            drafts += changed_drafts(self.stage, partition, line.next_offset, parts, line.learned)
            line.learned = {name: part.token for name, part in parts.items()}
        return drafts

    def _commit(
        self, consumer: Consumer, producer: Producer, drafts: Sequence[Draft], positions: Mapping[int, int]
    ) -> None:
        """All drafts and the next offset of each partition, or nothing."""
        producer.begin()  # 3
        try:
            for draft in drafts:
                producer.append(draft)  # 4, 5
            offsets = {TopicPartition(self.stage.reads, partition): offset for partition, offset in positions.items()}
            producer.move_offsets(consumer, offsets)
            producer.commit()  # 6
        except BusFenced:
            raise  # a fenced producer sends nothing more, not even an abort
        except BusError:
            # The outcome may be unknown. A new producer of the same id ends what is open before it starts.
            self._drop_producer()
            raise

    def _unsaved(self, apart_ns: int) -> dict[int, _Line[State]]:
        """Lines that have gone on since their last snapshot, where that is at least `apart_ns` old."""
        now_ns = self._clock.monotonic_ns()
        return {
            partition: line
            for partition, line in self._lines.items()
            if line.saved_offset not in (None, line.next_offset)
            and line.next_offset >= line.told_offset
            and now_ns - line.saved_ns >= apart_ns
        }

    def _save(self, consumer: Consumer, producer: Producer, lines: Mapping[int, _Line[State]]) -> None:
        """A snapshot of each of these lines, with nothing to tell: of those that are quiet, and before a farewell."""
        if lines:
            now_ns = self._clock.monotonic_ns()
            snapshots = [
                draft for partition, line in lines.items() for draft in self._snapshot(partition, line, now_ns)
            ]
            positions = {partition: line.next_offset for partition, line in lines.items()}
            self._commit(consumer, producer, snapshots, positions)

    def _save_rest(self) -> None:
        """So that nothing is stepped again by whoever takes over from a worker that leaves."""
        if self._consumer is None or self._producer is None:
            return
        try:
            self._save(self._consumer, self._producer, self._unsaved(0))
        except BusError as error:
            self._log.warning("snapshot.not_saved", stage=self.stage.name, reason=str(error))

    def _step(self, partition: int, records: Sequence[Record]) -> _Stepped[State]:
        """The line after `records`, with what is to be appended; what could not be read or stepped is a dead letter."""
        line = self._lines[partition]
        after = replace(line, next_offset=records[-1].position.offset + 1, heard_ns=self._clock.monotonic_ns())
        done = _Stepped(after, is_silent=after.next_offset <= line.told_offset)
        told = [record for record in records if record.position.offset < line.told_offset]
        if told:
            self._advance(partition, done, told)
            done.drafts, done.outputs, done.dead = [], 0, 0
        if len(told) < len(records):
            self._advance(partition, done, records[len(told) :])
        return done

    def _advance(self, partition: int, done: _Stepped[State], records: Sequence[Record]) -> None:
        before = done.line.state
        reads: list[tuple[Record, Read[Input]]] = []
        for record in records:
            try:
                reads.append((record, Read(record.position, self.stage.decode(record))))
            except RecordError as error:
                self._bury(done, record, str(error))
        try:
            done.line.state, outputs = self.stage.step(before, [read for _, read in reads])
            done.drafts += [self.stage.encode(partition, output) for output in outputs]
            done.outputs += len(outputs)
        except Exception:
            # A step is pure, so it can be taken again one record at a time to find the one that cannot be stepped.
            done.line.state = before
            for record, read in reads:
                self._step_alone(partition, done, record, read)

    def _step_alone(self, partition: int, done: _Stepped[State], record: Record, read: Read[Input]) -> None:
        try:
            state, outputs = self.stage.step(done.line.state, [read])
            drafts = [self.stage.encode(partition, output) for output in outputs]
        except Exception as error:
            self._bury(done, record, f"{type(error).__name__}: {error}")
            self._log.error("record.not_stepped", stage=self.stage.name, position=str(record.position), exc_info=error)
            return
        done.line.state = state
        done.drafts += drafts
        done.outputs += len(outputs)

    def _bury(self, done: _Stepped[State], record: Record, reason: str) -> None:
        done.drafts.append(dead_letter(record, reason, self.stage.name))
        done.dead += 1
        self._log.warning("record.dead", stage=self.stage.name, position=str(record.position), reason=reason)

    def _report(
        self,
        consumer: Consumer,
        batches: Mapping[int, list[Record]],
        stepped: Mapping[int, _Stepped[State]],
        started_ns: int,
        stepped_ns: int,
    ) -> None:
        name, done = self.stage.name, stepped.values()
        self._metrics.stepped(
            name,
            sum(map(len, batches.values())),
            sum(one.outputs for one in done),
            sum(one.dead for one in done),
            (stepped_ns - started_ns) / NS_PER_S,
        )
        self._metrics.committed(name, (self._clock.monotonic_ns() - stepped_ns) / NS_PER_S)

    def _show(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._live_shown_ns < LIVE_PERIOD_NS:
            return
        self._live_shown_ns = now_ns
        if self._consumer is not None:
            owned = frozenset(TopicPartition(self.stage.reads, partition) for partition in self._lines)
            for at, end in self._consumer.end_offsets(owned).items():
                self._metrics.lag(self.stage.name, at.partition, max(0, end - self._lines[at.partition].next_offset))
        self._report_watermark(now_ns)
        if self._live is not None and self._lines:
            shown: dict[str, bytes] = {}
            for line in self._lines.values():
                shown |= self.stage.live(line.state)
            try:
                self._live.put_states("zone", shown, LIVE_LIFETIME_S)
            except StoreRetryable as error:
                self._log.warning("live.not_shown", stage=self.stage.name, reason=str(error))

    def _count_dropped(self, before: State, after: State) -> None:
        then, now = self.stage.progress(before).dropped, self.stage.progress(after).dropped
        for cause, rows in now.items():
            if rows > then.get(cause, 0):
                self._metrics.rows_dropped(self.stage.name, cause, rows - then.get(cause, 0))

    def _report_watermark(self, now_ns: int) -> None:
        """How far behind the wall clock event time is; a partition that is idle does not hold back the others."""
        marks = {partition: self.stage.progress(line.state).watermark_ns for partition, line in self._lines.items()}
        known = {partition: at_ns for partition, at_ns in marks.items() if at_ns is not None and at_ns != NEVER_NS}
        if known:
            heard = {partition: line.heard_ns for partition, line in self._lines.items()}
            mark_ns = combined_ns(known, heard, now_ns, IDLE_NS)
            self._metrics.watermark_delay(self.stage.name, (self._clock.now_ns() - mark_ns) / NS_PER_S)

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self._close_part(producer)

    def _close_part(self, part: Consumer | Producer) -> None:
        try:
            part.close()
        except BusError as error:
            self._log.warning("bus.close_failed", stage=self.stage.name, reason=str(error))

    def _reload(self) -> None:
        """Take the truth from the bus again: whether the last commit happened is not known."""
        self._fresh |= set(self._lines)
        self._lines.clear()

    def _rebuild(self, error: BusFenced) -> None:
        now_ns = self._clock.monotonic_ns()
        self._rebuilt_ns = [at for at in self._rebuilt_ns if now_ns - at < REBUILD_WINDOW_NS]
        if len(self._rebuilt_ns) >= REBUILDS_MAX:
            raise error
        self._rebuilt_ns.append(now_ns)
        self._log.warning("bus.fenced", stage=self.stage.name, reason=str(error))
        self.close()
        self._fresh.clear()
