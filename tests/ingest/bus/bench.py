"""What the contract suite needs of a back end beyond its contract: opening it again, killing a member, passing time."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ingest.bus.contract import Bus, Consumer, Draft, Record, TopicPartition, TopicSpec
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.kafka import KafkaBus, KafkaBusConsumer, open_kafka
from ingest.bus.kafka_settings import KafkaSettings
from tests.support.clock import ManualClock
from tests.support.kafka_broker import KafkaBroker
from tests.support.simulated_bus import SESSION_S, SimulatedBus

PATIENCE_S = 90.0


class Bench(Protocol):
    def open_bus(self) -> Bus:
        """The same bus again, as another process would see it."""

    def crash(self, bus: Bus, consumer: Consumer) -> None:
        """`consumer`, opened by `bus`, is gone without a word."""

    def wait_a_moment(self) -> None:
        """Let so much time pass that, in the end, every session of a crashed member times out."""

    def close(self) -> None: ...


class SimulatedBench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self._bus = SimulatedBus(self.clock, bytes_in_flight_max=BYTES_IN_FLIGHT_MAX)

    def open_bus(self) -> SimulatedBus:
        return self._bus

    def crash(self, bus: Bus, consumer: Consumer) -> None:
        pass

    def wait_a_moment(self) -> None:
        self.clock.advance(SESSION_S / 4)

    def close(self) -> None:
        pass


class EmbeddedBench:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "bus.sqlite"
        self._buses: list[EmbeddedBus] = []

    def open_bus(self) -> EmbeddedBus:
        bus = EmbeddedBus(self.path, session_s=1.0, bytes_in_flight_max=BYTES_IN_FLIGHT_MAX)
        self._buses.append(bus)
        return bus

    def crash(self, bus: Bus, consumer: Consumer) -> None:
        bus.close()  # ends the heartbeat, leaves the rows

    def wait_a_moment(self) -> None:
        time.sleep(0.01)

    def close(self) -> None:
        for bus in self._buses:
            bus.close()


class KafkaBench:
    """A running broker. One bus serves all tests, and those that `open_bus` gives out are closed at the end."""

    def __init__(self, broker: KafkaBroker) -> None:
        self.broker = broker
        self.settings = KafkaSettings(
            bootstrap_servers=(broker.bootstrap_servers,),
            session_s=1.5,
            start_s_max=5.0,
            transaction_s_max=5.0,
            bytes_in_flight_max=BYTES_IN_FLIGHT_MAX,
        )
        self._buses: list[KafkaBus] = []

    def open_bus(self) -> KafkaBus:
        if len(self._buses) < 2:
            self._buses.append(open_kafka(self.settings))
        self._buses.reverse()  # in turn: "another process" has connections of its own
        return self._buses[0]

    def crash(self, bus: Bus, consumer: Consumer) -> None:
        assert isinstance(consumer, KafkaBusConsumer)
        # A static member that only closes its connections does not leave: to its group it is dead.
        consumer._client.close(autocommit=False, timeout_ms=1_000)

    def wait_a_moment(self) -> None:
        time.sleep(0.01)

    def close(self) -> None:
        for bus in self._buses:
            bus.close()


BYTES_IN_FLIGHT_MAX = 4 * 1024 * 1024
_numbers = itertools.count()


class Town:
    """One test's own topic and group names on a bench that may be shared, and the steps that tests are made of."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.bus = bench.open_bus()
        self.name = f"t{next(_numbers)}-{uuid.uuid4().hex[:6]}"
        self.group = f"{self.name}-group"
        self._parts: list[Callable[[], None]] = []

    def topic(self, name: str = "in", partitions: int = 1, retention_s: int | None = 3_600, **more: int) -> str:
        spec = TopicSpec(f"{self.name}.{name}", partitions, retention_s, **more)
        self.bus.create_topics([spec])
        return spec.name

    def fill(self, topic: str, *values: bytes, partition: int = 0, key: bytes | None = None) -> None:
        producer = self.bus.producer()
        for value in values:
            producer.append(Draft(topic, partition, key, value))
        producer.flush()
        producer.close()

    def consumer(self, topic: str, member: str = "m", bus: Bus | None = None, **call_backs: object) -> Consumer:
        consumer = (bus or self.bus).consumer(self.group, [topic], f"{self.name}-{member}", **call_backs)  # type: ignore[arg-type]
        self._parts.append(consumer.close)
        return consumer

    def id(self, name: str) -> str:
        return f"{self.name}-{name}"

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        give_up_at_s = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < give_up_at_s, f"not within {PATIENCE_S} s: {what}"
            self.bench.wait_a_moment()

    def take(self, consumer: Consumer, count: int, beside: Sequence[Consumer] = ()) -> list[Record]:
        """Poll until there are `count` records; more would be wrong. Those `beside` it live on, and get nothing."""
        records: list[Record] = []

        def enough() -> bool:
            for other in beside:
                assert not other.poll(0.01)
            records.extend(consumer.poll(0.05))
            return len(records) >= count

        self.until(enough, f"{count} records")
        assert len(records) == count
        return records

    def settle(self, *consumers: Consumer, partitions: int) -> None:
        """Poll in turn until every partition has one owner among `consumers`, shares as even as can be."""

        def settled() -> bool:
            for consumer in consumers:
                assert not consumer.poll(0.02), "settle before there is something to read"
            shares = [consumer.assignment() for consumer in consumers]
            union: frozenset[TopicPartition] = frozenset().union(*shares)
            sizes = sorted(map(len, shares))
            return len(union) == sum(sizes) == partitions and sizes[-1] - sizes[0] <= 1

        self.until(settled, f"{partitions} partitions shared by {len(consumers)}")

    def read_all(self, topic: str, partition: int = 0) -> list[bytes | None]:
        return [record.value for record in self.bus.read(topic, partition, 0)]

    def close(self) -> None:
        for close in self._parts:
            close()
