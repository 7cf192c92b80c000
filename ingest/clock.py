"""The one door to time: stages get it from ticks, everything at the rim from a `Clock` that is passed in."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

NS_PER_S = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """UTC for what is written down, a monotonic count for what is waited for."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of a count that never goes back."""


class SystemClock:
    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def utc(at_ns: int) -> datetime:
    """The UTC date and time of `at_ns` (ns since 1970), cut to whole microseconds."""
    return _EPOCH + timedelta(microseconds=at_ns // 1_000)


def utc_ns(at: datetime) -> int:
    """Nanoseconds since 1970 of an aware `at`; exact to its microseconds."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 1_000
