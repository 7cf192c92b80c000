"""Where no camera gives boxes: what the flow grids tell of a crowd, and what they do not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.crowd.measures.flow_field import SLOWED, flow_in_views, lens
from detectors.crowd.motion.zone_motion import restore, save
from detectors.district_view import district_view
from ingest.cameras.signals import HEIGHT, WIDTH, SignalReader, SignalSettings
from ingest.registry.district import district_of
from ingest.schema.finding import Phase
from ingest.schema.tick import Picture
from tests.detectors.crowd_scene import film, motion_at_end, place, raised, stage_of, standing, told
from tests.detectors.plaza import camera, reads, square, tick, zone

REACH_M = 30.0  # of the picture, straight down


def stream(until_s, east_m_s, north_m_s=0.0, *, share=200, from_s=0.0, numbers=(7,)):
    """Ticks of 0.2 s whose pictures are foreground all over, which goes where it is told."""
    made = []
    for index in range(1, round((until_s - from_s) / 0.2) + 1):
        at_s = from_s + index * 0.2
        each = tick(at_s, dict.fromkeys(numbers), grid=dict.fromkeys(numbers, share), captured_s=at_s)
        flow = np.float16(np.array([east_m_s, -north_m_s]) / REACH_M * SLOWED)
        count = len(numbers)
        grid = np.broadcast_to(flow, (count, 9, 16, 2)).copy()
        made.append(replace(each, flow_known=np.ones(count, np.bool_), flow_grid=grid))
    return made


def test_the_crowd_goes_as_fast_as_its_foreground():
    seen = motion_at_end(stage_of(place()), stream(6.0, 1.2, 0.5))
    assert seen.flows.tolist() == [True] and seen.known.tolist() == [False]
    assert seen.velocity_m_s[0] == pytest.approx([1.2, 0.5], rel=0.02)
    assert seen.speed_m_s[0] == pytest.approx(1.3, rel=0.02) and seen.moving_share[0] == pytest.approx(1.0)
    assert np.isnan([seen.conflict[0], seen.cluster[0], seen.per_m2[0]]).sum() >= 1


def test_boxes_are_believed_before_a_flow():
    walk = film(lambda at_s: standing(12, 2.0)(at_s) + np.array([1.0 * at_s - 3.0, 0.0]), 6.0)
    flow = stream(6.0, -3.0)
    both = [replace(a, grid_known=b.grid_known, foreground_grid=b.foreground_grid, flow_known=b.flow_known,
                    flow_grid=b.flow_grid) for a, b in zip(walk, flow, strict=True)]  # fmt: skip
    seen = motion_at_end(stage_of(place()), both)
    assert not seen.flows[0] and seen.velocity_m_s[0] == pytest.approx([1.0, 0.0], abs=0.05)


def test_a_flow_that_nobody_renews_is_over():
    quiet = [tick(6.0 + n * 0.2, {7: None}, captured_s=6.0 + n * 0.2) for n in range(1, 30)]
    assert not motion_at_end(stage_of(place()), [*stream(6.0, 1.2), *quiet]).flows.any()


def test_a_covered_camera_has_no_flow():
    covered = [replace(each, picture=np.array([Picture.COVERED], np.uint16)) for each in stream(6.0, 1.2)]
    assert not motion_at_end(stage_of(place()), covered).flows.any()


@pytest.mark.parametrize(("north_m_s", "rules"), [(1.2, []), (-1.2, ["crowd.counterflow.one_way"])])
def test_a_crowd_that_goes_the_wrong_way_is_told_and_degraded(north_m_s, rules):
    _, findings = told(stage_of(place(bearing=0.0)), stream(20.0, 0.0, north_m_s))
    assert raised(findings) == rules
    assert all(each.data.measurement.degraded for each in findings if each.data.rule in rules)


def test_a_dense_crowd_that_hardly_moves_is_a_congestion_and_one_that_walks_is_none():
    stage = stage_of(place(), {"crowd.congestion": {"per_m2": 0.05}})
    assert raised(told(stage, stream(25.0, 0.2))[1]) == ["crowd.congestion.slow"]
    assert raised(told(stage, stream(25.0, 1.0))[1]) == []


def test_a_flow_tells_nothing_of_groups_surges_or_conflicts():
    sudden = [*stream(70.0, 0.8), *stream(80.0, 3.0, from_s=70.0)]
    assert raised(told(stage_of(place(capacity=20)), sudden)[1]) == []


def test_a_conflict_that_boxes_told_is_not_over_because_a_flow_sees_none():
    def meet(at_s):
        east = standing(30, 1.6)(at_s) + np.array([at_s % 4.0 - 2.0, 0.0])
        west = standing(30, 1.6)(at_s) + np.array([2.0 - at_s % 4.0, 0.4])
        return np.concatenate([east, west])

    def ids(at_s, count):
        return np.arange(count) + 100 * int(at_s // 4.0)  # each crossing is of others

    conflict = film(meet, 40.0, ids=ids)
    stage = stage_of(place())
    assert "crowd.counterflow.conflict" in raised(told(stage, conflict)[1])
    _, findings = told(stage, [*conflict, *stream(70.0, 1.0, from_s=40.0)])
    ends = [each.data.phase for each in findings if each.data.kind == "crowd.counterflow"]
    assert Phase.CLEARED not in ends and ends[-1] is Phase.UNKNOWN


@given(st.integers(1, 29))
@settings(max_examples=10, deadline=None)
def test_a_restored_flow_goes_on_as_if_nothing_had_been(cut):
    ticks = stream(6.0, 1.2, -0.4)
    stage = stage_of(place())
    whole, _ = told(stage, ticks)
    half, _ = told(stage, ticks[:cut])
    half = stage.restore(0, stage.save(half))
    rest, _ = stage.step(half, reads(ticks[cut:], cut))
    own = stage._prepared(0).motion
    assert save(own, rest.motion) == save(own, whole.motion)
    assert save(own, restore(own, save(own, whole.motion))) == save(own, whole.motion)


def test_two_cameras_on_one_zone_say_what_one_says():
    district = district_of(
        [camera(number, f"gate-{number}", calibrated=True, sampling_period_s=0.2) for number in (7, 8)],
        [zone("plaza", None, polygon=square(-10, -10, 10, 10))],
    )
    one, two = (motion_at_end(stage_of(district), stream(6.0, 1.2, numbers=numbers)) for numbers in ((7,), (7, 8)))
    for name in ("seen", "speed_m_s", "moving_share"):
        assert getattr(two, name)[0] == pytest.approx(getattr(one, name)[0])


def test_a_view_without_a_calibration_has_no_flow():
    view = district_view(district_of([camera()], [zone(cameras=("gate-7",))]), 0)
    assert not lens(view).person_share.any()


@pytest.mark.parametrize("px_s", [10.0, 20.0])
def test_figures_in_pictures_go_about_as_fast_as_the_flow_says(px_s):
    view = district_view(district_of([camera(calibrated=True)], [zone(side_m=30.0)]), 0)
    through, row = lens(view), np.zeros(1, np.int64)
    east_m_s = px_s / WIDTH * REACH_M
    found = []
    for seen in figures(seed=7, px_s=px_s, persons=25):
        frame = replace(
            tick(1.0, {7: None}, grid={7: 0}),
            foreground_grid=seen.foreground_grid[None],
            flow_known=np.ones(1, np.bool_),
            flow_grid=seen.flow_grid[None],
        )
        found.append(flow_in_views(through, frame, row, row, np.full((1, 2), np.nan)).velocity_m_s[0])
    assert np.mean(found, axis=0) == pytest.approx([east_m_s, 0.0], abs=0.25 * east_m_s)


def figures(seed, px_s, persons, period_s=0.2):
    """The signals of pictures in which textured figures walk to the right over textured ground."""
    chance = np.random.default_rng(seed)
    ground = cv2.GaussianBlur(chance.integers(60, 190, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 1.5)
    bodies = [
        cv2.GaussianBlur(chance.integers(10, 250, (22, 8)).astype(np.float32), (0, 0), 1.2) for _ in range(persons)
    ]
    left, top = chance.uniform(0, WIDTH - 140, persons), chance.uniform(30, HEIGHT - 30, persons).astype(int)
    reader, seen = SignalReader(SignalSettings(flow=True)), []
    for index in range(-60, 30):
        picture = ground.copy()
        for body, x, y in zip(bodies, left, top, strict=True):
            at = round(x + px_s * index * period_s)
            if index >= 0:
                picture[y : y + 22, at : at + 8] = body
        noisy = np.clip(picture + chance.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
        seen.append(reader.read(noisy, round((index + 100) * period_s * 1e9)))
    return [each for each in seen[75:] if each.flow_grid is not None and each.foreground_grid is not None]
