"""
How densely people stand: classic, Voronoi and kernel density, of all frames and zones at once.

Persons of F frames are rows of one array, those of frame f are `frame_start[f]:frame_start[f + 1]`; a frame may as well
be a camera at one moment. Places are metres on a site's plane. All measures here are of the persons that are given;
what a camera misses is for `recall`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from detectors.geometry.homography import Bools, Floats, Ints

CUT_M = 0.8  # radius beyond which nobody claims ground
KERNEL_M = 1.0  # R of the kernel
KERNEL_REACH = 3.5  # kernel radii; a person farther away adds less than 5e-6 of one near by
_DISC_CORNERS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Z zones as edges; outer rings turn left, holes right."""

    shapes: tuple[shapely.Geometry, ...]  # (Z,)
    edge: Floats  # (E, 4) x, y of its start and of its end
    start: Ints  # (Z + 1,) edges of zone z are `start[z]:start[z + 1]`
    box: Floats  # (Z, 4) least x and y, greatest x and y
    area_m2: Floats  # (Z,)


def outline(zones: Sequence[Floats | shapely.Polygon | shapely.MultiPolygon]) -> Outline:
    """
    Args:
        zones: each an open ring (V, 2) in metres, or a polygon that may have holes or parts.

    Raises:
        ValueError: a zone has no area, or crosses itself.
    """
    shapes = [zone if isinstance(zone, shapely.Geometry) else shapely.Polygon(zone) for zone in zones]
    edges = []
    for index, shape in enumerate(shapes):  # once for a district
        if not shape.is_valid or shape.area == 0.0:
            raise ValueError(f"zone {index}: expected a ring that spans an area and does not cross itself, got another")
        parts = [shapely.geometry.polygon.orient(part) for part in shapely.get_parts(shape)]
        rings = [np.array(ring.coords) for part in parts for ring in (part.exterior, *part.interiors)]
        edges.append(np.concatenate([np.concatenate([ring[:-1], ring[1:]], axis=1) for ring in rings]))
    count = [len(each) for each in edges]
    return Outline(
        shapes=tuple(shapes),
        edge=np.concatenate(edges) if edges else np.empty((0, 4)),
        start=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        box=np.array([shape.bounds for shape in shapes], np.float64).reshape(len(shapes), 4),
        area_m2=np.array([shape.area for shape in shapes], np.float64),
    )


def persons_inside(zones: Outline, position: Floats, frame_start: Ints) -> Ints:
    """(F, Z) persons (N, 2) of each frame in each zone; one on the border of two zones is in exactly one of them."""
    from detectors.crowd.loops.voronoi import count_inside

    count = np.zeros((len(frame_start) - 1, len(zones.area_m2)), np.int64)
    count_inside(np.ascontiguousarray(position), frame_start, zones.box, zones.edge, zones.start, count)
    return count


def classic_density(zones: Outline, position: Floats, frame_start: Ints) -> Floats:
    """
    (F, Z) persons/m2: the persons in a zone over its area.

    Source: Steffen and Seyfried, Physica A 389 (2010) 1902, eq. 1.
    """
    density: Floats = persons_inside(zones, position, frame_start) / zones.area_m2
    return density


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The ground that each of N persons claims: nearer to it than to anybody else, and no farther than the cut."""

    cell_m2: Floats  # (N,)
    inside_m2: Floats  # (N, Z) the part of it in each zone


def voronoi_cells(
    zones: Outline, position: Floats, frame_start: Ints, cut_m: float = CUT_M, walls: shapely.Polygon | None = None
) -> Cells:
    """
    Args:
        position: (N, 2) metres; NaN and infinity are not allowed.
        cut_m: radius of the regular 12-gon, with a corner to the east, that a cell is cut by.
        walls: the ground on which one can walk; a cell ends at its border, and a part behind a wall is not claimed.
            None: all of it.

    Source: Steffen and Seyfried, Physica A 389 (2010) 1902, sec. 2.
    """
    from detectors.crowd.loops.voronoi import voronoi_areas

    cells = Cells(np.zeros(len(position)), np.zeros((len(position), len(zones.area_m2))))
    places, disc = np.ascontiguousarray(position, np.float64), _disc(cut_m)
    voronoi_areas(places, frame_start, disc, cut_m, zones.box, zones.edge, zones.start, cells.cell_m2, cells.inside_m2)
    if walls is not None:
        from detectors.crowd.measures.walls import cut_at_walls

        return cut_at_walls(zones, places, frame_start, disc, walls, cells)
    return cells


def voronoi_density(zones: Outline, cells: Cells, frame_start: Ints) -> Floats:
    """
    (F, Z) persons/m2: each person counts in a zone by the share of its cell that lies there.

    Source: Steffen and Seyfried, Physica A 389 (2010) 1902, eq. 6.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        share = cells.inside_m2 / np.where(cells.cell_m2 > 0.0, cells.cell_m2, np.nan)[:, None]
    density: Floats = _frame_sums(np.nan_to_num(share), frame_start) / zones.area_m2
    return density


