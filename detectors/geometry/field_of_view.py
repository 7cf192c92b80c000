"""The part of the ground that a calibrated camera can speak about."""

from __future__ import annotations

import numpy as np
import shapely
import shapely.affinity

from detectors.geometry.homography import Floats, project

HULL_GROWTH = 0.1  # beyond the clicked points the error grows fast; a tenth of their reach is let in
# Of the largest weight in the picture: ground so near the horizon is hundreds of camera heights away.
_WEIGHT_MIN = 1e-3


def field_of_view(homography: Floats, image: Floats) -> shapely.Polygon:
    """
    The ground within the picture, below its horizon, and within the convex hull of the calibration's points, grown by a
    tenth about its middle.

    Args:
        homography: (3, 3) picture in [0, 1] to metres, scaled as `fit_homography` does.
        image: (N, 2) the calibration's points in the picture.

    Returns:
        A polygon in metres; empty where the picture shows no ground.
    """
    frame = below_horizon(homography)
    if len(frame) < 3:
        return shapely.Polygon()
    hull = shapely.MultiPoint(project(homography, image)).convex_hull
    grown = shapely.affinity.scale(hull, 1.0 + HULL_GROWTH, 1.0 + HULL_GROWTH, origin=hull.centroid)
    seen = shapely.Polygon(project(homography, frame)).intersection(grown)
    return seen if isinstance(seen, shapely.Polygon) else shapely.Polygon()


def below_horizon(homography: Floats) -> Floats:
    """(V, 2) corners of the part of the picture that shows ground; V = 0 where the horizon lies below the picture."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    weight = corners @ homography[2, :2] + homography[2, 2]
    above = weight - _WEIGHT_MIN * weight.max()
    if weight.max() <= 0.0:
        return np.empty((0, 2))
    kept = []
    for here in range(4):  # a convex polygon cut by a half plane
        there = (here + 1) % 4
        if above[here] >= 0.0:
            kept.append(corners[here])
        if (above[here] >= 0.0) != (above[there] >= 0.0):
            share = above[here] / (above[here] - above[there])
            kept.append(corners[here] + share * (corners[there] - corners[here]))
    return np.array(kept)
