"""Who comes in and goes out through the lines of exits, and what that means for a zone that fills."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.crowd.motion.exits import watched_exits
from detectors.district_view import district_view
from detectors.geometry.homography import Floats
from ingest.registry.district import District, Exit, district_of
from ingest.schema.finding import Phase
from tests.detectors.crowd_scene import film, motion_at_end, rows, stage_of, told
from tests.detectors.plaza import PLANE, camera, overhead, square, zone


def line(x_m: float, from_m: float, to_m: float) -> tuple[tuple[float, float], tuple[float, float]]:
    first, last = PLANE.to_lon_lat(np.array([(x_m, from_m), (x_m, to_m)])).tolist()
    return (first[0], first[1]), (last[0], last[1])


WEST, EAST = Exit(line=line(-8.0, -3.0, 3.0), width_m=6.0), Exit(line=line(8.0, -3.0, 3.0), width_m=6.0)


def hall(*exits: Exit, capacity: int | None = 100, cameras: int = 1) -> District:
    number = range(7, 7 + cameras)
    return district_of(
        [camera(each, f"gate-{each}", calibrated=True, sampling_period_s=0.2) for each in number],
        [zone("plaza", capacity, polygon=square(-8, -8, 8, 8), exits=exits)],
    )


def passing(in_per_s: float, out_per_s: float, standing: int = 30):
    """Who stands there; who comes in by the west and stays, somewhere to the north; who leaves by the east."""
    there = rows(standing, 1.0, 6)

    def at(at_s: float) -> Floats:
        came = np.arange(int(in_per_s * at_s) + 1) / max(in_per_s, 1e-9)
        walked_m = 1.2 * (at_s - came[came <= at_s]) if in_per_s else np.empty(0)
        number = np.arange(len(walked_m))
        west = np.column_stack([np.minimum(-12.0 + walked_m, -6.0 + 0.7 * (number % 17)), 1.0 + 0.3 * (number % 7)])
        went = np.arange(int(out_per_s * at_s) + 1) / max(out_per_s, 1e-9)
        left_m = 1.2 * (at_s - went[went <= at_s]) if out_per_s else np.empty(0)
        east = np.column_stack([np.minimum(4.0 + left_m, 13.0), np.full(len(left_m), -2.0)])
        return np.concatenate([there, west, east[east[:, 0] < 12.9]])

    return at


def ids(standing: int, in_per_s: float):
    def of(at_s: float, count: int) -> Floats:
        number = np.arange(count)
        inside = standing + (int(in_per_s * at_s) + 1 if in_per_s else 0)
        # Those who have left are gone from the front of the list: a number of its own for each who leaves.
        return np.where(number >= inside, 10_000 + number - inside + max(0, int((at_s - 7.5) * 1.0)), number)

    return of


def test_each_exit_is_counted_by_one_camera_and_one_that_nobody_sees_leaves_the_flow_unknown():
    for exits, seen in (((WEST, EAST), True), ((), False)):
        watched = watched_exits(district_view(hall(*exits, cameras=2), 0))
        assert watched.all_of_zone.tolist() == [seen]
        assert len(watched.line) == len(exits) and watched.start[-1] == len(exits)
    beside = district_of([camera(7, "gate-7", calibration=overhead(30.0, 9.0))], hall(WEST, EAST).zones)
    watched = watched_exits(district_view(beside, 0))
    assert watched.all_of_zone.tolist() == [False] and len(watched.line) == 1


def test_who_comes_in_and_who_goes_out_is_counted_at_the_lines():
    for in_per_s in (0.5, 1.0):
        seen = motion_at_end(stage_of(hall(WEST, EAST)), film(passing(in_per_s, 0.0), 40.0))
        # The first comes to the line after 4 m.
        assert seen.came_in[0] == pytest.approx(in_per_s * (40.0 - 4.0 / 1.2), abs=1.5)
        assert seen.went_out[0] == 0.0 and seen.exits_seen[0]


def test_the_forecast_is_by_the_exits_where_they_are_watched_and_by_the_slope_where_not():
    for exits, by_exits in (((WEST, EAST), 1.0), ((WEST, Exit(line=line(8.0, 40.0, 46.0), width_m=6.0)), 0.0)):
        _, findings = told(stage_of(hall(*exits)), film(passing(0.5, 0.0), 80.0))
        data = [each.data for each in findings if each.data.kind == "crowd.growth"][-1]
        assert data.detail["by_exits"] == by_exits
        assert data.value == pytest.approx((100 - data.detail["persons"]) / 0.5, rel=0.2)
        assert data.low <= data.value <= data.high
        # All could be out within n / (82 persons/(m min) x 12 m).
        assert data.detail["clear_s"] == pytest.approx(data.detail["persons"] / (82.0 / 60.0 * 12.0), rel=0.01)


def test_as_many_who_leave_as_come_fill_nothing():
    _, findings = told(stage_of(hall(WEST, EAST)), film(passing(1.0, 1.0), 60.0, ids=ids(30, 1.0)))
    stage = stage_of(hall(WEST, EAST))
    seen = motion_at_end(stage, film(passing(1.0, 1.0), 60.0, ids=ids(30, 1.0)))
    assert seen.went_out[0] > 30.0
    growth = [each for each in findings if each.data.kind == "crowd.growth" and each.data.phase is Phase.RAISED]
    assert [each.data.rule for each in growth if each.data.detail["by_exits"]] == []
