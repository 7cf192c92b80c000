"""A lens that bends the picture: there and back, as OpenCV has it, and a zone that would be wrong without it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.geometry.calibration import calibrate, ground_homography
from detectors.geometry.homography import Floats, project
from detectors.geometry.lens import bend, bend_slope, radius_max, straighten
from detectors.settings import DetectSettings
from detectors.straight_boxes import lenses, straightened
from ingest.errors import SettingsError
from ingest.registry.district import Calibration, Lens, PointPair, district_of
from tests.detectors.geometry.pinhole import Pinhole
from tests.detectors.plaza import EXACT, PLANE, camera, detect, run, square, tick, zone

WIDE = Lens(
    focal_x=0.55, focal_y=0.98, centre_x=0.51, centre_y=0.48, k1=-0.28, k2=0.07, p1=0.001, p2=-0.0008, k3=-0.007
)
LENSES = st.builds(
    Lens,
    focal_x=st.floats(0.4, 2.0), focal_y=st.floats(0.7, 3.6), centre_x=st.floats(0.45, 0.55),
    centre_y=st.floats(0.45, 0.55), k1=st.floats(-0.35, 0.35), k2=st.floats(-0.1, 0.1), p1=st.floats(-0.002, 0.002),
    p2=st.floats(-0.002, 0.002), k3=st.floats(-0.02, 0.02),
)  # fmt: skip
SHARES = arrays(np.float64, (20, 2), elements=st.floats(0.0, 1.0))


@given(LENSES, SHARES)
def test_what_can_be_straightened_is_bent_back_to_where_it_was(lens: Lens, picture: Floats) -> None:
    straight = straighten(lens, picture)
    known = np.isfinite(straight).all(axis=1)
    np.testing.assert_allclose(bend(lens, straight[known]), picture[known], atol=1e-8)


@given(LENSES, SHARES)
def test_what_is_bent_is_straightened_back_within_the_reach_of_the_lens(lens: Lens, straight: Floats) -> None:
    radius = np.linalg.norm(
        (straight - [lens.centre_x, lens.centre_y]) / [lens.focal_x, lens.focal_y], axis=1
    )  # fmt: skip
    # At its very edge the model stands still, and a place cannot be told from the next.
    inside = straight[radius < 0.9 * radius_max(lens)]
    np.testing.assert_allclose(straighten(lens, bend(lens, inside)), inside, atol=1e-6)


@given(SHARES)
def test_it_is_the_model_of_opencv(straight: Floats) -> None:
    matrix = np.array([[WIDE.focal_x, 0, WIDE.centre_x], [0, WIDE.focal_y, WIDE.centre_y], [0, 0, 1]])
    twist = np.array([WIDE.k1, WIDE.k2, WIDE.p1, WIDE.p2, WIDE.k3])
    rays = np.column_stack([(straight - matrix[:2, 2]) / np.diag(matrix)[:2], np.ones(len(straight))])
    theirs, _ = cv2.projectPoints(rays[:, None], np.zeros(3), np.zeros(3), matrix, twist)
    np.testing.assert_allclose(bend(WIDE, straight), theirs[:, 0], atol=1e-9)


@given(SHARES)
def test_the_slope_is_that_of_small_steps(straight: Floats) -> None:
    step = 1e-6
    for axis in range(2):
        shift = np.eye(2)[axis] * step
        small = (bend(WIDE, straight + shift) - bend(WIDE, straight - shift)) / (2 * step)
        np.testing.assert_allclose(bend_slope(WIDE, straight)[:, :, axis], small, atol=1e-6)


def test_beyond_the_reach_of_the_model_there_is_no_place() -> None:
    folded = Lens(focal_x=0.3, focal_y=0.5, centre_x=0.5, centre_y=0.5, k1=-0.5)
    assert radius_max(folded) == pytest.approx(np.sqrt(1 / 1.5))
    assert np.isnan(straighten(folded, np.array([[0.0, 0.0]]))).all()
    assert np.isnan(bend(folded, np.array([[2.0, 2.0]]))).all()
    np.testing.assert_allclose(straighten(folded, np.array([[0.5, 0.5]])), [[0.5, 0.5]])


# A camera 6 m above a square, whose wide lens bends straight lines by a tenth of the picture.
VIEW = Pinhole(height_m=6.0, pitch_degrees=35.0, focal_px=WIDE.focal_x * 1920)
CLICKED = np.array([(x, y) for x in (-8.0, -3.0, 3.0, 8.0) for y in (5.0, 9.0, 14.0, 20.0)])


def in_picture(ground: Floats, up_m: float = 0.0) -> Floats:
    """(K, 2) in the lens' picture of (K, 2) metres east and north, so far above the ground."""
    pixels = VIEW.see(np.column_stack([ground, np.full(len(ground), up_m)]))
    ray = (pixels - np.array([960, 540])) / VIEW.focal_px
    return bend(WIDE, ray * [WIDE.focal_x, WIDE.focal_y] + [WIDE.centre_x, WIDE.centre_y])


