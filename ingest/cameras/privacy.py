"""
Persons in a picture, made unrecognisable for good before it leaves the worker as evidence. Pure.

What is shown of a person is the mean colour of blocks, so coarse that a head is about one of them. Nothing else of the
pixels goes into the result: two pictures with the same means give the same one, so there is no detail left that any
later sharpening could bring back. Blocks lie on one grid of the picture, whoever moves, so that many pictures of one
person are not many samplings of it. With a model its boxes are covered, with a margin; without one, all that moves.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ingest.schema.tick import F32, GRID_COLUMNS, GRID_ROWS, I32, U8, Bools

Ints = npt.NDArray[np.int64]

BLOCKS_PER_PERSON = 8  # in the height of a box: a head is about an eighth of a person
MARGIN = 0.25  # of a box's width and height, on each side
BLOCK_PX_MIN = 4
_FOREGROUND_MIN = 13  # of 255: a twentieth of a cell
_BLOCKS_PER_CELL = 2  # of the foreground grid: without a box, anybody may stand as near as fills the picture


def without_persons(picture: U8, boxes: F32 | None, foreground_grid: U8 | None) -> U8:
    """
    A copy of the picture in which nobody can be recognised.

    Args:
        picture: (H, W, 3), of any size.
        boxes: (M, 4) persons as left, top, width, height in [0, 1], y down; boxes that are no finite numbers cover
            everything. None: nobody has looked.
        foreground_grid: (9, 16), 255 = all of the cell moves; used where `boxes` is None. None as well: all is covered.
    """
    height, width = picture.shape[:2]
    covered, sums = picture.copy(), cv2.integral(picture).astype(np.int32, copy=False)
    if boxes is None:
        block_px = max(BLOCK_PX_MIN, -(-height // (GRID_ROWS * _BLOCKS_PER_CELL)))
        _cover(sums, covered, moving(foreground_grid, height, width), block_px)
        return covered
    if not np.isfinite(boxes).all():
        _cover(sums, covered, np.ones((height, width), np.bool_), max(BLOCK_PX_MIN, height // BLOCKS_PER_PERSON))
        return covered
    # The nearest last: where two overlap, the coarser blocks stay.
    for left, top, wide, high in boxes[np.argsort(boxes[:, 3], kind="stable")].tolist():
        block_px = max(BLOCK_PX_MIN, -(-round(high * height) // BLOCKS_PER_PERSON))
        x0, x1 = (left - MARGIN * wide) * width, (left + (1 + MARGIN) * wide) * width
        y0, y1 = (top - MARGIN * high) * height, (top + (1 + MARGIN) * high) * height
        rows, columns = _blocks(y0, y1, height, block_px), _blocks(x0, x1, width, block_px)
        if len(rows) and len(columns):
            means = _means(sums, rows, columns)
            covered[rows[0] : rows[-1], columns[0] : columns[-1]] = _spread(means, np.diff(rows), np.diff(columns))
    return covered


def moving(foreground_grid: U8 | None, height: int, width: int) -> Bools:
    """(H, W) where something moves, with the cells around it; all of the picture where that is not known."""
    if foreground_grid is None:
        return np.ones((height, width), np.bool_)
    assert foreground_grid.shape == (GRID_ROWS, GRID_COLUMNS)
    cells = (foreground_grid >= _FOREGROUND_MIN).astype(np.uint8)
    around = cv2.dilate(cells, np.ones((3, 3), np.uint8))
    rows = np.arange(height) * GRID_ROWS // height
    columns = np.arange(width) * GRID_COLUMNS // width
    found: Bools = around[np.ix_(rows, columns)].astype(np.bool_)
    return found


def _cover(sums: I32, covered: U8, region: Bools, block_px: int) -> None:
    """Every block that touches the region (H, W) becomes its mean colour."""
    height, width = region.shape
    rows, columns = _blocks(0, height, height, block_px), _blocks(0, width, width, block_px)
    touched = _of_blocks(cv2.integral(region.astype(np.uint8)).astype(np.int32, copy=False), rows, columns) > 0
    high, wide = np.diff(rows), np.diff(columns)
    means = _spread(_means(sums, rows, columns), high, wide)
    np.copyto(covered, means, where=_spread(touched, high, wide)[..., None])


def _blocks(low: float, high: float, size: int, block_px: int) -> Ints:
    """Where the blocks begin that [low, high) touches, and where the last one ends; px, within [0, size]."""
    first_px, end_px = max(0, int(low)), min(size, int(np.ceil(high)))
    if first_px >= end_px:
        return np.zeros(0, np.int64)
    blocks = np.arange(first_px // block_px, -(-end_px // block_px) + 1, dtype=np.int64)
    return np.minimum(blocks * block_px, size)


def _means(sums: I32, rows: Ints, columns: Ints) -> U8:
    """(R, C, 3) mean colour of each block."""
    pixels = np.diff(rows)[:, None] * np.diff(columns)
    means: U8 = (_of_blocks(sums, rows, columns) // pixels[..., None]).astype(np.uint8)
    return means


def _of_blocks(sums: I32, rows: Ints, columns: Ints) -> Ints:
    """(R, C, ...) sum of each block, from the sums (H + 1, W + 1, ...) over all that is above and left of a point."""
    at = sums[np.ix_(rows, columns)].astype(np.int64)
    return at[1:, 1:] - at[:-1, 1:] - at[1:, :-1] + at[:-1, :-1]


def _spread(blocks: Any, high: Ints, wide: Ints) -> Any:
    """Blocks (R, C, ...) as pixels."""
    return np.repeat(np.repeat(blocks, high, axis=0), wide, axis=1)
