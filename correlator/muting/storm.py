"""A storm: more has begun within the last minute than people can read. It is told as a state, not as a wall."""

from __future__ import annotations

from collections import Counter

import msgspec

from ingest.clock import NS_PER_S

_KEPT_S = 3_600


class StormState(msgspec.Struct, frozen=True, kw_only=True):
    """The banner: what the console shows above the list while it is on."""

    on: bool = False
    since_ns: int | None = None
    ended_ns: int | None = None
    findings_per_min: int = 0  # that began within the last minute
    sites: int = 0  # with an open incident
    folded: int = 0  # incidents that another one of their site speaks for


class Storm:
    """Conditions by the second in which they were first detected; on at the limit, off at a quarter of it."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit, self._window_s = limit, round(window_s)
        self._begun: Counter[int] = Counter()
        self._newest_s = 0
        self._was: tuple[int, int] = (-1, 0)
        self.since_ns: int | None = None

    def put(self, detected_ns: int) -> None:
        second = detected_ns // NS_PER_S
        self._begun[second] += 1
        at_s, begun = self._was
        self._was = at_s, begun + (at_s - self._window_s < second <= at_s)
        if second > self._newest_s:
            self._newest_s = second
            if len(self._begun) > 2 * _KEPT_S:
                self._begun = Counter({at: n for at, n in self._begun.items() if at > second - _KEPT_S})

    def begun(self, at_ns: int) -> int:
        """Conditions that began within the window before `at_ns`."""
        second = at_ns // NS_PER_S
        if self._was[0] != second:
            self._was = second, sum(self._begun[second - back] for back in range(self._window_s))
        return self._was[1]

    def is_on(self, at_ns: int) -> bool:
        begun = self.begun(at_ns)
        if begun >= self._limit:
            self.since_ns = self.since_ns if self.since_ns is not None else at_ns
        elif begun * 4 < self._limit:
            self.since_ns = None
        return self.since_ns is not None
