"""
A look at the picture for one hazard: flame, smoke, things left behind. The reader calls each that it was given.

A part is the memory of one camera, and bounded. Where the picture is blind (`sample.flags`) it says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ingest.cameras.observation import CameraEvent
from ingest.cameras.signals.sample import Sample


@dataclass(frozen=True, slots=True)
class Told:
    """What goes into the tick. Shares of the picture; NaN where not looked."""

    flame: float = float("nan")
    smoke: float = float("nan")
    events: tuple[CameraEvent, ...] = ()  # kinds from 48 on: our own look


class Part(Protocol):
    def read(self, picture: Sample, at_ns: int) -> Told:
        """
        Args:
            at_ns: when it was captured; grows.
        """
