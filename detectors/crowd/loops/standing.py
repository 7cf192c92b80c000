"""Where persons stand and in which zone, compiled; `counting` says what it computes."""

from __future__ import annotations

from numba import types

from detectors.crowd.loops.compiled import (
    BOOLS,
    FLOAT,
    FLOATS_2D,
    INT,
    INTS,
    NONE,
    SINGLES_2D,
    WRITTEN_2D,
    WRITTEN_BOOLS,
    WRITTEN_INTS,
    compiled,
)  # fmt: skip
from detectors.geometry.head import BODY_ASPECT_MIN, BODY_M_MIN, BORDER
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.geometry.upright import ASPECT
from ingest.schema.tick import F32

FEET, HEAD, NOWHERE = 0, 1, 2  # what told where somebody stands


@compiled(
    types.Tuple((types.float64, types.float64, types.int64)),  # type: ignore[no-untyped-call]
    FLOAT, FLOAT, FLOAT, FLOAT, INT, FLOATS_2D, FLOATS_2D,
)  # fmt: skip
def place_of(
    left: float, top: float, width: float, height: float, camera: int, homography: Floats, heads: Floats
) -> tuple[float, float, int]:
    """Metres east and north of the person in a box, and what told them; as `head.feet_hidden` has it."""
    x, y = left + width / 2.0, top + height
    weight = homography[6, camera] * x + homography[7, camera] * y + homography[8, camera]
    if heads[12, camera] > 0.0:
        hidden = y >= 1.0 - BORDER
        if not hidden and height < BODY_ASPECT_MIN * ASPECT * width:
            hidden = True
            if weight > 0.0:
                across, down = (x - 0.5) * ASPECT, top - 0.5
                a_x = heads[9, camera] - across * heads[11, camera]
                a_y = heads[10, camera] - down * heads[11, camera]
                b_y = (down - (y - 0.5)) / weight
                hidden = not a_y * b_y >= BODY_M_MIN * (a_x * a_x + a_y * a_y)
        if hidden:
            weight = heads[6, camera] * x + heads[7, camera] * top + heads[8, camera]
            if weight > 0.0:
                east = (heads[0, camera] * x + heads[1, camera] * top + heads[2, camera]) / weight
                north = (heads[3, camera] * x + heads[4, camera] * top + heads[5, camera]) / weight
                return east, north, HEAD
            return 0.0, 0.0, NOWHERE
    if weight > 0.0:
        east = (homography[0, camera] * x + homography[1, camera] * y + homography[2, camera]) / weight
        north = (homography[3, camera] * x + homography[4, camera] * y + homography[5, camera]) / weight
        return east, north, FEET
    return 0.0, 0.0, NOWHERE


@compiled(NONE, SINGLES_2D, INTS, FLOATS_2D, FLOATS_2D, WRITTEN_2D, WRITTEN_INTS)
def place(box: F32, camera: Ints, homography: Floats, heads: Floats, place_m: Floats, told_by: Ints) -> None:
    """Writes the place (P, 2) of the person in each box, and what told it (P,)."""
    for each in range(len(box)):
        east, north, told_by[each] = place_of(
            float(box[each, 0]), float(box[each, 1]), float(box[each, 2]), float(box[each, 3]),
            camera[each], homography, heads,
        )  # fmt: skip
        place_m[each, 0], place_m[each, 1] = east, north


@compiled(
    NONE, SINGLES_2D, BOOLS, INTS, INTS, INTS, INTS, FLOATS_2D, FLOATS_2D, FLOATS_2D, BOOLS, FLOATS_2D,
    WRITTEN_2D, WRITTEN_BOOLS, WRITTEN_BOOLS,
)  # fmt: skip
def stand(
    box: F32,
    person: Bools,
    object_start: Ints,
    camera_row: Ints,
    frame: Ints,
    view: Ints,
    homography: Floats,
    heads: Floats,
    edges: Floats,
    whole: Bools,
    nowhere: Floats,
    place_m: Floats,
    counted: Bools,
    by_head: Bools,
) -> None:
    """Writes the place (P, 2) of each person of each pair, whether it is in the view's zone, and by its head (P,)."""
    count = len(edges) // 4
    row = 0
    for pair in range(len(frame)):
        camera, zone = camera_row[frame[pair]], view[pair]
        for each in range(object_start[frame[pair]], object_start[frame[pair] + 1]):
            if not person[each]:
                continue
            east, north, by = place_of(
                float(box[each, 0]), float(box[each, 1]), float(box[each, 2]), float(box[each, 3]),
                camera, homography, heads,
            )  # fmt: skip
            if by == NOWHERE:
                east, north = nowhere[0, 0], nowhere[0, 1]
            inside = False
            for edge in range(count):
                low = edges[edge, zone]
                if low <= north and north < edges[count + edge, zone]:
                    start, slope = edges[2 * count + edge, zone], edges[3 * count + edge, zone]
                    if east < start + slope * (north - low):
                        inside = not inside
            place_m[row, 0], place_m[row, 1] = east, north
            counted[row] = inside or whole[zone]
            by_head[row] = by == HEAD
            row += 1
