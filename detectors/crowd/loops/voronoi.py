"""Loops over persons and zones, compiled; `density` says what they compute. Corners are relative to the person."""

from __future__ import annotations

import numpy as np

from detectors.crowd.loops.compiled import (
    BOOL,
    FLOAT,
    FLOATS_2D,
    INT,
    INTS,
    NONE,
    WRITTEN,
    WRITTEN_2D,
    WRITTEN_INTS,
    WRITTEN_INTS_2D,
    compiled,
)
from detectors.geometry.homography import Floats, Ints


@compiled(BOOL, FLOATS_2D, INT, INT, FLOAT, FLOAT)
def inside(edge: Floats, first: int, end: int, x: float, y: float) -> bool:
    """By the even-odd rule; a point on the border of two zones is in exactly one of them."""
    within = False
    for each in range(first, end):
        low_x, low_y, high_x, high_y = edge[each, 0], edge[each, 1], edge[each, 2], edge[each, 3]
        if low_y > high_y:  # upwards, whichever way the ring turns
            low_x, low_y, high_x, high_y = high_x, high_y, low_x, low_y
        if low_y <= y and y < high_y and x < low_x + (high_x - low_x) / (high_y - low_y) * (y - low_y):
            within = not within
    return within


@compiled(NONE, FLOATS_2D, INTS, FLOATS_2D, FLOATS_2D, INTS, WRITTEN_INTS_2D)
def count_inside(position: Floats, frame_start: Ints, box: Floats, edge: Floats, zone_start: Ints, count: Ints) -> None:
    """Adds to `count` (F, Z) the persons of each frame in each zone."""
    for frame in range(len(frame_start) - 1):
        for person in range(frame_start[frame], frame_start[frame + 1]):
            x, y = position[person, 0], position[person, 1]
            for zone in range(len(box)):
                if x < box[zone, 0] or x > box[zone, 2] or y < box[zone, 1] or y > box[zone, 3]:
                    continue
                if inside(edge, zone_start[zone], zone_start[zone + 1], x, y):
                    count[frame, zone] += 1


@compiled(INT, FLOATS_2D, INT, FLOAT, FLOAT, FLOAT, WRITTEN_2D)
def clip_half_plane(ring: Floats, corners: int, a: float, b: float, c: float, kept: Floats) -> int:
    """Corners of the part of a convex ring with a x + b y <= c, written to `kept`; returns how many."""
    count = 0
    before = corners - 1
    over_before = a * ring[before, 0] + b * ring[before, 1] - c
    for here in range(corners):
        over = a * ring[here, 0] + b * ring[here, 1] - c
        if (over <= 0.0) != (over_before <= 0.0):
            share = over_before / (over_before - over)
            kept[count, 0] = ring[before, 0] + share * (ring[here, 0] - ring[before, 0])
            kept[count, 1] = ring[before, 1] + share * (ring[here, 1] - ring[before, 1])
            count += 1
        if over <= 0.0:
            kept[count, 0], kept[count, 1] = ring[here, 0], ring[here, 1]
            count += 1
        before, over_before = here, over
    return count


@compiled(FLOAT, FLOATS_2D, INT)
def ring_area(ring: Floats, corners: int) -> float:
    """Of a ring that turns left; from its first corner, so that a small ring far away loses no digits."""
    twice = 0.0
    for here in range(1, corners - 1):
        x, y = ring[here, 0] - ring[0, 0], ring[here, 1] - ring[0, 1]
        twice += x * (ring[here + 1, 1] - ring[0, 1]) - (ring[here + 1, 0] - ring[0, 0]) * y
    return twice / 2.0


@compiled(INT, FLOATS_2D, INT, INT, INT, FLOATS_2D, FLOAT, WRITTEN_2D, WRITTEN_2D, WRITTEN_2D)
def voronoi_cell(
    position: Floats,
    first: int,
    end: int,
    person: int,
    disc: Floats,
    reach: float,
    near: Floats,
    ring: Floats,
    spare: Floats,
) -> int:
    """
    Corners of a person's cell, written to `ring`; returns how many.

    The cell starts as the disc, whose corners are `reach` away, and is cut by the bisectors of the neighbours, nearest
    first, until the next one is farther than twice the farthest corner: no further bisector can meet the cell.
    """
    found = 0
    for other in range(first, end):
        x, y = position[other, 0] - position[person, 0], position[other, 1] - position[person, 1]
        far = x * x + y * y
        if far < 4.0 * reach * reach and far > 0.0:  # two at one place have the same cell
            place = found
            while place > 0 and near[place - 1, 0] > far:
                near[place, 0], near[place, 1], near[place, 2] = (
                    near[place - 1, 0],
                    near[place - 1, 1],
                    near[place - 1, 2],
                )
                place -= 1
            near[place, 0], near[place, 1], near[place, 2] = far, x, y
            found += 1
    count = len(disc)
    for corner in range(count):  # slices cost seconds to compile
        ring[corner, 0], ring[corner, 1] = disc[corner, 0], disc[corner, 1]
    farthest = reach * reach
    given, made = ring, spare
    for index in range(found):
        if near[index, 0] >= 4.0 * farthest:
            break
        count = clip_half_plane(given, count, near[index, 1], near[index, 2], near[index, 0] / 2.0, made)
        given, made = made, given
        farthest = 0.0
        for corner in range(count):
            farthest = max(farthest, given[corner, 0] * given[corner, 0] + given[corner, 1] * given[corner, 1])
    for corner in range(count):
        ring[corner, 0], ring[corner, 1] = given[corner, 0], given[corner, 1]
    return count


