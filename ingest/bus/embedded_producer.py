"""Appending to the embedded bus."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ingest.bus import sqlite_file, sqlite_group, sqlite_log
from ingest.bus.contract import Consumer, Draft, TopicPartition
from ingest.bus.embedded_consumer import EmbeddedConsumer
from ingest.bus.refusals import in_flight_full, record_too_large
from ingest.errors import BusFenced

if TYPE_CHECKING:
    from ingest.bus.embedded import EmbeddedBus
    from ingest.bus.sqlite_group import Membership

BYTES_IN_FLIGHT_MAX = 64 * 1024 * 1024
# Without a transaction, appends gather for so long before they are written by themselves.
_LINGER_S = 0.005
_LINGER_BYTES = 1024 * 1024


class EmbeddedProducer:
    """See `ingest.bus.contract.Producer`. After `BusFenced` it never writes again."""

    def __init__(self, bus: EmbeddedBus, transactional_id: str | None) -> None:
        self._bus, self._transactional_id = bus, transactional_id
        self._bytes_max = bus.bytes_in_flight_max
        self._connection = sqlite_file.connect(bus.path)
        self._drafts: dict[TopicPartition, list[Draft]] = {}
        self._bytes = 0
        self._oldest_at_s = 0.0
        self._moves: list[tuple[Membership, dict[TopicPartition, int]]] = []
        self._is_open = False
        self._fenced: BusFenced | None = None
        self._epoch = 0
        if transactional_id is not None:
            with bus.writing(self._connection):
                (self._epoch,) = self._connection.execute(
                    "INSERT INTO producer VALUES (?, 1) ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
                    (transactional_id,),
                ).fetchone()

    def append(self, draft: Draft) -> None:
        """
        Raises:
            BusError: the record is larger than its topic takes.
            BusRetryable: too much is in flight; commit, or flush.
            BusFenced: a newer producer took over.
        """
        self._raise_if_fenced()
        assert self._transactional_id is None or self._is_open, "append outside of a transaction"
        at = TopicPartition(draft.topic, draft.partition)
        size, bytes_max = draft.size_bytes, self._bus.log(at).message_bytes_max
        if size > bytes_max:
            raise record_too_large(draft.topic, bytes_max, size)
        if self._bytes + size > self._bytes_max:
            raise in_flight_full(self._bytes_max, self._bytes + size)
        if not self._drafts:
            self._oldest_at_s = time.monotonic()
        self._drafts.setdefault(at, []).append(draft)
        self._bytes += size
        is_due = self._bytes >= _LINGER_BYTES or time.monotonic() - self._oldest_at_s >= _LINGER_S
        if self._transactional_id is None and is_due:
            self.flush()

    def flush(self, timeout_s: float = 30.0) -> None:
        if self._transactional_id is None and self._drafts:
            self._write()

    def begin(self) -> None:
        self._raise_if_fenced()
        assert self._transactional_id is not None, "a producer without a transactional id has no transactions"
        assert not self._is_open, "a transaction is open already"
        self._is_open = True

    def move_offsets(self, consumer: Consumer, offsets: Mapping[TopicPartition, int]) -> None:
        self._raise_if_fenced()
        assert self._is_open, "offsets moved outside of a transaction"
        assert isinstance(consumer, EmbeddedConsumer), "the consumer is one of another bus"
        membership = consumer.membership()
        for at in offsets.keys() - membership.generations.keys():
            self._stop(sqlite_group.fenced(membership.member, f"{at.topic}/{at.partition} is not held"))
        self._moves.append((membership, dict(offsets)))

    def commit(self) -> None:
        self._raise_if_fenced()
        assert self._is_open, "no transaction is open"
        self._write()
        self._is_open = False

    def _write(self) -> None:
        logs = {at: self._bus.log(at) for at in [*self._drafts, *(at for _, offsets in self._moves for at in offsets)]}
        now_ns = self._bus.clock.now_ns()
        try:
            with self._bus.writing(self._connection):
                self._check_epoch()
                for at, drafts in self._drafts.items():
                    sqlite_log.append(self._connection, logs[at], drafts, now_ns)
                for membership, offsets in self._moves:
                    sqlite_group.move_offsets(self._connection, membership, offsets, logs)
        except BusFenced as error:
            self._stop(error)
        self._clear()
        self._bus.hub.ring()

    def _check_epoch(self) -> None:
        if self._transactional_id is None:
            return
        (epoch,) = self._connection.execute(
            "SELECT epoch FROM producer WHERE transactional_id = ?", (self._transactional_id,)
        ).fetchone()
        if epoch != self._epoch:
            raise BusFenced(
                f"producer {self._transactional_id}",
                expected=f"epoch {self._epoch}",
                got=f"epoch {epoch}",
                mend="Another worker took over; this one must stop.",
            )

    def _stop(self, error: BusFenced) -> None:
        self._fenced = error
        self._clear()
        raise error

    def _raise_if_fenced(self) -> None:
        if self._fenced is not None:
            raise self._fenced

    def _clear(self) -> None:
        self._drafts, self._bytes, self._moves = {}, 0, []

    def abort(self) -> None:
        """Forget the open transaction; nothing of it has left this process."""
        self._clear()
        self._is_open = False

    def close(self) -> None:
        try:
            if self._fenced is None:
                self.flush()
        finally:
            self._clear()
            self._connection.close()
