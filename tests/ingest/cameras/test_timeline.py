"""When a frame was captured: the camera's word, as long as it can be believed."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest.cameras.sources.timeline import TimeLine, place
from ingest.clock import NS_PER_S
from ingest.schema.tick import TimeSource

START_NS = 1_800_000_000 * NS_PER_S
BOUND_NS = 2 * NS_PER_S
OFFSETS_NS = st.one_of(
    st.none(),
    st.integers(-3 * NS_PER_S, 3 * NS_PER_S),
    st.sampled_from([3_600 * NS_PER_S, -86_400 * NS_PER_S, -START_NS]),
)


def run(offsets_ns: list[int | None], period_ns: int = NS_PER_S) -> list[tuple[int, int, TimeSource, TimeLine]]:
    line, seen = TimeLine(BOUND_NS), []
    for n, offset_ns in enumerate(offsets_ns):
        arrived_ns = START_NS + n * period_ns
        line, at_ns, source = place(line, None if offset_ns is None else arrived_ns + offset_ns, arrived_ns)
        seen.append((arrived_ns, at_ns, source, line))
    return seen


@given(st.lists(OFFSETS_NS, max_size=40), st.integers(1, 2 * NS_PER_S))
def test_captured_time_always_grows_and_stays_near_arrival(offsets_ns: list[int | None], period_ns: int) -> None:
    seen = run(offsets_ns, period_ns)
    times = [at_ns for _, at_ns, _, _ in seen]
    assert all(a < b for a, b in pairwise(times))
    # One nanosecond a frame is what growing may cost.
    assert all(-BOUND_NS <= at_ns - arrived_ns <= len(seen) for arrived_ns, at_ns, _, _ in seen)


@given(st.lists(st.integers(-BOUND_NS // 3, BOUND_NS // 3), min_size=1, max_size=20))
def test_a_camera_whose_clock_is_right_is_believed(offsets_ns: list[int]) -> None:
    assert all(source is TimeSource.CAMERA for _, _, source, _ in run(list(offsets_ns)))


def test_one_wild_stamp_is_ignored() -> None:
    seen = run([0, 0, -37_600 * NS_PER_S, 0, 0])
    assert [source for _, _, source, _ in seen] == [0, 0, 1, 0, 0]
    assert all(line.offset_ns == 0 for *_, line in seen)


def test_three_wild_stamps_in_a_row_begin_a_new_time_line() -> None:
    hour_ns = 3_600 * NS_PER_S
    seen = run([0, hour_ns, hour_ns, hour_ns, hour_ns, 0, 0, 0, 0])
    assert [source for _, _, source, _ in seen] == [0, 1, 1, 1, 1, 1, 1, 0, 0]
    assert seen[3][3].offset_ns == hour_ns and seen[-1][3].offset_ns == 0


def test_a_camera_without_a_clock_gives_arrival_and_no_offset() -> None:
    seen = run([None] * 5)
    assert all(at_ns == arrived_ns and source is TimeSource.ARRIVAL for arrived_ns, at_ns, source, _ in seen)
    assert seen[-1][3].offset_ns is None
