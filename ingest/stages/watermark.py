"""
How far event time has come: the newest time seen, less a bounded lateness.

Rows behind the watermark are late: counted and dropped, so that time never runs backwards. Over several partitions the
watermark is the least of those that still speak: an idle partition must not hold back the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

NEVER_NS = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Watermark:
    lateness_ns: int  # how far behind the newest time a row may still be
    newest_ns: int = NEVER_NS

    @property
    def at_ns(self) -> int:
        return self.newest_ns if self.newest_ns == NEVER_NS else self.newest_ns - self.lateness_ns

    def advanced(self, to_ns: int) -> Watermark:
        """The watermark after `to_ns` was seen; it never goes back."""
        return self if to_ns <= self.newest_ns else replace(self, newest_ns=to_ns)

    def late(self, times_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """(N,) which of `times_ns` (N,) are behind the watermark."""
        return times_ns < self.at_ns


def combined_ns(watermarks: Mapping[int, int], last_heard_ns: Mapping[int, int], now_ns: int, idle_ns: int) -> int:
    """
    The watermark of several partitions together.

    Args:
        watermarks: watermark of each partition, ns.
        last_heard_ns: when each partition was last heard of, on the clock of `now_ns`.
        idle_ns: silence after which a partition no longer counts.

    Returns:
        The least watermark of the partitions that are not idle; the greatest of all where all are; `NEVER_NS` of none.
    """
    speaking = [at for partition, at in watermarks.items() if now_ns - last_heard_ns[partition] <= idle_ns]
    return min(speaking) if speaking else max(watermarks.values(), default=NEVER_NS)
