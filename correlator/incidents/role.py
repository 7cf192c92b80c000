"""
The correlate role: findings from the bus, incidents into the casebook, alerts to the bus.

The positions in the casebook are the truth: they are written in one transaction with what was decided, and the consumer
is put to them whenever it gets a partition. The group's own offsets only show others how far we are.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from correlator.casebook.contract import Casebook
from correlator.casebook.housekeeping import Housekeeping
from correlator.casebook.outbox import publish
from correlator.incidents import stage
from correlator.incidents.anchors import Anchors
from correlator.incidents.board import Board
from correlator.incidents.changes import Changes
from correlator.incidents.settings import CorrelateSettings, ns
from correlator.incidents.timers import tick
from ingest.bus.contract import Bus, Consumer, Producer, Record, TopicPartition
from ingest.bus.dead_letter import dead_letter
from ingest.bus.topics import ALERTS, FINDINGS
from ingest.clock import NS_PER_S, Clock
from ingest.errors import BusError, BusFenced, BusRetryable, RecordError, StoreConflict, StoreError, StoreRetryable
from ingest.metrics import Metrics

POLL_S = 0.1
TICK_NS = NS_PER_S
FRESH_NS = 2 * NS_PER_S  # a partition that was at its end so lately has no backlog
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
DRAIN_ROUNDS = 20


class CorrelateRole:
    """
    Args:
        log: a structlog logger.
        member: a stable name of this worker in its group.
    """

    def __init__(
        self,
        bus: Bus,
        casebook: Casebook,
        settings: CorrelateSettings,
        clock: Clock,
        metrics: Metrics | None,
        log: Any,
        member: str = "correlate-1",
    ) -> None:
        self._bus, self._casebook, self._settings, self._clock = bus, casebook, settings, clock
        self._metrics, self._log, self._member = metrics, log.bind(stage=stage.NAME), member
        self._housekeeping = Housekeeping(casebook, settings, clock)
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        self._board: Board | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._fresh: set[TopicPartition] = set()  # got, but not yet put to their position
        self._at_end_ns: dict[TopicPartition, int] = {}  # monotonic, when they were last read to their end
        self._ticked_ns: int | None = None
        self._looked_ns: int | None = None
        self._shown: dict[TopicPartition, int] = {}  # what the group's offsets say
        self._unpublished = True
        self._alert_partitions: int | None = None
        self._clocks, self._heard = Anchors(clock), Anchors(clock)

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then what is on the bus now is taken, written and published, and the group is left."""
        failures = 0
        try:
            while not stop.is_set():
                try:
                    self.run_once(POLL_S)
                    failures = 0
                except (BusError, StoreRetryable, StoreConflict) as error:
                    self._log.warning("correlate.retried", reason=str(error))
                    self.reset(leave=isinstance(error, BusError))
                    stop.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
                    failures += 1
            self.drain()
        except (BusError, StoreRetryable, StoreConflict) as error:
            # The outbox and the positions are durable: the next start goes on from here.
            self._log.warning("correlate.not_drained", reason=str(error))
        finally:
            self.close()

    def run_once(self, timeout_s: float = 0.0) -> int:
        """
        Poll once, write what it decides, let time pass, publish; the number of records that were taken.

        Raises:
            BusRetryable, BusFenced, StoreRetryable, StoreConflict: call `reset`, wait, call again; nothing is lost.
        """
        consumer, _ = self._open()
        records = consumer.poll(timeout_s, self._settings.records_max)
        fresh = self._take_over(consumer)
        # What was polled of a partition before it was put to its position is read again.
        taken = self._take([record for record in records if TopicPartition(*record.position[:2]) not in fresh])
        self._watch_ends(consumer)
        self._tick_if_due(consumer)
        if self._unpublished and self._leads():
            self._publish()
        return taken

    def drain(self) -> None:
        """Take what is there now, and publish it."""
        for _ in range(DRAIN_ROUNDS):
            if self._consumer is None or not self.run_once(0.0):
                break
        if self._producer is not None:
            self._publish()

    def reset(self, *, leave: bool = True) -> None:
        """
        Forget what is in memory: the casebook and the bus have the truth.

        Args:
            leave: leave the group too; else only read on from the casebook's positions.
        """
        self._board = None
        self._at_end_ns.clear()
        self._looked_ns = None
        if leave:
            self._alert_partitions = None
            self.close()
        else:
            self._fresh |= self._positions.keys()
        self._positions.clear()

    def close(self) -> None:
        parts, self._consumer, self._producer = (self._consumer, self._producer), None, None
        self._fresh.clear()
        for part in parts:
            if part is not None:
                try:
                    part.close()
                except BusError as error:
                    self._log.warning("bus.close_failed", reason=str(error))

    def _open(self) -> tuple[Consumer, Producer]:
        if self._producer is None:
            self._producer = self._bus.producer()
        if self._consumer is None:
            self._consumer = self._bus.consumer(
                stage.NAME, [FINDINGS], self._member, self._fresh.update, self._on_revoked
            )
        return self._consumer, self._producer

    def _on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        for at in partitions:
            self._fresh.discard(at)
            self._positions.pop(at, None)
            self._at_end_ns.pop(at, None)

    def _take_over(self, consumer: Consumer) -> set[TopicPartition]:
        """The partitions that are new to us, put to their positions in the casebook."""
        if not self._fresh:
            return set()
        found = self._casebook.positions(stage.NAME)
        fresh = set(self._fresh)
        for at in sorted(fresh):
            consumer.seek(at, found.get(at, 0))
            self._positions[at] = found.get(at, 0)
        self._fresh.clear()
        return fresh

    def _take(self, records: Sequence[Record]) -> int:
        """Decide on records and write it down; those of partitions that are not ours any more are left out."""
        wanted: list[Record] = []
        after: dict[TopicPartition, int] = {}
        for record in sorted(records, key=lambda one: one.position):
            at = TopicPartition(record.position.topic, record.position.partition)
            if at in self._positions and record.position.offset >= max(self._positions[at], after.get(at, 0)):
                wanted.append(record)
                after[at] = record.position.offset + 1
        if not wanted:
            return 0
        started_ns = self._clock.monotonic_ns()
        arrivals, dead = self._read(stage.in_order(wanted))
        now_ns = {at: self._arrival_ns(at, wanted) for at in after}
        changes = self._write(arrivals, now_ns, after)
        self._positions |= after
        if self._metrics is not None:
            seconds = (self._clock.monotonic_ns() - started_ns) / NS_PER_S
            self._metrics.stepped(stage.NAME, len(wanted), len(changes.alerts), dead, seconds)
            if changes.alerts:
                newest_ns = max(record.appended_at_ns for record in wanted)
                self._metrics.alert_latency.observe(max(0, self._clock.now_ns() - newest_ns) / NS_PER_S)
        return len(wanted)

    def _read(self, records: Sequence[Record]) -> tuple[list[stage.Arrival], int]:
        """What can be read, and the number of records that cannot: they are dead letters."""
        arrivals, dead = [], 0
        for record in records:
            try:
                arrivals.append(stage.Arrival(stage.read_finding(record), record))
            except RecordError as error:
                self._bury(record, str(error))
                dead += 1
        return arrivals, dead

    def _arrival_ns(self, at: TopicPartition, records: Sequence[Record]) -> int:
        """
        The time that lateness is held against: where there is no backlog, a finding came just when it says, so that a
        wall clock that is wrong silences nothing.
        """
        at_end_ns = self._at_end_ns.get(at)
        if at_end_ns is not None and self._clock.monotonic_ns() - at_end_ns <= FRESH_NS:
            return max(record.appended_at_ns for record in records if record.position[:2] == at)
        return self._clock.now_ns()

    def _write(
        self,
        arrivals: Sequence[stage.Arrival],
        now_ns: Mapping[TopicPartition, int],
        after: Mapping[TopicPartition, int],
    ) -> Changes:
        """Decide and record; when somebody else wrote meanwhile, load again and decide again."""
        while True:
            with _uncollected():
                board, arrivals = self._advanced(arrivals, now_ns)
                changes = board.take_changes()
            if self._record(board, changes, after):
                for arrival in arrivals:
                    name = arrival.finding.data.condition
                    wall_ns = now_ns[TopicPartition(*arrival.record.position[:2])]
                    self._heard.set(name, wall_ns)
                    self._clocks.set_first(board.home[name], wall_ns)
                return changes

    def _advanced(
        self, arrivals: Sequence[stage.Arrival], now_ns: Mapping[TopicPartition, int]
    ) -> tuple[Board, Sequence[stage.Arrival]]:
        """The board with the findings on it, and those findings; one that cannot be put there is a dead letter."""
        try:
            board = self._loaded(arrivals)
            stage.advance(board, arrivals, now_ns)
            return board, arrivals
        except (BusError, StoreError):
            raise
        except Exception:
            # The step is pure, so it can be taken again one finding at a time to see which one it is.
            good: list[stage.Arrival] = []
            for arrival in arrivals:
                self._board = None
                try:
                    stage.advance(self._loaded([*good, arrival]), [*good, arrival], now_ns)
                except (BusError, StoreError):
                    raise
                except Exception as error:
                    self._bury(arrival.record, f"{type(error).__name__}: {error}")
                    self._log.error("record.not_stepped", position=str(arrival.record.position), exc_info=error)
                else:
                    good.append(arrival)
            self._board = None
            board = self._loaded(good)
            stage.advance(board, good, now_ns)
            return board, good

    def _bury(self, record: Record, reason: str) -> None:
        """Make a dead letter of a record, on the bus before the position moves past it."""
        _, producer = self._open()
        producer.append(dead_letter(record, reason, stage.NAME))
        producer.flush()
        self._log.warning("record.dead", position=str(record.position), reason=reason)

    def _record(self, board: Board, changes: Changes, after: Mapping[TopicPartition, int]) -> bool:
        """
        Whether it was written; False: the incidents had moved meanwhile, decide again.

        Raises:
            StoreConflict: the positions had moved: another worker, or a commit of ours whose outcome was unknown.
        """
        expected = {at: self._positions[at] for at in after}
        started_ns = self._clock.monotonic_ns()
        try:
            self._casebook.record(stage.NAME, changes, after, expected)
        except StoreConflict:
            self._board = None
            found = self._casebook.positions(stage.NAME)
            if any(found.get(at, 0) != offset for at, offset in expected.items()):
                raise
            return False
        except BaseException:
            self._board = None
            raise
        if not changes.empty:
            board.revision += 1
        self._unpublished = self._unpublished or bool(changes.alerts)
        if self._metrics is not None:
            self._metrics.committed(stage.NAME, (self._clock.monotonic_ns() - started_ns) / NS_PER_S)
            for alert in changes.alerts:
                self._metrics.alerted(alert.type)
            for line in changes.history:
                if line.act == "breached":
                    self._metrics.response_target(line.detail["of"], "breached")
        return True

    def _loaded(self, arrivals: Sequence[stage.Arrival] = ()) -> Board:
        """The board, with the incidents that these findings may belong to, however old."""
        while True:
            if self._board is None:
                closed_after_ns = self._clock.now_ns() - ns(max(self._settings.link_s, self._settings.reopen_s))
                self._board = Board(self._settings, self._casebook.load_open(closed_after_ns))
            board = self._board
            unknown = {arrival.finding.data.condition for arrival in arrivals} - board.conditions.keys()
            if not unknown:
                return board
            found = self._casebook.load_of(sorted(unknown))
            if found.revision == board.revision:
                board.add(found)
                return board
            self._board = None

    def _watch_ends(self, consumer: Consumer) -> None:
        """Note which partitions were read to their end, twice a second."""
        now_ns = self._clock.monotonic_ns()
        if self._looked_ns is not None and now_ns - self._looked_ns < FRESH_NS // 4:
            return
        self._looked_ns = now_ns
        for at, position in self._positions.items():
            lag = consumer.end_offset(at) - position
            if lag <= 0:
                self._at_end_ns[at] = now_ns
            if self._metrics is not None:
                self._metrics.lag(stage.NAME, at.partition, max(0, lag))

    def _tick_if_due(self, consumer: Consumer) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._ticked_ns is not None and now_ns - self._ticked_ns < TICK_NS:
            return
        self._ticked_ns = now_ns
        if not self._positions:
            return
        self._tick()
        if self._leads() and (gone := self._housekeeping.do()):
            self._log.info("incidents.pruned", incidents=gone)
        self._unpublished = True
        if self._shown != self._positions:
            try:
                consumer.commit(self._positions)
                self._shown = dict(self._positions)
            except (BusFenced, BusRetryable) as error:
                self._log.debug("bus.offsets_not_shown", reason=str(error))

    def _leads(self) -> bool:
        """Whether this worker keeps the time and publishes, of all in the group: who reads the first partition."""
        return any(at.partition == 0 for at in self._positions)

    def _tick(self) -> None:
        if self._board is not None and self._casebook.revision() != self._board.revision:
            self._board = None  # people acted, or another worker wrote
        board = self._loaded()
        now_ns = self._clock.monotonic_ns()
        current = {at.partition for at, at_ns in self._at_end_ns.items() if now_ns - at_ns <= FRESH_NS}
        tick(board, self._clock.now_ns(), self._clocks.now_ns, self._heard.now_ns, current, leads=self._leads())
        changes = board.take_changes()
        self._clocks.keep(board.incidents)
        self._heard.keep(board.conditions)
        if not changes.empty:
            self._record(board, changes, {})
        if self._metrics is not None and self._leads():
            self._metrics.incidents_open(board.levels())

    def _publish(self) -> None:
        _, producer = self._open()
        if self._alert_partitions is None:  # they never change while the topic is there
            self._alert_partitions = self._bus.partition_counts().get(ALERTS)
        if self._alert_partitions:
            publish(producer, self._casebook, partitions=self._alert_partitions)
            self._unpublished = False


@contextmanager
def _uncollected() -> Iterator[None]:
    """A batch makes many objects and no cycles: to look for some in between costs a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
