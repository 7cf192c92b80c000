"""Where persons stand and in which zone, compiled; `counting` says what it computes."""

from __future__ import annotations

from detectors.crowd.loops.compiled import BOOLS, FLOATS_2D, INTS, NONE, SINGLES_2D, WRITTEN_2D, WRITTEN_BOOLS, compiled
from detectors.geometry.homography import Bools, Floats, Ints
from ingest.schema.tick import F32


@compiled(
    NONE, SINGLES_2D, BOOLS, INTS, INTS, INTS, INTS, FLOATS_2D, FLOATS_2D, BOOLS, FLOATS_2D, WRITTEN_2D, WRITTEN_BOOLS
)
def stand(
    box: F32,
    person: Bools,
    object_start: Ints,
    camera_row: Ints,
    frame: Ints,
    view: Ints,
    homography: Floats,
    edges: Floats,
    whole: Bools,
    nowhere: Floats,
    place_m: Floats,
    counted: Bools,
) -> None:
    """Writes the place (P, 2) of each person of each pair, and whether it is in the view's zone (P,)."""
    count = len(edges) // 4
    row = 0
    for pair in range(len(frame)):
        camera, zone = camera_row[frame[pair]], view[pair]
        for each in range(object_start[frame[pair]], object_start[frame[pair] + 1]):
            if not person[each]:
                continue
            x = float(box[each, 0]) + float(box[each, 2]) / 2.0
            y = float(box[each, 1]) + float(box[each, 3])
            weight = homography[6, camera] * x + homography[7, camera] * y + homography[8, camera]
            if weight > 0.0:
                east = (homography[0, camera] * x + homography[1, camera] * y + homography[2, camera]) / weight
                north = (homography[3, camera] * x + homography[4, camera] * y + homography[5, camera]) / weight
            else:
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
            row += 1
