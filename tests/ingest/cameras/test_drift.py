"""How fast a camera's clock runs away, and what a clock on local time does on the days on which it is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cameras.sources.drift import Drift
from ingest.cameras.sources.timeline import TimeLine, place
from ingest.cameras.state import CameraState, clock_bucket
from ingest.clock import NS_PER_S, utc, utc_ns
from ingest.schema.tick import TimeSource

BOUND_NS = 2 * NS_PER_S


@given(st.floats(-500.0, 500.0), st.integers(-(10**9), 10**9), st.integers(0, 99))
def test_a_clock_that_runs_away_is_measured_through_the_jitter_of_the_network(
    ppm: float, offset_ns: int, seed: int
) -> None:
    drift, random = Drift(), Random(seed)
    for second in range(0, 600, 5):
        drift.add(second * NS_PER_S, offset_ns + int(second * ppm * 1e3) - random.randrange(3_000_000))
    found = drift.ppm()
    assert found is not None and abs(found - ppm) < 10.0


def test_a_clock_that_is_set_does_not_drift() -> None:
    drift = Drift()
    for second in range(0, 300, 10):
        drift.add(second * NS_PER_S, 0 if second < 150 else 3_600 * NS_PER_S)
    assert drift.ppm() == pytest.approx(0.0, abs=1e-6)


def test_nothing_is_said_of_a_clock_too_early_or_without_a_time() -> None:
    drift = Drift()
    for second in range(0, 50, 10):
        drift.add(second * NS_PER_S, 0)
    assert drift.ppm() is None
    drift.add(100 * NS_PER_S, None)
    drift.add(200 * NS_PER_S, 0)
    assert drift.ppm() is None


@pytest.mark.parametrize(
    ("offset_s", "bucket"),
    [(None, "unknown"), (0.0, "0.1"), (-0.5, "1"), (3.0, "10"), (59.0, "60"), (-3600.0, "3600"), (1e9, "more")],
)
def test_clocks_are_counted_by_how_far_they_are_off(offset_s: float | None, bucket: str) -> None:
    state = CameraState(id="gate-7", state="live", since=datetime(2026, 1, 1, tzinfo=UTC), offset_s=offset_s)
    assert clock_bucket(state) == bucket


# Zone, and a moment (UTC) at which its clocks are changed: the hour that is doubled, and the one that is missing.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("Australia/Adelaide", datetime(2026, 4, 4, 16, 30, tzinfo=UTC)),  # +9:30 and +10:30
    ("Australia/Adelaide", datetime(2026, 10, 3, 16, 30, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),  # by half an hour only: +10:30 and +11
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("America/St_Johns", datetime(2026, 11, 1, 4, 30, tzinfo=UTC)),  # -3:30 and -2:30
    ("America/St_Johns", datetime(2026, 3, 8, 5, 30, tzinfo=UTC)),
]


@pytest.mark.parametrize(("zone", "change"), CHANGES, ids=lambda value: str(value)[:16])
def test_a_camera_on_local_time_doubles_no_hour_and_loses_none(zone: str, change: datetime) -> None:
    """It sends its wall clock as if it were UTC; some begin to be right only where the zone's offset is nought."""
    line, placed, offsets_s = TimeLine(BOUND_NS), [], set()
    begins = change - timedelta(minutes=90)
    before, after = (at.astimezone(ZoneInfo(zone)).utcoffset() for at in (begins, change + timedelta(minutes=1)))
    assert before != after, "the clocks are not changed then"
    for minute in range(180):
        arrived = begins + timedelta(minutes=minute)
        stamp = arrived.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)  # the wall clock, taken for UTC
        line, at_ns, source = place(line, utc_ns(stamp), utc_ns(arrived))
        placed.append((utc_ns(arrived), at_ns, source))
        if line.offset_ns is not None:
            offsets_s.add(line.offset_ns / NS_PER_S)
    assert all(at_ns == arrived_ns and source is TimeSource.ARRIVAL for arrived_ns, at_ns, source in placed)
    assert all(one[1] < other[1] for one, other in pairwise(placed))
    hours = {utc(at_ns).replace(minute=0, second=0) for _, at_ns, _ in placed}
    assert len(hours) in (3, 4) and offsets_s == {before.total_seconds(), after.total_seconds()}  # type: ignore[union-attr]


@pytest.mark.parametrize(("zone", "change"), CHANGES, ids=lambda value: str(value)[:16])
def test_a_camera_on_utc_does_not_notice_that_clocks_are_changed(zone: str, change: datetime) -> None:
    line = TimeLine(BOUND_NS)
    for second in range(-30, 30):
        arrived = change + timedelta(seconds=second)
        line, at_ns, source = place(line, utc_ns(arrived), utc_ns(arrived))
        assert (utc(at_ns), source) == (arrived, TimeSource.CAMERA)


@pytest.mark.parametrize(("zone", "change"), CHANGES, ids=lambda value: str(value)[:16])
def test_a_camera_whose_clock_turns_from_right_to_an_hour_off_is_placed_without_a_gap(
    zone: str, change: datetime
) -> None:
    """A camera that is set right by hand before the change applies it to its UTC, as some do."""
    line, times = TimeLine(BOUND_NS), []
    first = (change - timedelta(seconds=30)).astimezone(ZoneInfo(zone)).utcoffset()
    for second in range(-30, 30):
        arrived = change + timedelta(seconds=second)
        moved = arrived.astimezone(ZoneInfo(zone)).utcoffset()
        assert moved is not None and first is not None
        line, at_ns, _ = place(line, utc_ns(arrived + (moved - first)), utc_ns(arrived))
        times.append(at_ns)
    steps_s = [(later - earlier) / NS_PER_S for earlier, later in pairwise(times)]
    assert all(step_s == pytest.approx(1.0) for step_s in steps_s)
