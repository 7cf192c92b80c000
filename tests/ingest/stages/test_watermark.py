from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.stages.watermark import NEVER_NS, Watermark, combined_ns

TIMES = st.integers(0, 10**12)


@given(st.lists(TIMES, min_size=1), TIMES)
def test_a_watermark_never_goes_back(times: list[int], lateness_ns: int) -> None:
    mark = Watermark(lateness_ns)
    seen = [mark.at_ns]
    for at in times:
        mark = mark.advanced(at)
        seen.append(mark.at_ns)
    assert seen == sorted(seen) and mark.at_ns == max(times) - lateness_ns


@given(st.lists(TIMES, min_size=1))
def test_what_is_within_the_lateness_is_never_late(times: list[int]) -> None:
    mark = Watermark(1_000)
    for at in times:
        mark = mark.advanced(at)
    rows = np.array([*times, mark.at_ns, mark.at_ns - 1])
    assert mark.late(rows).tolist() == [bool(row < max(times) - 1_000) for row in rows]


def test_nothing_is_late_before_the_first_time_was_seen() -> None:
    assert not Watermark(10).late(np.array([0, 5])).any()


def test_an_idle_partition_does_not_hold_back_the_others() -> None:
    marks, heard = {0: 100, 1: 900}, {0: 0, 1: 990}
    assert combined_ns(marks, heard, now_ns=1_000, idle_ns=2_000) == 100
    assert combined_ns(marks, heard, now_ns=1_000, idle_ns=500) == 900


def test_when_all_are_idle_time_stands_at_the_newest() -> None:
    assert combined_ns({0: 100, 1: 900}, {0: 0, 1: 0}, now_ns=10_000, idle_ns=500) == 900
    assert combined_ns({}, {}, now_ns=0, idle_ns=0) == NEVER_NS
