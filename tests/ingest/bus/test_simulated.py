"""The simulated bus goes wrong as it is told to, and the same way for the same seed."""

from __future__ import annotations

import pytest

from ingest.bus.contract import Draft, TopicPartition, TopicSpec
from ingest.errors import BusFenced, BusRetryable
from tests.support.clock import ManualClock
from tests.support.simulated_bus import Faults, SimulatedBus

AT = TopicPartition("in", 0)
SPECS = [TopicSpec("in", 1, 3_600), TopicSpec("out", 1, 3_600)]
ALL_FAULTS = Faults(refused_call=0.1, lost_answer=0.2, revocation=0.1, redelivery=0.1, late_record=0.1, late_s_max=2.0)


def copy(seed: int, faults: Faults) -> tuple[list[bytes | None], int]:
    """Copy 40 records through everything that goes wrong; what came out, and how often something did."""
    clock = ManualClock()
    bus = SimulatedBus(clock, seed)
    bus.create_topics(SPECS)
    filler = bus.producer()
    for i in range(40):
        filler.append(Draft("in", 0, None, b"%d" % i))
    filler.flush()
    bus.faults = faults
    consumer = producer = None
    failures = 0
    for step in range(3_000):
        if step == 2_000:
            bus.faults = Faults()  # faults stop at last: then everything must drain
        clock.advance(0.1)
        try:
            consumer = consumer or bus.consumer("copy", ["in"], "m")
            producer = producer or bus.producer("p")
            records = consumer.poll(0, 3)
            if not records:
                continue
            producer.begin()
            for record in records:
                producer.append(Draft("out", 0, None, record.value))
            producer.move_offsets(consumer, {AT: records[-1].position.offset + 1})
            producer.commit()
        except (BusRetryable, BusFenced):
            failures += 1
            consumer = producer = None  # a crash: nothing is closed
    return [record.value for record in bus.read("out", 0, 0)], failures


@pytest.mark.parametrize("seed", range(20))
def test_a_transaction_copies_each_record_once_through_every_fault(seed: int) -> None:
    copied, failures = copy(seed, ALL_FAULTS)
    assert copied == [b"%d" % i for i in range(40)]
    assert failures > 0


def test_the_same_seed_goes_wrong_the_same_way() -> None:
    assert copy(7, ALL_FAULTS) == copy(7, ALL_FAULTS)
    assert len({copy(seed, ALL_FAULTS)[1] for seed in range(5)}) > 1


def test_a_lost_broker_fails_every_call_until_it_is_back() -> None:
    clock = ManualClock()
    bus = SimulatedBus(clock)
    bus.create_topics(SPECS)
    consumer = bus.consumer("g", ["in"], "m")
    bus.lose_broker(5.0)
    for call in (lambda: consumer.poll(0), lambda: bus.producer("p"), lambda: bus.read("in", 0, 0)):
        with pytest.raises(BusRetryable, match="broker that is down"):
            call()
    clock.advance(5.1)
    assert consumer.poll(0) == []


@pytest.mark.parametrize("it_happens", [True, False])
def test_the_answer_to_a_commit_can_be_lost_on_its_way(it_happens: bool) -> None:
    bus = SimulatedBus(ManualClock())
    bus.create_topics(SPECS)
    producer = bus.producer("p")
    producer.begin()
    producer.append(Draft("out", 0, None, b"x"))
    bus.lose_next_commit_answer(it_happens=it_happens)
    with pytest.raises(BusRetryable, match="no answer to a commit"):
        producer.commit()
    producer.abort()
    assert len(bus.read("out", 0, 0)) == int(it_happens)


def test_a_member_that_is_expelled_in_the_middle_of_its_transaction_is_fenced() -> None:
    bus = SimulatedBus(ManualClock())
    bus.create_topics(SPECS)
    consumer, producer = bus.consumer("g", ["in"], "m"), bus.producer("p")
    consumer.poll(0)
    producer.begin()
    producer.append(Draft("out", 0, None, b"x"))
    producer.move_offsets(consumer, {AT: 1})
    bus.expel("g", "m")
    with pytest.raises(BusFenced):
        producer.commit()
    assert bus.read("out", 0, 0) == []
