"""
What the cameras of a district say, interval by interval, as columns: no Python object a frame.

Each camera shows its frames at a rate and at a phase of its own; each frame has 10 persons. Zones go over their
capacity one after the other, each for a second, by 20 persons in a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.crowds import CROWDED, persons, zone_id
from detectors.geometry.homography import Floats
from ingest.clock import NS_PER_S
from ingest.schema.finding import Phase
from ingest.schema.tick import I64, Bools, Tick, TimeSource, empty_tick

TICK_NS = 200_000_000
PERSONS = 10  # in a frame; 0.58 of the safe capacity of its zone
CROWD_NS = NS_PER_S  # how long a zone is over
RAISES_PER_S = 20.0
_POOL = 1 << 17  # boxes to draw from


@dataclass(frozen=True, eq=False)
class Frames:
    """N frames of a partition, by camera and time."""

    camera: I64  # (N,)
    captured_at_ns: I64  # (N,) UTC
    crowded: Bools  # (N,)


class Load:
    """`cameras` numbered from 0, dealt out to the partitions in turn, as `crowds.crowd_district` does."""

    def __init__(self, cameras: int, partitions: int, seed: int = 1) -> None:
        self.cameras, self.partitions = cameras, partitions
        self._random = np.random.default_rng(seed)
        self.phase: Floats = self._random.uniform(0.0, 1.0, cameras)  # (C,) of each camera, in periods
        order = self._random.permutation(cameras)
        self.due_ns: I64 = ((order + 1) * (NS_PER_S / RAISES_PER_S)).astype(np.int64)  # (C,) from the start
        self.pool = persons(_POOL, self._random)  # who all stand in the zone of their camera

    def frames(self, partition: int, start_ns: int, from_ns: int, until_ns: int, rate_hz: float) -> Frames:
        """Those of an interval; times since the epoch, `start_ns` that of the first interval of all."""
        camera = np.arange(partition, self.cameras, self.partitions)
        first = _frame_at(from_ns - start_ns, self.phase[camera], rate_hz)
        count = _frame_at(until_ns - start_ns, self.phase[camera], rate_hz) - first
        row = np.repeat(np.arange(len(camera)), count)
        number = np.arange(len(row)) + np.repeat(first - np.cumsum(count) + count, count)
        camera = camera[row]
        since_ns = _time_ns(number, self.phase[camera], rate_hz)
        since_ns = np.clip(since_ns, from_ns - start_ns, until_ns - start_ns - 1)
        over_ns = since_ns - self.due_ns[camera]
        return Frames(camera, start_ns + since_ns, (over_ns >= 0) & (over_ns < CROWD_NS))

    def tick(self, partition: int, start_ns: int, from_ns: int, until_ns: int, rate_hz: float) -> Tick:
        """The tick of an interval."""
        seen = self.frames(partition, start_ns, from_ns, until_ns, rate_hz)
        frames = len(seen.camera)
        count = np.where(seen.crowded, CROWDED, PERSONS)
        start = np.concatenate([[0], np.cumsum(count)])
        chosen = self.drawn(int(start[-1]))
        objects = self.pool
        blank = empty_tick(partition, "ingest", from_ns, until_ns, frames)
        columns = {name: getattr(blank, name) for name in Tick.__slots__[4:]} | {
            "camera": seen.camera.astype(np.uint32),
            "captured_at_ns": seen.captured_at_ns,
            "arrived_at_ns": seen.captured_at_ns,
            "time_source": np.full(frames, TimeSource.CAMERA, np.uint8),
            "width": np.full(frames, 1920, np.uint16),
            "height": np.full(frames, 1080, np.uint16),
            "brightness": np.full(frames, 110.0, np.float32),
            "objects_known": np.ones(frames, np.bool_),
            "object_start": start,
            "object_class": objects.object_class[chosen],
            "object_confidence": objects.confidence[chosen],
            "object_box": objects.box[chosen],
            "object_track": objects.track[chosen],
        }
        return Tick(partition, "ingest", from_ns, until_ns, **columns)

    def drawn(self, count: int) -> slice:
        """Rows of the pool, others each time."""
        first = int(self._random.integers(0, _POOL - count))
        return slice(first, first + count)

    def wanted(self, start_ns: int, from_ns: int, until_ns: int, rate_hz: float) -> dict[tuple[str, Phase], int]:
        """The capture, UTC ns, of the frame that causes each finding, for those captured from `from_ns` on."""
        found = {}
        for phase, ends_ns in ((Phase.RAISED, self.due_ns), (Phase.CLEARED, self.due_ns + CROWD_NS)):
            number = _frame_at(ends_ns, self.phase, rate_hz)
            at_ns = start_ns + _time_ns(number, self.phase, rate_hz)
            for camera in np.flatnonzero((at_ns >= from_ns) & (at_ns < until_ns)).tolist():
                found[(zone_id(camera), phase)] = int(at_ns[camera])
        return found


def _frame_at(since_ns: int | I64, phase: Floats, rate_hz: float) -> I64:
    """(C,) number of the first frame of each camera that is not before a time since the start."""
    number: I64 = np.ceil(np.asarray(since_ns) / NS_PER_S * rate_hz - phase).astype(np.int64)
    return number


def _time_ns(number: I64, phase: Floats, rate_hz: float) -> I64:
    since: I64 = np.ceil((number + phase) / rate_hz * NS_PER_S).astype(np.int64)
    return since
