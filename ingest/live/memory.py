"""The live store in this process: bounded in bytes, oldest frames go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from ingest.clock import NS_PER_S, Clock
from ingest.live.contract import FramesKept


class MemoryLiveStore:
    """
    Args:
        frame_bytes_max: bound of all frames together; a new frame pushes the oldest out.
    """

    def __init__(self, clock: Clock, frame_bytes_max: int = 256 * 1024 * 1024) -> None:
        self._clock, self._frame_bytes_max = clock, frame_bytes_max
        self._frames: OrderedDict[str, tuple[int, bytes]] = OrderedDict()  # by arrival: expiry, picture
        self._frame_bytes = 0
        self._states: dict[str, dict[str, tuple[int, bytes]]] = {}
        self._lock = threading.Lock()

    def put_frame(self, reference: str, jpeg: bytes, lifetime_s: float) -> bool:
        if len(jpeg) > self._frame_bytes_max:
            return False
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            self._drop(reference)
            while self._frames:
                oldest, (expires_ns, _) = next(iter(self._frames.items()))
                if expires_ns > now_ns and self._frame_bytes + len(jpeg) <= self._frame_bytes_max:
                    break
                self._drop(oldest)
            self._frames[reference] = (now_ns + int(lifetime_s * NS_PER_S), jpeg)
            self._frame_bytes += len(jpeg)
        return True

    def frame(self, reference: str) -> bytes | None:
        with self._lock:
            expires_ns, jpeg = self._frames.get(reference, (0, b""))
        return jpeg if expires_ns > self._clock.monotonic_ns() else None

    def frames_kept(self) -> FramesKept:
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            alive = [(expires_ns, len(jpeg)) for expires_ns, jpeg in self._frames.values() if expires_ns > now_ns]
        longest_ns = max((expires_ns - now_ns for expires_ns, _ in alive), default=0)
        return FramesKept(len(alive), sum(size for _, size in alive), longest_ns / NS_PER_S)

    def put_states(self, kind: str, states: Mapping[str, bytes], lifetime_s: float) -> None:
        expires_ns = self._clock.monotonic_ns() + int(lifetime_s * NS_PER_S)
        with self._lock:
            known = self._states.setdefault(kind, {})
            known.update({name: (expires_ns, state) for name, state in states.items()})

    def states(self, kind: str) -> Mapping[str, bytes]:
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            known = self._states.get(kind, {})
            for name in [name for name, (expires_ns, _) in known.items() if expires_ns <= now_ns]:
                del known[name]
            return {name: state for name, (_, state) in known.items()}

    def close(self) -> None:
        with self._lock:
            self._frames.clear()
            self._states.clear()
            self._frame_bytes = 0

    def _drop(self, reference: str) -> None:
        _, jpeg = self._frames.pop(reference, (0, b""))
        self._frame_bytes -= len(jpeg)
