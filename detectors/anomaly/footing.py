"""
Objects that surely stand in a zone: their feet on the ground, and inside the border by more than a place is uncertain.

A box counts by its class and confidence. A person's box that is much lower than an upright person there would be is
none: a bird, a bag, a shadow at the far end. Where nothing is calibrated, everything in the picture counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely

from detectors.crowd.counting import Outlines, outlines, pairs, persons_in_views, standing
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from ingest.schema.tick import F32, GRID_COLUMNS, GRID_ROWS, ObjectClass, Tick


@dataclass(frozen=True, eq=False)
class Ground:
    """Of V views and C cameras."""

    district: DistrictView
    outlines: Outlines  # drawn in by the margin
    heights: F32  # (C, 10, 17) of an upright person, in picture heights; NaN where not known


def ground(district: DistrictView, margin_sd: float) -> Ground:
    """
    Args:
        margin_sd: how many standard deviations of a place inside the border of its zone it must be.
    """
    views = tuple(
        view if view.homography is None else replace(view, seen=_drawn_in(view.seen, margin_sd * view.noise_m))
        for view in district.views
    )
    return Ground(district, outlines(replace(district, views=views)), district.upright_heights)


def objects_in_views(
    there: Ground, tick: Tick, camera_row: Ints, frames: Ints, wanted: Bools, confidence_min: float, height_min: float
) -> tuple[Ints, Ints, Ints]:
    """
    How many objects stand in each view of some frames.

    Args:
        frames: (F,) rows of the tick, of cameras of the district.
        wanted: (4,) by `ObjectClass`.
        height_min: of an upright person's height, for a person's box.

    Returns:
        (Q,) the frame, (Q,) the view, and (Q,) the objects in it.
    """
    frame, view = pairs(there.district, camera_row[frames])
    frame = frames[frame]
    counted = wanted[np.minimum(tick.object_class, len(wanted) - 1)] & ~_is_low(there, tick, camera_row, height_min)
    marked = np.where(counted, ObjectClass.PERSON, ObjectClass.OTHER).astype(np.uint8)
    found = standing(there.outlines, replace(tick, object_class=marked), camera_row, frame, view, confidence_min)
    return frame, view, persons_in_views(found)


def _is_low(there: Ground, tick: Tick, camera_row: Ints, height_min: float) -> Bools:
    """(M,) persons' boxes too low for a person there."""
    box = tick.object_box
    if not len(box):
        return np.zeros(0, np.bool_)
    camera = camera_row[tick.object_frame()]
    column = np.clip(np.rint((box[:, 0] + box[:, 2] / 2.0) * GRID_COLUMNS), 0, GRID_COLUMNS).astype(np.int64)
    row = np.clip(np.rint((box[:, 1] + box[:, 3]) * GRID_ROWS), 0, GRID_ROWS).astype(np.int64)
    if not len(there.heights):
        return np.zeros(len(box), np.bool_)
    usual = there.heights[np.maximum(camera, 0), row, column]
    with np.errstate(invalid="ignore"):
        low: Bools = (tick.object_class == ObjectClass.PERSON) & (camera >= 0) & (box[:, 3] < height_min * usual)
    return low


def _drawn_in(rings: tuple[Floats, ...], margin_m: float) -> tuple[Floats, ...]:
    """The parts of rings (V, 2) that are farther than this inside their border."""
    shrunk = [shapely.Polygon(ring).buffer(-margin_m, join_style="mitre") for ring in rings]
    parts = [part for each in shrunk for part in shapely.get_parts(each) if part.area > 0.0]
    if not parts:  # a zone narrower than its doubt: nothing in it is sure
        return (np.zeros((3, 2)),)
    return tuple(np.array(part.exterior.coords, np.float64)[:-1] for part in parts)
