"""
A worker lives only while its role is awake: a page of memory where the role leaves its mark, and the worker looks.

A role that was stopped for a while may have lost its cameras to another, which cannot open those that give one session
only. So a worker whose role has not been heard of for some seconds closes all its sessions and ends.
"""

from __future__ import annotations

from multiprocessing.context import SpawnContext
from multiprocessing.sharedctypes import Synchronized

from ingest.clock import Clock


class Tether:
    """Made by the role, passed to the worker at its start. The monotonic clock is one for all processes."""

    def __init__(self, context: SpawnContext, clock: Clock) -> None:
        self._pulled_ns: Synchronized[int] = context.Value("q", clock.monotonic_ns(), lock=False)

    def pull(self, now_ns: int) -> None:
        """The role is awake."""
        self._pulled_ns.value = now_ns

    def slack_ns(self, now_ns: int) -> int:
        """How long ago the role was last known to be awake."""
        return now_ns - self._pulled_ns.value
