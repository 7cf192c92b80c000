"""
Which camera a worker was busy with when it died: a page of memory that outlives it.

Only one camera is in the decoder at a time in each worker, so a crash there has one suspect. Openings run side by
side; whoever was opening is a suspect where nobody was in the decoder.
"""

from __future__ import annotations

from multiprocessing.context import SpawnContext
from multiprocessing.sharedctypes import Synchronized

NOBODY = -1


class Danger:
    """Made by the parent, passed to the worker at its start. Slots number the worker's cameras."""

    def __init__(self, context: SpawnContext, slots: int) -> None:
        self._decoding: Synchronized[int] = context.Value("i", NOBODY, lock=False)
        self._opening = context.Array("b", slots, lock=False)

    def decoding(self, slot: int) -> None:
        """This camera is in the decoder now; `NOBODY` for none."""
        self._decoding.value = slot

    def opening(self, slot: int, opens: bool) -> None:
        self._opening[slot] = opens

    def suspects(self) -> list[int]:
        """Slots that the death of the worker may be due to; empty where nothing is known."""
        if (slot := self._decoding.value) != NOBODY:
            return [slot]
        return [slot for slot, opens in enumerate(self._opening) if opens]
