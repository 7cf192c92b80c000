"""Ticks drawn by hypothesis: every column takes every value that it may."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ingest.schema.tick import GRID_COLUMNS, GRID_ROWS, EventKind, Tick

TIMES = st.integers(0, 2**62)


@st.composite
def ticks(draw: st.DrawFn, frames_max: int = 5, objects_max: int = 6) -> Tick:
    frames = draw(st.integers(0, frames_max))
    looked = draw(arrays(np.bool_, frames))
    counts = np.where(looked, draw(arrays(np.int64, frames, elements=st.integers(0, objects_max))), 0)
    objects = int(counts.sum())

    def whole(kind: Any, shape: Any) -> Any:
        return draw(arrays(kind, shape))

    def real(kind: Any, shape: Any, width: int) -> Any:
        elements = st.floats(0, 1, width=width) | st.just(float("nan"))  # type: ignore[arg-type]
        return draw(arrays(kind, shape, elements=elements))

    grid_known, flow_known = whole(np.bool_, frames), whole(np.bool_, frames)
    cells = (frames, GRID_ROWS, GRID_COLUMNS)
    level = draw(arrays(np.uint8, frames))
    # What is behind a null is nobody's business: it is not compared, so it must be what a reader fills in.
    grid = np.where(grid_known[:, None, None], np.broadcast_to(level[:, None, None], cells), 0).astype(np.uint8)
    speed = draw(arrays(np.float16, frames, elements=st.floats(-1, 1, width=16)))
    flow = np.where(
        flow_known[:, None, None, None], np.broadcast_to(speed[:, None, None, None], (*cells, 2)), np.nan
    ).astype(np.float16)
    told = draw(arrays(np.int64, frames, elements=st.integers(0, 2)))
    events = int(told.sum())
    start = draw(TIMES)
    return Tick(
        partition=draw(st.integers(0, 63)),
        producer=draw(st.sampled_from(["ingest", "perceive"])),
        starts_at_ns=start,
        ends_at_ns=start + draw(st.integers(0, 10**9)),
        camera=whole(np.uint32, frames),
        captured_at_ns=draw(arrays(np.int64, frames, elements=TIMES)),
        arrived_at_ns=draw(arrays(np.int64, frames, elements=TIMES)),
        time_source=draw(arrays(np.uint8, frames, elements=st.integers(0, 2))),
        width=whole(np.uint16, frames),
        height=whole(np.uint16, frames),
        picture=draw(arrays(np.uint16, frames, elements=st.integers(0, 63))),
        foreground=real(np.float32, frames, 32),
        flame=real(np.float32, frames, 32),
        smoke=real(np.float32, frames, 32),
        sharpness=real(np.float32, frames, 32),
        brightness=real(np.float32, frames, 32),
        grid_known=grid_known,
        foreground_grid=grid,
        flow_known=flow_known,
        flow_grid=flow,
        objects_known=looked,
        object_start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        object_class=draw(arrays(np.uint8, objects, elements=st.integers(0, 3))),
        object_confidence=real(np.float16, objects, 16),
        object_box=draw(arrays(np.float32, (objects, 4), elements=st.floats(0, 1, width=32))),
        object_track=whole(np.int32, objects),
        event_start=np.concatenate([[0], np.cumsum(told)]).astype(np.int64),
        event_kind=draw(arrays(np.uint8, events, elements=st.sampled_from(EventKind))),
        event_state=draw(arrays(np.uint8, events, elements=st.integers(0, 4))),
        event_value=real(np.float32, events, 32),
        event_confidence=real(np.float16, events, 16),
        event_at_ns=draw(arrays(np.int64, events, elements=TIMES)),
        event_box=real(np.float32, (events, 4), 32),
    )
