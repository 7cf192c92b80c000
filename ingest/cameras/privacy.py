"""
Persons in a picture, made unrecognisable for good before it leaves the worker as evidence. Pure.

What is shown of a person is the mean colour of blocks, so coarse that a head is about one of them. Nothing else of the
pixels goes into the result: two pictures with the same means give the same one, so there is no detail left that any
later sharpening could bring back. Blocks lie on one grid of the picture, whoever moves, so that many pictures of one
person are not many samplings of it. With a model its boxes are covered, with a margin; without one, all that moves.
"""

from __future__ import annotations

import cv2
import numpy as np

from ingest.schema.tick import F32, GRID_COLUMNS, GRID_ROWS, U8, Bools

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
    covered = picture.copy()
    if boxes is None:
        block_px = max(BLOCK_PX_MIN, -(-height // (GRID_ROWS * _BLOCKS_PER_CELL)))
        _cover(picture, covered, moving(foreground_grid, height, width), block_px)
        return covered
    if not np.isfinite(boxes).all():
        _cover(picture, covered, np.ones((height, width), np.bool_), max(BLOCK_PX_MIN, height // BLOCKS_PER_PERSON))
        return covered
    # The nearest last: where two overlap, the coarser blocks stay.
    for left, top, wide, high in boxes[np.argsort(boxes[:, 3], kind="stable")].tolist():
        block_px = max(BLOCK_PX_MIN, -(-round(high * height) // BLOCKS_PER_PERSON))
        region = np.zeros((height, width), np.bool_)
        x0, x1 = (left - MARGIN * wide) * width, (left + (1 + MARGIN) * wide) * width
        y0, y1 = (top - MARGIN * high) * height, (top + (1 + MARGIN) * high) * height
        region[max(0, int(y0)) : max(0, int(np.ceil(y1))), max(0, int(x0)) : max(0, int(np.ceil(x1)))] = True
        _cover(picture, covered, region, block_px)
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


def _cover(picture: U8, covered: U8, region: Bools, block_px: int) -> None:
    """Every block that touches the region becomes its mean colour."""
    if not region.any():
        return
    height, width = region.shape
    rows, columns = np.arange(0, height, block_px), np.arange(0, width, block_px)
    touched = np.maximum.reduceat(np.maximum.reduceat(region, rows, axis=0), columns, axis=1)
    sums = np.add.reduceat(np.add.reduceat(picture.astype(np.uint32), rows, axis=0), columns, axis=1)
    high, wide = np.diff([*rows, height]), np.diff([*columns, width])
    means = (sums / (high[:, None] * wide)[..., None]).astype(np.uint8)
    row, column = np.arange(height) // block_px, np.arange(width) // block_px
    inside = touched[np.ix_(row, column)]
    covered[inside] = means[np.ix_(row, column)][inside]
