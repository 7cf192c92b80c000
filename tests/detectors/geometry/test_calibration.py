from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.geometry.calibration import calibrate, ground_homography, leave_one_out_m
from detectors.geometry.homography import Floats, fit_homography, project
from detectors.geometry.plane import SitePlane
from ingest.errors import SettingsError
from ingest.registry.district import PointPair
from tests.detectors.geometry.pinhole import Pinhole

PLANE = SitePlane(7.0, 50.0)
CAMERA = Pinhole(6.0, 30.0)
GROUND = np.array([(x, y) for x in (-4.0, 0.0, 4.0) for y in (7.0, 10.0, 14.0)])


def pairs(image: Floats, ground: Floats) -> tuple[PointPair, ...]:
    places = np.column_stack([image, PLANE.to_lon_lat(ground)])
    return tuple(PointPair(*place) for place in places.tolist())


def calibrated(image: Floats, ground: Floats, **more: float):
    return calibrate("gate-7", pairs(image, ground), PLANE, 0, **more)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), clicks_px=st.floats(0.1, 8.0))
def test_points_left_out_err_at_least_as_much_as_points_that_were_fitted(seed, clicks_px):
    noise = np.random.default_rng(seed).normal(0.0, clicks_px, GROUND.shape) / np.array([1920, 1080])
    image = CAMERA.on_picture(GROUND) + noise
    residual_m = np.linalg.norm(project(fit_homography(image, GROUND), image) - GROUND, axis=1)
    left_out_m = leave_one_out_m(image, GROUND)
    assert (left_out_m >= 0.9 * residual_m - 1e-9).all()  # a fit of algebraic error: each point, nearly
    assert np.sqrt((left_out_m**2).mean()) >= np.sqrt((residual_m**2).mean())


def test_exact_points_have_no_error():
    calibration = calibrated(CAMERA.on_picture(GROUND), GROUND)
    assert calibration.error_m < 1e-6
    middle = CAMERA.on_picture(np.array([(1.0, 9.0)]))
    np.testing.assert_allclose(project(ground_homography(calibration.points, PLANE), middle), [(1.0, 9.0)], atol=1e-6)


def test_the_error_of_a_calibration_is_that_of_points_that_took_no_part():
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(100):
        image = CAMERA.on_picture(GROUND) + rng.normal(0.0, 5.0, GROUND.shape) / np.array([1920, 1080])
        homography = fit_homography(image, GROUND)
        truth = GROUND * 0.9 + 0.5
        apart_m = np.linalg.norm(project(homography, CAMERA.on_picture(truth)) - truth, axis=1)
        errors.append((np.sqrt((apart_m**2).mean()), calibrated(image, GROUND).error_m))
    fitted_m, said_m = np.mean(errors, axis=0)
    assert fitted_m < said_m < 6.0 * fitted_m  # never too good; the clicks' own noise is in it


def test_five_points_are_too_few():
    with pytest.raises(SettingsError, match=r"camera gate-7: calibration: expected at least 6 points, got 5"):
        calibrated(CAMERA.on_picture(GROUND)[:5], GROUND[:5])


def test_a_point_that_was_clicked_twice_is_named():
    image, ground = CAMERA.on_picture(GROUND), GROUND.copy()
    image[4] = image[2]
    with pytest.raises(SettingsError, match=r"points 3 and 5: expected different places on the picture"):
        calibrated(image, ground)
    ground[4] = ground[2]
    with pytest.raises(SettingsError, match=r"points 3 and 5: expected different places on the ground"):
        calibrated(CAMERA.on_picture(GROUND), ground)


@pytest.mark.parametrize("aside", [[], [(3.0, 11.0)]], ids=["all", "all but one"])
def test_points_on_a_line_are_refused(aside):
    ground = np.array([*((0.0, y) for y in (6.0, 7.0, 8.0, 10.0, 12.0, 14.0)), *aside])
    with pytest.raises(SettingsError, match="on a line"):
        calibrated(CAMERA.on_picture(ground), ground)


def test_the_worst_point_is_named_when_the_error_is_too_large():
    image = CAMERA.on_picture(GROUND)
    image[5, 0] += 0.2
    with pytest.raises(SettingsError, match=r"at most 1 m, got \d+\.\d\d m; worst is point 6 with"):
        calibrated(image, GROUND)
    assert calibrated(image, GROUND, error_m_max=50.0).error_m > 1.0


def test_a_picture_measured_upwards_is_refused_since_it_would_mirror_the_ground():
    image = CAMERA.on_picture(GROUND)
    image[:, 1] = 1.0 - image[:, 1]
    with pytest.raises(SettingsError, match="got its mirror image"):
        calibrated(image, GROUND)


def test_points_with_lon_and_lat_exchanged_are_refused_as_too_far_away():
    swapped = tuple(
        PointPair(point.image_x, point.image_y, point.lat, point.lon)
        for point in pairs(CAMERA.on_picture(GROUND), GROUND)
    )
    with pytest.raises(SettingsError, match=r"point \d: expected a place within 2,000 m of the site.*swapped"):
        calibrate("gate-7", swapped, PLANE, 0)


def test_a_calibration_is_named_by_its_points_and_not_by_its_date():
    image = CAMERA.on_picture(GROUND)
    early, late = (calibrate("gate-7", pairs(image, GROUND), PLANE, at_ns) for at_ns in (0, 1))
    fewer = calibrate("gate-7", pairs(image, GROUND)[1:], PLANE, 0)
    assert early.id == late.id != fewer.id
