"""
The minutes of zones from the bus into the casebook.

A minute that is taken twice is the same row, so the group's offset is moved after the rows are written: what a crash
leaves in between is written again.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from correlator.casebook.contract import Casebook
from ingest.bus.contract import Bus, Consumer, Record, TopicPartition
from ingest.bus.topics import ZONE_MINUTES
from ingest.clock import NS_PER_S, Clock
from ingest.errors import BusError, RecordError, StoreConflict, StoreRetryable
from ingest.schema.zone_minute import ZoneMinutes, decode_zone_minutes

GROUP = "zone_history"
POLL_S = 1.0
RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0)
PRUNE_NS = 3_600 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S


class HistoryRole:
    """
    Args:
        kept_days: how long a minute is kept.
        log: a structlog logger.
        member: a stable name of this worker in its group.
    """

    def __init__(self, bus: Bus, casebook: Casebook, kept_days: float, clock: Clock, log: Any, member: str) -> None:
        self._bus, self._casebook, self._clock = bus, casebook, clock
        self._kept_ns, self._log, self._member = int(kept_days * DAY_NS), log, member
        self._consumer: Consumer | None = None
        self._pruned_ns: int | None = None

    def run(self, stop: threading.Event) -> None:
        failures = 0
        try:
            while not stop.is_set():
                try:
                    self.run_once(POLL_S)
                    failures = 0
                except (BusError, StoreRetryable, StoreConflict) as error:
                    self._log.warning("history.retried", reason=str(error))
                    self.close()
                    stop.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
                    failures += 1
        finally:
            self.close()

    def run_once(self, timeout_s: float = 0.0) -> int:
        """
        Poll once, write, move the offset; prune about once an hour. The number of records that were taken.

        Raises:
            BusError, StoreRetryable: close, wait, call again; nothing is lost.
        """
        if self._consumer is None:
            self._consumer = self._bus.consumer(GROUP, [ZONE_MINUTES], self._member)
        records = self._consumer.poll(timeout_s)
        if records:
            self._casebook.keep_minutes(self._read(records))
            self._consumer.commit(
                {TopicPartition(*record.position[:2]): record.position.offset + 1 for record in records}
            )
        now_ns = self._clock.monotonic_ns()
        if self._pruned_ns is None or now_ns - self._pruned_ns >= PRUNE_NS:
            self._pruned_ns = now_ns
            self._casebook.prune_minutes(self._clock.now_ns() - self._kept_ns)
        return len(records)

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                consumer.close()
            except BusError as error:
                self._log.warning("bus.close_failed", reason=str(error))

    def _read(self, records: Sequence[Record]) -> list[ZoneMinutes]:
        """What can be read. A minute that cannot is a gap in the record, and a line in the log."""
        told = []
        for record in records:
            try:
                told.append(decode_zone_minutes(record))
            except RecordError as error:
                self._log.warning("record.dead", position=str(record.position), reason=str(error))
        return told