def voronoi_mean(zones: Outline, cells: Cells, value: Floats, frame_start: Ints) -> Floats:
    """
    (F, Z) mean over the ground of each zone of what its claimants (N,) have, as their speed; unclaimed ground has 0.

    Source: Steffen and Seyfried, Physica A 389 (2010) 1902, eq. 7.
    """
    mean: Floats = _frame_sums(cells.inside_m2 * value[:, None], frame_start) / zones.area_m2
    return mean


def kernel_field(
    position: Floats, weight: Floats, east_m: Floats, north_m: Floats, radius_m: float = KERNEL_M
) -> Floats:
    """
    Sums of what persons carry, spread out around them by exp(-d^2 / R^2) / (pi R^2).

    Args:
        position: (n, 2) metres.
        weight: (n, K) carried by each: 1 for density; velocities for their density-weighted field.
        east_m: (W,) of the columns of the grid.
        north_m: (H,) of its rows.

    Returns:
        (K, H, W); of weight 1, persons/m2. Two matrix products, as the kernel is a product of one in x and one in y.

    Source: Johansson et al., From crowd dynamics to crowd safety, Adv. Complex Syst. 11 (2008) 497, eq. 1; R = 1 m.
    """
    columns = np.exp(-(((position[:, 0, None] - east_m) / radius_m) ** 2))
    rows = np.exp(-(((position[:, 1, None] - north_m) / radius_m) ** 2)) / (np.pi * radius_m**2)
    field: Floats = (rows.T[None] * weight.T[:, None, :]) @ columns
    return field


def grid_axes(box: Floats, step_m: float = 0.5) -> tuple[Floats, Floats]:
    """(W,) and (H,) middles of the cells of a grid over a box (4,) of least x and y, greatest x and y."""
    low, size = box[:2], np.maximum(box[2:] - box[:2], step_m)
    cells = np.ceil(size / step_m - 1e-9).astype(np.int64)
    east, north = (low[axis] + (np.arange(cells[axis]) + 0.5) * step_m for axis in (0, 1))
    return east, north


@dataclass(frozen=True, slots=True, eq=False)
class Crowding:
    """The kernel field where the person of each of G groups stands who stands most densely, itself included."""

    weight: Floats  # (G,) persons under the kernel: sum of w = exp(-d^2 / R^2); over pi R^2 it is persons/m2. 0: nobody
    square: Floats  # (G,) sum of w^2 there, for the uncertainty


def densest(position: Floats, start: Ints, asked: Bools, radius_m: Floats) -> Crowding:
    """
    How densely anybody of a group stands: the maximum of the kernel field over the persons. It needs no grid and does
    not depend on one, and never falls when somebody joins. It is at most the field's own maximum, which may lie between
    persons. Who stands beside the zone is counted under the kernel, but not asked about.

    Args:
        position: (N, 2) metres; the persons of group g are rows `start[g]:start[g + 1]`.
        asked: (N,) who is in the zone.
        radius_m: (G,) R; a group of which it is NaN gets 0.
    """
    from detectors.crowd.loops.crowding import densest as fill

    found = Crowding(np.zeros(len(radius_m)), np.zeros(len(radius_m)))
    fill(np.ascontiguousarray(position), start, asked, radius_m, KERNEL_REACH, found.weight, found.square)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Of the persons around each of N persons, weighted by the kernel."""

    per_m2: Floats  # (N,) density of those whose velocity is known
    velocity: Floats  # (N, 2) their mean, m/s; NaN where nobody's is known
    variance: Floats  # (N,) m2/s2, of both axes together, around that mean; >= 0


def crowding_moments(position: Floats, velocity: Floats, group_start: Ints, radius_m: float = KERNEL_M) -> Moments:
    """
    Density, mean and variance of velocity where each person stands: what crowd pressure, rho Var(v), is made of.

    Args:
        position: (N, 2) metres; those of group g (a view, a zone) are rows `group_start[g]:group_start[g + 1]`.
        velocity: (N, 2) m/s; NaN where it is not known.

    Source: Helbing, Johansson and Al-Abideen, Phys. Rev. E 75 (2007) 046109, eqs. 1 to 4.
    """
    from detectors.crowd.loops.crowding import crowding_moments as fill

    moment = np.zeros((len(position), 4))
    fill(np.ascontiguousarray(position), np.ascontiguousarray(velocity), group_start, radius_m, moment)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = moment[:, 1:] / np.where(moment[:, 0] > 0.0, moment[:, 0], np.nan)[:, None]
    variance = np.maximum(mean[:, 2] - (mean[:, :2] ** 2).sum(axis=1), 0.0)
    return Moments(moment[:, 0] / (np.pi * radius_m**2), mean[:, :2], variance)


def _disc(radius_m: float) -> Floats:
    angle = np.arange(_DISC_CORNERS) * (2.0 * np.pi / _DISC_CORNERS)
    return radius_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _frame_sums(value: Floats, frame_start: Ints) -> Floats:
    """(F, Z) sums over the persons of each frame of (N, Z)."""
    total = np.concatenate([np.zeros((1, value.shape[1])), np.cumsum(value, axis=0)])
    sums: Floats = total[frame_start[1:]] - total[frame_start[:-1]]
    return sums
