"""
Where somebody stands whose feet are not seen: from the head, on the plane 1.65 m above the ground.

The lower edge of a box is no foot where the picture ends, or where the box is too short for a whole body at its place.
Then the middle of the upper edge, taken to the plane of heads, says where the person stands: off by the range over the
camera's height above the heads, times how far the person is from 1.65 m.

It is asked only of cameras that look across the ground, so that the upper edge of a box is a head, and whose focal
length follows from their calibration; see `upright`. Source: the plane of heads as a second homography of one camera;
Hartley and Zisserman, Multiple View Geometry, 2nd ed., 8.7 (a vertical direction from a plane and its camera).
"""

from __future__ import annotations

import numpy as np

from detectors.geometry.homography import Bools, Floats, jacobian
from detectors.geometry.upright import ASPECT, Upright

HEAD_M = 1.65
STATURE_SD_M = 0.10  # of adults, shoes and hats; children are off by their own difference
BODY_M_MIN = 1.3  # a box that stands for less than this is no whole body...
BODY_ASPECT_MIN = 2.2  # ...unless it is as slender as one: a child
BORDER = 0.005  # of the picture: a box that comes so near to its lower edge is cut by it
TOP_NOISE = (4 / 1920, 4 / 1080)  # 1 sigma of an upper edge, as of foot points
_DEPRESSION_MAX_DEGREES = 55.0  # looked down upon more steeply, the upper edge of a box is no head
_LEAN_MAX = 0.5  # sideways over upwards, of a body in the picture


def head_homography(body: Upright, height_m: float = HEAD_M) -> Floats:
    """(3, 3) from the picture in [0, 1] to metres on the plane `height_m` above the ground; weights > 0 are visible."""
    raised = body.from_ground + height_m * np.outer(body.up, [0.0, 0.0, 1.0])
    homography: Floats = np.linalg.inv(raised) @ body.to_centred
    return homography


def implied_height_m(body: Upright, box: Floats) -> Floats:
    """
    How tall an upright body is whose foot and head are the middles of the lower and the upper edge of a box.

    Args:
        box: (K, 4) left, top, width, height in [0, 1], y down.

    Returns:
        (K,) metres, in least squares; NaN where the lower edge shows no ground.
    """
    middle = box[:, 0] + box[:, 2] / 2.0
    ground = body.ground_points(np.stack([middle, box[:, 1] + box[:, 3]], axis=1))
    top = (np.stack([middle, box[:, 1]], axis=1) - 0.5) * np.array([ASPECT, 1.0])
    # (ground + z up) is seen at `top`: two equations in z.
    a = body.up[:2] - top * body.up[2]
    b = top * ground[:, 2:] - ground[:, :2]
    height_m: Floats = (a * b).sum(axis=1) / (a * a).sum(axis=1)
    return height_m


def shows_heads(body: Upright, image: Floats) -> bool:
    """
    Whether upper edges of boxes are heads in this camera's picture.

    Args:
        image: (N, 2) the calibration's points in the picture: where people are looked for.
    """
    if not body.focal_known:
        return False
    foot = image.mean(axis=0, keepdims=True)
    up = (body.body_top(foot) - foot)[0] * np.array([ASPECT, 1.0])
    upwards = bool(-up[1] > 0.0 and abs(up[0]) <= _LEAN_MAX * -up[1])
    return upwards and float(body.depression_degrees(foot)[0]) <= _DEPRESSION_MAX_DEGREES


def feet_hidden(body: Upright, box: Floats) -> Bools:
    """(K,) whether the lower edge of each box (K, 4) is no foot point."""
    slender = box[:, 3] >= BODY_ASPECT_MIN * ASPECT * box[:, 2]
    with np.errstate(invalid="ignore"):
        short = ~(implied_height_m(body, box) >= BODY_M_MIN) & ~slender
    result: Bools = short | (box[:, 1] + box[:, 3] >= 1.0 - BORDER)
    return result


def head_noise_m(body: Upright, top: Floats) -> Floats:
    """
    (K, 2, 2) covariance of the place under heads that are seen at (K, 2), from the noise of the upper edge and from how
    tall people are; m2, without that of the calibration.
    """
    stretch = jacobian(head_homography(body), top) * np.array(TOP_NOISE)
    higher, lower = (_places(head_homography(body, HEAD_M + off), top) for off in (STATURE_SD_M, -STATURE_SD_M))
    off_m = (higher - lower) / 2.0
    covariance: Floats = np.einsum("kij,klj->kil", stretch, stretch) + off_m[:, :, None] * off_m[:, None, :]
    return covariance


def _places(homography: Floats, points: Floats) -> Floats:
    full = points @ homography[:, :2].T + homography[:, 2]
    places: Floats = full[:, :2] / np.where(full[:, 2:] > 0.0, full[:, 2:], np.nan)
    return places
