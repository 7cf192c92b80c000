"""
The bus, on one page. Three back ends are held to it by one contract suite: simulated, embedded (SQLite) and Kafka.

A topic has partitions; a partition is a log of records with growing offsets (gaps are allowed: transaction markers).
A consumer group shares the partitions of its topics among its members; each partition has one owner at a time.
A transaction appends records to many partitions and moves a group's committed offsets, all or nothing; readers see
only what was committed. A producer with the same transactional id as an earlier one fences it: whatever the earlier
one still tries raises `BusFenced` and leaves nothing behind. Offsets sent with the membership of a group that has
moved on are refused the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Position(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Record:
    """What a consumer gets."""

    position: Position
    key: bytes | None
    value: bytes | None  # None deletes the key from a compacted topic
    headers: Headers
    appended_at_ns: int  # UTC, the producer's clock


@dataclass(frozen=True, slots=True)
class Draft:
    """What a producer appends."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size_bytes(self) -> int:
        """What key, value and headers weigh together."""
        headers = sum(len(name) + len(content) for name, content in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """`retention_s` is None for a topic that is compacted: it keeps the last value of each key."""

    name: str
    partitions: int
    retention_s: int | None
    message_bytes_max: int = 4 * 1024 * 1024


Rebalance = Callable[[frozenset[TopicPartition]], None]


class Consumer(Protocol):
    """A member of a group, for one thread. Starts at the group's committed offset, else at the beginning."""

    def poll(self, timeout_s: float, records_max: int = 500) -> Sequence[Record]:
        """
        Committed records of the owned partitions, in order within each; calls the rebalance call-backs, from within.

        Raises:
            BusRetryable: the bus cannot be reached; poll again.
        """

    def assignment(self) -> frozenset[TopicPartition]: ...

    def seek(self, at: TopicPartition, offset: int) -> None:
        """Make `offset` the next one to be read of an owned partition."""

    def committed(self, at: TopicPartition) -> int | None:
        """The group's committed offset: the next one to be read."""

    def end_offset(self, at: TopicPartition) -> int:
        """The offset after the last record that a reader may see now."""

    def end_offsets(self, partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """`end_offset` of each of them, at the cost of one."""

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """
        Move the group's offsets outside a transaction.

        Raises:
            BusFenced: this member no longer owns one of the partitions.
        """

    def pause(self, partitions: frozenset[TopicPartition]) -> None: ...

    def resume(self, partitions: frozenset[TopicPartition]) -> None: ...

    def close(self) -> None:
        """Leave the group at once, so that others take over without waiting for the session to time out."""


class Producer(Protocol):
    """
    Without a transactional id, `append` is durable when `flush` returns. With one, appends count from `begin` to
    `commit`. Appends are bounded in flight: `append` raises `BusRetryable` rather than grow without end.
    """

    def append(self, draft: Draft) -> None: ...

    def flush(self, timeout_s: float = 30.0) -> None:
        """
        Raises:
            BusRetryable: not all was acknowledged by the bus in time; what was not stays unknown.
        """

    def begin(self) -> None: ...

    def move_offsets(self, consumer: Consumer, offsets: Mapping[TopicPartition, int]) -> None:
        """Add the group's new offsets to the open transaction, under the membership that `consumer` holds now."""

    def commit(self) -> None:
        """
        Raises:
            BusFenced: a newer producer or member took over; nothing of the transaction is ever seen.
            BusRetryable: the outcome could not be had in time; abort, and take the truth from the bus.
        """

    def abort(self) -> None: ...

    def close(self) -> None: ...


class Bus(Protocol):
    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """
        Create what is missing; what is there already must agree.

        Raises:
            SettingsError: a topic has another partition count than asked for; nothing was created.
        """

    def partition_counts(self) -> Mapping[str, int]:
        """Every topic that is there, with its number of partitions."""

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        member: str,
        on_assigned: Rebalance | None = None,
        on_revoked: Rebalance | None = None,
    ) -> Consumer:
        """
        `member` is a stable name: the same member coming back soon gets the same partitions without a rebalance.
        `on_assigned` gets only what is new, `on_revoked` what is taken away (also on close).
        """

    def producer(self, transactional_id: str | None = None) -> Producer: ...

    def last_records(self, topic: str, partition: int) -> Mapping[bytes, Record]:
        """The last committed record of each key of a compacted partition, without those whose value is None."""

    def last_record(self, topic: str, partition: int, key: bytes) -> Record | None:
        """The last committed record of one key; quick for a key that is written all the time, as snapshots are."""

    def read(self, topic: str, partition: int, offset: int, records_max: int = 500) -> Sequence[Record]:
        """Committed records from `offset` on, outside any group; empty at the end. For tools, replay and tests."""

    def close(self) -> None: ...
