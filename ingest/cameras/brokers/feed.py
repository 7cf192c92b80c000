"""One camera behind a broker: what a reader is to a stream, without a connection or a thread of its own."""

from __future__ import annotations

from ingest.cameras.brokers.link import Link, broker_error
from ingest.cameras.metadata.event_rules import EventTable
from ingest.cameras.metadata.intake import Intake
from ingest.cameras.settings import IngestSettings
from ingest.cameras.state import StreamState
from ingest.cameras.workers.outbox import Outbox
from ingest.cameras.workers.reader import STATE_OF, Status, is_recent
from ingest.clock import NS_PER_S, Clock
from ingest.registry.district import Camera

_BROKEN_MAX = 20  # messages in a row that cannot be read


class Feed:
    """
    Attributes:
        intake: what its messages go through; for the connection's reading thread alone.
        heard_ns: the last sign of life of the camera, monotonic; None before.
        is_blind: its own sender says that it gives no pictures.
        foreign: what its topic carries that is not read; empty where nothing was seen of it.
    """

    def __init__(
        self, camera: Camera, settings: IngestSettings, clock: Clock, outbox: Outbox, table: EventTable, link: Link
    ) -> None:
        self.camera, self.link, self.clock, self.outbox = camera, link, clock, outbox
        self.intake = Intake(camera, settings, outbox, table)
        is_frigate = camera.source == "frigate"
        self._silence_s = settings.frigate_silence_s_max if is_frigate else settings.metadata_silence_s_max
        self.topics: tuple[str, ...] = ()
        self.flooded_ns: int | None = None  # when something of it was last refused, monotonic
        self.heard_ns: int | None = None
        self.is_blind = False
        self.foreign = ""
        self._state: tuple[StreamState, str, int] = ("connecting", "", clock.now_ns())

    def hear(self) -> None:
        """It has given a sign of life."""
        self.heard_ns = self.clock.monotonic_ns()

    def admits(self, arrived_ns: int) -> bool:
        """Whether one more message is within what it may send; one that is not is a sign of life too."""
        if self.intake.admits(arrived_ns):
            return True
        self.hear()
        self.flooded_ns = self.clock.monotonic_ns()
        return False

    def begin(self) -> None:
        """A new connection begins."""
        self.intake.forget()
        self.heard_ns, self.is_blind, self.foreign = None, False, ""

    @property
    def is_live(self) -> bool:
        return self._seen()[0] == "live"

    def status(self) -> Status:
        state, cause = self._seen()
        if (state, cause) != self._state[:2]:
            self._state = state, cause, self.clock.now_ns()
        since_ns = self._state[2]
        return Status(
            self.camera.id,
            state,
            cause,
            since_ns,
            self.intake.last_frame_at_ns,
            offset_ns=self.intake.offset_ns,
            is_flooding=is_recent(self.flooded_ns, self.clock.monotonic_ns()),
        )

    def _seen(self) -> tuple[StreamState, str]:
        link, now_ns = self.link.state, self.clock.monotonic_ns()
        if link.loss is not None:
            return self._lost(link.loss.cause, link.loss.got, "its broker")
        if link.connected_ns is None:
            return "connecting", ""
        if self.camera.source == "deepstream" and not self.link.refused.isdisjoint(self.topics):
            return self._lost("not_found", "no such topic", "its topic")
        if not self.link.refused.isdisjoint(self.topics):
            return self._lost("refused", "a refusal", "to be given its topic")
        if self.intake.broken > _BROKEN_MAX:
            return self._lost("broken_stream", "messages that are none", f"messages of {self.camera.source}")
        if self.is_blind:
            return self._lost("stalled", "the word of its sender that none come", "pictures")
        since_ns = link.connected_ns if self.heard_ns is None else self.heard_ns
        is_silent = now_ns - since_ns > self._silence_s * NS_PER_S
        if self.foreign and (is_silent or self.heard_ns is None):
            return self._lost("broken_stream", self.foreign, "messages in JSON")
        if not is_silent:
            return ("connecting" if self.heard_ns is None else "live"), ""
        return self._lost("stalled", f"nothing for {self._silence_s:g} s", "a message")

    def _lost(self, cause: str, got: str, expected: str) -> tuple[StreamState, str]:
        return STATE_OF[cause], str(broker_error(self.camera, cause, got, expected))
