"""
How uncertain a place on the ground is: from how the points of the calibration were measured, and from the box's edge.

    cov(place) = D cov(H) D'  +  J diag(noise^2) J'
                 calibration     box
    cov(H)     = A+ W A+'  s^2

D and J are how the place changes with the homography and with the picture point; A is the design matrix of the direct
linear transformation, W what a click of 4 px and a tape of 5 cm do to each of its rows, and s^2 how much worse (or
better) than that the points lie beside the fit, over 2 N - 8 degrees of freedom. All in closed form, for many points at
once. Far outside the points the ellipses grow fast: that is the truth of extrapolation, not a fault.

Source: Criminisi, Reid and Zisserman, A plane measuring device, Image Vis. Comput. 17 (1999) 625.
"""

from __future__ import annotations

import numpy as np

from detectors.geometry.homography import Floats, jacobian, normaliser, project

CLICK_NOISE = (4 / 1920, 4 / 1080)  # 1 sigma of a clicked point, 4 px of a 1080p picture
TAPE_NOISE_M = 0.05  # 1 sigma of a point measured on the ground
_SCALE_MIN = 0.1  # points cannot lie so well that nothing at all is uncertain
_SIGMAS_95 = 2.4477  # of a normal distribution in the plane: sqrt of the 95 % point of chi2 with 2 degrees


def homography_covariance(image: Floats, ground: Floats, homography: Floats) -> Floats:
    """
    (9, 9) covariance of the entries, row by row, of a homography that `fit_homography` made of these points.

    Args:
        image: (N, 2) points of the picture in [0, 1]; N >= 5.
        ground: (N, 2) the same points in metres.
        homography: (3, 3)

    Raises:
        ValueError: fewer than 5 points: four fit always, and tell nothing of their own error.
    """
    if len(image) < 5:
        raise ValueError(f"covariance of a homography: expected at least 5 points, got {len(image)}")
    to_image, to_ground = normaliser(image), normaliser(ground)
    unit = to_ground @ homography @ np.linalg.inv(to_image)
    size = np.linalg.norm(unit)
    unit = unit / size
    x = np.column_stack([image, np.ones(len(image))]) @ to_image.T
    u = np.column_stack([ground, np.ones(len(ground))]) @ to_ground.T
    zero = np.zeros_like(x)
    rows = np.stack([np.hstack([x, zero, -u[:, :1] * x]), np.hstack([zero, x, -u[:, 1:2] * x])], axis=1).reshape(
        -1, 9
    )  # two rows a point
    weight = x @ unit[2]
    noise_m2 = _ground_noise_m2(image, homography)
    apart_m = ground - project(homography, image)
    whitened = np.einsum("ki,kij,kj->k", apart_m, np.linalg.inv(noise_m2), apart_m)
    scale = max(float(whitened.sum()) / (2 * len(image) - 8), _SCALE_MIN)
    left, singular, right = np.linalg.svd(rows, full_matrices=False)
    inverse = right[:8].T / singular[:8] @ left[:, :8].T  # without the direction that only scales
    row_noise = np.zeros((len(rows), len(rows)))
    for point in range(len(image)):  # a handful, once at load time
        at = slice(2 * point, 2 * point + 2)
        row_noise[at, at] = noise_m2[point] * (to_ground[0, 0] * weight[point]) ** 2
    of_unit = scale * inverse @ row_noise @ inverse.T
    back = np.kron(np.linalg.inv(to_ground), to_image.T) * size
    covariance: Floats = back @ of_unit @ back.T
    return covariance


def position_covariance_m2(
    homography: Floats, covariance: Floats, points: Floats, box_noise: tuple[float, float] = CLICK_NOISE
) -> Floats:
    """
    (K, 2, 2) covariance of the places, east and north, of picture points (K, 2); NaN at or above the horizon.

    Args:
        covariance: (9, 9) of `homography_covariance`.
        box_noise: 1 sigma of a picture point, as shares of width and height; zeros for the calibration alone.
    """
    ahead = np.column_stack([points, np.ones(len(points))])
    weight = ahead @ homography[2]
    weight = np.where(weight > 0.0, weight, np.nan)
    place = project(homography, points)
    change = np.zeros((len(points), 2, 9))
    per_weight = ahead / weight[:, None]
    change[:, 0, 0:3], change[:, 1, 3:6] = per_weight, per_weight
    change[:, :, 6:9] = -place[:, :, None] * per_weight[:, None, :]
    stretch = jacobian(homography, points) * np.array(box_noise)
    total: Floats = change @ covariance @ np.swapaxes(change, 1, 2) + stretch @ np.swapaxes(stretch, 1, 2)
    return total


def area_error(homography: Floats, covariance: Floats, points: Floats) -> float:
    """
    Relative error, 1 sigma, of the area of the ground that is seen at points (K, 2) of the picture: of one point, of
    the scale there; of many that cover a zone evenly, of the zone. A density is off by as much.
    """
    ahead = np.column_stack([points, np.ones(len(points))])
    weight = ahead @ homography[2]
    seen = weight > 0.0
    if not seen.any():
        return float("nan")
    # The area of a small piece is det(H) / weight^3; the change of its logarithm with each entry of H:
    change = np.linalg.inv(homography).T.reshape(9).copy()
    change[6:9] -= 3.0 * (ahead[seen] / weight[seen, None]).mean(axis=0)
    return float(np.sqrt(max(float(change @ (covariance @ change)), 0.0)))


def noise_m(covariance_m2: Floats) -> Floats:
    """(K,) 1 sigma along each axis of a circle with the area-mean of the ellipses (K, 2, 2): root of half the trace."""
    circle: Floats = np.sqrt(np.trace(covariance_m2, axis1=1, axis2=2) / 2.0)
    return circle


def ellipses(covariance_m2: Floats) -> Floats:
    """
    (K, 3) half of the long and of the short axis in metres, and the bearing of the long one in degrees from north in
    [0, 180), of the ellipses that hold 95 % of the true places; NaN where the covariance (K, 2, 2) is.
    """
    known = np.isfinite(covariance_m2).all(axis=(1, 2))
    result = np.full((len(covariance_m2), 3), np.nan)
    if known.any():
        value, vector = np.linalg.eigh(covariance_m2[known])
        result[known, :2] = _SIGMAS_95 * np.sqrt(np.maximum(value[:, ::-1], 0.0))
        result[known, 2] = np.degrees(np.arctan2(vector[:, 0, 1], vector[:, 1, 1])) % 180.0
    return result


def _ground_noise_m2(image: Floats, homography: Floats) -> Floats:
    """(N, 2, 2) what a click and a tape do to the places of the points."""
    stretch = jacobian(homography, image) * np.array(CLICK_NOISE)
    result: Floats = stretch @ np.swapaxes(stretch, 1, 2) + TAPE_NOISE_M**2 * np.eye(2)
    return result
