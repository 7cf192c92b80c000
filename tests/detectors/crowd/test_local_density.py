"""A crush in one corner of a large square: seen, honest about its noise, and told by the rule of capacity."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.crowd import occupancy
from detectors.crowd.measures import density
from detectors.crowd.measures.local_density import kernel_radius_m, local_density
from detectors.crowd.measures.recall import RecallCurve, level_curve, recall_table
from detectors.crowd.occupancy import OccupancySettings
from detectors.district_view import district_view
from detectors.settings import DetectSettings
from ingest.cameras.state import ZoneState
from ingest.registry.district import district_of
from tests.detectors.plaza import EXACT, boxes_at, camera, detect, overhead, run, square, tick, told, zone
from tests.detectors.test_occupancy import after

ONLY = ("crowd.capacity",)
SMALL_M = np.stack(np.meshgrid(np.arange(6) * 0.5, np.arange(6) * 0.5), axis=-1).reshape(-1, 2)  # 36 at 4 persons/m2


def crush(corner_m=(5.0, 5.0)):
    return SMALL_M + corner_m


def large(capacity=None, **facts):
    return district_of([camera(calibrated=True, **facts)], [zone(capacity=capacity)])


def middle_of(district):
    return (district_view(district, 0).views[0].homography @ [0.5, 0.5, 1.0])[:2]


def test_a_crush_in_one_corner_is_seen_though_the_mean_is_low():
    found = after(large(), [tick(1.0, {7: boxes_at(crush())})])
    assert found.per_m2[0] == pytest.approx(36 / 400)
    by_hand = density.densest(crush(), np.array([0, 36]), np.ones(36, np.bool_), np.ones(1)).weight[0] / np.pi
    assert found.local.per_m2[0] == pytest.approx(by_hand, rel=1e-4)
    assert 3.0 < by_hand < 4.1
    assert found.local.low[0] < found.local.per_m2[0] < found.local.high[0]


def test_the_rule_tells_a_crush_in_one_corner_and_says_by_which_density():
    ticks = [
        tick(float(at), {7: boxes_at(crush()) if at < 60 else boxes_at(crush() * 4.0)}, period_s=1.0)
        for at in range(1, 80)
    ]
    findings = run(detect(large(), only=ONLY), ticks)[1]
    raised = findings[0].data
    assert told(findings)[0][:2] == ("raised", "red")
    assert raised.value == raised.detail["local_per_m2"] > 3.5 > raised.detail["per_m2"]
    assert raised.unit == "persons/m2" and raised.low is not None and raised.detail["local_radius_m"] == 1.0
    assert findings[-1].data.phase.value == "cleared"


def test_where_boxes_are_a_lower_bound_so_is_the_local_density_and_the_finding_says_so():
    honest = DetectSettings(occupancy=msgspec.structs.replace(EXACT, boxes_per_m2_max=1.0))
    ticks = [tick(float(at), {7: boxes_at(crush())}, period_s=1.0) for at in range(1, 60)]
    findings = run(detect(large(), honest, only=ONLY), ticks)[1]
    assert findings[0].data.measurement.degraded and findings[0].data.high is None
    found = after(large(), ticks[:1], honest.occupancy)
    assert np.isinf(found.local.high[0]) and not found.hidden[0]  # the square as a whole can be counted


def test_a_dense_handful_is_no_crowd():
    ticks = [tick(float(at), {7: boxes_at(crush()[:12] * 0.5)}, period_s=1.0) for at in range(1, 60)]
    assert after(large(), ticks[:1]).local.per_m2[0] > 2.5
    assert run(detect(large(), only=ONLY), ticks)[1] == []


def test_without_a_calibration_or_with_too_much_noise_it_is_not_measurable():
    flat = district_of([camera()], [zone(cameras=("gate-7",))])
    assert np.isnan(after(flat, [tick(1.0, {7: 36})]).local.per_m2[0])
    poor = camera(calibration=msgspec.structs.replace(overhead(), error_m=3.0))
    assert np.isnan(after(district_of([poor], [zone()]), [tick(1.0, {7: boxes_at(crush())})]).local.per_m2[0])
    assert kernel_radius_m(np.array([0.1, 0.5, 1.2, 1.5, 1.6, np.inf])).tolist()[:4] == [1.0, 1.0, 2.4, 3.0]
    assert np.isnan(kernel_radius_m(np.array([1.6, np.inf]))).all()


def test_who_stands_just_beside_the_zone_presses_too_but_is_no_reason_by_itself():
    west = district_of([camera(calibrated=True)], [zone(polygon=square(-10, -10, 0, 10))])
    shift = middle_of(west)
    near_border = boxes_at(np.array([[-0.1, 0.0], [0.2, 0.0], [0.3, 0.0], [0.4, 0.0]]) - shift + shift)
    beyond = boxes_at(np.array([[0.2, 0.0], [0.3, 0.0], [0.4, 0.0]]))
    found = after(west, [tick(1.0, {7: near_border})])
    weights = np.exp(-(np.array([0.0, 0.3, 0.4, 0.5]) ** 2)).sum()
    assert found.persons[0] == 1 and found.local.per_m2[0] == pytest.approx(weights / np.pi, rel=1e-3)
    assert after(west, [tick(1.0, {7: beyond})]).local.per_m2[0] == 0.0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_order_changes_nothing_and_nobody_is_denser_for_being_missed(seed):
    random = np.random.default_rng(seed)
    places = random.uniform(-9, 9, (40, 2))
    boxes = boxes_at(places)
    found = after(large(), [tick(1.0, {7: boxes})])
    mixed = after(large(), [tick(1.0, {7: boxes[random.permutation(40)]})])
    assert mixed.local.per_m2[0] == found.local.per_m2[0] and mixed.local.low[0] == found.local.low[0]
    assert after(large(), [tick(1.0, {7: boxes[:30]})]).local.per_m2[0] <= found.local.per_m2[0]


def test_the_newest_frame_counts_and_a_stale_one_does_not():
    ticks = [tick(1.0, {7: boxes_at(crush())}), tick(2.0, {7: boxes_at(crush() * 4.0)})]
    assert after(large(), ticks).local.per_m2[0] < 1.0
    assert np.isnan(after(large(), ticks, at_s=30.0).local.per_m2[0])


def test_it_survives_a_restart():
    prepared = occupancy.prepare(EXACT, district_view(large(), 0))
    seen = tick(1.0, {7: boxes_at(crush())})
    state = occupancy.observe(prepared, occupancy.initial(prepared), seen, np.zeros(1, np.int64), seen.ends_at_ns)
    again = occupancy.restore(prepared, *occupancy.save(prepared, state))
    first, second = (occupancy.measure(prepared, each, each, seen.ends_at_ns).local for each in (state, again))
    assert first.per_m2[0] == second.per_m2[0] > 3.0


def test_the_interval_holds_the_truth_under_missed_persons_and_noise():
    # A standing crowd on a grid, 20 % missed, 0.2 m of noise: the truth is what R^2 + 4 sigma^2 sees.
    random, noise_m, recall = np.random.default_rng(5), 0.2, 0.8
    truth = np.stack(np.meshgrid(np.arange(9) * 0.6, np.arange(9) * 0.6), axis=-1).reshape(-1, 2)
    middle = len(truth) // 2
    table = recall_table([level_curve(recall, 0.02, 100.0)])
    radius = np.ones(1)
    smeared = np.sqrt(1.0 + 4 * noise_m**2)
    far = ((truth - truth[middle]) ** 2).sum(axis=1)
    true_per_m2 = np.exp(-far / smeared**2).sum() / (np.pi * smeared**2)
    within = 0
    for _ in range(300):
        kept = random.random(len(truth)) < recall
        kept[middle] = True
        places = (truth + random.normal(0, noise_m, truth.shape))[kept]
        asked = np.flatnonzero(kept) == middle
        there = density.densest(places, np.array([0, len(places)]), asked, radius)
        found = local_density(
            there.weight, there.square, radius, np.full(1, noise_m), np.zeros(1), np.zeros(1, np.int64), table
        )
        within += found.low[0] <= true_per_m2 <= found.high[0]
    assert within >= 0.9 * 300


def test_the_recall_of_the_site_corrects_it():
    curve = RecallCurve(per_m2=(1.0, 3.0), recall=(0.9, 0.6), recall_sd=(0.0, 0.0), per_m2_max=3.0)
    plain = after(large(), [tick(1.0, {7: boxes_at(crush())})])
    other = replace(large(), zones=tuple(large().zones))
    own = after(other, [tick(1.0, {7: boxes_at(crush())})], OccupancySettings(recall_at={"square": curve}))
    assert own.local.per_m2[0] == pytest.approx(plain.local.per_m2[0] / 0.6)
    assert np.isinf(own.local.high[0]) and own.recall[0] == 0.9


def test_the_live_picture_shows_where_people_stand_most_densely_and_nothing_where_nobody_can_tell():
    for district, is_known in ((large(), True), (district_of([camera()], [zone(cameras=("gate-7",))]), False)):
        stage = detect(district, only=ONLY)
        state, _ = run(stage, [tick(1.0, {7: boxes_at(crush())})])
        (shown,) = (msgspec.json.decode(each, type=ZoneState) for each in stage.live(state).values())
        assert (shown.local_per_m2 is not None and shown.local_per_m2 > 3.0) is is_known
