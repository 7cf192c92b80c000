"""From the picture to the ground and back: the homography of a plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Below this share of the largest singular value, a second homography fits the points as well as the first.
_DEGENERATE = 1e-7


def fit_homography(image: Floats, ground: Floats) -> Floats:
    """
    The homography that takes the points of the picture to those of the ground, scaled so that the centre of the given
    picture points has the homogeneous weight 1: visible ground has weights > 0, the horizon 0.

    Args:
        image: (N, 2) points of the picture in [0, 1], y down; N >= 4.
        ground: (N, 2) the same points in metres.

    Returns:
        (3, 3)

    Raises:
        ValueError: fewer than 4 points, other shapes, not finite, or placed so that they fix no homography (all on a
            line, or all but one).

    Source: normalised direct linear transformation; Hartley and Zisserman, Multiple View Geometry, 2nd ed., alg. 4.2.
    """
    if image.shape != ground.shape or image.ndim != 2 or image.shape[1] != 2 or len(image) < 4:
        raise ValueError(f"homography: expected two arrays (N, 2) with N >= 4, got {image.shape} and {ground.shape}")
    if not (np.isfinite(image).all() and np.isfinite(ground).all()):
        raise ValueError("homography: expected finite coordinates, got NaN or infinity")
    to_unit_image, to_unit_ground = normaliser(image), normaliser(ground)
    x, y = (image @ to_unit_image[:2, :2].T + to_unit_image[:2, 2]).T
    u, v = (ground @ to_unit_ground[:2, :2].T + to_unit_ground[:2, 2]).T
    one, zero = np.ones_like(x), np.zeros_like(x)
    rows_u = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y, -u], axis=1)
    rows_v = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y, -v], axis=1)
    _, singular, right = np.linalg.svd(np.concatenate([rows_u, rows_v]), full_matrices=True)
    unit = right[-1].reshape(3, 3)
    if singular[7] < _DEGENERATE * singular[0] or abs(np.linalg.det(unit)) < _DEGENERATE:
        raise ValueError("homography: expected points that span an area, got points on a line or on each other")
    homography: Floats = np.linalg.solve(to_unit_ground, unit @ to_unit_image)
    weight = homography[2] @ np.append(image.mean(axis=0), 1.0)
    if abs(weight) < _DEGENERATE * np.abs(homography[2]).max():
        raise ValueError("homography: expected points below the horizon, got a horizon through their middle")
    scaled: Floats = homography / weight
    return scaled


def project(homography: Floats, points: Floats) -> Floats:
    """
    The points taken through a homography. One on or above the horizon (weight <= 0) has no place on the ground: NaN.

    Args:
        homography: (3, 3) for all points, or (K, 3, 3), one a point; scaled as `fit_homography` does.
        points: (K, 2)

    Returns:
        (K, 2)
    """
    linear, offset = homography[..., :2], homography[..., 2]
    one_for_all = homography.ndim == 2
    full = (points @ linear.T if one_for_all else np.einsum("kij,kj->ki", linear, points)) + offset
    weight = full[..., 2:]
    visible = weight > 0.0
    result: Floats = np.where(visible, full[..., :2] / np.where(visible, weight, 1.0), np.nan)
    return result


def jacobian(homography: Floats, points: Floats) -> Floats:
    """
    How the projection stretches the surroundings of each point.

    Args:
        homography: (3, 3)
        points: (K, 2); those at or above the horizon get NaN.

    Returns:
        (K, 2, 2), [k, i, j] = d project_i / d point_j: metres per picture width (j = 0) and height (j = 1).
    """
    full = points @ homography[:, :2].T + homography[:, 2]
    weight = np.where(full[:, 2] > 0.0, full[:, 2], np.nan)[:, None, None]
    place = full[:, :2, None] / weight
    result: Floats = (homography[None, :2, :2] - place * homography[None, 2:, :2]) / weight
    return result


def normaliser(points: Floats) -> Floats:
    """(3, 3) moves the centre of the points to 0 and their mean distance from it to sqrt 2."""
    centre = points.mean(axis=0)
    distance = float(np.linalg.norm(points - centre, axis=1).mean())
    if distance == 0.0:
        raise ValueError("homography: expected points that span an area, got one point only")
    scale = np.sqrt(2.0) / distance
    return np.array([[scale, 0.0, -scale * centre[0]], [0.0, scale, -scale * centre[1]], [0.0, 0.0, 1.0]])
