"""How much one camera may send: so much in a second, and some seconds' worth at once after a rest. Pure."""

from __future__ import annotations

from ingest.clock import NS_PER_S

TOLD_NS = 10 * NS_PER_S  # a camera that was held back within this is said to flood
_DEBT_S_MAX = 1.0


class Throttle:
    """
    Args:
        per_s: of whatever is counted.
        burst_s: so many seconds' worth may come at once.
    """

    def __init__(self, per_s: float, burst_s: float = 1.0) -> None:
        self._per_s, self._most = per_s, per_s * burst_s
        self._left, self._at_ns = self._most, 0

    def admits(self, now_ns: int) -> bool:
        """Whether one more is within the bound; one that is not costs nothing."""
        self._refill(now_ns)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def spend(self, amount: float, now_ns: int) -> float:
        """Seconds to wait after `amount` came, 0 within the bound; at most 1 s, so that one lump is no standstill."""
        self._refill(now_ns)
        self._left = max(self._left - amount, -self._per_s * _DEBT_S_MAX)
        return max(0.0, -self._left / self._per_s)

    def _refill(self, now_ns: int) -> None:
        self._left = min(self._most, self._left + max(0, now_ns - self._at_ns) / NS_PER_S * self._per_s)
        self._at_ns = now_ns


class Pace:
    """
    What a stream may bring, in packets and in bytes. Who reads waits as long as it says; meanwhile the connection
    fills, and the camera waits too, or drops. So a flood costs what the bound costs, whatever the camera sends.
    """

    BURST_S = 5.0  # what lay in the network while this machine was busy, and the first pictures of a stream

    def __init__(self, packets_per_s: float, bytes_per_s: float) -> None:
        self._packets, self._bytes = Throttle(packets_per_s, self.BURST_S), Throttle(bytes_per_s, self.BURST_S)

    def wait_s(self, size_bytes: int, now_ns: int) -> float:
        """Seconds to wait after a packet of this size."""
        return max(self._packets.spend(1.0, now_ns), self._bytes.spend(float(size_bytes), now_ns))
