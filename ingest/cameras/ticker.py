"""Observations of many cameras to ticks: one for each owned partition and interval, also when nothing was seen."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ingest.cameras.observation import Observation
from ingest.schema.tick import GRID_COLUMNS, GRID_ROWS, I64, Tick, empty_tick

_SCALARS = np.dtype(
    [
        ("camera", np.uint32),
        ("captured_at_ns", np.int64),
        ("arrived_at_ns", np.int64),
        ("time_source", np.uint8),
        ("width", np.uint16),
        ("height", np.uint16),
        ("picture", np.uint16),
        ("foreground", np.float32),
        ("flame", np.float32),
        ("smoke", np.float32),
        ("sharpness", np.float32),
        ("brightness", np.float32),
    ]
)
_scalars_of = operator.attrgetter(*(_SCALARS.names or ()))
INTERVALS_MAX = 25  # a role that slept longer goes on with the present


class Ticker:
    """
    Pure: time comes in with `cut`. An observation stands in the interval of its arrival; a late one in the next that
    is cut, with its own captured time.

    Attributes:
        dropped: observations of cameras that are not ours (any more), since the start.
    """

    def __init__(self, producer: str, interval_ns: int) -> None:
        self._producer, self._interval_ns = producer, interval_ns
        self._partition_of: dict[int, int] = {}
        self._partitions: frozenset[int] = frozenset()
        self._waiting: list[Observation] = []
        self._next_ns: int | None = None
        self.dropped = 0

    def own(self, partitions: Iterable[int], partition_of: Mapping[int, int]) -> None:
        """Cut ticks for these partitions from now on. `partition_of`: by camera number."""
        self._partitions, self._partition_of = frozenset(partitions), dict(partition_of)

    def add(self, observations: Iterable[Observation]) -> None:
        self._waiting.extend(observations)

    def cut(self, now_ns: int) -> list[Tick]:
        """All intervals that have ended by `now_ns` and were not cut yet, in order; each owned partition in each."""
        interval_ns = self._interval_ns
        end_ns = now_ns - now_ns % interval_ns
        # At the start, after a long sleep, and after a clock that was set back, go on with the present.
        if self._next_ns is None or not -INTERVALS_MAX <= (end_ns - self._next_ns) // interval_ns <= INTERVALS_MAX:
            self._next_ns = end_ns - interval_ns
        starts_ns = range(self._next_ns, end_ns, interval_ns)
        if not starts_ns:
            return []
        self._next_ns = end_ns
        rows = [seen for seen in self._waiting if seen.arrived_at_ns < end_ns]
        self._waiting = [seen for seen in self._waiting if seen.arrived_at_ns >= end_ns]
        partition = np.array([self._partition_of.get(seen.camera, -1) for seen in rows], np.int64)
        arrived = np.array([seen.arrived_at_ns for seen in rows], np.int64)
        interval = np.clip((arrived - starts_ns[0]) // interval_ns, 0, len(starts_ns) - 1)
        owned = np.isin(partition, sorted(self._partitions))
        self.dropped += int((~owned).sum())
        # Sorted once; each tick is then a slice.
        width = len(starts_ns)
        place = np.where(owned, partition * width + interval, -1)
        order = np.argsort(place, kind="stable")
        placed = place[order]
        ticks = []
        for n, start_ns in enumerate(starts_ns):
            for own in sorted(self._partitions):
                low, high = np.searchsorted(placed, [own * width + n, own * width + n + 1])
                chosen = [rows[row] for row in order[low:high].tolist()]
                ticks.append(assemble(chosen, own, self._producer, start_ns, start_ns + interval_ns))
        return ticks


def assemble(rows: Sequence[Observation], partition: int, producer: str, starts_at_ns: int, ends_at_ns: int) -> Tick:
    """The tick of these N frames, by columns."""
    frames = len(rows)
    if not frames:
        return empty_tick(partition, producer, starts_at_ns, ends_at_ns)
    scalars = np.fromiter(map(_scalars_of, rows), _SCALARS, frames)
    grid_known = np.array([row.foreground_grid is not None for row in rows])
    flow_known = np.array([row.flow_grid is not None for row in rows])
    grid = np.zeros((frames, GRID_ROWS, GRID_COLUMNS), np.uint8)
    if grid_known.any():
        grid[grid_known] = [row.foreground_grid for row in rows if row.foreground_grid is not None]
    flow = np.full((frames, GRID_ROWS, GRID_COLUMNS, 2), np.nan, np.float16)
    if flow_known.any():
        flow[flow_known] = [row.flow_grid for row in rows if row.flow_grid is not None]
    seen = [row.objects for row in rows if row.objects is not None]
    counts = np.array([0 if row.objects is None else len(row.objects.object_class) for row in rows], np.int64)
    start: I64 = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    told = [event for row in rows for event in row.events]
    told_start: I64 = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(row.events) for row in rows])])
    none = empty_tick(partition, producer, starts_at_ns, ends_at_ns)
    columns = {name: np.ascontiguousarray(scalars[name]) for name in _SCALARS.names or ()}
    return Tick(
        partition=partition,
        producer=producer,
        starts_at_ns=starts_at_ns,
        ends_at_ns=ends_at_ns,
        **columns,
        grid_known=grid_known,
        foreground_grid=grid,
        flow_known=flow_known,
        flow_grid=flow,
        objects_known=np.array([row.objects is not None for row in rows]),
        object_start=start,
        object_class=np.concatenate([none.object_class, *(objects.object_class for objects in seen)]),
        object_confidence=np.concatenate([none.object_confidence, *(objects.confidence for objects in seen)]),
        object_box=np.concatenate([none.object_box, *(objects.box for objects in seen)]),
        object_track=np.concatenate([none.object_track, *(objects.track for objects in seen)]),
        event_start=told_start,
        event_kind=np.array([event.kind for event in told], np.uint8),
        event_state=np.array([event.state for event in told], np.uint8),
        event_value=np.array([event.value for event in told], np.float32),
        event_confidence=np.array([event.confidence for event in told], np.float16),
        event_at_ns=np.array([event.at_ns for event in told], np.int64),
        event_box=np.array([event.box for event in told], np.float32).reshape(-1, 4),
    )
