"""Observations to ticks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.bus.contract import Position, Record
from ingest.cameras.observation import CameraEvent, Objects, Observation
from ingest.cameras.ticker import Ticker
from ingest.schema.codec import decode_tick, encode_tick
from ingest.schema.tick import Tick, equal

INTERVAL_NS = 200_000_000
START_NS = 1_800_000_000_000_000_000
PARTITIONS = {1: 0, 2: 0, 3: 1, 4: 7}


def ticker() -> Ticker:
    made = Ticker("ingest", INTERVAL_NS)
    made.own([0, 1], PARTITIONS)
    assert [tick.frames for tick in made.cut(START_NS)] == [0, 0]
    return made


def objects(count: int) -> Objects:
    rows = np.arange(count)
    return Objects(
        rows.astype(np.uint8) % 4,
        np.full(count, 0.5, np.float16),
        np.full((count, 4), 0.25, np.float32),
        rows.astype(np.int32),
    )


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    arrived_ns = START_NS + draw(st.integers(-5, 30)) * INTERVAL_NS // 4
    known, flow = draw(st.booleans()), draw(st.booleans())
    return Observation(
        camera=draw(st.integers(1, 5)),
        captured_at_ns=arrived_ns - draw(st.integers(0, 10_000_000_000)),
        arrived_at_ns=arrived_ns,
        time_source=draw(st.integers(0, 2)),
        width=draw(st.integers(0, 65_535)),
        picture=draw(st.integers(0, 63)),
        foreground=draw(st.sampled_from([np.nan, 0.0, 0.5])),
        foreground_grid=np.full((9, 16), 7, np.uint8) if known else None,
        flow_grid=np.full((9, 16, 2), 0.5, np.float16) if flow else None,
        objects=draw(st.one_of(st.none(), st.integers(0, 4).map(objects))),
        events=(CameraEvent(9, 1, 3.0, 0.5, arrived_ns),) * draw(st.integers(0, 2)),
    )


def cut_all(made: Ticker, seen: list[Observation], steps_ns: list[int]) -> list[Tick]:
    ticks, now_ns = [], START_NS
    waiting = sorted(seen, key=lambda one: one.arrived_at_ns)
    for step_ns in [*steps_ns, 20 * INTERVAL_NS]:
        now_ns += step_ns
        made.add(one for one in waiting if one.arrived_at_ns <= now_ns)
        waiting = [one for one in waiting if one.arrived_at_ns > now_ns]
        ticks += made.cut(now_ns)
    assert not waiting
    return ticks


STEPS = st.lists(st.integers(1, 3 * INTERVAL_NS), max_size=12)


@given(st.lists(observations(), max_size=25), STEPS)
def test_frames_are_conserved_and_each_partition_has_one_tick_an_interval(
    seen: list[Observation], steps_ns: list[int]
) -> None:
    made = ticker()
    ticks = cut_all(made, seen, steps_ns)
    owned = [one for one in seen if PARTITIONS.get(one.camera) in (0, 1)]
    assert sum(tick.frames for tick in ticks) == len(owned) and made.dropped == len(seen) - len(owned)
    for partition in (0, 1):
        starts = [tick.starts_at_ns for tick in ticks if tick.partition == partition]
        assert starts == list(range(START_NS, START_NS + len(starts) * INTERVAL_NS, INTERVAL_NS))
    for tick in ticks:
        tick.check()
        assert all(PARTITIONS[number] == tick.partition for number in tick.camera.tolist())
        assert (tick.arrived_at_ns < tick.ends_at_ns).all()


@given(st.lists(observations(), max_size=25))
def test_every_fact_of_a_frame_stands_in_its_row(seen: list[Observation]) -> None:
    ticks = cut_all(ticker(), seen, [])
    rows = [(tick, row) for tick in ticks for row in range(tick.frames)]
    told = sorted((int(t.camera[r]), int(t.captured_at_ns[r]), int(t.width[r]), str(t.foreground[r])) for t, r in rows)
    owned = [one for one in seen if PARTITIONS.get(one.camera) in (0, 1)]
    assert told == sorted((o.camera, o.captured_at_ns, o.width, str(np.float32(o.foreground))) for o in owned)
    assert sum(bool(t.grid_known[r]) for t, r in rows) == sum(o.foreground_grid is not None for o in owned)
    assert sum(bool(t.objects_known[r]) for t, r in rows) == sum(o.objects is not None for o in owned)
    assert sum(len(t.event_kind) for t in ticks) == sum(len(o.events) for o in owned)
    assert sum(len(t.object_class) for t in ticks) == sum(len(o.objects.track) for o in owned if o.objects is not None)


@given(st.lists(observations(), max_size=10))
def test_a_tick_survives_the_wire(seen: list[Observation]) -> None:
    for tick in cut_all(ticker(), seen, []):
        value, headers = encode_tick(tick)
        record = Record(Position("dt.observations", tick.partition, 0), b"0", value, headers, 0)
        back = decode_tick(record)
        assert back.frames == tick.frames and np.array_equal(back.camera, tick.camera)
        if tick.flow_known.all():
            assert equal(back, tick)


def test_a_late_observation_stands_in_the_next_tick_with_its_own_time() -> None:
    made = ticker()
    made.add([Observation(1, START_NS - 10 * INTERVAL_NS, START_NS - 3 * INTERVAL_NS, 1)])
    first = made.cut(START_NS + INTERVAL_NS)[0]
    assert first.frames == 1 and first.captured_at_ns[0] == START_NS - 10 * INTERVAL_NS


def test_nothing_is_cut_before_an_interval_has_ended() -> None:
    assert ticker().cut(START_NS + INTERVAL_NS - 1) == []


def test_after_a_long_sleep_or_a_clock_set_back_it_goes_on_with_the_present() -> None:
    made = ticker()
    assert [tick.starts_at_ns for tick in made.cut(START_NS + 3_600 * 10**9)] == [
        START_NS + 3_600 * 10**9 - INTERVAL_NS
    ] * 2
    assert [tick.starts_at_ns for tick in made.cut(START_NS)] == [START_NS - INTERVAL_NS] * 2
    assert made.cut(START_NS) == []


def test_a_clock_that_is_set_back_a_little_makes_no_second_tick_of_an_interval() -> None:
    made = ticker()
    made.cut(START_NS + 5 * INTERVAL_NS)
    assert made.cut(START_NS + 3 * INTERVAL_NS) == []
    assert [tick.starts_at_ns for tick in made.cut(START_NS + 6 * INTERVAL_NS)] == [START_NS + 5 * INTERVAL_NS] * 2
