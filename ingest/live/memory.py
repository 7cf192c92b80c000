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
        evidence_bytes_max: the same of evidence.
    """

    def __init__(
        self,
        clock: Clock,
        frame_bytes_max: int = 256 * 1024 * 1024,
        evidence_bytes_max: int = 64 * 1024 * 1024,
    ) -> None:
        self._clock = clock
        self._frames, self._evidence = _Pictures(clock, frame_bytes_max), _Pictures(clock, evidence_bytes_max)
        self._states: dict[str, dict[str, tuple[int, bytes]]] = {}
        self._lock = threading.Lock()

    def put_frame(self, reference: str, jpeg: bytes, lifetime_s: float) -> bool:
        with self._lock:
            return self._frames.put(reference, jpeg, lifetime_s)

    def frame(self, reference: str) -> bytes | None:
        with self._lock:
            return self._frames.get(reference)

    def frames_kept(self) -> FramesKept:
        with self._lock:
            return self._frames.kept()

    def put_evidence(self, reference: str, jpeg: bytes, lifetime_s: float) -> bool:
        with self._lock:
            return self._evidence.put(reference, jpeg, lifetime_s)

    def replace_evidence(self, reference: str, jpeg: bytes) -> bool:
        with self._lock:
            left_s = self._evidence.left_s(reference)
            return left_s > 0.0 and self._evidence.put(reference, jpeg, left_s)

    def evidence(self, reference: str) -> bytes | None:
        with self._lock:
            return self._evidence.get(reference)

    def evidence_kept(self) -> FramesKept:
        with self._lock:
            return self._evidence.kept()

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
            self._evidence.clear()
            self._states.clear()


class _Pictures:
    """Pictures of one kind, by arrival. Each look at them drops those whose time is over: none outlives it for long."""

    def __init__(self, clock: Clock, bytes_max: int) -> None:
        self._clock, self._bytes_max = clock, bytes_max
        self._pictures: OrderedDict[str, tuple[int, bytes]] = OrderedDict()  # expiry, picture
        self._bytes = 0

    def put(self, reference: str, jpeg: bytes, lifetime_s: float) -> bool:
        if len(jpeg) > self._bytes_max:
            return False
        now_ns = self._clock.monotonic_ns()
        self._drop(reference)
        self._expire(now_ns)
        while self._pictures and self._bytes + len(jpeg) > self._bytes_max:
            self._drop(next(iter(self._pictures)))
        self._pictures[reference] = (now_ns + int(lifetime_s * NS_PER_S), jpeg)
        self._bytes += len(jpeg)
        return True

    def get(self, reference: str) -> bytes | None:
        self._expire(self._clock.monotonic_ns())
        _, jpeg = self._alive(reference)
        return jpeg

    def left_s(self, reference: str) -> float:
        """How long the picture has yet; 0 where there is none."""
        expires_ns, jpeg = self._alive(reference)
        return 0.0 if jpeg is None else (expires_ns - self._clock.monotonic_ns()) / NS_PER_S

    def kept(self) -> FramesKept:
        now_ns = self._clock.monotonic_ns()
        alive = [(expires_ns, len(jpeg)) for expires_ns, jpeg in self._pictures.values() if expires_ns > now_ns]
        longest_ns = max((expires_ns - now_ns for expires_ns, _ in alive), default=0)
        return FramesKept(len(alive), sum(size for _, size in alive), longest_ns / NS_PER_S)

    def clear(self) -> None:
        self._pictures.clear()
        self._bytes = 0

    def _alive(self, reference: str) -> tuple[int, bytes | None]:
        expires_ns, jpeg = self._pictures.get(reference, (0, None))
        return expires_ns, jpeg if expires_ns > self._clock.monotonic_ns() else None

    def _expire(self, now_ns: int) -> None:
        """Drop from the oldest on; of one kind all live equally long, so that the oldest ends first."""
        while self._pictures:
            oldest, (expires_ns, _) = next(iter(self._pictures.items()))
            if expires_ns > now_ns:
                return
            self._drop(oldest)

    def _drop(self, reference: str) -> None:
        _, jpeg = self._pictures.pop(reference, (0, b""))
        self._bytes -= len(jpeg)
