"""Laws of density, and small cases that were computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.crowd.measures import density

PLACES = arrays(np.float64, st.tuples(st.integers(0, 25), st.just(2)), elements=st.floats(-6, 6, width=32))
ANGLES, SHIFTS = st.floats(0, 2 * np.pi), st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
SQUARE = np.array([[-5.0, -5.0], [5.0, -5.0], [5.0, 5.0], [-5.0, 5.0]])
# An L, a triangle and a square with a hole: shapes that are not convex, or not whole.
L_SHAPE = np.array([[-4.0, -4.0], [4.0, -4.0], [4.0, 0.0], [0.0, 0.0], [0.0, 4.0], [-4.0, 4.0]])
RING = shapely.Polygon(SQUARE, [SQUARE * 0.4])
DISC = density.CUT_M * np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], axis=1)
DISC_M2 = 3.0 * density.CUT_M**2  # a regular 12-gon of circumradius r has the area 3 r^2


def one(places):
    return np.array([0, len(places)])


def turned(places, angle, shift=(0.0, 0.0)):
    cosine, sine = np.cos(angle), np.sin(angle)
    return places @ np.array([[cosine, sine], [-sine, cosine]]) + shift


def apart(places, least_m=1e-3):
    """Without those who stand within a millimetre of another: there, a cell is decided by the last digit."""
    kept = []
    for place in places:
        if all(np.hypot(*(place - other)) > least_m for other in kept):
            kept.append(place)
    return np.array(kept).reshape(-1, 2)


def shares(zones, places, **given_walls):
    cells = density.voronoi_cells(density.outline(zones), places, one(places), **given_walls)
    return density.voronoi_density(density.outline(zones), cells, one(places))[0]


@given(PLACES)
def test_the_persons_of_all_zones_are_those_of_the_whole(places):
    quarters = [shapely.box(-5, -5, 0, 1), shapely.box(0, -5, 5, 1), shapely.box(-5, 1, 0, 5), shapely.box(0, 1, 5, 5)]
    parts, whole = density.outline(quarters), density.outline([SQUARE])
    start = one(places)
    counts = density.persons_inside(parts, places, start)
    assert counts.sum() == density.persons_inside(whole, places, start).sum()
    persons = (density.classic_density(parts, places, start) * parts.area_m2).sum()
    assert persons == pytest.approx(counts.sum())


@given(PLACES)
def test_voronoi_density_is_additive_over_zones(places):
    left, right, whole = SQUARE * (0.5, 1) - (2.5, 0), SQUARE * (0.5, 1) + (2.5, 0), SQUARE
    found = shares([left, right, whole], places) * (50.0, 50.0, 100.0)
    assert found[0] + found[1] == pytest.approx(found[2], abs=1e-9)


@given(PLACES)
def test_who_stands_well_inside_counts_whole_and_nobody_counts_more(places):
    persons = (shares([SQUARE], places) * 100.0)[0]
    assert persons <= len(places) + 1e-9
    assert persons >= (np.abs(places) < 5 - density.CUT_M - 1e-6).all(axis=1).sum() - 1e-9


@given(PLACES, st.randoms(use_true_random=False))
def test_the_order_of_persons_changes_nothing(places, random):
    order = random.sample(range(len(places)), len(places))
    assert shares([L_SHAPE], places[order]) == pytest.approx(shares([L_SHAPE], places), abs=1e-9)
    radius, asked = np.ones(1), np.ones(len(places), np.bool_)
    first, second = (density.densest(each, one(places), asked, radius) for each in (places, places[order]))
    assert first.weight == second.weight and first.square == second.square  # to the last bit: it is in snapshots


@given(PLACES, SHIFTS)
def test_moving_all_changes_nothing(places, shift):
    # No turn: the 12-gon has a corner to the east.
    places = apart(places)
    moved = shares([L_SHAPE + shift], places + shift)
    assert moved == pytest.approx(shares([L_SHAPE], places), abs=1e-6)


@given(PLACES, st.integers(1, 11))
def test_turning_all_by_a_twelfth_changes_nothing(places, twelfths):
    places, angle = apart(places), twelfths * np.pi / 6
    assert shares([turned(L_SHAPE, angle)], turned(places, angle)) == pytest.approx(shares([L_SHAPE], places), abs=1e-6)


@given(PLACES, ANGLES, SHIFTS)
def test_the_densest_place_does_not_depend_on_axes(places, angle, shift):
    asked, radius = np.ones(len(places), np.bool_), np.ones(1)
    before = density.densest(places, one(places), asked, radius)
    after = density.densest(turned(places, angle, shift), one(places), asked, radius)
    assert after.weight == pytest.approx(before.weight, abs=1e-4)


@given(PLACES)
def test_somebody_more_never_makes_the_densest_place_thinner(places):
    weights = [
        density.densest(places[:count], np.array([0, count]), np.ones(count, np.bool_), np.ones(1)).weight[0]
        for count in range(len(places) + 1)
    ]
    assert np.all(np.diff(weights) >= 0)


def nearer(here, there):
    """All ground within 50 m that is nearer to one place than to another."""
    middle, away = (here + there) / 2, (there - here) / np.hypot(*(there - here))
    along = np.array([-away[1], away[0]])
    corners = [
        middle + 50 * along,
        middle - 50 * along,
        middle - 50 * along - 50 * away,
        middle + 50 * along - 50 * away,
    ]
    return shapely.Polygon(corners)


@given(PLACES)
@settings(max_examples=30)
def test_a_cell_is_the_ground_that_is_nearer_than_to_anybody_else(places):
    # Cut by a general library, half plane by half plane: its own Voronoi cells are wrong for four on a circle.
    places = apart(places[:10])
    zones = density.outline([L_SHAPE, RING])
    found = density.voronoi_cells(zones, places, one(places))
    for person, place in enumerate(places):
        cell = shapely.Polygon(DISC + place)
        for other in np.delete(places, person, axis=0):
            cell = cell.intersection(nearer(place, other))
        assert found.cell_m2[person] == pytest.approx(cell.area, abs=1e-9)
        within = [cell.intersection(shape).area for shape in zones.shapes]
        assert found.inside_m2[person] == pytest.approx(within, abs=1e-9)


@given(PLACES)
@settings(max_examples=30)
def test_walls_far_away_change_nothing(places):
    far = shapely.box(-100, -100, 100, 100)
    assert shares([L_SHAPE], places, walls=far) == pytest.approx(shares([L_SHAPE], places), abs=1e-12)


def test_one_person_has_the_whole_disc():
    cells = density.voronoi_cells(density.outline([SQUARE]), np.zeros((1, 2)), np.array([0, 1]))
    assert cells.cell_m2[0] == cells.inside_m2[0, 0] == pytest.approx(DISC_M2)


def test_two_persons_share_the_ground_between_them():
    # The bisector lies 0.4 m from each and meets the 12-gon in its corners at 60 degrees, (0.4, 0.6928). It cuts off
    # two triangles of the fan from the middle and half of the one between the corners: 2 r^2 sin(30)/2 x 2 less the
    # triangle of the middle and the two corners, r^2 sin(120) / 2.
    places = np.array([[-0.4, 0.0], [0.4, 0.0]])
    cut_off = 4 * 0.5 * density.CUT_M**2 * 0.5 - 0.5 * density.CUT_M**2 * np.sin(2 * np.pi / 3)
    cells = density.voronoi_cells(density.outline([SQUARE]), places, one(places))
    assert cells.cell_m2 == pytest.approx([DISC_M2 - cut_off] * 2)


def test_two_at_one_place_are_two():
    places = np.zeros((2, 2))
    assert shares([SQUARE], places)[0] == pytest.approx(2 / 100)


def test_nobody_claims_ground_behind_a_wall():
    # A wall of 0.2 m that begins 0.3 m east of the person: of the 12-gon only what lies before it.
    room = shapely.Polygon(SQUARE, [[(0.3, -4.0), (0.5, -4.0), (0.5, 4.0), (0.3, 4.0)]])
    zones, place = density.outline([SQUARE]), np.zeros((1, 2))
    free = density.voronoi_cells(zones, place, np.array([0, 1]))
    cells = density.voronoi_cells(zones, place, np.array([0, 1]), walls=room)
    assert cells.cell_m2[0] == pytest.approx(shapely.Polygon(DISC).intersection(shapely.box(-1, -1, 0.3, 1)).area)
    assert cells.cell_m2[0] < free.cell_m2[0]
    assert density.voronoi_density(zones, cells, np.array([0, 1]))[0, 0] == pytest.approx(0.01)


def test_a_person_outside_the_walls_claims_nothing():
    zones = density.outline([SQUARE])
    cells = density.voronoi_cells(zones, np.array([[9.0, 0.0]]), np.array([0, 1]), walls=shapely.Polygon(SQUARE))
    assert cells.cell_m2[0] == 0.0
    assert density.voronoi_density(zones, cells, np.array([0, 1]))[0, 0] == 0.0


def test_the_mean_over_the_ground_weighs_by_what_each_claims():
    # Two persons far apart, wholly inside: 3 r^2 (1.0 + 0.5) over 100 m2.
    zones, places = density.outline([SQUARE]), np.array([[-2.0, 0.0], [2.0, 0.0]])
    cells = density.voronoi_cells(zones, places, one(places))
    mean = density.voronoi_mean(zones, cells, np.array([1.0, 0.5]), one(places))
    assert mean[0, 0] == pytest.approx(DISC_M2 * 1.5 / 100)


def test_persons_of_one_frame_are_no_neighbours_of_another():
    zones, place = density.outline([SQUARE]), np.array([[0.0, 0.0], [0.1, 0.0]])
    cells = density.voronoi_cells(zones, place, np.array([0, 1, 1, 2]))
    assert cells.cell_m2 == pytest.approx([DISC_M2] * 2)
    found = density.voronoi_density(zones, cells, np.array([0, 1, 1, 2]))
    assert found[:, 0] == pytest.approx([0.01, 0.0, 0.01])


def test_the_kernel_field_holds_all_persons_and_its_products_are_its_sums():
    random = np.random.default_rng(3)
    places, velocity = random.uniform(-3, 3, (20, 2)), random.normal(0, 1, (20, 2))
    east, north = density.grid_axes(np.array([-9.0, -9.0, 9.0, 9.0]), 0.25)
    weight = np.concatenate([np.ones((20, 1)), velocity], axis=1)
    field = density.kernel_field(places, weight, east, north)
    assert field.shape == (3, 72, 72)
    assert field.sum(axis=(1, 2)) * 0.25**2 == pytest.approx(weight.sum(axis=0), rel=1e-6)
    by_hand = np.exp(-((places - (east[30], north[40])) ** 2).sum(axis=1)) / np.pi
    assert field[:, 40, 30] == pytest.approx(by_hand @ weight)


@given(PLACES)
def test_the_densest_person_is_never_above_the_field_and_near_to_it(places):
    if not len(places):
        return
    found = density.densest(places, one(places), np.ones(len(places), np.bool_), np.ones(1))
    east, north = density.grid_axes(np.array([-7.0, -7.0, 7.0, 7.0]), 0.1)
    field = density.kernel_field(places, np.ones((len(places), 1)), east, north)[0]
    assert found.weight[0] / np.pi <= field.max() * 1.02 + 1e-4  # the grid itself misses the peak by a little


def test_only_who_is_asked_about_counts_as_a_place_and_all_count_as_neighbours():
    places = np.array([[0.0, 0.0], [0.0, 1.0], [0.1, 1.0], [0.2, 1.0]])
    asked = np.array([True, False, False, False])
    found = density.densest(places, one(places), asked, np.ones(1))
    weights = np.exp(-np.array([0.0, 1.0, 1.01, 1.04]))
    assert found.weight[0] == pytest.approx(weights.sum(), abs=1e-9)
    assert found.square[0] == pytest.approx((weights**2).sum(), abs=1e-9)
    assert density.densest(places, one(places), asked, np.array([np.nan])).weight[0] == 0.0


def test_moments_around_a_person_are_those_of_the_kernel():
    places, velocity = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [-1.0, 0.0], [np.nan, 0]])
    found = density.crowding_moments(places, velocity, np.array([0, 3]))
    near = np.exp(-1.0)
    mean = (1 - near) / (1 + near)
    assert found.per_m2[0] == pytest.approx((1 + near) / np.pi)
    assert found.velocity[0] == pytest.approx([mean, 0.0])
    assert found.variance[0] == pytest.approx(1 - mean**2)


def test_a_zone_that_crosses_itself_is_refused():
    with pytest.raises(ValueError, match="zone 1"):
        density.outline([SQUARE, np.array([[0, 0], [1, 1], [1, 0], [0, 1.0]])])
