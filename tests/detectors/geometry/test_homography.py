from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.geometry.homography import Floats, fit_homography, jacobian, project
from tests.detectors.geometry.pinhole import Pinhole

cameras = st.builds(
    Pinhole,
    height_m=st.floats(3.0, 20.0),
    pitch_degrees=st.floats(15.0, 75.0),
    focal_px=st.floats(700.0, 2000.0),
    roll_degrees=st.floats(-15.0, 15.0),
)
PICTURE = np.array([(x, y) for x in (0.1, 0.5, 0.9) for y in (0.5, 0.7, 0.95)])


def ground_seen_by(camera: Pinhole, image: Floats) -> Floats:
    """The ground at `image`, by a fit-free inversion: the camera's own homography from four far apart places."""
    height_m = camera.height_m
    pitch, roll = np.radians(camera.pitch_degrees), np.radians(camera.roll_degrees)
    pixel = image * np.array([camera.width, camera.height]) - np.array([camera.width, camera.height]) / 2.0
    x, y = pixel.T / camera.focal_px
    x, y = np.cos(roll) * x - np.sin(roll) * y, np.sin(roll) * x + np.cos(roll) * y
    drop = np.sin(pitch) + y * np.cos(pitch)
    return np.column_stack([x, np.cos(pitch) - y * np.sin(pitch)]) * (height_m / drop)[:, None]


@settings(deadline=None)
@given(camera=cameras)
def test_a_homography_fitted_to_exact_points_is_exact(camera):
    image = PICTURE[PICTURE[:, 1] > 0.6]
    ground = ground_seen_by(camera, image)
    np.testing.assert_allclose(camera.on_picture(ground), image, atol=1e-9)  # the pinhole agrees with its inverse
    homography = fit_homography(image, ground)
    between = image.mean(axis=0) + 0.7 * (image - image.mean(axis=0))
    np.testing.assert_allclose(project(homography, between), ground_seen_by(camera, between), rtol=1e-6, atol=1e-6)


@settings(deadline=None)
@given(camera=cameras)
def test_the_way_back_from_the_ground_to_the_picture_is_the_inverse(camera):
    image = PICTURE[PICTURE[:, 1] > 0.6]
    homography = fit_homography(image, ground_seen_by(camera, image))
    there = project(homography, image)
    np.testing.assert_allclose(project(np.linalg.inv(homography), there), image, atol=1e-7)


@settings(deadline=None)
@given(camera=cameras)
def test_the_jacobian_is_the_slope_of_the_projection(camera):
    image = PICTURE[PICTURE[:, 1] > 0.6]
    homography = fit_homography(image, ground_seen_by(camera, image))
    step = 1e-6
    for axis in range(2):
        aside = np.eye(2)[axis] * step
        slope = (project(homography, image + aside) - project(homography, image - aside)) / (2 * step)
        np.testing.assert_allclose(jacobian(homography, image)[:, :, axis], slope, rtol=1e-4, atol=1e-3)


def test_a_point_on_or_above_the_horizon_has_no_place_on_the_ground():
    camera = Pinhole(6.0, 20.0)
    image = np.array([(0.2, 0.6), (0.8, 0.6), (0.2, 0.9), (0.8, 0.9)])
    homography = fit_homography(image, ground_seen_by(camera, image))
    horizon = 0.5 - 1100.0 * np.tan(np.radians(20.0)) / 1080.0
    seen = project(homography, np.array([(0.5, horizon - 0.01), (0.5, horizon + 0.01)]))
    assert np.isnan(seen[0]).all()
    assert np.isfinite(seen[1]).all()


def test_each_point_may_have_a_homography_of_its_own():
    camera = Pinhole(6.0, 40.0)
    near = fit_homography(PICTURE, ground_seen_by(camera, PICTURE))
    far = fit_homography(PICTURE, ground_seen_by(camera, PICTURE) + 100.0)
    both = project(np.stack([near, far]), PICTURE[:2])
    np.testing.assert_allclose(both[0], project(near, PICTURE[:1])[0])
    np.testing.assert_allclose(both[1], project(far, PICTURE[1:2])[0])


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ([(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)], "N >= 4"),
        ([(0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.4, 0.4), (0.5, 0.5)], "on a line"),
        ([(0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.4, 0.4), (0.5, 0.9)], "on a line"),
        ([(0.1, 0.1), (0.1, 0.1), (0.9, 0.1), (0.5, 0.9)], "on a line or on each other"),
        ([(0.5, 0.5)] * 5, "one point only"),
        ([(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, float("nan"))], "finite"),
    ],
)
def test_points_that_fix_no_homography_are_refused(image, says):
    points = np.array(image)
    with pytest.raises(ValueError, match=says):
        fit_homography(points, points * 20.0)