@compiled(FLOAT, FLOATS_2D, INT, FLOATS_2D, INT, INT, FLOAT, FLOAT, WRITTEN_2D, WRITTEN_2D)
def area_within(
    ring: Floats, count: int, edge: Floats, first: int, end: int, x: float, y: float, one: Floats, two: Floats
) -> float:
    """
    Of a cell around (x, y), the area in a zone: the sum over the zone's edges of the signed area of the cell in the
    triangle of the edge and the zone's first corner.
    """
    root_x, root_y = edge[first, 0] - x, edge[first, 1] - y
    total = 0.0
    for each in range(first, end):
        ax, ay, bx, by = edge[each, 0] - x, edge[each, 1] - y, edge[each, 2] - x, edge[each, 3] - y
        turn = (ax - root_x) * (by - root_y) - (ay - root_y) * (bx - root_x)
        if turn == 0.0:
            continue
        if turn < 0.0:
            ax, ay, bx, by = bx, by, ax, ay
        left = clip_half_plane(ring, count, ay - root_y, root_x - ax, (ay - root_y) * ax + (root_x - ax) * ay, one)
        if left > 2:
            left = clip_half_plane(one, left, by - ay, ax - bx, (by - ay) * ax + (ax - bx) * ay, two)
        if left > 2:
            left = clip_half_plane(two, left, root_y - by, bx - root_x, (root_y - by) * bx + (bx - root_x) * by, one)
        if left > 2:
            total += ring_area(one, left) if turn > 0.0 else -ring_area(one, left)
    return total


@compiled(BOOL, FLOATS_2D, INT, INT, FLOAT, FLOAT, FLOAT)
def meets_border(edge: Floats, first: int, end: int, x: float, y: float, reach: float) -> bool:
    """Whether an edge of a zone passes within reach of a place."""
    for each in range(first, end):
        ax, ay = edge[each, 0] - x, edge[each, 1] - y
        along_x, along_y = edge[each, 2] - edge[each, 0], edge[each, 3] - edge[each, 1]
        length = along_x * along_x + along_y * along_y
        share = 0.0
        if length > 0.0:
            share = min(1.0, max(0.0, -(ax * along_x + ay * along_y) / length))
        east, north = ax + share * along_x, ay + share * along_y
        if east * east + north * north <= reach * reach:
            return True
    return False


@compiled(NONE, FLOATS_2D, INTS, FLOATS_2D, FLOAT, FLOATS_2D, FLOATS_2D, INTS, WRITTEN, WRITTEN_2D)
def voronoi_areas(
    position: Floats,
    frame_start: Ints,
    disc: Floats,
    reach: float,
    box: Floats,
    edge: Floats,
    zone_start: Ints,
    cell_m2: Floats,
    inside_m2: Floats,
) -> None:
    """Writes each person's cell area (N,) and how much of it lies in each zone (N, Z)."""
    most = 0
    for frame in range(len(frame_start) - 1):
        most = max(most, frame_start[frame + 1] - frame_start[frame])
    room = len(disc) + most + 4  # a cut adds one corner at most
    near, ring, one, two = np.empty((most, 3)), np.empty((room, 2)), np.empty((room, 2)), np.empty((room, 2))
    for frame in range(len(frame_start) - 1):
        first, end = frame_start[frame], frame_start[frame + 1]
        for person in range(first, end):
            count = voronoi_cell(position, first, end, person, disc, reach, near, ring, one)
            area = ring_area(ring, count)
            cell_m2[person] = area
            x, y = position[person, 0], position[person, 1]
            farthest = 0.0
            for corner in range(count):
                farthest = max(farthest, ring[corner, 0] * ring[corner, 0] + ring[corner, 1] * ring[corner, 1])
            far = np.sqrt(farthest)
            for zone in range(len(box)):
                if x + far < box[zone, 0] or x - far > box[zone, 2] or y + far < box[zone, 1] or y - far > box[zone, 3]:
                    continue
                low, high = zone_start[zone], zone_start[zone + 1]
                if meets_border(edge, low, high, x, y, far):
                    inside_m2[person, zone] = area_within(ring, count, edge, low, high, x, y, one, two)
                elif inside(edge, low, high, x, y):
                    inside_m2[person, zone] = area


@compiled(NONE, FLOATS_2D, FLOATS_2D, FLOAT, WRITTEN_INTS, WRITTEN_2D)
def voronoi_corners(position: Floats, disc: Floats, reach: float, corners: Ints, cell: Floats) -> None:
    """Writes the cells of one frame: `corners` (n,) many in `cell` (n, 2 room), x and y in turn."""
    room = cell.shape[1] // 2
    near, ring, spare = np.empty((len(position), 3)), np.empty((room, 2)), np.empty((room, 2))
    for person in range(len(position)):
        count = voronoi_cell(position, 0, len(position), person, disc, reach, near, ring, spare)
        corners[person] = count
        for corner in range(count):
            cell[person, 2 * corner], cell[person, 2 * corner + 1] = ring[corner, 0], ring[corner, 1]
