"""Time that has passed, free of steps of the wall clock: a wall time once, and the monotonic count since."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.clock import Clock


class Anchors:
    """
    The time by name (incident, condition): the wall time when it was first asked for, plus what has passed since.

    A clock that is set forward breaches no target and silences no camera, one that is set back delays none. After a
    restart the wall clock is all there is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._anchors: dict[str, tuple[int, int]] = {}

    def set(self, name: str, wall_ns: int) -> None:
        """Start anew: it is `wall_ns` now."""
        self._anchors[name] = (wall_ns, self._clock.monotonic_ns())

    def set_first(self, name: str, wall_ns: int) -> None:
        """It is `wall_ns` now, for a name that is not known yet."""
        if name not in self._anchors:
            self.set(name, wall_ns)

    def now_ns(self, name: str) -> int:
        self.set_first(name, self._clock.now_ns())
        wall_ns, monotonic_ns = self._anchors[name]
        return wall_ns + self._clock.monotonic_ns() - monotonic_ns

    def keep(self, names: Iterable[str]) -> None:
        """Forget all others."""
        wanted = set(names)
        self._anchors = {name: anchor for name, anchor in self._anchors.items() if name in wanted}