def pairs(ground: Floats) -> tuple[PointPair, ...]:
    lon_lat = PLANE.to_lon_lat(ground)
    both = zip(in_picture(ground), lon_lat, strict=True)
    return tuple(PointPair(float(x), float(y), float(lon), float(lat)) for (x, y), (lon, lat) in both)


def shown() -> Floats:
    seen = in_picture(CLICKED)
    return CLICKED[((seen > 0.0) & (seen < 1.0)).all(axis=1)]


def test_with_its_lens_a_calibration_has_no_error_and_without_it_is_refused() -> None:
    points = pairs(shown())
    calibration = calibrate("gate-7", points, PLANE, 0, lens=WIDE)
    assert calibration.error_m < 1e-6 and calibration.lens == WIDE
    with pytest.raises(SettingsError, match=r"expected a leave-one-out error of at most 0\.3 m"):
        calibrate("gate-7", points, PLANE, 0, error_m_max=0.3)
    assert calibration.id != Calibration(points=points, error_m=0.0, measured_at_ns=0).id


def test_a_point_beyond_the_lens_is_named() -> None:
    folded = Lens(focal_x=0.3, focal_y=0.5, centre_x=0.5, centre_y=0.5, k1=-0.5)
    corner = (PointPair(0.001, 0.001, *map(float, PLANE.to_lon_lat(np.array([[5.0, 30.0]]))[0])),)
    with pytest.raises(SettingsError, match="point 1: expected a place in the picture that the lens can show"):
        calibrate("gate-7", (*corner, *pairs(shown())), PLANE, 0, lens=folded)


def test_people_at_a_platform_edge_are_there_only_with_the_lens() -> None:
    """A strip of 0.8 m along the tracks: without the lens its people stand half a metre beside it, on the tracks."""
    people = np.array([(x, y) for x in (-5.3, -5.1, -4.9) for y in (7.0, 8.4, 9.8, 11.2)])
    edge = zone("edge", 40, polygon=square(-5.5, 6.0, -4.7, 12.0))
    calibration = calibrate("gate-7", pairs(shown()), PLANE, 0, lens=WIDE)
    foot = in_picture(people)
    tall = foot[:, 1:] - in_picture(people, 1.7)[:, 1:]
    boxes = np.concatenate([foot[:, :1] - 0.1 * tall, foot[:, 1:] - tall, 0.2 * tall, tall], axis=1)

    def counted(calibration: Calibration) -> float:
        stage = detect(district_of([camera(calibration=calibration)], [edge]), DetectSettings(occupancy=EXACT))
        state, _ = run(stage, [tick(1.0, {7: boxes})])
        _, seen = stage.occupancy_of(state)
        return float(seen.persons[0])

    assert counted(calibration) == pytest.approx(12.0, abs=0.01)
    assert counted(Calibration(points=calibration.points, error_m=0.1, measured_at_ns=0)) < 6.0
    off_m = np.linalg.norm(project(ground_homography(calibration.points, PLANE), foot) - people, axis=1)
    assert 0.4 < off_m.max() < 0.6


@given(LENSES, arrays(np.float64, (15, 4), elements=st.floats(0.02, 0.4)))
def test_a_box_is_straightened_by_its_foot_point(lens: Lens, boxes: Floats) -> None:
    calibration = Calibration(points=(), error_m=0.0, measured_at_ns=0, lens=lens)
    cameras = (camera(6, "plain"), camera(7, calibration=calibration))
    before = tick(1.0, {6: boxes, 7: boxes})
    after = straightened(lenses(cameras), before, np.array([0, 1]))
    np.testing.assert_array_equal(after.object_box[:15], before.object_box[:15])
    box = before.object_box[15:].astype(np.float64)
    foot = straighten(lens, np.column_stack([box[:, 0] + box[:, 2] / 2, box[:, 1] + box[:, 3]]))
    mine = after.object_box[15:].astype(np.float64)
    found = np.column_stack([mine[:, 0] + mine[:, 2] / 2, mine[:, 1] + mine[:, 3]])
    known = np.isfinite(found).all(axis=1)
    np.testing.assert_allclose(found[known], foot[known], atol=2e-4, rtol=1e-5)


def test_where_no_camera_has_a_lens_a_tick_is_passed_on_as_it_is() -> None:
    seen = tick(1.0, {7: 5})
    assert lenses((camera(),)) is None
    assert straightened(None, seen, np.array([0])) is seen
