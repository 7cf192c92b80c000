"""The detect stage under the runner that drives all stages."""

from __future__ import annotations

import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ingest.bus.contract import Draft, TopicSpec
from ingest.bus.topics import learned_topic, state_topic
from ingest.live.memory import MemoryLiveStore
from ingest.metrics import Metrics
from ingest.schema.codec import decode_finding, encode_tick
from ingest.stages.runner import Runner
from tests.detectors.plaza import detect, run
from tests.detectors.test_stage import QUICK, history, two_zones
from tests.support.clock import ManualClock
from tests.support.simulated_bus import SimulatedBus


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 9), min_size=1, max_size=12))
@settings(max_examples=10, deadline=None)
def test_workers_that_are_replaced_at_any_time_tell_what_one_worker_would(seed, polls):
    ticks = history(seed)
    stage = detect(two_zones(), QUICK)
    clock = ManualClock()
    bus = SimulatedBus(clock)
    topics = [TopicSpec(stage.reads, 1, 3600), TopicSpec(stage.writes, 1, 3600), TopicSpec("dt.dead", 1, 3600)]
    bus.create_topics([*topics, *(TopicSpec(name(stage.name), 1, None) for name in (state_topic, learned_topic))])
    sender = bus.producer()
    for each in ticks:
        value, headers = encode_tick(each)
        sender.append(Draft(stage.reads, 0, b"0", value, headers))
    sender.flush()
    live = MemoryLiveStore(clock)
    for records_max in polls + [500] * 3:  # each worker takes a few records, and is replaced without a word
        worker = Runner(
            bus, detect(two_zones(), QUICK), member="detect-0", clock=clock, metrics=Metrics(CollectorRegistry()),
            log=structlog.get_logger(), live=live, records_max=records_max,
        )  # fmt: skip
        for _ in range(3):
            clock.advance(1.0)
            worker.run_once(0.0)
    _, expected = run(stage, ticks)
    assert [decode_finding(record) for record in bus.read(stage.writes, 0, 0, 10_000)] == expected
    assert not bus.read("dt.dead", 0, 0)
    assert set(live.states("zone")) == {"left", "right", "inside"}
