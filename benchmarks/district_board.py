"""Numbers that the processes of the district's benchmark share: one writer each, read by all without asking."""

from __future__ import annotations

import multiprocessing
from enum import IntEnum, auto


class Slot(IntEnum):
    # the benchmark writes
    GO = 0  # open what you need
    STOP = auto()
    START_NS = auto()  # UTC, of the first interval; 0: not yet
    RATE_MHZ = auto()  # thousandths of a frame a second and camera
    # the cameras write
    SENT_FRAMES = auto()
    SENT_BYTES = auto()  # of values
    SENT_UNTIL_NS = auto()  # UTC: all frames before it are sent
    # the detectors write
    READY = auto()  # partitions that are owned
    DONE_FRAMES = auto()
    DONE_RECORDS = auto()
    COMMITS = auto()


class Board:
    """Aligned words of 64 bits, each written by one process alone."""

    def __init__(self) -> None:
        self._words = multiprocessing.RawArray("q", len(Slot))

    def __getitem__(self, slot: Slot) -> int:
        return int(self._words[slot])

    def __setitem__(self, slot: Slot, value: int) -> None:
        self._words[slot] = value

    def add(self, slot: Slot, value: int) -> None:
        """For the slot's one writer."""
        self._words[slot] += value

    @property
    def rate_hz(self) -> float:
        return self[Slot.RATE_MHZ] / 1_000
