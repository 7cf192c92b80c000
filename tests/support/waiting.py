"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def until(see: Callable[[], Seen], what: str, timeout_s: float = 20.0, period_s: float = 0.02) -> Seen:
    """What `see` returns once it is true; fails, saying what was waited for, after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not (seen := see()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not seen within {timeout_s:g} s: {what}; last: {seen!r}")
        time.sleep(period_s)
    return seen
