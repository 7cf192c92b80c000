"""What a reader knows about one frame: the ticker makes ticks of these."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import numpy as np

from ingest.schema.tick import F16, F32, I32, U8, EventKind, EventState, TimeSource


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """M objects of one frame, columns as in `Tick`."""

    object_class: U8  # (M,)
    confidence: F16  # (M,)
    box: F32  # (M, 4) left, top, width, height in [0, 1], y down
    track: I32  # (M,)


NOWHERE = (np.nan, np.nan, np.nan, np.nan)


class CameraEvent(NamedTuple):
    """What a rule of the camera's own says, or our own look at its picture, as in `Tick`."""

    kind: int  # EventKind
    state: int  # EventState
    value: float  # NaN where there is none
    confidence: float  # NaN where the camera says none
    at_ns: int  # UTC
    box: tuple[float, float, float, float] = NOWHERE  # left, top, width, height in [0, 1], y down


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    camera: int
    captured_at_ns: int
    arrived_at_ns: int
    time_source: int
    width: int = 0
    height: int = 0
    picture: int = 0
    foreground: float = np.nan
    flame: float = np.nan
    smoke: float = np.nan
    sharpness: float = np.nan
    brightness: float = np.nan
    foreground_grid: U8 | None = None  # (9, 16)
    flow_grid: F16 | None = None  # (9, 16, 2)
    objects: Objects | None = None  # None: not looked; empty: nobody there
    events: tuple[CameraEvent, ...] = ()
    jpeg: bytes | None = field(default=None, repr=False)  # for the person detector alone, by the live store
    evidence: bytes | None = field(default=None, repr=False)  # JPEG whose persons are covered, for the live store

    def without_pictures(self) -> Self:
        """The same frame; its pictures are shed."""
        return self if self.jpeg is None and self.evidence is None else replace(self, jpeg=None, evidence=None)


def of_stream(camera: int, kind: EventKind, since_ns: int, at_ns: int, value: float = np.nan) -> Observation:
    """What its reader says of a camera's stream, beside the frames or in the place of those that it does not give."""
    event = CameraEvent(kind, EventState.ON, value, np.nan, since_ns)
    return Observation(camera, at_ns, at_ns, TimeSource.ARRIVAL, events=(event,))
