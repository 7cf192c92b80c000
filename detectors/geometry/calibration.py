"""
From clicked points to a calibration that may be trusted.

Four points always fit; only a point that took no part in the fit shows the error. So at least six are asked for, and
the error is that of each point when it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.geometry.homography import Floats, fit_homography, project
from detectors.geometry.lens import straighten
from detectors.geometry.plane import SitePlane
from ingest.errors import SettingsError
from ingest.registry.district import Calibration, Lens, PointPair

POINTS_MIN = 6
REACH_M_MAX = 2_000.0  # as far as the site's plane is a plane
_IMAGE_APART_MIN = 1e-3  # two pixels of a 1080p picture
_GROUND_APART_M_MIN = 0.05
_FLATNESS_MIN = 0.02  # least spread across, as a share of the spread along


def ground_homography(points: Sequence[PointPair], plane: SitePlane, lens: Lens | None = None) -> Floats:
    """
    The (3, 3) homography from the straight picture (the picture itself without a lens) to metres of the site's plane.

    Raises:
        ValueError: the points fix no homography.
    """
    image, ground = point_arrays(points, plane, lens)
    return fit_homography(image, ground)


def leave_one_out_m(image: Floats, ground: Floats) -> Floats:
    """
    The error of each point under the homography of all the others.

    Args:
        image: (N, 2) points of the picture in [0, 1]; N >= 5.
        ground: (N, 2) the same points in metres.

    Returns:
        (N,) metres; infinite where the others fix no homography, or have the point at or above their horizon.

    Raises:
        ValueError: fewer than 5 points.
    """
    if len(image) < 5:
        raise ValueError(f"leave one out: expected at least 5 points, got {len(image)}")
    error_m = np.full(len(image), np.inf)
    for left_out in range(len(image)):  # a handful of points, once at load time
        others = np.arange(len(image)) != left_out
        try:
            homography = fit_homography(image[others], ground[others])
        except ValueError:
            continue
        error_m[left_out] = np.linalg.norm(project(homography, image[left_out : left_out + 1])[0] - ground[left_out])
    return np.where(np.isnan(error_m), np.inf, error_m)


def calibrate(
    camera_id: str,
    points: Sequence[PointPair],
    plane: SitePlane,
    measured_at_ns: int,
    error_m_max: float = 1.0,
    lens: Lens | None = None,
    error_m: float | None = None,
) -> Calibration:
    """
    The calibration of a camera from point pairs.

    Args:
        lens: None where straight lines are straight in the picture.
        error_m: as measured in the field, for points that were made from a matrix and so lie exactly on it; None takes
            the leave-one-out error.

    Raises:
        SettingsError: fewer than 6 points; two of them the same; all (but one) on a line; farther from the site than
            2 km; the horizon between them; the ground mirrored (as when y was measured upwards); or the root mean
            square of the leave-one-out errors above `error_m_max`. Names the number and the point, counted from 1.
    """
    thing = f"camera {camera_id}: calibration"
    if len(points) < POINTS_MIN:
        raise SettingsError(
            thing,
            expected=f"at least {POINTS_MIN} points",
            got=str(len(points)),
            mend="Add points that spread over the part of the ground that the zones cover.",
        )
    image, ground = point_arrays(points, plane, lens)
    _check_lens(thing, image)
    _check_spread(thing, image, ground)
    try:
        homography = fit_homography(image, ground)
    except ValueError as error:
        raise _on_a_line(thing) from error
    _check_view(thing, homography, image)
    if error_m is None:
        error_m = _checked_error_m(thing, image, ground, error_m_max)
    return Calibration(points=tuple(points), error_m=error_m, measured_at_ns=measured_at_ns, lens=lens)


def point_arrays(points: Sequence[PointPair], plane: SitePlane, lens: Lens | None = None) -> tuple[Floats, Floats]:
    """(N, 2) points in the straight picture, NaN where it does not reach, and (N, 2) the same points in metres."""
    image = np.array([(point.image_x, point.image_y) for point in points], dtype=np.float64).reshape(-1, 2)
    lon_lat = np.array([(point.lon, point.lat) for point in points], dtype=np.float64).reshape(-1, 2)
    return image if lens is None else straighten(lens, image), plane.to_metres(lon_lat)


def _checked_error_m(thing: str, image: Floats, ground: Floats, error_m_max: float) -> float:
    """The root mean square of the leave-one-out errors, if it is no larger than it may be."""
    error_each_m = leave_one_out_m(image, ground)
    error_m = float(np.sqrt(np.mean(error_each_m**2)))
    if not error_m <= error_m_max:
        worst = int(np.argmax(error_each_m))
        raise SettingsError(
            thing,
            expected=f"a leave-one-out error of at most {error_m_max:g} m",
            got=f"{error_m:.2f} m; worst is point {worst + 1} with {error_each_m[worst]:.2f} m",
            mend=f"Click point {worst + 1} again in picture and map, or add points near it.",
        )
    return error_m


def _check_lens(thing: str, image: Floats) -> None:
    lost = np.flatnonzero(np.isnan(image).any(axis=1))
    if len(lost):
        raise SettingsError(
            f"{thing}: point {lost[0] + 1}",
            expected="a place in the picture that the lens can show",
            got="one beyond the reach of its distortion",
            mend="Look whether the lens is of this camera, in this resolution and zoom.",
        )


def _check_spread(thing: str, image: Floats, ground: Floats) -> None:
    far_m = np.linalg.norm(ground, axis=1)
    if not far_m.max() <= REACH_M_MAX:
        farthest = int(np.argmax(far_m))
        raise SettingsError(
            f"{thing}: point {farthest + 1}",
            expected=f"a place within {REACH_M_MAX:,.0f} m of the site",
            got=f"{far_m[farthest]:,.0f} m",
            mend="Look whether lon and lat are swapped, or the camera is at another site.",
        )
    for array, apart_min, where in ((image, _IMAGE_APART_MIN, "picture"), (ground, _GROUND_APART_M_MIN, "ground")):
        apart = np.linalg.norm(array[:, None] - array[None], axis=2) + np.where(np.eye(len(array)), np.inf, 0.0)
        first, second = np.unravel_index(int(np.argmin(apart)), apart.shape)
        if apart[first, second] < apart_min:
            raise SettingsError(
                f"{thing}: points {first + 1} and {second + 1}",
                expected=f"different places on the {where}",
                got="the same place",
                mend="Remove one of the two.",
            )
        spread = np.linalg.svd(array - array.mean(axis=0), compute_uv=False)
        if spread[1] < _FLATNESS_MIN * spread[0]:
            raise _on_a_line(thing)


def _check_view(thing: str, homography: Floats, image: Floats) -> None:
    weight = image @ homography[2, :2] + homography[2, 2]
    if weight.min() <= 0.0:
        beyond = int(np.argmin(weight))
        raise SettingsError(
            f"{thing}: point {beyond + 1}",
            expected="a point of the ground below the horizon",
            got="one above the horizon that the other points make",
            mend="Look whether two points are exchanged; click it again.",
        )
    # Seen from above, picture (y down) and ground (y north) turn in opposite senses.
    if np.linalg.det(homography) > 0.0:
        raise SettingsError(
            thing,
            expected="the ground seen from above",
            got="its mirror image",
            mend="Measure image_y downwards from the top edge, keep lon and lat in their columns, "
            "and turn the camera's mirror setting off.",
        )


def _on_a_line(thing: str) -> SettingsError:
    return SettingsError(
        thing,
        expected="points that span an area of picture and ground",
        got="points on a line, or all but one on a line",
        mend="Add points to the left and right, near and far.",
    )
