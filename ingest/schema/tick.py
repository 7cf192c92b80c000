"""
The tick: all frames of one partition in one interval, in columns.

A tick comes even when nothing was seen: silence is data, and time moves only with ticks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F16 = npt.NDArray[np.float16]
F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

GRID_ROWS, GRID_COLUMNS = 9, 16


class TimeSource(IntEnum):
    """Which clock `captured_at_ns` came from."""

    CAMERA = 0  # the camera's NTP time, within the bound of arrival
    ARRIVAL = 1  # our clock when the frame arrived
    FILE = 2  # a recording's own time line


class Picture(IntFlag):
    """What is wrong with a picture; 0 is a good one."""

    CORRUPT = 1
    FROZEN = 2
    DARK = 4
    COVERED = 8
    BLURRED = 16
    MOVED = 32
    LEARNING = 64  # the background is being learned: who stands in the picture now would become a part of it
    WASHED_OUT = 128  # so much light that nothing can be told apart
    COLOUR_LOST = 256  # grey where there is colour at this time of day
    UNSTEADY = 512  # all of it changes with each picture: interference, shaking


class ObjectClass(IntEnum):
    PERSON = 0
    VEHICLE = 1
    ANIMAL = 2
    OTHER = 3


class EventKind(IntEnum):
    """
    What a camera's own rule can say. The list is closed: what is not of a kind is not told, and no camera can pass a
    word of its own along. From `STREAM_STALLED` on it is our reader that speaks, of a camera that gives no frames, or
    too many: a row with such an event is no frame.
    """

    LINE_CROSSED = 0
    OBJECTS_INSIDE = 1  # of a field; value: how many
    OCCUPANCY = 2  # value: how many are there now
    COUNT = 3  # value: how many have passed
    STANDING = 4  # many stay in a field; value: how many
    CROWDING = 5
    ABANDONED_OBJECT = 6
    REMOVED_OBJECT = 7
    MOTION = 8
    TAMPER = 9
    SCENE_CHANGE = 10
    DARK = 11
    BRIGHT = 12
    BLURRED = 13
    SIGNAL_LOST = 14
    DEVICE_FAULT = 15
    REBOOT = 16
    CLOCK_SYNC = 17
    FIRE = 18
    SMOKE = 19
    FALL = 20
    WRONG_WAY = 21
    STOPPED_VEHICLE = 22
    STREAM_STALLED = 32
    STREAM_UNREACHABLE = 33
    STREAM_REFUSED = 34
    STREAM_AUTH_FAILED = 35
    STREAM_NO_VIDEO = 36
    STREAM_QUARANTINED = 37
    STREAM_FLOODING = 38
    STREAM_CLOCK_OFF = 39  # value: the camera's clock less ours, s
    STREAM_KEY_GAP = 40  # value: time between two pictures that stand for themselves, s
    # From 48 on it is our own look at the picture; each picture tells again what is there (value: for how long, s).
    LEFT_BEHIND = 48  # something that was brought and stays
    TAKEN_AWAY = 49  # something that belonged to the scene is gone


class EventState(IntEnum):
    """How an event stands. What was so before we asked is known, and no news."""

    HAPPENED = 0  # at one moment
    ON = 1
    OFF = 2
    KNOWN_ON = 3
    KNOWN_OFF = 4


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """
    N frames with M objects and E events in all. A float that a source cannot know is NaN; grids and objects that it
    cannot know are marked so (`grid_known`, `flow_known`, `objects_known`), since no objects seen is not the same as
    not looked.

    Objects of frame i are rows `object_start[i]:object_start[i + 1]` of the object columns, and so are its events.
    """

    partition: int
    producer: str  # the role that made it: two ticks of one interval may come, from `ingest` and from `perceive`
    starts_at_ns: int  # UTC, inclusive
    ends_at_ns: int  # UTC, exclusive
    camera: U32  # (N,) the camera's number in the registry
    captured_at_ns: I64  # (N,) UTC
    arrived_at_ns: I64  # (N,) UTC
    time_source: U8  # (N,) TimeSource
    width: U16  # (N,) px, 0 where unknown
    height: U16  # (N,) px, 0 where unknown
    picture: U16  # (N,) Picture
    foreground: F32  # (N,) share of the picture in [0, 1]
    flame: F32  # (N,) share of the picture in [0, 1]
    smoke: F32  # (N,) share of the picture in [0, 1]
    sharpness: F32  # (N,) standard deviation of the Laplacian, grey levels
    brightness: F32  # (N,) mean grey level in [0, 255]
    grid_known: Bools  # (N,)
    foreground_grid: U8  # (N, 9, 16) share of each cell, 255 = all of it
    flow_known: Bools  # (N,)
    flow_grid: F16  # (N, 9, 16, 2) picture widths and heights per second, x right, y down
    objects_known: Bools  # (N,)
    object_start: I64  # (N + 1,)
    object_class: U8  # (M,) ObjectClass
    object_confidence: F16  # (M,) in [0, 1], NaN where unknown
    object_box: F32  # (M, 4) left, top, width, height in [0, 1], y down
    object_track: I32  # (M,) camera-local, -1 untracked; never leaves the detector
    event_start: I64  # (N + 1,)
    event_kind: U8  # (E,) EventKind
    event_state: U8  # (E,) EventState
    event_value: F32  # (E,) a number of its kind, NaN where there is none
    event_confidence: F16  # (E,) in [0, 1], as the camera says it, NaN where unknown
    event_at_ns: I64  # (E,) UTC
    event_box: F32  # (E, 4) where in the picture it is, as `object_box`; NaN where unknown

    @property
    def frames(self) -> int:
        return len(self.camera)

    def object_frame(self) -> I64:
        """(M,) the row of the frame that each object belongs to."""
        return np.repeat(np.arange(self.frames, dtype=np.int64), np.diff(self.object_start))

    def event_frame(self) -> I64:
        """(E,) the row of the frame that each event belongs to."""
        return np.repeat(np.arange(self.frames, dtype=np.int64), np.diff(self.event_start))

    def check(self) -> None:
        """
        Raises:
            ValueError: a column has another length, type or range than the class says; names the column.
        """
        frames, objects, events = len(self.camera), len(self.object_class), len(self.event_kind)
        for name, (kind, shape) in _columns(frames, objects, events).items():
            column = getattr(self, name)
            if column.dtype != kind or column.shape != shape:
                raise ValueError(f"{name}: expected {kind.__name__} {shape}, got {column.dtype} {column.shape}")
        for name, start, count in (
            ("object_start", self.object_start, objects),
            ("event_start", self.event_start, events),
        ):
            if start[0] != 0 or start[-1] != count or (np.diff(start) < 0).any():
                raise ValueError(f"{name}: expected to rise from 0 to {count}, got {start[:1]} to {start[-1:]}")
        if not np.isfinite(self.object_box).all():
            raise ValueError("object_box: expected finite numbers, got NaN or infinity")
        if self.ends_at_ns < self.starts_at_ns:
            raise ValueError("ends_at_ns: expected an end after the start")


def _columns(frames: int, objects: int, events: int = 0) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
    cells = (GRID_ROWS, GRID_COLUMNS)
    return {
        "camera": (np.uint32, (frames,)),
        "captured_at_ns": (np.int64, (frames,)),
        "arrived_at_ns": (np.int64, (frames,)),
        "time_source": (np.uint8, (frames,)),
        "width": (np.uint16, (frames,)),
        "height": (np.uint16, (frames,)),
        "picture": (np.uint16, (frames,)),
        "foreground": (np.float32, (frames,)),
        "flame": (np.float32, (frames,)),
        "smoke": (np.float32, (frames,)),
        "sharpness": (np.float32, (frames,)),
        "brightness": (np.float32, (frames,)),
        "grid_known": (np.bool_, (frames,)),
        "foreground_grid": (np.uint8, (frames, *cells)),
        "flow_known": (np.bool_, (frames,)),
        "flow_grid": (np.float16, (frames, *cells, 2)),
        "objects_known": (np.bool_, (frames,)),
        "object_start": (np.int64, (frames + 1,)),
        "object_class": (np.uint8, (objects,)),
        "object_confidence": (np.float16, (objects,)),
        "object_box": (np.float32, (objects, 4)),
        "object_track": (np.int32, (objects,)),
        "event_start": (np.int64, (frames + 1,)),
        "event_kind": (np.uint8, (events,)),
        "event_state": (np.uint8, (events,)),
        "event_value": (np.float32, (events,)),
        "event_confidence": (np.float16, (events,)),
        "event_at_ns": (np.int64, (events,)),
        "event_box": (np.float32, (events, 4)),
    }


def empty_tick(partition: int, producer: str, starts_at_ns: int, ends_at_ns: int, frames: int = 0) -> Tick:
    """A tick of `frames` rows about which nothing is known but that they are there: camera 0, time 0, no objects."""
    blank: dict[str, npt.NDArray[np.generic]] = {}
    for name, (kind, shape) in _columns(frames, 0).items():
        blank[name] = np.full(shape, np.nan, kind) if issubclass(kind, np.floating) else np.zeros(shape, kind)
    return Tick(partition, producer, starts_at_ns, ends_at_ns, **blank)  # type: ignore[arg-type]


def equal(a: Tick, b: Tick) -> bool:
    """Whether two ticks say the same; NaN equals NaN."""
    for field in fields(Tick):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, np.ndarray):
            floats = np.issubdtype(left.dtype, np.floating)
            if left.dtype != right.dtype or not np.array_equal(left, right, equal_nan=bool(floats)):
                return False
        elif left != right:
            return False
    return True
