from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingest.bus.bench import Bench, EmbeddedBench, KafkaBench, SimulatedBench, Town
from tests.support.kafka_broker import KafkaBroker


@pytest.fixture(params=["simulated", "embedded", "kafka"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made: Bench
    if request.param == "simulated":
        made = SimulatedBench()
    elif request.param == "embedded":
        made = EmbeddedBench(tmp_path)
    else:
        made = request.getfixturevalue("kafka_bench")
    yield made
    if request.param != "kafka":
        made.close()


@pytest.fixture(scope="session")
def kafka_bench(kafka_broker: KafkaBroker) -> Iterator[KafkaBench]:
    bench = KafkaBench(kafka_broker)
    yield bench
    bench.close()


@pytest.fixture
def town(bench: Bench) -> Iterator[Town]:
    town = Town(bench)
    yield town
    town.close()
