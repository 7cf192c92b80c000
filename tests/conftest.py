"""Real parts, each started once, when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import parts
from tests.support.kafka_broker import KafkaBroker
from tests.support.kafka_jars import PartMissingError
from tests.support.mqtt_broker import MqttBroker


@contextmanager
def _needed() -> Iterator[None]:
    """A part that is missing skips the test, and says how to get it; in CI it fails: there nothing may go untested."""
    try:
        yield
    except PartMissingError as missing:
        if parts.is_ci():
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One broker for all tests: use topic and group names of your own. Who kills it starts it again."""
    with _needed():
        parts.find_kafka()
    with parts.kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with _needed():
        parts.find_redis()
    with parts.redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with _needed():
        parts.find_postgres()
    with parts.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def mqtt_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MqttBroker]:
    """One broker for all tests: use topics of your own. Who kills it starts it again."""
    with _needed():
        parts.find_mosquitto()
    with parts.mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


@pytest.fixture(scope="session")
def chromium() -> str:
    with _needed():
        return parts.find_chromium()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-screenshots", action="store_true", help="Write the pictures of docs/ anew.")
