"""The storm of the benchmark has a truth, and is counted right."""

from __future__ import annotations

import pytest

from benchmarks.incidents_scenes import storm
from benchmarks.incidents_storm import b_cubed_f1, correlated
from ingest.schema.finding import Phase


def test_a_storm_is_the_same_from_the_same_seed_and_tells_each_beginning_and_end() -> None:
    made, again = storm(1, 480, 3_000, 600.0), storm(1, 480, 3_000, 600.0)
    assert [each.finding for each in made.told] == [each.finding for each in again.told]
    assert [each.arrives_ns for each in made.told] == sorted(each.arrives_ns for each in made.told)
    begun = {each.finding.data.condition for each in made.told if each.finding.data.phase is Phase.RAISED}
    ended = {each.finding.data.condition for each in made.told if each.finding.data.phase is Phase.CLEARED}
    assert begun == ended
    assert {each.happening for each in made.told} == set(range(made.happenings))


@pytest.mark.parametrize(
    ("found", "f1"),
    [("aabb", 1.0), ("aaaa", 2 / 3), ("abcd", 2 / 3), ("abab", 0.5)],
)
def test_b_cubed_is_that_of_the_paper(found: str, f1: float) -> None:
    truth = dict(enumerate("xxyy"))
    assert b_cubed_f1(dict(enumerate(found)), truth) == pytest.approx(f1)


def test_a_small_storm_is_told_once_a_happening_and_none_is_missed() -> None:
    figures = correlated(storm(2, 480, 3_000, 600.0))
    assert figures["missed_happenings"] == 0
    assert figures["storm_b3_f1"] >= 0.9
    assert figures["notices_per_happening"] <= 1.3
