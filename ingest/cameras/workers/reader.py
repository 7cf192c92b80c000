"""One camera's life in a worker: open, read until it fails, rest, open again. A thread for each camera."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.cause import source_error
from ingest.cameras.sources.drift import Drift
from ingest.cameras.state import StreamState
from ingest.cameras.throttle import TOLD_NS, Pace
from ingest.cameras.workers.backoff import rest_s
from ingest.cameras.workers.danger import Danger
from ingest.cameras.workers.outbox import Outbox
from ingest.clock import NS_PER_S, Clock
from ingest.errors import SourceError
from ingest.registry.district import Camera

STATE_OF: dict[str, StreamState] = {
    "unreachable": "unreachable",
    "unknown_host": "unreachable",
    "auth_failed": "auth_failed",
    "refused": "refused",
    "not_found": "no_video",
    "no_video": "no_video",
    "broken_stream": "no_video",
    "stalled": "stalled",
    "closed": "stalled",
    "crashed": "quarantined",
}


_RESOLVE_S_MAX = 120.0  # a dead name server takes its time, and cannot be hurried


@dataclass(frozen=True, slots=True)
class Status:
    """What a worker says of a camera's stream."""

    camera: str
    state: StreamState = "connecting"
    cause: str = ""
    since_ns: int = 0
    last_frame_at_ns: int = 0
    picture: int = 0
    offset_ns: int | None = None
    drift_ppm: float | None = None
    is_flooding: bool = False
    key_gap_s: float | None = None


class CameraReader(Protocol):
    """What a worker needs of each camera that it reads."""

    @property
    def busy_until_ns(self) -> int | None:
        """Monotonic; a call into a library that lasts longer hangs."""

    def start(self, wait_s: float) -> None: ...

    def end(self) -> None: ...

    def join(self, timeout_s: float) -> None: ...

    def status(self) -> Status: ...


class RecordingOver(Exception):
    """A recording has come to its end and does not loop."""


class Reader:
    """
    What all kinds of cameras share. A subclass has `session`, which opens, reads and closes once, and returns only by
    an exception or when `ended` is set.
    """

    def __init__(
        self, camera: Camera, slot: int, settings: IngestSettings, clock: Clock, outbox: Outbox, danger: Danger
    ) -> None:
        self.camera, self.slot, self.settings, self.clock = camera, slot, settings, clock
        self.outbox, self.danger = outbox, danger
        self.ended = threading.Event()
        self.last_cause = ""
        self.last_frame_at_ns = 0
        self.picture = 0
        self.offset_ns: int | None = None
        self.key_gap_s: float | None = None  # of a video stream, as last measured
        self.flooded_ns: int | None = None  # when it was last held back, monotonic
        self._pace = Pace(settings.stream_packets_per_s_max, settings.stream_mbit_per_s_max * 1e6 / 8)
        self._drift = Drift()
        self.busy_until_ns: int | None = None  # monotonic; a call into the library that lasts longer hangs
        self._state: tuple[StreamState, str, int] = ("connecting", "", clock.now_ns())
        self._live_since_ns: int | None = None
        self._thread = threading.Thread(target=self._live, name=f"camera-{camera.number}", daemon=True)

    def start(self, wait_s: float) -> None:
        """Begin after `wait_s`, so that a worker's cameras do not open all at once."""
        self._wait_s = wait_s
        self._thread.start()

    def end(self) -> None:
        """Ask it to stop; returns at once."""
        self.ended.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def status(self) -> Status:
        state, cause, since_ns = self._state
        self._drift.add(self.clock.monotonic_ns(), self.offset_ns)
        return Status(
            self.camera.id,
            state,
            cause,
            since_ns,
            self.last_frame_at_ns,
            self.picture,
            self.offset_ns,
            self._drift.ppm(),
            is_recent(self.flooded_ns, self.clock.monotonic_ns()),
            self.key_gap_s,
        )

    def say(self, state: StreamState, cause: str = "") -> None:
        if (state, cause) != self._state[:2]:
            self._state = (state, cause, self.clock.now_ns())
            if state == "live":
                self._live_since_ns = self.clock.monotonic_ns()

    def session(self) -> None:
        raise NotImplementedError

    def hold_back(self, size_bytes: int) -> None:
        """Wait where the camera sends more than it may; called for each packet."""
        wait_s = self._pace.wait_s(size_bytes, self.clock.monotonic_ns())
        if wait_s > 0.0:
            self.flooded_ns = self.clock.monotonic_ns()
            self.outbox.count("held_back", by=max(1, round(wait_s * 1_000)))
            self.ended.wait(wait_s)

    def opened(self, opens: Callable[[], object]) -> object:
        """The result of `opens`, with the worker knowing who to suspect if it dies in it."""
        self.deadline(self.settings.open_s_max * 2 + _RESOLVE_S_MAX)
        self.danger.opening(self.slot, True)
        try:
            return opens()
        finally:
            self.danger.opening(self.slot, False)

    def deadline(self, within_s: float) -> None:
        """The next sign of life comes within `within_s`, or this reader hangs."""
        self.busy_until_ns = self.clock.monotonic_ns() + int(within_s * NS_PER_S)

    def _live(self) -> None:
        random = Random(self.camera.number ^ self.clock.monotonic_ns())
        failures = 0
        self.ended.wait(self._wait_s)
        while not self.ended.is_set():
            self._live_since_ns = None
            try:
                self.session()
                continue
            except RecordingOver:
                self.busy_until_ns = None
                self.say("off", "the recording has ended")
                return
            except SourceError as error:
                cause, line = error.cause, str(error)
            # The reader is the runner of one camera: whatever its stream sets off must not end its thread unseen.
            except Exception as error:
                cause = "broken_stream"
                line = str(source_error(self.camera, cause, type(error).__name__))
            self.busy_until_ns = None
            if self.ended.is_set():
                return
            lived_ns = self.clock.monotonic_ns() - self._live_since_ns if self._live_since_ns else 0
            failures = 1 if lived_ns >= self.settings.steady_s * NS_PER_S or cause != self.last_cause else failures + 1
            self.last_cause = cause
            self.outbox.count("reconnected", cause)
            self.say(STATE_OF[cause], line)
            self.ended.wait(rest_s(self.settings, cause, failures, random))


def is_recent(flooded_ns: int | None, now_ns: int) -> bool:
    """Whether a camera that was last held back at `flooded_ns` is said to flood."""
    return flooded_ns is not None and now_ns - flooded_ns < TOLD_NS
