"""
Whether the cameras are surely still ours. Pure.

A group gives a silent member's partitions away after its session has timed out. So a role counts as their owner only
within a shorter time of the last moment at which it surely was; afterwards it asks before it sends. All that it has cut
until then ends before the first tick of any successor, and is passed over as stale where both arrive.
"""

from __future__ import annotations

_NEVER = -(2**62)


class Lease:
    """Times are of one monotonic clock, ns."""

    def __init__(self, length_ns: int) -> None:
        self._length_ns = length_ns
        self._sure_ns = _NEVER

    def renew(self, sure_ns: int) -> None:
        """At `sure_ns` the cameras were ours."""
        self._sure_ns = sure_ns

    def doubt(self) -> None:
        """Something has happened that may have cost them."""
        self._sure_ns = _NEVER

    def holds(self, now_ns: int) -> bool:
        return now_ns - self._sure_ns <= self._length_ns
