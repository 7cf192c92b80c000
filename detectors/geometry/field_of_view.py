"""The part of the ground that a calibrated camera can speak about."""

from __future__ import annotations

import numpy as np
import shapely
import shapely.affinity

from detectors.geometry.homography import Floats, project
from detectors.geometry.lens import straighten
from ingest.registry.district import Lens

HULL_GROWTH = 0.1  # beyond the clicked points the error grows fast; a tenth of their reach is let in
# Of the largest weight in the picture: ground so near the horizon is hundreds of camera heights away.
_WEIGHT_MIN = 1e-3
_FRAME: Floats = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
_SIDE_PARTS = 24  # of a side of the frame, which a lens makes a curve


def field_of_view(homography: Floats, image: Floats, lens: Lens | None = None) -> shapely.Polygon:
    """
    The ground within the picture, below its horizon, and within the convex hull of the calibration's points, grown by a
    tenth about its middle.

    Args:
        homography: (3, 3) picture in [0, 1] to metres, scaled as `fit_homography` does.
        image: (N, 2) the calibration's points in the straight picture.
        lens: whose frame is curved in the straight picture; None: it is not.

    Returns:
        A polygon in metres; empty where the picture shows no ground.
    """
    frame = below_horizon(homography, _FRAME if lens is None else _straight_frame(lens))
    if len(frame) < 3:
        return shapely.Polygon()
    hull = shapely.MultiPoint(project(homography, image)).convex_hull
    grown = shapely.affinity.scale(hull, 1.0 + HULL_GROWTH, 1.0 + HULL_GROWTH, origin=hull.centroid)
    shape = shapely.Polygon(project(homography, frame))
    seen = (shape if shape.is_valid else shape.buffer(0.0)).intersection(grown)
    return seen if isinstance(seen, shapely.Polygon) else shapely.Polygon()


def below_horizon(homography: Floats, corners: Floats = _FRAME) -> Floats:
    """
    (V, 2) corners of the part of a frame (C, 2) that shows ground; V = 0 where the horizon lies below the frame.
    """
    weight = corners @ homography[2, :2] + homography[2, 2]
    above = weight - _WEIGHT_MIN * weight.max()
    if weight.max() <= 0.0:
        return np.empty((0, 2))
    kept = []
    for here in range(len(corners)):  # a polygon cut by a half plane
        there = (here + 1) % len(corners)
        if above[here] >= 0.0:
            kept.append(corners[here])
        if (above[here] >= 0.0) != (above[there] >= 0.0):
            share = above[here] / (above[here] - above[there])
            kept.append(corners[here] + share * (corners[there] - corners[here]))
    return np.array(kept)


def _straight_frame(lens: Lens) -> Floats:
    """(V, 2) the frame's border in the straight picture, without what lies beyond the lens' reach."""
    along = np.arange(_SIDE_PARTS)[:, None] / _SIDE_PARTS
    sides = [start + along * (end - start) for start, end in zip(_FRAME, np.roll(_FRAME, -1, axis=0), strict=True)]
    border = straighten(lens, np.concatenate(sides))
    kept: Floats = border[np.isfinite(border).all(axis=1)]
    return kept
