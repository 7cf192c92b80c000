"""
The bus in one SQLite file, for one machine: topics, partitions, groups, transactions, for any number of its processes.

A transaction is kept in memory until its commit, which is one SQLite transaction: what is aborted never reaches the
file, and readers wait for nobody. Members of a group are rows with a heartbeat (`sqlite_group`), fenced by generation;
producers are fenced by the epoch of their transactional id.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary

from ingest.bus import sqlite_file, sqlite_group, sqlite_log
from ingest.bus.contract import Rebalance, Record, TopicPartition, TopicSpec
from ingest.bus.embedded_consumer import EmbeddedConsumer
from ingest.bus.embedded_producer import BYTES_IN_FLIGHT_MAX, EmbeddedProducer
from ingest.bus.refusals import missing, partition_mismatch
from ingest.clock import NS_PER_S, Clock, SystemClock
from ingest.errors import BusRetryable

if TYPE_CHECKING:
    from ingest.bus.sqlite_group import Membership
    from ingest.bus.sqlite_log import Log

SESSION_S = 6.0
_POLL_INTERVAL_S_MAX = 300.0  # a member that has not polled for so long is dead, however lively its process is
_PRUNE_S = 10.0
_PRUNE_RECORDS = 1_000
_PRUNE_PAGES = 1_000


class Hub:
    """What all buses of one process on one file share: one writer at a time, and a bell that rings at each commit."""

    def __init__(self) -> None:
        self.write_lock = threading.Lock()
        self._bell = threading.Condition()

    def ring(self) -> None:
        with self._bell:
            self._bell.notify_all()

    def wait(self, timeout_s: float) -> None:
        with self._bell:
            self._bell.wait(timeout_s)


_hubs: WeakValueDictionary[Path, Hub] = WeakValueDictionary()
_hubs_lock = threading.Lock()


class EmbeddedBus:
    """
    The bus in the file `path`, made when it is not there. For several threads; its consumers and producers for one.

    Args:
        path: the file; `-wal` and `-shm` stand beside it. Not on a network file system.
        clock: its monotonic count must be one for all processes of the machine, as the system's is.
        session_s: after so long without a sign of life a member's partitions go to others.

    Raises:
        SettingsError: the file cannot be made or opened, or is no bus.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock | None = None,
        session_s: float = SESSION_S,
        bytes_in_flight_max: int = BYTES_IN_FLIGHT_MAX,
    ) -> None:
        self.path = path.absolute()
        self.clock: Clock = clock or SystemClock()
        self.session_ns = int(session_s * NS_PER_S)
        self.bytes_in_flight_max = bytes_in_flight_max
        self._connection = sqlite_file.connect(self.path)
        self._lock = threading.RLock()  # of the connection above
        with _hubs_lock:
            self.hub = _hubs.setdefault(self.path.resolve(), Hub())
        self._logs: dict[TopicPartition, Log] = {}
        self._consumers: WeakSet[EmbeddedConsumer] = WeakSet()
        self._is_closed = threading.Event()
        self._keeper: threading.Thread | None = None

    def writing(self, connection: sqlite3.Connection) -> AbstractContextManager[None]:
        """A write transaction on `connection`, one writer of this process at a time."""
        return sqlite_file.writing(connection, self.path, self.hub.write_lock)

    # topics

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        with self._lock, self.writing(self._connection):
            there = sqlite_log.specs(self._connection)
            for spec in specs:
                if spec.name in there and there[spec.name].partitions != spec.partitions:
                    raise partition_mismatch(spec, there[spec.name].partitions)
            for spec in specs:
                if spec.name not in there:
                    sqlite_log.create(self._connection, spec)
        self.hub.ring()

    def partition_counts(self) -> Mapping[str, int]:
        with self._lock, sqlite_file.reading(self.path):
            return {name: spec.partitions for name, spec in sqlite_log.specs(self._connection).items()}

    def log(self, at: TopicPartition) -> Log:
        """
        Raises:
            SettingsError: there is no such topic or partition.
        """
        if at not in self._logs:
            self._logs = self.logs()
        if at not in self._logs:
            raise missing(at)
        return self._logs[at]

    def logs(self) -> dict[TopicPartition, Log]:
        with self._lock, sqlite_file.reading(self.path):
            return sqlite_log.logs(self._connection)

    # members and producers

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        member: str,
        on_assigned: Rebalance | None = None,
        on_revoked: Rebalance | None = None,
    ) -> EmbeddedConsumer:
        counts = self.partition_counts()
        for topic in topics:
            if topic not in counts:
                raise missing(TopicPartition(topic, 0))
        consumer = EmbeddedConsumer(self, group, frozenset(topics), member, on_assigned, on_revoked)
        self._consumers.add(consumer)
        self._keep()
        return consumer

    def producer(self, transactional_id: str | None = None) -> EmbeddedProducer:
        self._keep()
        return EmbeddedProducer(self, transactional_id)

    def commit_offsets(self, membership: Membership, offsets: Mapping[TopicPartition, int]) -> None:
        """
        Move a group's offsets outside of a transaction.

        Raises:
            BusFenced: the member no longer owns one of the partitions.
        """
        logs = {at: self.log(at) for at in offsets}
        with self._lock, self.writing(self._connection):
            sqlite_group.move_offsets(self._connection, membership, offsets, logs)

    # reading outside of groups

    def last_records(self, topic: str, partition: int) -> Mapping[bytes, Record]:
        log = self.log(TopicPartition(topic, partition))
        with self._lock, sqlite_file.reading(self.path):
            return sqlite_log.last_records(self._connection, log)

    def last_record(self, topic: str, partition: int, key: bytes) -> Record | None:
        log = self.log(TopicPartition(topic, partition))
        with self._lock, sqlite_file.reading(self.path):
            return sqlite_log.last_record(self._connection, log, key)

    def read(self, topic: str, partition: int, offset: int, records_max: int = 500) -> Sequence[Record]:
        log = self.log(TopicPartition(topic, partition))
        with self._lock, sqlite_file.reading(self.path):
            return sqlite_log.read(self._connection, log, offset, records_max)

    # housekeeping

    def prune(self) -> int:
        """Delete some of what is past its time, and give the room back to the disk; return how many records went."""
        count = 0
        for log in self.logs().values():
            with self._lock, self.writing(self._connection):
                count += sqlite_log.prune(self._connection, log, self.clock.now_ns(), _PRUNE_RECORDS)
        if count:
            with self._lock, self.hub.write_lock, sqlite_file.reading(self.path):
                self._connection.execute(f"PRAGMA incremental_vacuum({_PRUNE_PAGES})").fetchall()
        return count

    def beat(self) -> None:
        """A sign of life for every member of this bus that still polls: it may be busy with a batch for long."""
        now_ns = self.clock.monotonic_ns()
        alive = [c.member for c in list(self._consumers) if c.polled_at_ns > now_ns - _POLL_INTERVAL_S_MAX * NS_PER_S]
        members = [member for member in alive if member is not None]
        if members:
            with self._lock, self.writing(self._connection):
                for member in members:
                    sqlite_group.beat(self._connection, member, now_ns)

    def _keep(self) -> None:
        with self._lock:
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._housekeeping, name="bus-housekeeping", daemon=True)
                self._keeper.start()

    def _housekeeping(self) -> None:
        pruned_at_ns = self.clock.monotonic_ns()
        while not self._is_closed.wait(self.session_ns / NS_PER_S / 4):
            try:
                self.beat()
                if self.clock.monotonic_ns() - pruned_at_ns > _PRUNE_S * NS_PER_S:
                    self.prune()
                    pruned_at_ns = self.clock.monotonic_ns()
            except BusRetryable:
                continue  # those who poll and append meet the same fault, and report it

    def close(self) -> None:
        """Close this bus's own connection; consumers and producers are closed by those who opened them."""
        self._is_closed.set()
        if self._keeper is not None:
            self._keeper.join()
        with self._lock:
            self._connection.close()

    def __enter__(self) -> EmbeddedBus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
