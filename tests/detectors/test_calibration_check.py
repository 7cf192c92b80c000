"""Days of a camera over a street: ordinary ones, and those on which it is tilted, zoomed or rolled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.crowd import occupancy
from detectors.crowd.motion import zone_motion
from detectors.detector import Condition, Moment
from detectors.district_view import district_view
from detectors.geometry.homography import Floats
from detectors.health import calibration
from detectors.health.body_heights import BIN_M, BINS, LOW_M, quantile_m
from detectors.registry import settings_of
from ingest.registry.district import Calibration, District, PointPair, district_of
from ingest.schema.tick import Tick
from tests.detectors.geometry.pinhole import Pinhole
from tests.detectors.plaza import EXACT, PLANE, START_NS, camera, ns, square, tick, zone

STREET = Pinhole(5.5, 18.0)
POINTS = np.array([(x, y) for x in (-5.0, 0.0, 5.0) for y in (8.0, 14.0, 22.0)])
MIDDLE = np.array([0.0, 14.0])


@dataclass(frozen=True)
class Crowd:
    """Who is in the street at an hour of the day."""

    persons: float  # in the picture, on the mean
    children: float  # share
    far: float  # share of those who walk on the far side


def ordinary(hour: float, day: int) -> Crowd:
    """Quiet nights, school in the morning and at noon, shoppers; on the sixth and seventh day families, all day."""
    if hour < 6.0:
        return Crowd(0.3, 0.0, 0.5)
    if day % 7 >= 5:
        return Crowd(9.0 if 10.0 <= hour < 19.0 else 2.0, 0.3, 0.6)
    if 7.5 <= hour < 8.5 or 12.0 <= hour < 13.0:
        return Crowd(14.0, 0.6, 0.3)
    return Crowd(12.0 if 16.0 <= hour < 20.0 else 5.0, 0.08, 0.5 if hour < 16.0 else 0.8)


def calibrated(at: Pinhole = STREET) -> District:
    pairs = np.concatenate([at.on_picture(POINTS), PLANE.to_lon_lat(POINTS - MIDDLE)], axis=1).tolist()
    made = Calibration(points=tuple(PointPair(*each) for each in pairs), error_m=0.05, measured_at_ns=START_NS)
    return district_of(
        [camera(7, "gate-7", calibration=made, sampling_period_s=1.0)],
        [zone("plaza", None, polygon=square(-5, -6, 5, 8))],
    )


def seen_by(camera: Pinhole, crowd: Crowd, chance: np.random.Generator) -> Floats:
    """(K, 4) boxes of people of their own heights, who hide one another and whose edges are 4 px off."""
    count = chance.poisson(crowd.persons)
    child = chance.random(count) < crowd.children
    tall_m = np.where(child, chance.normal(1.3, 0.12, count), chance.normal(1.71, 0.09, count))
    far = chance.random(count) < crowd.far
    y = np.where(far, chance.uniform(15.0, 22.0, count), chance.uniform(8.0, 15.0, count))
    feet = np.column_stack([chance.uniform(-5.0, 5.0, count), y, np.zeros(count)])
    size = np.array([camera.width, camera.height])
    low = camera.see(feet)
    high = camera.see(feet + np.column_stack([np.zeros((count, 2)), tall_m]))
    bottom, top = low[:, 1] + chance.normal(0.0, 4.0, count), high[:, 1] + chance.normal(0.0, 4.0, count)
    width = 0.3 * (bottom - top)
    hidden = chance.random(count) < 0.15
    bottom = np.where(hidden, bottom - 0.3 * (bottom - top), bottom)
    middle = (low[:, 0] + high[:, 0]) / 2.0
    box = np.column_stack([middle - width / 2.0, top, width, bottom - top]) / np.tile(size, 2)
    kept = (bottom > top + 10.0) & (box[:, 1] < 1.0) & (box[:, 1] + box[:, 3] > 0.0)
    box[:, 3] = np.minimum(box[:, 3], 1.0 - box[:, 1])
    return box[kept]


def days(count: int, view: Callable[[float], Pinhole], seed: int, each_s: float = 60.0) -> Sequence[Tick]:
    chance = np.random.default_rng(seed)
    made = []
    for n in range(1, round(count * 86_400 / each_s)):
        at_s = n * each_s
        crowd = ordinary(at_s % 86_400 / 3_600, int(at_s // 86_400))
        made.append(tick(at_s, {7: seen_by(view(at_s), crowd, chance)}, period_s=each_s, captured_s=at_s))
    return made


class Watch:
    """The detector alone, asked at the seconds in which it looks."""

    def __init__(self, district: District) -> None:
        self.view = district_view(district, 0)
        self.prepared = calibration.detector.prepare(settings_of(calibration.detector, {}), self.view)
        seeing, following = occupancy.prepare(EXACT, self.view), zone_motion.prepare(self.view, 0.3)
        seen = occupancy.initial(seeing)
        self.occupancy = occupancy.measure(seeing, seen, seen, ns(0.0))
        self.motion = zone_motion.measure(following, zone_motion.initial(following), ns(0.0))
        self.state = calibration.detector.initial(self.prepared)

    def told(self, ticks: Sequence[Tick]) -> list[Condition]:
        said = []
        for each in ticks:
            # Each camera has one second in thirty: here, all ticks lie in it.
            at_ns = each.ends_at_ns // 30_000_000_000 * 30_000_000_000
            rows = self.view.camera_rows(each.camera)
            clear = np.zeros(len(self.view.cameras), np.bool_)
            moment = Moment(at_ns, 60_000_000_000, 600_000_000_000, rows, self.occupancy, self.motion, clear)
            self.state, more = calibration.detector.step(self.prepared, self.state, moment, each)
            said += more
        return said


def raised(said: Sequence[Condition]) -> set[str]:
    return {each.rule.rpartition(".")[2] for each in said if each.ends is None}


@pytest.mark.parametrize("seed", [1, 2])
def test_ordinary_weeks_with_changing_crowds_are_no_finding(seed):
    assert raised(Watch(calibrated()).told(days(8, lambda at_s: STREET, seed))) == set()


MOVED = {
    "tilted 3 degrees down": replace(STREET, pitch_degrees=21.0),
    "tilted 3 degrees up": replace(STREET, pitch_degrees=15.0),
    "zoomed in by a fifth": replace(STREET, focal_px=1320.0),
    "zoomed out by a fifth": replace(STREET, focal_px=880.0),
    "rolled by 14 degrees": replace(STREET, roll_degrees=14.0),
    "hung a metre lower": replace(STREET, height_m=4.5),
}


@pytest.mark.parametrize("name", MOVED)
def test_a_camera_that_is_moved_in_the_morning_is_told_the_same_day(name):
    moved_s = 2 * 86_400 + 9 * 3_600.0
    said = Watch(calibrated()).told(days(3, lambda at_s: STREET if at_s < moved_s else MOVED[name], 3))
    told = [each for each in said if each.ends is None and each.rule == "health.calibration.moved"]
    assert told, "not told within the day"
    first = told[0]
    assert (first.observed_at_ns - ns(0.0)) / 1e9 > moved_s
    assert first.value >= first.thresholds["shift_m"] and first.unit == "m"
    assert first.detail["near_left_usual_m"] == pytest.approx(1.75, abs=0.1)
    assert first.measurement.calibration and first.cameras == ("gate-7",)


def test_a_wrong_calibration_is_doubtful_from_the_first_day_on():
    # Clicked on a map of another scale: all is half as large again as it is.
    district = calibrated()
    (old,) = district.cameras
    pairs = np.concatenate([STREET.on_picture(POINTS), PLANE.to_lon_lat((POINTS - MIDDLE) * 1.5)], axis=1).tolist()
    wrong = Calibration(points=tuple(PointPair(*each) for each in pairs), error_m=0.05, measured_at_ns=START_NS)
    district = district_of([camera(7, "gate-7", calibration=wrong)], district.zones)
    assert old.calibration.id != wrong.id
    assert raised(Watch(district).told(days(1, lambda at_s: STREET, 4))) == {"doubtful"}


def test_a_new_calibration_starts_the_watch_anew():
    moved = MOVED["tilted 3 degrees down"]
    watch = Watch(calibrated())
    watch.told(days(2, lambda at_s: STREET if at_s < 90_000 else moved, 5))
    saved = calibration.detector.save(watch.prepared, watch.state)
    again = Watch(calibrated(moved))
    again.state = calibration.detector.restore(again.prepared, saved)
    assert again.state.cameras.heights.sum() == 0.0 and np.isnan(again.state.cameras.usual_m).all()
    same = Watch(calibrated())
    same.state = calibration.detector.restore(same.prepared, saved)
    assert calibration.detector.save(same.prepared, same.state) == saved
    assert len(saved) < 4_000  # bytes a camera


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(LOW_M, LOW_M + BINS * BIN_M - 0.001), min_size=1, max_size=200), st.floats(0.05, 0.95))
def test_a_quantile_of_a_histogram_is_within_a_bin_of_that_of_the_heights(heights_m, share):
    count = np.bincount(((np.array(heights_m) - LOW_M) / BIN_M).astype(int), minlength=BINS)[:BINS].astype(float)
    low, high = (np.quantile(heights_m, share, method=way) for way in ("inverted_cdf", "higher"))
    assert low - BIN_M - 1e-9 <= quantile_m(count, share) <= high + BIN_M + 1e-9


def test_a_camera_that_looks_straight_down_is_not_judged():
    district = district_of([camera(7, "gate-7", True)], [zone("plaza", None)])
    assert not Watch(district).prepared.bodies.measurable.any()
