"""What is wrong with what a camera says of objects, and that it is told instead of believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.crowd.rules import capacity, surge
from detectors.health import objects
from detectors.registry import Configured, settings_of
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.registry.district import Calibration, District, PointPair, district_of
from ingest.schema.finding import Finding, Phase
from ingest.schema.tick import Tick
from tests.detectors.crowd_scene import film, place, rows, standing
from tests.detectors.geometry.pinhole import Pinhole
from tests.detectors.plaza import EXACT, PLANE, camera, reads, seconds, square, zone


def stage_of(district: District) -> DetectStage:
    ours = (capacity.detector, objects.detector, surge.detector)
    return DetectStage(
        district, DetectSettings(occupancy=EXACT), [Configured(each, settings_of(each, {})) for each in ours]
    )


def told(district: District, ticks: Sequence[Tick]) -> list[Finding]:
    stage = stage_of(district)
    state, findings = stage.step(stage.initial(0), reads(ticks))
    assert state.counts.steps_failed == 0
    return list(findings)


def raised(findings: Sequence[Finding]) -> list[str]:
    return [each.data.rule for each in findings if each.data.phase is Phase.RAISED]


def walking(count):
    """To and fro, 1.2 m/s."""
    return lambda at_s: rows(count, 2.0, 6) + np.array([1.2 * abs(at_s % 10.0 - 5.0) - 3.0, 0.0])


def broken(ticks: Sequence[Tick], every: int, since_s: float) -> list[Tick]:
    made = []
    for index, each in enumerate(ticks):
        box = each.object_box.copy()
        if index * 0.2 >= since_s:
            box[::every] = np.nan
        made.append(replace(each, object_box=box))
    return made


def test_boxes_that_are_not_numbers_are_told_and_the_others_still_count():
    findings = told(place(15), broken(film(standing(24), 180.0), 3, 60.0))
    assert raised(findings) == ["crowd.capacity.red", "health.objects.no_place"]
    data = findings[-1].data
    (first,) = [
        each for each in findings if each.data.rule == "health.objects.no_place" and each.data.phase is Phase.RAISED
    ]
    assert 90.0 <= seconds(first.time) <= 130.0
    assert data.cameras == ("gate-7",) and data.unit == "share"
    last = [each.data for each in findings if each.data.kind == "crowd.capacity"][-1]
    assert last.detail["persons"] == 16.0  # of 24, the 8 without numbers are nobody


def test_a_few_boxes_without_a_place_are_no_finding():
    assert raised(told(place(), broken(film(standing(24), 120.0), 8, 0.0))) == []


def test_a_camera_along_the_horizon_is_told_by_the_boxes_that_stand_nowhere():
    low = Pinhole(3.0, 2.0)  # its horizon is a little above the middle of the picture
    ground = np.array([(x, y) for x in (-4.0, 0.0, 4.0) for y in (8.0, 12.0, 18.0)])
    image = low.on_picture(ground)
    lon_lat = PLANE.to_lon_lat(ground - np.array([0.0, 12.0]))
    pairs = np.concatenate([image, lon_lat], axis=1).tolist()
    calibration = Calibration(points=tuple(PointPair(*each) for each in pairs), error_m=0.1, measured_at_ns=0)
    district = district_of(
        [camera(7, "gate-7", calibration=calibration, sampling_period_s=0.2)],
        [zone("plaza", None, polygon=square(-4, -4, 4, 6))],
    )
    above = np.tile([0.45, 0.2, 0.02, 0.1], (24, 1))  # people on a bridge, behind the horizon
    ticks = [replace(each, object_box=above.astype(np.float32)) for each in film(standing(24), 120.0)]
    findings = told(district, ticks)
    assert raised(findings) == ["health.objects.no_place"]
    assert findings[0].data.value == pytest.approx(1.0)


def test_ids_that_start_again_after_a_reboot_are_told_at_once_and_nobody_runs():
    far = standing(30, 1.0)

    def rebooted(at_s):
        return far(at_s) + ([0.0, 0.0] if at_s < 30.0 else [6.0, 5.0])

    findings = told(place(), film(rebooted, 100.0))
    assert raised(findings) == ["health.objects.ids_reused"]
    assert 30.0 <= seconds(findings[0].time) <= 32.0
    assert findings[0].data.value >= 0.9
    ends = [each for each in findings if each.data.phase is Phase.CLEARED]
    assert 88.0 <= seconds(ends[0].time) <= 94.0


def test_ids_that_are_exchanged_between_neighbours_are_no_reboot():
    def exchanged(at_s, count):
        pairs = np.arange(count).reshape(-1, 2)
        return (pairs[:, ::-1] if int(at_s) % 9 == 4 else pairs).reshape(-1)

    assert "health.objects.ids_reused" not in raised(told(place(), film(walking(24), 90.0, ids=exchanged)))


def test_a_frame_rate_that_changes_is_told_with_both_rates_and_speeds_stay_what_they_are():
    ticks = film(walking(20), 180.0)
    ticks += film(walking(20), 300.0, period_s=1.0, from_s=180.0)
    findings = told(place(), ticks)
    assert raised(findings) == ["health.objects.frame_rate"]
    data = findings[0].data
    assert data.value == pytest.approx(1.0, abs=0.35) and data.detail["usual_frames_per_s"] > 2.0
    assert 200.0 <= seconds(findings[0].time) <= 240.0


def test_a_source_that_sends_when_something_happens_has_no_pace_to_keep():
    district = district_of([camera(7, "gate-7", True, source="frigate", sampling_period_s=0.2)], [zone("plaza", None)])
    ticks = film(walking(20), 120.0) + film(walking(20), 240.0, period_s=2.0, from_s=120.0)
    assert raised(told(district, ticks)) == []


def test_of_two_cameras_whose_clocks_differ_by_three_seconds_the_one_that_is_off_is_told():
    both = district_of([camera(7, "west", True), camera(8, "east", True)], [zone("plaza", 50)])
    west, east = film(standing(24), 90.0), film(standing(24), 90.0, number=8)
    late = [replace(each, captured_at_ns=each.captured_at_ns - 3_000_000_000, producer="perceive") for each in east]
    ticks = [each for pair in zip(west, late, strict=True) for each in pair]
    findings = told(both, ticks)
    assert raised(findings) == ["health.objects.clock"]
    assert findings[0].subject == "east" and findings[0].data.value == pytest.approx(-3.0, abs=0.2)
    half = [replace(each, captured_at_ns=each.captured_at_ns - 1_000_000_000, producer="perceive") for each in east]
    assert raised(told(both, [each for pair in zip(west, half, strict=True) for each in pair])) == []


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1_000), cut=st.integers(1, 399))
def test_a_run_that_is_cut_anywhere_says_the_same_and_ends_with_the_same_bytes(seed, cut):
    ticks = broken(film(walking(12), 80.0, noise_m=0.1, seed=seed), 2, 30.0)
    stage = stage_of(place())
    whole, said = stage.step(stage.initial(0), reads(ticks))
    before, first = stage.step(stage.initial(0), reads(ticks[:cut]))
    after, then = stage.step(stage.restore(0, stage.save(before)), reads(ticks[cut:], cut))
    assert [*first, *then] == list(said)
    assert stage.save(after) == stage.save(whole)
