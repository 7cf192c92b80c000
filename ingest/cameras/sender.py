"""Drafts to the bus, bounded: when the bus cannot take them, the oldest frames are shed and counted, never the role."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable
from typing import NamedTuple

from ingest.bus.contract import Bus, Draft
from ingest.cameras.measures import IngestMetrics
from ingest.errors import BusError, BusRetryable
from ingest.stages.runner import StageLog


class Pending(NamedTuple):
    draft: Draft
    frames: int  # that are lost with it


class Sender:
    """
    Attributes:
        shed: frames that never reached the bus, since the start.
    """

    def __init__(self, bus: Bus, pending_max: int, flush_s_max: float, metrics: IngestMetrics, log: StageLog) -> None:
        self._producer = bus.producer()
        self._pending: deque[Pending] = deque()
        self._pending_max, self._flush_s_max = pending_max, flush_s_max
        self._metrics, self._log = metrics, log
        self._blocked = False
        self.shed = 0

    @property
    def is_blocked(self) -> bool:
        """Whether the bus took nothing when it was last tried."""
        return self._blocked

    def keep(self, drafts: Iterable[Pending]) -> None:
        """Let these wait for the next `send`, at most `pending_max` in all."""
        self._pending.extend(drafts)
        while len(self._pending) > self._pending_max:
            self._shed(self._pending.popleft(), "bus")

    def own(self, partitions: Container[int]) -> None:
        """Forget what waits for other partitions: whoever owns them now tells of them."""
        for pending in [one for one in self._pending if one.draft.partition not in partitions]:
            self._pending.remove(pending)
            self._shed(pending, "unowned")

    def send(self, drafts: Iterable[Pending] = ()) -> None:
        """Append and flush; what cannot go now waits."""
        self.keep(drafts)
        try:
            while self._pending:
                self._append(self._pending[0])
                self._pending.popleft()
            self._producer.flush(self._flush_s_max)
        except BusRetryable as error:
            if not self._blocked:
                self._log.warning("bus.blocked", stage="ingest", reason=str(error))
            self._blocked = True
            return
        if self._blocked:
            self._log.info("bus.back", stage="ingest", shed=self.shed)
        self._blocked = False

    def close(self) -> None:
        try:
            self._producer.close()
        except BusError as error:
            self._log.warning("bus.close_failed", stage="ingest", reason=str(error))

    def _append(self, pending: Pending) -> None:
        try:
            self._producer.append(pending.draft)
        except BusRetryable:
            raise
        except BusError as error:  # this one can never go: too large for its topic
            self._shed(pending, "bus")
            self._log.error("tick.refused", partition=pending.draft.partition, reason=str(error))

    def _shed(self, pending: Pending, cause: str) -> None:
        self.shed += pending.frames
        if pending.frames:
            self._metrics.frames_dropped(cause, pending.frames)
