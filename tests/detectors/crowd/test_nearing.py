"""What grows into a threshold is told when it gets there; what only leaps there for a moment is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.crowd.rules.nearing import nearing, not_near, stays
from tests.detectors.crowd_scene import film, place, raised, rows, stage_of, told
from tests.detectors.plaza import seconds


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 5), st.integers(0, 20))
def test_the_hold_is_over_where_the_first_of_an_unbroken_run_is_so_long_ago(near, gap_s, hold_s):
    now, run = not_near(1), []
    for at_s, is_near in enumerate(near):
        if run and at_s - run[-1] > gap_s:
            run = []
        if is_near:
            run.append(at_s)
        now = nearing(now, np.array([is_near]), float(at_s), float(gap_s))
        assert bool(stays(now, float(at_s), float(hold_s))[0]) == bool(run and at_s - run[0] >= hold_s)


def grown(until, per_s, at_once_s=None):
    def at(at_s):
        count = min(until, 10 + int(per_s * at_s)) if at_once_s is None else until if at_s >= at_once_s else 10
        return rows(count)

    return at


@pytest.mark.parametrize("per_s", [0.2, 0.5, 1.0])
def test_a_group_that_grows_is_told_within_seconds_of_reaching_the_threshold(per_s):
    _, findings = told(stage_of(place(50)), film(grown(30, per_s), 60.0))
    gathered = [each for each in findings if each.data.rule == "crowd.gathering.capacity"]
    reaches_s = 10.0 / per_s
    # Standing is known after 1.4 s of standing, samples come once a second, and two of them must say so.
    assert reaches_s + 1.0 <= seconds(gathered[0].time) <= reaches_s + 5.0
    assert gathered[0].data.thresholds["large_hold_s"] == 5.0 and gathered[0].data.thresholds["hold_s"] == 1.0


def test_a_group_that_is_there_at_once_must_stay_and_one_that_goes_again_is_none():
    _, findings = told(stage_of(place(50)), film(grown(24, 0.0, at_once_s=10.0), 40.0))
    gathered = [each for each in findings if each.data.rule == "crowd.gathering.capacity"]
    assert 16.0 <= seconds(gathered[0].time) <= 20.0

    def passing(at_s):
        return rows(24 if 10.0 <= at_s < 15.0 else 10)

    assert raised(told(stage_of(place(50)), film(passing, 40.0))[1], "crowd.gathering") == []


def test_a_group_just_below_the_threshold_is_never_told_however_long_it_stays():
    assert raised(told(stage_of(place(50)), film(grown(19, 0.5), 60.0))[1], "crowd.gathering") == []
