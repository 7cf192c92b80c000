"""Crossings, flow, time until full and until clear, level of service, velocities: laws and hand-made cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.crowd.measures import flow, flow_field, level_of_service, velocity
from detectors.crowd.measures.level_of_service import Service, band_shares, service_band
from detectors.district_view import district_view
from ingest.registry.district import Exit, district_of
from tests.detectors.plaza import camera, square, tick, zone

WALKS = arrays(np.float64, st.tuples(st.integers(2, 40), st.just(2)), elements=st.integers(-4, 4).map(float))
START, END = np.array([0.0, -3.0]), np.array([0.0, 3.0])


@given(WALKS)
def test_the_sum_of_crossings_is_the_change_of_side(walk):
    # Of a line that cannot be walked around, however often it is touched or walked along.
    row, direction = flow.track_crossings(walk, np.array([0, len(walk)]), START * 1e3, END * 1e3)
    left = walk[:, 0] <= 0.0
    assert direction.sum() == int(left[0]) - int(left[-1])
    assert np.all(np.abs(np.cumsum(direction)) <= 1)
    assert (row[:-1] < row[1:]).all() and (row >= 1).all()


@given(WALKS)
def test_walking_back_is_the_same_crossings_backwards(walk):
    there = flow.signed_crossings(walk[:-1], walk[1:], START[None], END[None])[:, 0]
    back = flow.signed_crossings(walk[1:], walk[:-1], START[None], END[None])[:, 0]
    assert (there == -back).all()
    turned_line = flow.signed_crossings(walk[:-1], walk[1:], END[None] * (1, 1), START[None])[:, 0]
    clear = (walk[:-1, 0] != 0) & (walk[1:, 0] != 0)
    assert (turned_line[clear] == -there[clear]).all()


def test_two_tracks_are_not_one():
    walks = np.array([[-1.0, 0.0], [-0.5, 0.0], [0.5, 0.0], [1.0, 0.0]])
    row, _ = flow.track_crossings(walks, np.array([0, 2, 4]), START, END)
    assert not len(row)
    row, direction = flow.track_crossings(walks, np.array([0, 4]), START, END)
    assert row.tolist() == [2] and direction.tolist() == [1]  # from the left of the line, looking north, to its right


def test_who_passes_beside_the_line_or_is_nowhere_crosses_nothing():
    before, after = np.array([[-1.0, 4.0], [-1.0, 0.0]]), np.array([[1.0, 4.0], [np.nan, 0.0]])
    assert not flow.signed_crossings(before, after, START[None], END[None]).any()


def test_flow_is_of_the_gaps_between_persons():
    assert flow.flow_per_s(np.array([10.0, 12.0, 14.0, 18.0])) == pytest.approx(3 / 8)
    assert np.isnan(flow.flow_per_s(np.array([3.0]))) and np.isnan(flow.flow_per_s(np.array([3.0, 3.0])))
    assert flow.specific_flow_per_m_s(1.2, 0.8) == pytest.approx(1.5)


def test_the_flow_is_highest_where_the_source_says():
    per_m2 = np.linspace(0.1, 5.4, 1000)
    passing = flow.hydrodynamic_flow_per_m_s(per_m2, flow.walking_speed_m_s(per_m2))
    assert per_m2[passing.argmax()] == pytest.approx(1.75, abs=0.05)
    assert passing.max() == pytest.approx(1.22, abs=0.02)
    assert flow.walking_speed_m_s(np.array([6.0]))[0] == 0.0


def test_time_until_full():
    full_s = flow.time_to_full_s(
        np.array([60.0, 100.0, 60.0, np.nan]), np.full(4, 100.0), np.array([3.0, 0.0, 1.0, 1.0]), np.array([1, 1, 1, 0])
    )
    assert full_s[:3].tolist() == [20.0, 0.0, np.inf] and np.isnan(full_s[3])


def test_time_until_clear_is_of_the_green_guides_flow():
    clear_s = flow.time_to_clear_s(np.array([820.0, 0.0, 5.0, np.nan]), np.array([2.0, 2.0, 0.0, 1.0]))
    assert clear_s[0] == pytest.approx(300.0)
    assert clear_s[1] == 0.0 and clear_s[2] == np.inf and np.isnan(clear_s[3])


@pytest.mark.parametrize("turned", [False, True])
def test_an_exit_counts_who_leaves_and_who_comes_whichever_way_it_was_drawn(turned):
    (low, _, _, _), (_, _, high, _) = square(10, -2, 11, 2), square(9, -2, 10, 2)
    line = (high, low) if turned else (low, high)
    plaza = zone(exits=(Exit(line=line, width_m=4.0),))
    view = district_view(district_of([camera(calibrated=True)], [plaza]), 0)
    exits = flow.exit_lines(view)
    middle = (exits.start + exits.end) / 2
    centre, step = middle - np.array([10.0, 0.0]), np.array([1.0, 0.0])
    leaving, coming = (middle - step, middle + step), (middle + step, middle - step)
    moves = [np.concatenate(each) for each in zip(leaving, leaving, coming, (centre, centre), strict=True)]
    came, went = flow.in_and_out(flow.signed_crossings(*moves, exits.start, exits.end), exits, 1)
    assert (came.tolist(), went.tolist()) == ([1], [2])
    assert flow.exit_width_m(exits, 1).tolist() == [4.0]


def test_a_district_without_exits_has_no_lines():
    exits = flow.exit_lines(district_view(district_of([camera()], [zone()]), 0))
    assert exits.start.shape == (0, 2) and flow.exit_width_m(exits, 1).tolist() == [0.0]


def test_the_bands_are_those_of_the_source():
    walkway, queue = level_of_service.WALKWAY_PER_M2, level_of_service.QUEUE_PER_M2
    assert walkway == pytest.approx([0.31, 0.43, 0.72, 1.08, 2.15], abs=0.005)
    assert queue == pytest.approx([0.83, 1.08, 1.54, 3.59, 5.38], abs=0.005)
    densities = np.array([0.0, 0.3, 0.4, 0.7, 1.0, 2.0, 3.0, np.nan])
    assert service_band(densities).tolist() == [0, 0, 1, 2, 3, 4, 5, -1]
    assert service_band(densities, queueing=True).tolist() == [0, 0, 0, 0, 1, 3, 3, -1]


@given(st.lists(st.floats(0, 10), min_size=2, max_size=20))
def test_a_denser_place_is_never_in_a_better_band(densities):
    band = service_band(np.sort(np.array(densities)))
    assert (np.diff(band) >= 0).all() and (
        service_band(np.array(densities), True) <= service_band(np.array(densities))
    ).all()


def test_the_shares_of_the_bands_are_of_the_known_time():
    shares = band_shares(np.array([Service.A, Service.C, level_of_service.UNKNOWN]), np.array([30.0, 10.0, 99.0]))
    assert shares.tolist() == [0.75, 0.0, 0.25, 0.0, 0.0, 0.0]
    assert np.isnan(band_shares(np.array([-1]), np.array([1.0]))).all()


def test_the_noise_of_places_is_found_and_the_window_grows_with_it():
    random = np.random.default_rng(1)
    walk = np.arange(3)[:, None, None] * (1.2, 0.3)
    group = np.repeat([0, 1], 2000)
    sigma_m = np.array([0.05, 0.2])[group][None, :, None]
    before, here, after = walk + random.normal(0, 1, (3, 4000, 2)) * sigma_m
    noise_m = velocity.position_noise_m(before, here, after, group, 3)
    assert noise_m[:2] == pytest.approx([0.05, 0.2], rel=0.05) and np.isnan(noise_m[2])
    assert velocity.window_s(noise_m) == pytest.approx([1.0, np.sqrt(2) * noise_m[1] / 0.15, 4.0])
    over_s = velocity.window_s(np.array([0.05, 0.2]))
    # At the window that fits, noise alone makes three sigmas of 0.15 m/s at most.
    assert velocity.moving_above_m_s(np.array([0.05, 0.2]), over_s) == pytest.approx([0.3, 0.45])


@given(
    arrays(np.float64, (30, 2), elements=st.floats(-3, 3)),
    arrays(np.int64, 30, elements=st.integers(-1, 3)),
    st.randoms(use_true_random=False),
)
def test_means_are_of_each_group_whatever_the_order(given_velocity, group, random):
    order = random.sample(range(30), 30)
    for measure in (velocity.mean_velocity, velocity.mean_speed_m_s):
        found = measure(given_velocity, group, 4)
        assert measure(given_velocity[order], group[order], 4) == pytest.approx(found, nan_ok=True)
    medians = velocity.group_medians(given_velocity[:, 0], group, 4)
    for each in range(4):
        own = given_velocity[group == each, 0]
        assert np.isnan(medians[each]) if not len(own) else medians[each] == np.median(own)


def test_variance_is_around_the_mean_and_without_the_noise():
    given_velocity = np.array([[1.0, 0.0], [-1.0, 0.0], [0.5, 0.5]])
    group = np.array([0, 0, 1])
    assert velocity.velocity_variance(given_velocity, group, 2, np.zeros(2)) == pytest.approx([1.0, 0.0])
    assert velocity.velocity_variance(given_velocity, group, 2, np.full(2, 0.5)) == pytest.approx([0.5, 0.0])


def test_a_velocity_over_no_time_is_not_known():
    found = velocity.windowed_velocity(np.zeros((2, 2)), np.ones((2, 2)), np.array([0.0, 2.0]))
    assert np.isnan(found[0]).all() and found[1].tolist() == [0.5, 0.5]


def test_the_flow_grid_tells_how_a_crowd_moves_on_the_ground():
    # The camera looks straight down at 30 m: a hundredth of the picture to the right and down is 0.3 m east and south.
    district = district_view(district_of([camera(calibrated=True)], [zone()]), 0)
    seen = tick(1.0, {7: None}, grid={7: 120})
    seen = replace(
        seen,
        flow_known=np.ones(1, np.bool_),
        flow_grid=np.broadcast_to(np.float16([0.01, 0.02]) * np.float16(flow_field.SLOWED), (1, 9, 16, 2)).copy(),
    )
    through, row = flow_field.lens(district), np.zeros(1, np.int64)
    free, way = np.full((1, 2), np.nan), np.array([[0.0, 1.0]])
    found = flow_field.flow_in_views(through, seen, row, row, free)
    assert found.velocity_m_s[0] == pytest.approx([0.3, -0.6], rel=1e-2)
    assert found.speed_m_s[0] == pytest.approx(np.hypot(0.3, 0.6), rel=1e-2)
    assert found.moving[0] == pytest.approx(found.persons[0]) and found.against[0] == 0.0
    assert flow_field.flow_in_views(through, seen, row, row, way).against[0] == found.moving[0]  # they go south
    cars = replace(seen, flow_grid=seen.flow_grid * np.float16(12.0))  # 8 m/s
    assert flow_field.flow_in_views(through, cars, row, row, free).persons[0] == 0.0
    empty = tick(1.0, {7: None}, grid={7: 0})
    empty = replace(empty, flow_known=seen.flow_known, flow_grid=seen.flow_grid)
    assert np.isnan(flow_field.flow_in_views(through, empty, row, row, free).speed_m_s[0])
    unlooked = tick(1.0, {7: None}, grid={7: 120})
    assert np.isnan(flow_field.flow_in_views(through, unlooked, row, row, free).speed_m_s[0])
