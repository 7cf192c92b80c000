"""
Bodies of a camera, followed from box to box for as long as it takes to see whether one falls and stays down.

A body is a row of numbers in the plane of one picture, in picture heights: where its box is, how tall it was when it
last stood upright, where it rests when it no longer does. It is linked by place and size only, is of one camera, and is
forgotten some seconds after it was last seen, unless it went down; it has no number that anybody could look up.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import columns
from detectors.geometry.homography import Floats, Ints
from detectors.newest import NOT_YET
from ingest.errors import RecordError
from ingest.schema.tick import F32, GRID_COLUMNS, GRID_ROWS, U8

# Columns of a body: its last box, its velocity (own heights per second), as it last stood, where it rests since it
# went down, how often it was seen since (low, as low as one crouches, at all, upright again), how much
# foreground it was as it stood; the middle and the amount of what is left of it once no box is found.
(
    X, BOTTOM, WIDE, HIGH, SPEED_X, SPEED_Y, UP_HIGH, UP_WIDE, UP_X, UP_BOTTOM, UPRIGHT, PHASE,
    REST_X, REST_BOTTOM, REST_WIDE, REST_HIGH, LOW, LOWISH, SEEN, RISEN, STOOD, SIGN, SURE, CUT,
    DESCENT_S, LOWEST, WIDEST, SPOT_X, SPOT_Y, SPOT,
) = range(30)  # fmt: skip
COLUMNS = 30
# Times of a body, ns: first and last seen, last upright, when it went down, since when it rests, since when it is over.
FIRST_NS, SEEN_NS, UP_NS, DOWN_NS, STILL_NS, OVER_NS = range(6)
TIMES = 6
UP, DOWN, LOST, RAISED = range(4)  # phases
FLIP, COLLAPSE, TOPPLE, DROP, VANISHED = range(5)  # signs
SIGNS = ("flip", "collapse", "topple", "drop", "vanished")


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """B bodies of C cameras; those of camera c are rows `start[c]:start[c + 1]`."""

    start: Ints  # (C + 1,)
    body: F32  # (B, COLUMNS)
    at_ns: Ints  # (B, TIMES) NOT_YET where it never was
    sampled_ns: Ints  # (C,) the last picture whose persons were looked at; NOT_YET
    period_s: F32  # (C,) usual time between two of them
    grid: U8  # (C, 9, 16) foreground around bodies that are followed
    grid_ns: Ints  # (C,) of that; NOT_YET


def nobody(cameras: int) -> Bodies:
    """Nothing seen yet."""
    return Bodies(
        np.zeros(cameras + 1, np.int64),
        np.empty((0, COLUMNS), np.float32),
        np.empty((0, TIMES), np.int64),
        np.full(cameras, NOT_YET, np.int64),
        np.ones(cameras, np.float32),
        np.zeros((cameras, GRID_ROWS, GRID_COLUMNS), np.uint8),
        np.full(cameras, NOT_YET, np.int64),
    )


def camera_of(bodies: Bodies) -> Ints:
    """(B,) row of the camera of each body."""
    return np.repeat(np.arange(len(bodies.sampled_ns), dtype=np.int64), np.diff(bodies.start))


def raised(bodies: Bodies) -> Ints:
    """(J,) rows of those who are told as down."""
    return np.flatnonzero(bodies.body[:, PHASE] == RAISED)


def box(body: F32, aspect: float) -> Floats:
    """(4,) left, top, width, height in [0, 1] of where a body rests, of a picture so much wider than high."""
    wide, high = float(body[REST_WIDE]), float(body[REST_HIGH])
    left, top = float(body[REST_X]) - wide / 2.0, float(body[REST_BOTTOM]) - high
    return np.array([left / aspect, top, wide / aspect, high])


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    cameras: list[str]
    count: list[int]
    body: bytes
    at_ns: bytes
    sampled_ns: list[int]
    period_s: bytes
    grid: bytes
    grid_ns: list[int]


def save(cameras: tuple[str, ...], bodies: Bodies) -> bytes:
    """As bytes; equal states are equal bytes."""
    saved = _Saved(
        list(cameras),
        np.diff(bodies.start).tolist(),
        bodies.body.astype("<f4").tobytes(),
        bodies.at_ns.astype("<i8").tobytes(),
        bodies.sampled_ns.tolist(),
        bodies.period_s.astype("<f4").tobytes(),
        bodies.grid.tobytes(),
        bodies.grid_ns.tolist(),
    )
    return msgspec.msgpack.encode(saved)


def restore(cameras: tuple[str, ...], snapshot: bytes) -> Bodies:
    """
    The bodies of the cameras that are still there.

    Raises:
        RecordError: the snapshot is not whole.
    """
    try:
        saved = msgspec.msgpack.decode(snapshot, type=_Saved)
        start = np.concatenate([[0], np.cumsum(saved.count)]).astype(np.int64)
        count = len(saved.cameras)
        body = np.frombuffer(saved.body, "<f4").astype(np.float32).reshape(start[-1], COLUMNS)
        at_ns = np.frombuffer(saved.at_ns, "<i8").astype(np.int64).reshape(start[-1], TIMES)
        period_s = np.frombuffer(saved.period_s, "<f4").astype(np.float32).reshape(count)
        grid = np.frombuffer(saved.grid, np.uint8).reshape(count, GRID_ROWS, GRID_COLUMNS)
        if not len(saved.sampled_ns) == len(saved.grid_ns) == len(saved.count) == count:
            raise ValueError(f"{count} cameras announced, {len(saved.sampled_ns)} there")
    except (msgspec.DecodeError, ValueError) as error:
        raise RecordError(
            "snapshot of the bodies", expected="bodies of each camera", got=str(error)[:200],
            mend="The stage starts afresh.",
        ) from error  # fmt: skip
    kept, blank = columns.kept(cameras, saved.cameras, start), nobody(len(cameras))
    for column, values in (
        (blank.sampled_ns, np.array(saved.sampled_ns, np.int64)),
        (blank.period_s, period_s),
        (blank.grid, grid),
        (blank.grid_ns, np.array(saved.grid_ns, np.int64)),
    ):
        column[kept.known] = values[kept.old]
    return Bodies(
        kept.start, body[kept.row], at_ns[kept.row], blank.sampled_ns, blank.period_s, blank.grid, blank.grid_ns
    )
