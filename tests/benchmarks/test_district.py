"""The benchmark of the district: its load is what it says, and all figures are there over a real Kafka."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.crowds import CROWDED
from benchmarks.district import Size, measured
from benchmarks.district_load import CROWD_NS, PERSONS, TICK_NS, Load
from benchmarks.district_run import Search, Window
from benchmarks.measuring import show
from ingest.clock import NS_PER_S
from ingest.schema.finding import Phase
from tests.support import parts

KEYS = {
    "frames_per_s", "lag_growth", "p50_ms", "p99_ms", "cpu_share", "bytes_per_frame", "ratio_to_per_frame_json",
    "ratio_to_unbatched_json", "frames_per_s_max", "json_frames_per_s_max",
}  # fmt: skip
START_NS = 10**18


@given(st.integers(1, 30), st.integers(1, 4), st.floats(0.5, 40.0), st.integers(1, 20))
@settings(deadline=None, max_examples=50)
def test_each_camera_shows_as_many_frames_a_second_as_it_should(
    cameras: int, partitions: int, rate_hz: float, intervals: int
) -> None:
    load = Load(cameras, partitions)
    seen = np.zeros(cameras, np.int64)
    for n in range(intervals):
        from_ns = START_NS + n * TICK_NS
        for partition in range(partitions):
            tick = load.tick(partition, START_NS, from_ns, from_ns + TICK_NS, rate_hz)
            tick.check()
            assert ((tick.captured_at_ns >= from_ns) & (tick.captured_at_ns < tick.ends_at_ns)).all()
            assert (tick.camera % partitions == partition).all()
            assert set(np.diff(tick.object_start).tolist()) <= {PERSONS, CROWDED}
            seen += np.bincount(tick.camera, minlength=cameras)
    assert (np.abs(seen - rate_hz * intervals * TICK_NS / NS_PER_S) <= 1).all()


def test_the_frames_that_cause_findings_are_the_first_with_a_crowd_and_the_first_without() -> None:
    load, rate_hz, intervals = Load(20, 2), 5.0, 15
    length_ns = intervals * TICK_NS
    frames = [
        load.frames(partition, START_NS, START_NS + n * TICK_NS, START_NS + (n + 1) * TICK_NS, rate_hz)
        for partition in range(2)
        for n in range(intervals)
    ]
    camera, at_ns, crowded = (
        np.concatenate([getattr(each, name) for each in frames]) for name in ("camera", "captured_at_ns", "crowded")
    )
    wanted = load.wanted(START_NS, START_NS, START_NS + length_ns, rate_hz)
    assert sum(phase is Phase.RAISED for _, phase in wanted) == 20
    for row in range(20):
        over_ns = at_ns[(camera == row) & crowded]
        assert wanted[(f"exit-{row:04d}", Phase.RAISED)] == over_ns.min()
        assert over_ns.max() - over_ns.min() < CROWD_NS
        if cleared_ns := wanted.get((f"exit-{row:04d}", Phase.CLEARED)):
            assert cleared_ns == at_ns[(camera == row) & (at_ns > over_ns.max())].min()


@pytest.mark.parametrize(
    ("lag_s", "holds"),
    [
        (np.full(40, 0.3), True),
        (0.3 + 0.1 * np.tile([0.0, 1.0], 20), True),
        (np.linspace(0.3, 0.6, 40), False),
        (np.full(40, 1.2), False),
    ],
)
def test_a_load_holds_where_the_lag_is_small_and_does_not_grow(lag_s: np.ndarray, holds: bool) -> None:
    at_s = np.arange(40) / 10
    window = Window(at_s, lag_s, 1.0, 1.0, 1.0, 1.0, {})
    assert window.holds is holds
    assert (window.lag_growth > 0.02) is bool(lag_s[-1] - lag_s[0] > 0.2)


def test_all_figures_are_there_over_a_real_kafka(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = parts.lacks().get("kafka")
    if missing and parts.is_ci():
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    # The first step that holds: how much that is depends on the machine.
    search = Search(0.5, 1.5, 0, 0.5, 2.0, steps_max=6, seconds_max=0.0)
    begun_s = time.monotonic()
    show(measured(Size(1.0, 1.5, search, search, search), cameras=400, partitions=2), as_json=True)
    figures = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1], type=dict[str, float])
    assert figures.keys() >= KEYS
    assert [name for name in KEYS - {"lag_growth"} if not figures[name] > 0] == []
    assert figures["findings_missing"] == 0
    assert figures["measured_s"] <= time.monotonic() - begun_s
