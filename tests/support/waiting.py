"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")
# Machines are noisy: what comes late has come, and waiting costs nothing where the condition holds.
PATIENCE = 3.0


def until(see: Callable[[], Seen], what: str, timeout_s: float = 20.0, period_s: float = 0.02) -> Seen:
    """What `see` returns once it is true; fails, saying what was waited for, after `PATIENCE` times `timeout_s`."""
    timeout_s *= PATIENCE
    deadline = time.monotonic() + timeout_s
    while not (seen := see()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not seen within {timeout_s:g} s: {what}; last: {seen!r}")
        time.sleep(period_s)
    return seen
