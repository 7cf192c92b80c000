"""Voronoi cells near walls: a cell ends at a wall, and nobody claims ground behind one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

from detectors.crowd.loops.voronoi import voronoi_corners
from detectors.crowd.measures.density import Cells, Outline
from detectors.geometry.homography import Floats, Ints

Shapes = npt.NDArray[np.object_]


def cut_at_walls(
    zones: Outline, position: Floats, frame_start: Ints, disc: Floats, walls: shapely.Polygon, cells: Cells
) -> Cells:
    """
    The cells with those that may meet a wall cut anew; a person outside the walls claims nothing.

    Args:
        disc: (D, 2) what each cell was cut by, around the person.
    """
    cell_m2, inside_m2 = cells.cell_m2.copy(), cells.inside_m2.copy()
    reach = float(np.hypot(*disc[0]))
    person = shapely.points(position)
    shapely.prepare(walls)
    at_wall = shapely.dwithin(walls.boundary, person, reach) | ~shapely.contains_properly(walls, person)
    for first, end in pairwise(frame_start):  # a frame has its own neighbours
        near = np.flatnonzero(at_wall[first:end])
        if not len(near):
            continue
        rows = first + near
        whole = _cell_shapes(position[first:end], near, disc, reach)
        cut = _part_of(shapely.intersection(whole, walls), person[rows])
        cell_m2[rows] = shapely.area(cut)
        for zone, shape in enumerate(zones.shapes):
            inside_m2[rows, zone] = shapely.area(shapely.intersection(cut, shape))
    return Cells(cell_m2, inside_m2)


def _cell_shapes(position: Floats, wanted: Ints, disc: Floats, reach: float) -> list[shapely.Polygon]:
    room = len(disc) + len(position) + 4
    count, cell = np.zeros(len(position), np.int64), np.zeros((len(position), 2 * room))
    voronoi_corners(np.ascontiguousarray(position), disc, reach, count, cell)
    corners = cell.reshape(len(position), room, 2) + position[:, None]
    return [shapely.Polygon(corners[person, : count[person]]) for person in wanted]


def _part_of(cut: Shapes, person: Shapes) -> Shapes:
    """Of a cell that a wall cuts into parts, the nearest to its person; nothing where the person is outside."""
    parts, owner = shapely.get_parts(cut, return_index=True)
    distance = shapely.distance(parts, person[owner])
    order = np.lexsort((distance, owner))
    first = np.append(True, owner[order][1:] != owner[order][:-1]) if len(order) else np.zeros(0, np.bool_)
    chosen = order[first]
    result = np.full(len(person), shapely.Polygon(), object)
    result[owner[chosen]] = np.where(distance[chosen] <= 1e-9, parts[chosen], shapely.Polygon())
    return result
