"""A member of a group on the embedded bus."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ingest.bus import sqlite_file, sqlite_group, sqlite_log
from ingest.bus.sqlite_group import Member, Membership

if TYPE_CHECKING:
    from ingest.bus.contract import Rebalance, Record, TopicPartition
    from ingest.bus.embedded import EmbeddedBus

# Commits of this process ring a bell; those of others are seen by looking, more and more seldom.
_LOOK_S_MIN, _LOOK_S_MAX = 0.002, 0.010
_POLL_BYTES_MAX = 32 * 1024 * 1024


class EmbeddedConsumer:
    """See `ingest.bus.contract.Consumer`."""

    def __init__(
        self,
        bus: EmbeddedBus,
        group: str,
        topics: frozenset[str],
        name: str,
        on_assigned: Rebalance | None,
        on_revoked: Rebalance | None,
    ) -> None:
        self._bus, self._group, self._topics, self._name = bus, group, topics, name
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._connection = sqlite_file.connect(bus.path)
        # Heartbeats need not survive a power cut, so they do not wait for the disk. Offsets go through the bus's own.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._held: dict[TopicPartition, int] = {}  # generation under which each partition is held
        self._positions: dict[TopicPartition, int] = {}
        self._paused: frozenset[TopicPartition] = frozenset()
        self._first = 0  # partition that the next poll begins with: fairness
        self._idle_version = -1  # state of the file in which there was nothing to read
        self._seen_generation = -1
        self._turn_at_ns = 0
        self.member: Member | None = None
        self.polled_at_ns = bus.clock.monotonic_ns()
        self._join()

    def membership(self) -> Membership:
        """Under which generations this member holds its partitions now."""
        assert self.member is not None, "a closed consumer has no membership"
        return Membership(self.member, dict(self._held))

    def poll(self, timeout_s: float, records_max: int = 500) -> Sequence[Record]:
        give_up_at_s = time.monotonic() + timeout_s
        look_s = _LOOK_S_MIN
        while True:
            self.polled_at_ns = self._bus.clock.monotonic_ns()
            with sqlite_file.reading(self._bus.path):
                self._rebalance_if_due()
                records = self._fetch(records_max)
            left_s = give_up_at_s - time.monotonic()
            if records or left_s <= 0:
                return records
            self._bus.hub.wait(min(look_s, left_s))
            look_s = min(look_s * 2, _LOOK_S_MAX)

    def _fetch(self, records_max: int) -> list[Record]:
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._idle_version:
            return []
        ready = sorted(self._held.keys() - self._paused)
        found: list[Record] = []
        bytes_left = _POLL_BYTES_MAX
        for i in range(len(ready)):
            at = ready[(self._first + i) % len(ready)]
            room = records_max - len(found)
            if room <= 0 or bytes_left <= 0:
                break
            log = self._bus.log(at)
            got = sqlite_log.read(self._connection, log, self._positions[at], room, bytes_left)
            if got:
                self._positions[at] = got[-1].position.offset + 1
                bytes_left -= sum(len(record.value or b"") for record in got)
                found += got
        self._first += 1
        if not found:
            self._idle_version = version
        return found

    # membership

    def _join(self) -> None:
        with self._writing():
            self.member = sqlite_group.join(
                self._connection, self._group, self._name, self._topics, self._bus.clock.monotonic_ns()
            )
        self._held, self._turn_at_ns, self._seen_generation = {}, 0, -1
        self._bus.hub.ring()

    def _writing(self) -> AbstractContextManager[None]:
        return self._bus.writing(self._connection)

    def _rebalance_if_due(self) -> None:
        now_ns = self._bus.clock.monotonic_ns()
        generation = sqlite_group.current_generation(self._connection, self._group)
        if generation == self._seen_generation and now_ns - self._turn_at_ns < self._bus.session_ns // 4:
            return
        assert self.member is not None, "a closed consumer cannot poll"
        logs = {at: log for at, log in self._bus.logs().items() if at.topic in self._topics}
        with self._writing():
            turn = sqlite_group.take_turn(self._connection, self.member, self._held, logs, now_ns, self._bus.session_ns)
            self._seen_generation = sqlite_group.current_generation(self._connection, self._group)
        self._turn_at_ns = now_ns
        if turn is None:
            self._revoke(frozenset(self._held))
            self._join()
            self._rebalance_if_due()
            return
        self._held |= turn.taken
        if turn.release & turn.taken.keys():  # an earlier one of our name held more than is our share now
            silent = {at: self._held.pop(at) for at in turn.release & turn.taken.keys()}
            with self._writing():
                sqlite_group.release(self._connection, self.member, silent, logs)
            self._bus.hub.ring()
        if leaving := {at: self._held[at] for at in turn.release if at in self._held}:
            # Call back first: until the row is gone, nobody else begins.
            self._revoke(frozenset(leaving))
            with self._writing():
                sqlite_group.release(self._connection, self.member, leaving, logs)
            self._bus.hub.ring()
        if fresh := frozenset(turn.taken.keys() & self._held.keys()):
            for at in fresh:
                self._positions[at] = sqlite_group.committed(self._connection, self._group, self._bus.log(at)) or 0
            self._idle_version = -1
            self._bus.hub.ring()
            if self._on_assigned:
                self._on_assigned(fresh)

    def _revoke(self, partitions: frozenset[TopicPartition]) -> None:
        if partitions and self._on_revoked:
            self._on_revoked(partitions)
        for at in partitions:
            del self._held[at]
            self._positions.pop(at, None)
        self._paused -= partitions

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._held)

    # positions

    def seek(self, at: TopicPartition, offset: int) -> None:
        assert at in self._held, f"{at} is not owned by {self._name}"
        self._positions[at] = offset
        self._idle_version = -1

    def committed(self, at: TopicPartition) -> int | None:
        with sqlite_file.reading(self._bus.path):
            return sqlite_group.committed(self._connection, self._group, self._bus.log(at))

    def end_offset(self, at: TopicPartition) -> int:
        return self.end_offsets(frozenset([at]))[at]

    def end_offsets(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        with sqlite_file.reading(self._bus.path):
            return {at: sqlite_log.end_offset(self._connection, self._bus.log(at)) for at in partitions}

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._bus.commit_offsets(self.membership(), offsets)

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        self._paused |= partitions & self._held.keys()

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        self._paused -= partitions
        self._idle_version = -1

    def close(self) -> None:
        member, self.member = self.member, None
        if member is None:
            return
        try:
            self._revoke(frozenset(self._held))
        finally:
            with self._writing():
                sqlite_group.leave(self._connection, member)
            self._connection.close()
            self._bus.hub.ring()
