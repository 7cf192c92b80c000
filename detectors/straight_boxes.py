"""
Boxes as a lens without distortion would show them, so that whoever asks for a place on the ground need not know lenses.

The middle of the lower edge and the height of the upper one are those of the straight picture; the width grows as the
picture does there. A box whose foot point has no straight point is NaN: it stands nowhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detectors.geometry.homography import Floats, Ints
from detectors.geometry.lens import radius_max
from ingest.registry.district import Camera
from ingest.schema.tick import Tick


def lenses(cameras: tuple[Camera, ...]) -> Floats | None:
    """(10, C) the lens of each camera, its reach squared in the last row; 0 without one. None where nobody has one."""
    table = np.zeros((10, len(cameras)))
    for row, camera in enumerate(cameras):
        lens = None if camera.calibration is None else camera.calibration.lens
        if lens is not None:
            table[:, row] = (
                lens.focal_x, lens.focal_y, lens.centre_x, lens.centre_y,
                lens.k1, lens.k2, lens.p1, lens.p2, lens.k3, radius_max(lens) ** 2,
            )  # fmt: skip
    if not table[0].any():
        return None
    from detectors.crowd.loops.straight import straighten_boxes

    nobody = np.zeros(0, np.int64)
    straighten_boxes(table, nobody, np.zeros(1, np.int64), np.zeros((0, 4), np.float32))  # compiled before a stream
    return table


def straightened(lens: Floats | None, tick: Tick, camera_row: Ints) -> Tick:
    """
    The tick with the boxes of the straight picture.

    Args:
        lens: as `lenses` gives it; None changes nothing and costs nothing.
        camera_row: (N,) row of each frame's camera, -1 for one that does not count.
    """
    if lens is None or not len(tick.object_box):
        return tick
    from detectors.crowd.loops.straight import straighten_boxes

    box = np.array(tick.object_box, np.float32, order="C")
    straighten_boxes(lens, camera_row, np.ascontiguousarray(tick.object_start), box)
    return replace(tick, object_box=box)
