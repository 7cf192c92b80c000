"""People behind others, or cut by the picture: where the head says that they stand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.geometry.head import (
    HEAD_M,
    feet_hidden,
    head_homography,
    head_noise_m,
    implied_height_m,
    shows_heads,
)
from detectors.geometry.homography import Floats, fit_homography, project
from detectors.geometry.uncertainty import noise_m
from detectors.geometry.upright import Upright, upright
from tests.detectors.geometry.pinhole import Pinhole

GROUND = np.array([(x, y) for x in (-4.0, 0.0, 4.0) for y in (8.0, 12.0, 18.0)])


def body_of(camera: Pinhole) -> Upright:
    return upright(fit_homography(camera.on_picture(GROUND), GROUND))


def boxes_of(camera: Pinhole, feet: Floats, height_m: Floats, hidden_m: Floats) -> Floats:
    """(K, 4) boxes of bodies 0.5 m wide at (K, 2), of which the lowest (K,) metres are hidden."""
    size = np.array([camera.width, camera.height])
    top = camera.see(np.column_stack([feet, height_m])) / size
    bottom = camera.see(np.column_stack([feet, hidden_m])) / size
    middle_m = np.column_stack([feet, (height_m + hidden_m) / 2.0])
    half = np.array([0.25, 0.0, 0.0])
    width = (camera.see(middle_m + half) - camera.see(middle_m - half))[:, 0] / camera.width
    middle = (top[:, 0] + bottom[:, 0]) / 2.0
    return np.column_stack([middle - width / 2.0, top[:, 1], width, bottom[:, 1] - top[:, 1]])


@settings(deadline=None, max_examples=40)
@given(height_m=st.floats(3.5, 12.0), pitch=st.floats(12.0, 40.0), tall_m=st.floats(1.1, 2.0))
def test_a_body_that_is_seen_whole_has_its_own_height(height_m, pitch, tall_m):
    camera = Pinhole(height_m, pitch)
    feet = np.array([(0.0, 9.0), (1.0, 12.0), (-1.0, 16.0)])
    box = boxes_of(camera, feet, np.full(3, tall_m), np.zeros(3))
    np.testing.assert_allclose(implied_height_m(body_of(camera), box), tall_m, rtol=0.03)


@settings(deadline=None, max_examples=40)
@given(height_m=st.floats(3.5, 12.0), pitch=st.floats(12.0, 40.0))
def test_a_head_at_its_usual_height_is_above_where_its_owner_stands(height_m, pitch):
    camera = Pinhole(height_m, pitch)
    feet = np.array([(0.0, 9.0), (2.0, 12.0), (-3.0, 16.0)])
    heads = camera.see(np.column_stack([feet, np.full(3, HEAD_M)])) / np.array([1920, 1080])
    np.testing.assert_allclose(project(head_homography(body_of(camera)), heads), feet, atol=0.05)


def test_whole_bodies_and_children_have_feet_and_who_is_hidden_from_the_hips_down_has_none():
    camera = Pinhole(5.0, 22.0)
    feet = np.array([(0.0, 10.0), (1.0, 13.0), (-2.0, 16.0)])
    body = body_of(camera)
    for tall_m, hidden_m, is_hidden in ((1.7, 0.0, False), (1.55, 0.0, False), (1.2, 0.0, False), (1.7, 0.9, True)):
        width = 0.5 if tall_m > 1.4 else 0.33
        box = boxes_of(camera, feet, np.full(3, tall_m), np.full(3, hidden_m))
        box[:, 0] += box[:, 2] * (1.0 - width / 0.5) / 2.0
        box[:, 2] *= width / 0.5
        assert (feet_hidden(body, box) == is_hidden).all()


def test_who_is_cut_by_the_lower_edge_of_the_picture_has_no_feet():
    body = body_of(Pinhole(5.0, 22.0))
    assert feet_hidden(body, np.array([[0.4, 0.5, 0.1, 0.5], [0.4, 0.2, 0.1, 0.5]])).tolist() == [True, False]


def test_a_camera_that_looks_straight_down_shows_no_heads():
    steep = Pinhole(8.0, 85.0)
    near = np.array([(x, y) for x in (-2.0, 0.0, 2.0) for y in (-1.0, 0.5, 2.0)])
    image = steep.on_picture(near)
    assert not shows_heads(upright(fit_homography(image, near)), image)
    across = Pinhole(5.0, 22.0)
    assert shows_heads(body_of(across), across.on_picture(GROUND))


def test_the_noise_of_a_place_from_the_head_is_what_statures_and_edges_make_of_it():
    camera = Pinhole(5.0, 22.0)
    body = body_of(camera)
    chance = np.random.default_rng(2)
    for y in (9.0, 15.0):
        feet = np.tile([(1.0, y)], (4_000, 1))
        heads = camera.see(np.column_stack([feet, chance.normal(HEAD_M, 0.1, len(feet))])) / np.array([1920, 1080])
        seen = heads + chance.normal(0.0, 1.0, heads.shape) * np.array([4 / 1920, 4 / 1080])
        off = project(head_homography(body), seen) - feet
        stated = noise_m(head_noise_m(body, heads[:1] * 0.0 + camera.see(np.array([[1.0, y, HEAD_M]])) / [1920, 1080]))
        assert stated[0] == pytest.approx(np.sqrt((off**2).sum(axis=1).mean() / 2.0), rel=0.1)
