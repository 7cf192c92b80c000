"""Laws of hold, hysteresis and gaps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors import onset

SECOND = 1_000_000_000
RULE = onset.Rule(np.array([5 * SECOND]), np.array([4 * SECOND]), 2 * SECOND)
READING = st.sampled_from(["over", "between", "under", "unseen"])


def run(readings, rule=RULE):
    """Whether it is raised after each of the readings, one a second."""
    state, raised = onset.blank(1, 1), []
    for second, reading in enumerate(readings):
        at = np.array([[second * SECOND]])
        flags = [np.array([[reading == name]]) for name in ("over", "under")]
        state = onset.step(rule, state, at, np.array([[reading != "unseen"]]), *flags)
        raised.append(bool(state.raised[0, 0]))
    return raised, state


def test_it_is_raised_when_the_hold_is_full_and_lowered_when_the_release_is():
    raised, _ = run(["over"] * 7 + ["under"] * 6)
    assert raised == [False] * 5 + [True] * 6 + [False] * 2


@given(st.lists(READING, max_size=60))
def test_what_is_not_observed_changes_nothing(readings):
    _, state = run(readings)
    after = onset.step(RULE, state, np.array([[10**12]]), np.array([[False]]), np.array([[True]]), np.array([[True]]))
    for name in onset.State.__slots__:
        assert np.array_equal(getattr(state, name), getattr(after, name))


@given(st.lists(READING, max_size=60))
def test_it_is_raised_only_by_a_reading_above_and_lowered_only_by_one_below(readings):
    raised, _ = run(readings)
    for before, now, reading in zip([False, *raised], raised, readings, strict=False):
        if now and not before:
            assert reading == "over"
        if before and not now:
            assert reading == "under"


@given(st.lists(READING, min_size=1, max_size=60))
def test_it_is_never_raised_before_the_hold_could_be_full(readings):
    raised, _ = run(readings)
    first_over = readings.index("over") if "over" in readings else len(readings)
    assert not any(raised[: first_over + 5])


@given(st.integers(1, 40), st.lists(READING, max_size=40))
def test_places_do_not_touch_one_another(other, readings):
    _, alone = run(readings)
    rule, state = RULE, onset.blank(2, 1)
    for second, reading in enumerate(readings):
        at = np.array([[second * SECOND], [second * SECOND]])
        odd = second % other == 0
        state = onset.step(
            rule, state, at, np.array([[reading != "unseen"], [True]]),
            np.array([[reading == "over"], [odd]]), np.array([[reading == "under"], [not odd]]),
        )  # fmt: skip
    for name in onset.State.__slots__:
        assert np.array_equal(getattr(alone, name)[0], getattr(state, name)[0])


def test_short_gaps_are_counted_while_raised_and_break_nothing():
    raised, state = run(["over"] * 6 + ["between", "over"] * 5)
    assert raised[5:] == [True] * 11
    assert state.gaps[0, 0] == 5


def test_forgetting_leaves_nothing_behind():
    _, state = run(["over"] * 8)
    empty = onset.forget(state, np.array([True]))
    for name in onset.State.__slots__:
        assert np.array_equal(getattr(empty, name), getattr(onset.blank(1, 1), name))
