"""A clock that stands still until a test moves it."""

from __future__ import annotations

from ingest.clock import NS_PER_S

START_NS = 1_700_000_000 * NS_PER_S


class ManualClock:
    """See `ingest.clock.Clock`. UTC and the monotonic count advance together; `set_back` moves UTC alone."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self._now_ns, self._monotonic_ns = now_ns, NS_PER_S

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def advance(self, seconds: float) -> None:
        assert seconds >= 0, "time moves forward only"
        self._now_ns += round(seconds * NS_PER_S)
        self._monotonic_ns += round(seconds * NS_PER_S)

    def set_back(self, seconds: float) -> None:
        """As a wrong time server does: UTC jumps, the monotonic count does not."""
        self._now_ns -= round(seconds * NS_PER_S)
