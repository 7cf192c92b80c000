"""What is usual at a time of the week, and how unusual a count is."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import nbinom

from detectors.anomaly.baseline import history, tail
from detectors.anomaly.baseline import model as baseline
from detectors.anomaly.baseline.factor import common_factor
from detectors.calendar import LocalTime
from detectors.geometry.homography import Floats

SLOTS = 24
MONDAY = date(2026, 6, 1).toordinal()
COUNTS = st.floats(0.0, 60_000.0)


def local(slot: int, *, holiday: bool = False, second_pass: bool = False) -> LocalTime:
    """The slot of this number since a Monday at midnight, an hour each."""
    day, hour = divmod(slot, SLOTS)
    return LocalTime(MONDAY + day, hour * 60, (MONDAY + day - 1) % 7, holiday, second_pass)


def days_of(weeks: int, zones: int = 1, count: float = 10.0) -> history.Days:
    days = history.no_days(zones, SLOTS)
    for slot in range(weeks * 7 * SLOTS):
        day, at = divmod(slot, SLOTS)
        days = history.written(days, np.ones(zones, np.bool_), MONDAY + day, False, at, np.full(zones, count + at))
    return days


@given(arrays(np.float64, 20, elements=COUNTS))
def test_a_count_is_kept_to_two_per_cent_or_a_quarter_of_a_person(count: Floats) -> None:
    kept = history.count_of(history.code_of(count))
    assert (np.abs(kept - count) <= np.maximum(0.25, 0.02 * count)).all()


def test_what_was_not_observed_stays_missing() -> None:
    assert np.isnan(history.count_of(history.code_of(np.array([np.nan])))).all()


def test_the_usual_of_an_hour_is_what_was_there_in_the_weeks_before() -> None:
    usual, weeks = history.expected(days_of(6), MONDAY + 42, 0, 9)
    assert weeks[0] == 6 and usual[0] == pytest.approx(19.0, abs=0.3)


def test_a_day_like_no_other_does_not_change_what_is_usual() -> None:
    days = days_of(6)
    loud = history.written(days, np.array([True]), MONDAY + 14, False, 9, np.array([900.0]))
    assert history.expected(loud, MONDAY + 42, 0, 9)[0] == pytest.approx(
        history.expected(days, MONDAY + 42, 0, 9)[0], rel=0.1
    )


def test_a_public_holiday_is_judged_as_a_sunday_and_never_taken_for_a_weekday() -> None:
    days = days_of(5)
    for slot in range(SLOTS):  # the Monday of the sixth week: a holiday on which hardly anybody came
        days = history.written(days, np.array([True]), MONDAY + 35, True, slot, np.array([1.0]))
    usual, weeks = history.expected(days, MONDAY + 42, 0, 12)
    assert weeks[0] == 5 and usual[0] == pytest.approx(22.0, abs=0.4)
    assert history.days_observed(days, MONDAY + 36, 0.5)[0] == 36


def test_the_row_of_a_day_forgets_the_day_of_seven_weeks_ago() -> None:
    days = days_of(7)
    later = history.written(days, np.array([True]), MONDAY + 49, False, 0, np.array([5.0]))
    assert (later[(MONDAY + 49) % 49].counts[0, 1:] == history.MISSING).all()


@given(st.integers(0, 300), st.floats(0.6, 200.0), st.floats(0.01, 2.0))
def test_the_score_is_the_tail_of_a_negative_binomial(count: int, mean: float, phi: float) -> None:
    found = float(tail.score(np.array([float(count)]), np.array([mean]), np.array([phi]))[0])
    wanted = -nbinom.logsf(count - 1, 1.0 / phi, 1.0 / (1.0 + phi * mean))  # scipy, an independent parametrisation
    assert found == pytest.approx(min(wanted, 40.0), rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(0.0, 39.0), min_size=1, max_size=300))
def test_a_calibrated_tail_is_never_more_daring_than_the_model_and_grows_with_the_score(seen: list[float]) -> None:
    histogram = np.zeros((1, tail.SCORE_BINS), np.float32)
    for each in seen:
        histogram = tail.with_scores(histogram, np.array([each]), 1.0)
    assert histogram.sum() == len(seen)
    u, beta = tail.tail_of(histogram)
    at = np.linspace(0.0, 39.0, 40)
    surprise = tail.calibrated(at, np.full(40, u[0]), np.full(40, beta[0]))
    assert (surprise <= at + 1e-9).all() and (np.diff(surprise) >= 0.0).all()


def test_scores_of_the_model_itself_are_taken_as_they_are() -> None:
    rng = np.random.default_rng(7)
    histogram = np.zeros((1, tail.SCORE_BINS), np.float32)
    for each in rng.exponential(1.0, 20_000):
        histogram = tail.with_scores(histogram, np.array([min(each, 39.0)]), 1.0)
    u, beta = tail.tail_of(histogram)
    assert u[0] == pytest.approx(4.6, abs=0.25) and beta[0] == pytest.approx(1.0, abs=0.25)


def test_what_happens_at_ones_own_site_does_not_explain_itself() -> None:
    usual, site = np.full(40, 50.0), np.repeat(np.arange(20), 2)
    crowded = usual.copy()
    crowded[0] = 500.0
    factor = common_factor(crowded, usual, site, 20)
    assert factor[0] == factor[1] == pytest.approx(1.0) and factor[2] > 1.1
    rain = common_factor(usual * 0.5, usual, site, 20)
    assert (np.abs(rain - 0.5) < 0.06).all()


def test_of_one_other_zone_not_much_is_made() -> None:
    factor = common_factor(np.array([50.0, 100.0]), np.array([50.0, 50.0]), np.array([0, 1]), 2)
    assert 1.0 < factor[0] < 1.2 and factor[1] == pytest.approx(1.0)


class Town:
    """Zones whose counts are given hour by hour."""

    def __init__(self, zones: int = 3) -> None:
        self.model = baseline.Model(3_600, baseline.level_of(1.0, 100, SLOTS), np.arange(zones), zones)
        self.learned, self.recent = baseline.blank(self.model)
        self.everywhere = np.ones(zones, np.bool_)

    def hour(self, time: LocalTime, count: Floats) -> baseline.Judged:
        self.learned, self.recent, judged = baseline.closed(
            self.model, self.learned, self.recent, self.everywhere, time, count
        )
        return judged


def after_weeks(weeks: int, seed: int = 1) -> Town:
    town, rng = Town(), np.random.default_rng(seed)
    for slot in range(weeks * 7 * SLOTS):
        town.hour(local(slot), rng.poisson(20.0, 3).astype(np.float64))
    return town


def test_one_loud_hour_is_not_told_and_two_of_three_are() -> None:
    town = after_weeks(6)
    start = 6 * 7 * SLOTS
    raised = [
        town.hour(local(start + at), np.array([20.0, 20.0, crowd])).raised.tolist()
        for at, crowd in enumerate([90.0, 20.0, 20.0, 90.0, 20.0, 90.0, 20.0])
    ]
    assert [each[2] for each in raised] == [False, False, False, False, False, True, False]
    assert not any(each[0] or each[1] for each in raised)


def test_the_second_pass_of_an_hour_that_comes_twice_is_judged_and_not_learned() -> None:
    town = after_weeks(3)
    before = town.learned
    judged = town.hour(local(21 * SLOTS, second_pass=True), np.array([20.0, 20.0, 95.0]))
    assert judged.over.tolist() == [False, False, True]
    assert town.learned is before


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_zones_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(3)
    one, other = Town(), Town()
    for slot in range(0, 15 * 7 * SLOTS, 7):
        count = rng.poisson(12.0, 3).astype(np.float64)
        ahead, behind = one.hour(local(slot), count), other.hour(local(slot), count[order])
        assert np.array_equal(ahead.raised[order], behind.raised)
        np.testing.assert_allclose(ahead.surprise[order], behind.surprise, rtol=1e-6)


def test_nothing_is_judged_before_a_slot_was_seen_twice() -> None:
    town = Town()
    for slot in range(7 * SLOTS + 1):
        judged = town.hour(local(slot), np.full(3, 20.0))
        assert np.isnan(judged.usual).all() and not judged.over.any()
