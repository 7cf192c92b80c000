"""Boxes of the straight picture, compiled; `straight_boxes` says what it computes."""

from __future__ import annotations

import numpy as np
from numba import types

from detectors.crowd.loops.compiled import FLOAT, FLOATS_2D, INT, INTS, NONE, compiled
from detectors.geometry.homography import Floats, Ints
from ingest.schema.tick import F32

_POINT = types.Tuple((types.float64, types.float64, types.float64))  # type: ignore[no-untyped-call]
WRITTEN_SINGLES = types.Array(types.float32, 2, "C")
_STEPS_MAX = 20
_CLOSE = 1e-7  # a box is of single precision


@compiled(_POINT, FLOATS_2D, INT, FLOAT, FLOAT)
def straight_point(lens: Floats, camera: int, picture_x: float, picture_y: float) -> tuple[float, float, float]:
    """
    x and y of the straight point, and how much wider things are there; NaN where there is none.

    By Newton's method, as `geometry.lens.straighten`.
    """
    focal_x, focal_y, centre_x, centre_y = lens[0, camera], lens[1, camera], lens[2, camera], lens[3, camera]
    k1, k2, p1, p2, k3 = lens[4, camera], lens[5, camera], lens[6, camera], lens[7, camera], lens[8, camera]
    square_max = lens[9, camera]
    aim_x, aim_y = (picture_x - centre_x) / focal_x, (picture_y - centre_y) / focal_y
    x, y = aim_x, aim_y
    square = x * x + y * y
    if square > square_max:
        shrink = 0.999 * np.sqrt(square_max / square)
        x, y = x * shrink, y * shrink
    for _ in range(_STEPS_MAX):
        square = x * x + y * y
        radial = 1.0 + square * (k1 + square * (k2 + square * k3))
        rise = 2.0 * (k1 + square * (2.0 * k2 + square * 3.0 * k3))
        off_x = aim_x - (x * radial + 2.0 * p1 * x * y + p2 * (square + 2.0 * x * x))
        off_y = aim_y - (y * radial + p1 * (square + 2.0 * y * y) + 2.0 * p2 * x * y)
        xx = radial + x * x * rise + 2.0 * p1 * y + 6.0 * p2 * x
        xy = x * y * rise + 2.0 * p1 * x + 2.0 * p2 * y
        yy = radial + y * y * rise + 6.0 * p1 * y + 2.0 * p2 * x
        determinant = xx * yy - xy * xy
        if determinant == 0.0:
            break
        if abs(off_x) + abs(off_y) < _CLOSE:
            if square > square_max:
                break
            return x * focal_x + centre_x, y * focal_y + centre_y, yy / determinant
        x += (yy * off_x - xy * off_y) / determinant
        y += (xx * off_y - xy * off_x) / determinant
    return np.nan, np.nan, np.nan


@compiled(NONE, FLOATS_2D, INTS, INTS, WRITTEN_SINGLES)
def straighten_boxes(lens: Floats, camera_row: Ints, object_start: Ints, box: F32) -> None:
    """
    Writes boxes (M, 4) anew whose cameras have a lens.

    Args:
        lens: (10, C) focal x, y, centre x, y, k1, k2, p1, p2, k3 and the square of its reach; focal x is 0 without one.
        camera_row: (N,) row of each frame's camera; -1 for none.
    """
    for frame in range(len(camera_row)):
        camera = camera_row[frame]
        if camera < 0 or lens[0, camera] == 0.0:
            continue
        for each in range(object_start[frame], object_start[frame + 1]):
            left, top = float(box[each, 0]), float(box[each, 1])
            width, height = float(box[each, 2]), float(box[each, 3])
            middle, low = left + width / 2.0, top + height
            foot_x, foot_y, foot_wider = straight_point(lens, camera, middle, low)
            _, head_y, head_wider = straight_point(lens, camera, middle, top)
            wide = width * (foot_wider + head_wider) / 2.0
            box[each, 0] = foot_x - wide / 2.0
            box[each, 1] = head_y
            box[each, 2] = wide
            box[each, 3] = foot_y - head_y
