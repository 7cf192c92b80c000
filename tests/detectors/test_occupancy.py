"""How many stand where: laws of counting, of joining cameras, and of saying how sure it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.crowd import counting, occupancy
from detectors.crowd.occupancy import OccupancySettings
from detectors.district_view import district_view
from detectors.geometry.zones import inside
from ingest.registry.district import District, district_of
from ingest.schema.tick import ObjectClass, Picture, Tick
from tests.detectors.plaza import EXACT, PLANE, boxes_at, camera, ns, overhead, plaza, square, tick, zone

PLACES = arrays(np.float64, st.tuples(st.integers(0, 60), st.just(2)), elements=st.floats(-14, 14, width=32))


def after(district: District, ticks: list[Tick], given: OccupancySettings = EXACT, at_s: float | None = None):
    """The occupancy after these ticks, at the end of the last one or later."""
    prepared = occupancy.prepare(given, district_view(district, 0))
    state = before = occupancy.initial(prepared)
    for each in ticks:
        before = state
        rows = prepared.district.camera_rows(each.camera)
        state = occupancy.observe(prepared, state, each, rows, each.ends_at_ns)
    return occupancy.measure(prepared, before, state, ticks[-1].ends_at_ns if at_s is None else ns(at_s))


def quarters() -> District:
    """Four zones that share their borders and fill a square of 20 m, under one calibrated camera."""
    corners = {"a": (-10, -10, 0, 1), "b": (0, -10, 10, 1), "c": (-10, 1, 0, 10), "d": (0, 1, 10, 10)}
    return district_of([camera(calibrated=True)], [zone(id, polygon=square(*box)) for id, box in corners.items()])


@given(PLACES)
@settings(deadline=None)
def test_persons_are_conserved(places):
    found = after(quarters(), [tick(1.0, {7: boxes_at(places)})])
    within = (np.abs(places) < 9.999).all(axis=1).sum()
    beyond = (np.abs(places) > 10.001).any(axis=1).sum()
    assert within <= found.persons.sum() <= len(places) - beyond


@given(PLACES)
@settings(deadline=None)
def test_a_person_counts_in_the_zone_that_contains_it(places):
    # Away from the borders, the count is that of the general test of a point in a polygon.
    slanted = square(-9, -8, 7, 9)
    slanted = (slanted[0], slanted[1], (slanted[2][0] - 2e-5, slanted[2][1]), slanted[3])
    district = district_of([camera(calibrated=True)], [zone(polygon=slanted)])
    view = district_view(district, 0)
    ring, ground = view.views[0].seen[0], places
    edge = np.roll(ring, -1, axis=0) - ring
    offset = ground[:, None] - ring[None]
    distance = np.abs(edge[:, 0] * offset[..., 1] - edge[:, 1] * offset[..., 0]) / np.hypot(*edge.T)
    clear = ground[(distance > 0.01).all(axis=1)]
    # The site's plane has its origin in the middle of the zone: move the people along with it.
    middle = np.array(view.views[0].homography @ [0.5, 0.5, 1.0])[:2]
    found = after(district, [tick(1.0, {7: boxes_at(clear - middle)})])
    assert found.persons[0] == inside(ring, clear).sum()


def test_adjacent_zones_share_no_one_on_their_border():
    places = np.stack([np.zeros(19), np.linspace(-9, 9, 19)], axis=1)
    assert after(quarters(), [tick(1.0, {7: boxes_at(places)})]).persons.sum() == 19


def test_only_persons_with_enough_confidence_count_and_unknown_confidence_is_enough():
    seen = tick(1.0, {7: 5})
    seen = replace(
        seen,
        object_class=np.array([0, 0, 0, ObjectClass.VEHICLE, ObjectClass.ANIMAL], np.uint8),
        object_confidence=np.array([0.9, 0.2, np.nan, 0.9, np.nan], np.float16),
    )
    assert after(plaza(), [seen]).persons[0] == 2


@given(st.integers(0, 300), st.floats(0.3, 1.0), st.floats(0.0, 0.3))
def test_the_interval_holds_the_estimate_and_is_exact_for_exact_recall(persons, recall, recall_sd):
    given_settings = OccupancySettings(recall=recall, recall_sd=recall_sd, boxes_per_m2_max=100.0)
    found = after(plaza(), [tick(1.0, {7: persons})], given_settings)
    assert found.persons[0] == pytest.approx(persons / recall)
    assert 0 <= found.low[0] <= found.persons[0] <= found.high[0]
    if recall == 1.0 and recall_sd == 0.0:
        assert found.low[0] == found.high[0] == persons


def test_the_interval_is_that_of_the_source():
    # n_raw 80, p 0.8, s_p 0.05: 100 +- 1.96 sqrt(80 x 0.2 + 80^2 x 0.05^2 / 0.8^2) / 0.8.
    found = after(plaza(), [tick(1.0, {7: 80})], OccupancySettings(recall=0.8, recall_sd=0.05))
    assert (found.low[0], found.high[0]) == pytest.approx((84.3123, 115.6877), abs=1e-4)


def test_above_the_valid_density_the_count_is_a_lower_bound():
    found = after(plaza(), [tick(1.0, {7: 401})], OccupancySettings(recall=1.0, recall_sd=0.0))
    assert found.high[0] == np.inf and found.degraded[0]
    found = after(plaza(), [tick(1.0, {7: 399})], OccupancySettings(recall=1.0, recall_sd=0.0))
    assert found.high[0] == 399 and not found.degraded[0]


def test_without_boxes_the_foreground_stands_in_and_says_so():
    district = district_of([camera(calibrated=True)], [zone()])
    view = district_view(district, 0).views[0]
    found = after(district, [tick(1.0, {7: None}, grid={7: 51})])
    expected = view.cell_person_share.sum() * 0.2
    assert found.persons[0] == pytest.approx(expected, rel=1e-5)
    assert (found.low[0], found.high[0]) == pytest.approx((expected / 2.5, expected * 2.5), rel=1e-5)
    assert found.degraded[0] and not found.by_boxes[0]


def test_fresh_boxes_go_before_foreground_and_give_way_when_they_are_stale():
    ticks = [tick(1.0, {7: 12}, producer="perceive", brightness=np.nan)]
    ticks += [tick(1.0 + step, {7: None}, grid={7: 255}) for step in range(12)]
    assert after(plaza(), ticks[:5]).persons[0] == 12
    found = after(plaza(), ticks)
    assert not found.by_boxes[0] and found.persons[0] > 100


@pytest.mark.parametrize(
    "flag", [Picture.COVERED, Picture.DARK, Picture.FROZEN, Picture.CORRUPT, Picture.MOVED, Picture.BLURRED]
)
def test_a_picture_that_shows_nothing_counts_nobody(flag):
    ticks = [tick(1.0, {7: 50}), tick(2.0, {7: 0}, picture={7: int(flag)})]
    assert after(plaza(), ticks).persons[0] == 50  # as last seen, not zero
    assert not after(plaza(), ticks, at_s=12.0).known[0]
    # Boxes found in the same pictures elsewhere come without the flag.
    ticks.append(tick(2.2, {7: 0}, producer="perceive", brightness=np.nan, captured_s=2.0))
    assert after(plaza(), ticks).persons[0] == 50


@pytest.mark.parametrize("flag", [Picture.COLOUR_LOST, Picture.LEARNING])
def test_a_poor_picture_still_counts(flag):
    assert after(plaza(), [tick(1.0, {7: 8}, picture={7: int(flag)})]).persons[0] == 8


def test_two_cameras_on_the_same_ground_agree_and_on_different_parts_add_up():
    both = district_of([camera(7, "a"), camera(8, "b")], [zone(cameras=("a", "b"))])
    assert after(both, [tick(1.0, {7: 40, 8: 50})]).persons[0] == pytest.approx(45)
    halves = district_of(
        [
            camera(7, "west", calibration=overhead(20.0, -10.0)),
            camera(8, "east", calibration=overhead(20.0, 10.0)),
        ],
        [zone()],
    )
    west = boxes_at(np.full((6, 2), -5.0), 20.0, -10.0)
    east = boxes_at(np.full((9, 2), 5.0), 20.0, 10.0)
    found = after(halves, [tick(1.0, {7: west, 8: east})])
    assert found.persons[0] == pytest.approx(15, rel=1e-3)
    assert found.seen_share[0] == pytest.approx(1, rel=1e-3)
    # With one of them silent, half of the zone is seen; it speaks for the other half.
    assert after(halves, [tick(1.0, {8: east})]).persons[0] == pytest.approx(18, rel=1e-2)


def test_what_is_not_seen_is_taken_to_be_alike_only_if_it_is_the_lesser_part():
    wide = district_of([camera(calibrated=True)], [zone(polygon=square(-10, -10, 20, 10))])
    few = district_of([camera(calibrated=True)], [zone(polygon=square(-10, -10, 300, 10))])
    for district, whole in ((wide, True), (few, False)):
        view = district_view(district, 0)
        # Everybody at the west end of the zone, which the camera sees.
        west_m = view.views[0].seen[0][:, 0].min()
        middle = (view.views[0].homography @ [0.5, 0.5, 1.0])[:2]
        places = np.array([[west_m + 2.0, 0.0]] * 30) - middle
        found = after(district, [tick(1.0, {7: boxes_at(places)})])
        share = found.seen_share[0]
        assert found.persons[0] == pytest.approx(30 / share if whole else 30)
        assert found.low[0] == 30 and found.high[0] == pytest.approx(30 / share)
        assert found.degraded[0] != whole


def test_a_zone_that_nobody_looks_at_is_unknown_and_not_empty():
    found = after(district_of([camera()], [zone()]), [tick(1.0, {7: 50})])
    assert not found.known[0] and np.isnan(found.persons[0]) and np.isnan(found.use[0])


def test_the_newest_frame_of_a_tick_counts_whatever_its_place():
    older, newer = tick(1.0, {7: 3}, captured_s=0.1), tick(1.0, {7: 9}, captured_s=0.9)
    for first, second in ((older, newer), (newer, older)):
        columns = {
            name: np.concatenate([getattr(first, name), getattr(second, name)])
            for name in Tick.__slots__[4:]
            if name != "object_start"
        }
        start = np.concatenate([first.object_start, second.object_start[1:] + first.object_start[-1]])
        both = replace(first, **columns, object_start=start)
        assert after(plaza(), [both]).persons[0] == 9


def test_a_slow_camera_is_stale_only_after_three_of_its_periods():
    slow = district_of([camera(sampling_period_s=20.0)], [zone(cameras=("gate-7",))])
    assert after(slow, [tick(1.0, {7: 5})], at_s=60.0).known[0]
    assert not after(slow, [tick(1.0, {7: 5})], at_s=62.0).known[0]


def test_level_edges_and_zones_without_views_do_no_harm():
    views = counting.outlines(district_view(quarters(), 0))
    assert np.isfinite(views.edges).all()
    empty = counting.outlines(district_view(district_of([], [zone()]), 0))
    assert empty.edges.shape == (0, 0)


def test_boxes_above_the_horizon_or_out_of_the_picture_stand_nowhere():
    wild = np.array([[-5.0, 0.1, 0.1, 0.1], [0.4, -9.0, 0.1, 0.1], [1e6, 1e6, 1.0, 1.0], [0.45, 0.4, 0.1, 0.1]])
    assert after(district_of([camera(calibrated=True)], [zone()]), [tick(1.0, {7: wild})]).persons[0] == 1


def test_foreground_does_not_make_old_boxes_new():
    ticks = [tick(1.0, {7: 12}, producer="perceive", brightness=np.nan, captured_s=1.0)]
    ticks += [tick(1.0 + step, {7: None}, grid={7: 9}, captured_s=1.0 + step) for step in range(1, 9)]
    assert after(plaza(), ticks).observed_at_ns[0] == ns(1.0)


@given(st.integers(1, 300), st.lists(st.floats(0.0, 1.0), min_size=3, max_size=8))
@settings(deadline=None)
def test_a_zone_that_is_seen_whole_is_counted_to_the_last_bit(persons, turns):
    # Its area is summed twice, here and by the library that cuts it: the two may differ in the last bit.
    angle = (np.arange(len(turns)) + 0.8 * np.array(turns)) * 2 * np.pi / len(turns)
    ring = PLANE.to_lon_lat(8.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    polygon = tuple((float(lon), float(lat)) for lon, lat in ring)
    district = district_of([camera(calibrated=True)], [zone(capacity=persons, polygon=polygon)])
    middle = (district_view(district, 0).views[0].homography @ [0.5, 0.5, 1.0])[:2]
    found = after(district, [tick(1.0, {7: boxes_at(np.zeros((persons, 2)) - middle)})])
    assert found.persons[0] == persons and found.use[0] == 1.0 and found.seen_share[0] == 1.0


def test_where_one_camera_has_boxes_the_foreground_of_another_does_not_count():
    both = district_of([camera(7, "a"), camera(8, "b")], [zone(cameras=("a", "b"))])
    found = after(both, [tick(1.0, {7: 12, 8: None}, grid={8: 255})])
    assert found.persons[0] == 12 and found.by_boxes[0] and not found.degraded[0]
    assert found.views_used.tolist() == [True, False]
