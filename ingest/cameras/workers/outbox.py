"""What a worker has to tell its parent: observations, bounded, oldest dropped; and counts."""

from __future__ import annotations

import threading
from collections import Counter, deque

from ingest.cameras.observation import Observation

PICTURES_MAX = 200  # observations that wait; more of them come without their pictures


class Outbox:
    """Safe for several threads."""

    def __init__(self, observations_max: int) -> None:
        self._observations: deque[Observation] = deque()
        self._observations_max = observations_max
        self._counts: Counter[tuple[str, str]] = Counter()
        self._ready = threading.Condition()

    def put(self, observation: Observation) -> None:
        with self._ready:
            if len(self._observations) >= PICTURES_MAX and (bare := observation.without_pictures()) is not observation:
                observation = bare
                self._counts["frames_dropped", "picture"] += 1
            self._observations.append(observation)
            self._counts["frames_read", ""] += 1
            if len(self._observations) > self._observations_max:
                self._observations.popleft()
                self._counts["frames_dropped", "outbox"] += 1
            self._ready.notify()

    def count(self, what: str, label: str = "", by: int = 1) -> None:
        """`what` is a method of `IngestMetrics`."""
        with self._ready:
            self._counts[what, label] += by

    def take(self, wait_s: float) -> list[Observation]:
        """All that waits; waits itself for the first at most `wait_s`."""
        with self._ready:
            if not self._observations:
                self._ready.wait(wait_s)
            taken = list(self._observations)
            self._observations.clear()
        return taken

    def take_counts(self) -> dict[tuple[str, str], int]:
        with self._ready:
            counts, self._counts = self._counts, Counter()
        return dict(counts)
