"""Ellipses of places beside what repeated clicks really do to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.geometry.homography import Floats, fit_homography, jacobian, project
from detectors.geometry.uncertainty import (
    CLICK_NOISE,
    TAPE_NOISE_M,
    area_error,
    ellipses,
    homography_covariance,
    noise_m,
    position_covariance_m2,
)
from tests.detectors.geometry.pinhole import Pinhole

CAMERA = Pinhole(6.0, 25.0)
GROUND = np.array([(x, y) for x in (-5.0, 0.0, 5.0) for y in (7.0, 11.0, 16.0, 20.0)])
PLACES = np.array([(0.0, 9.0), (3.0, 14.0), (-4.0, 18.0), (0.0, 26.0)])


def clicked(chance: np.random.Generator, share: float = 1.0) -> tuple[Floats, Floats]:
    image = CAMERA.on_picture(GROUND) + share * chance.normal(0.0, 1.0, GROUND.shape) * np.array(CLICK_NOISE)
    return image, GROUND + share * chance.normal(0.0, TAPE_NOISE_M, GROUND.shape)


def test_the_ellipse_is_as_large_as_what_other_clicks_of_the_same_points_would_do():
    chance = np.random.default_rng(1)
    at = CAMERA.on_picture(PLACES)
    found, said, areas, said_areas = [], [], [], []
    truth = abs(np.linalg.det(jacobian(fit_homography(CAMERA.on_picture(GROUND), GROUND), at)))
    for _ in range(300):
        image, ground = clicked(chance)
        homography = fit_homography(image, ground)
        covariance = homography_covariance(image, ground, homography)
        found.append(project(homography, at) - PLACES)
        said.append(position_covariance_m2(homography, covariance, at, (0.0, 0.0)))
        areas.append(np.log(abs(np.linalg.det(jacobian(homography, at))) / truth))
        said_areas.append([area_error(homography, covariance, at[n : n + 1]) for n in range(len(at))])
    spread = np.sqrt((np.array(found) ** 2).mean(axis=0))  # (4, 2) along each axis
    stated = np.sqrt(np.array(said).mean(axis=0)[:, [0, 1], [0, 1]])
    np.testing.assert_allclose(stated, spread, rtol=0.25)
    np.testing.assert_allclose(np.median(said_areas, axis=0), np.std(areas, axis=0), rtol=0.3)
    # Of places within the points, the ellipse of 95 % holds about so many.
    offset = np.array(found)[:, :3]
    inverse = np.linalg.inv(np.array(said)[:, :3])
    within = np.einsum("rki,rkij,rkj->rk", offset, inverse, offset) <= 5.991
    assert 0.88 <= within.mean() <= 0.99


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), share=st.floats(0.3, 3.0))
def test_a_covariance_is_symmetric_and_positive_and_grows_away_from_the_points(seed, share):
    image, ground = clicked(np.random.default_rng(seed), share)
    homography = fit_homography(image, ground)
    covariance = homography_covariance(image, ground, homography)
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-12 + 1e-9 * np.abs(covariance).max())
    # Along one line of sight the place is the less sure the farther it is beyond the last point.
    at = project(np.linalg.inv(homography), np.array([(0.0, y) for y in (22.0, 30.0, 40.0)]))
    each = position_covariance_m2(homography, covariance, at)
    assert (np.linalg.eigvalsh(each) > 0.0).all()
    assert (np.diff(noise_m(each)) > 0.0).all()


def test_an_ellipse_says_where_its_long_axis_points():
    turned = np.radians(30.0)  # east of north
    along = np.array([np.sin(turned), np.cos(turned)])
    covariance = 0.04 * np.eye(2) + 0.21 * np.outer(along, along)
    ((long_m, short_m, bearing),) = ellipses(covariance[None])
    assert (long_m, short_m, bearing) == pytest.approx((2.4477 * 0.5, 2.4477 * 0.2, 30.0))


def test_a_place_at_the_horizon_has_no_ellipse():
    image, ground = clicked(np.random.default_rng(1))
    homography = fit_homography(image, ground)
    covariance = homography_covariance(image, ground, homography)
    each = position_covariance_m2(homography, covariance, np.array([(0.5, -0.5), (0.5, 0.8)]))
    assert np.isnan(ellipses(each)[0]).all() and np.isfinite(ellipses(each)[1]).all()


def test_four_points_tell_nothing_of_their_error():
    image, ground = CAMERA.on_picture(GROUND[[0, 2, 9, 11]]), GROUND[[0, 2, 9, 11]]
    with pytest.raises(ValueError, match="at least 5 points, got 4"):
        homography_covariance(image, ground, fit_homography(image, ground))
