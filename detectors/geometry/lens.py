"""
The picture that a lens bends, and the one that it would show if it did not: the straight picture.

    x' = (x - c_x) / f_x,  r2 = x'2 + y'2,  radial = 1 + k1 r2 + k2 r4 + k3 r6
    x'' = x' radial + 2 p1 x' y' + p2 (r2 + 2 x'2)
    y'' = y' radial + p1 (r2 + 2 y'2) + 2 p2 x' y'

Both pictures are measured in [0, 1] of the frame; the straight one reaches beyond it. A homography of the ground holds
in the straight picture only, so points are straightened before it and bent after its inverse. Beyond the radius where
x' radial turns back the model shows one place twice: what is there has no straight point, NaN.

Source: Brown, Decentering distortion of lenses, Photogramm. Eng. 32 (1966) 444, as in OpenCV's calib3d.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from detectors.geometry.homography import Floats
from ingest.registry.district import Calibration, Lens

_RADIUS_MAX = 20.0  # 87 degrees beside the axis
_STEPS_MAX = 40
_CLOSE = 1e-12
_ZERO = 1e-9  # a term so small bends nothing within the reach


def bend(lens: Lens, straight: Floats) -> Floats:
    """(K, 2) where points (K, 2) of the straight picture are in the lens' picture; NaN beyond the model's reach."""
    point = (straight - _centre(lens)) / _focal(lens)
    within = np.linalg.norm(point, axis=1) <= radius_max(lens)
    result: Floats = np.where(within[:, None], _normal_bend(lens, point) * _focal(lens) + _centre(lens), np.nan)
    return result


def straighten(lens: Lens, picture: Floats) -> Floats:
    """
    (K, 2) points of the straight picture of (K, 2) points of the lens' picture; NaN where there is none.

    By Newton's method, which begins at the bent point and comes from one side where the lens is only radial.
    """
    aim = (picture - _centre(lens)) / _focal(lens)
    point, reach = aim.copy(), radius_max(lens)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        outside = np.linalg.norm(point, axis=1) > reach
        point[outside] *= (0.999 * reach / np.linalg.norm(point, axis=1))[outside, None]
        for _ in range(_STEPS_MAX):
            bent, slope = _normal_bend(lens, point), _normal_slope(lens, point)
            off = aim - bent
            determinant = slope[:, 0, 0] * slope[:, 1, 1] - slope[:, 0, 1] * slope[:, 1, 0]
            step_x = (slope[:, 1, 1] * off[:, 0] - slope[:, 0, 1] * off[:, 1]) / determinant
            step_y = (slope[:, 0, 0] * off[:, 1] - slope[:, 1, 0] * off[:, 0]) / determinant
            point = point + np.stack([step_x, step_y], axis=1)
            if not np.nanmax(np.abs(step_x) + np.abs(step_y), initial=0.0) > _CLOSE:
                break
        good = np.linalg.norm(_normal_bend(lens, point) - aim, axis=1) < 1e-9
        good &= np.linalg.norm(point, axis=1) <= reach
    result: Floats = np.where(good[:, None], point * _focal(lens) + _centre(lens), np.nan)
    return result


def bend_slope(lens: Lens, straight: Floats) -> Floats:
    """(K, 2, 2), [k, i, j] = d bend_i / d straight_j."""
    focal = _focal(lens)
    slope = _normal_slope(lens, (straight - _centre(lens)) / focal)
    result: Floats = slope * focal[:, None] / focal[None, :]
    return result


@lru_cache(maxsize=4096)
def radius_max(lens: Lens) -> float:
    """Up to which distance from the axis (in focal lengths, straight) the model is one to one."""
    rising = np.array([7.0 * lens.k3, 5.0 * lens.k2, 3.0 * lens.k1, 1.0])  # d(r radial)/dr in r2
    roots = np.roots(np.trim_zeros(np.where(np.abs(rising) < _ZERO, 0.0, rising), "f"))
    turns = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0.0)]
    return min(float(np.sqrt(turns.min())) if len(turns) else np.inf, _RADIUS_MAX)


def straight_points(calibration: Calibration) -> Floats:
    """(N, 2) the calibration's points in the straight picture."""
    image = np.array([(point.image_x, point.image_y) for point in calibration.points], np.float64).reshape(-1, 2)
    return image if calibration.lens is None else straighten(calibration.lens, image)


def _normal_bend(lens: Lens, point: Floats) -> Floats:
    x, y = point.T
    square = x * x + y * y
    radial = 1.0 + square * (lens.k1 + square * (lens.k2 + square * lens.k3))
    bent_x = x * radial + 2.0 * lens.p1 * x * y + lens.p2 * (square + 2.0 * x * x)
    bent_y = y * radial + lens.p1 * (square + 2.0 * y * y) + 2.0 * lens.p2 * x * y
    return np.stack([bent_x, bent_y], axis=1)


def _normal_slope(lens: Lens, point: Floats) -> Floats:
    """(K, 2, 2) of the bent point by the straight one, both in focal lengths from the axis."""
    x, y = point.T
    square = x * x + y * y
    radial = 1.0 + square * (lens.k1 + square * (lens.k2 + square * lens.k3))
    rise = 2.0 * (lens.k1 + square * (2.0 * lens.k2 + square * 3.0 * lens.k3))  # d radial / d x, over x
    slope = np.empty((len(point), 2, 2))
    slope[:, 0, 0] = radial + x * x * rise + 2.0 * lens.p1 * y + 6.0 * lens.p2 * x
    slope[:, 0, 1] = x * y * rise + 2.0 * lens.p1 * x + 2.0 * lens.p2 * y
    slope[:, 1, 0] = slope[:, 0, 1]
    slope[:, 1, 1] = radial + y * y * rise + 6.0 * lens.p1 * y + 2.0 * lens.p2 * x
    return slope


def _focal(lens: Lens) -> Floats:
    return np.array([lens.focal_x, lens.focal_y])


def _centre(lens: Lens) -> Floats:
    return np.array([lens.centre_x, lens.centre_y])
