"""What only a real broker can show: it dies, it is away, and zombies that have already begun to send."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import InvalidProducerEpochError
from kafka.future import Future
from kafka.structs import ConsumerGroupMetadata

import ingest.bus.kafka as module
from ingest.bus.contract import Draft, TopicPartition
from ingest.bus.kafka import KafkaBusProducer, open_kafka
from ingest.bus.kafka_settings import KafkaSettings
from ingest.errors import BusFenced, BusRetryable, SettingsError
from tests.ingest.bus.bench import KafkaBench, Town
from tests.support.kafka_broker import PASSWORD, USER, KafkaBroker


@pytest.fixture
def town(kafka_bench: KafkaBench) -> Iterator[Town]:
    town = Town(kafka_bench)
    yield town
    town.close()


@pytest.fixture
def dead_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])


# start


def test_a_broker_that_is_not_there_is_named_with_the_mend(dead_port: int) -> None:
    with pytest.raises(BusRetryable) as refused:
        open_kafka(KafkaSettings(bootstrap_servers=(f"127.0.0.1:{dead_port}",)))
    assert str(refused.value) == (
        f"kafka 127.0.0.1:{dead_port}: expected a broker, got connection refused. "
        "Start it or mend bus.kafka.bootstrap_servers."
    )


def test_an_address_that_cannot_be_read_is_a_fault_of_the_settings() -> None:
    with pytest.raises(SettingsError, match='expected host:port, got "kafka"'):
        open_kafka(KafkaSettings(bootstrap_servers=("kafka",)))


def test_something_that_is_no_broker_is_told_from_one() -> None:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        link.listen()
        settings = KafkaSettings(bootstrap_servers=(f"127.0.0.1:{link.getsockname()[1]}",), start_s_max=0.5)
        with pytest.raises(BusRetryable, match="expected an answer"):
            open_kafka(settings)


def test_the_slow_checksum_is_refused_at_start(monkeypatch: pytest.MonkeyPatch, dead_port: int) -> None:
    monkeypatch.setattr("kafka.record.util.crc32c_c", None)
    with pytest.raises(SettingsError, match="pip install crc32c"):
        open_kafka(KafkaSettings(bootstrap_servers=(f"127.0.0.1:{dead_port}",)))


def test_a_password_comes_from_a_file_or_the_environment_and_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="sasl_password_file"):
        module._connection_options(KafkaSettings(security_protocol="SASL_PLAINTEXT", sasl_username="tower"))
    (tmp_path / "password").write_text("drum\n")
    from_file = KafkaSettings(
        security_protocol="SASL_SSL", sasl_username="tower", sasl_password_file=str(tmp_path / "password")
    )
    assert module._connection_options(from_file)["sasl_plain_password"] == "drum"
    monkeypatch.setenv("TOWER_PASSWORD", "beat")
    from_environment = KafkaSettings(
        security_protocol="SASL_SSL", sasl_username="tower", sasl_password_env="TOWER_PASSWORD"
    )
    assert module._connection_options(from_environment)["sasl_plain_password"] == "beat"
    with pytest.raises(SettingsError, match="NO_SUCH_VARIABLE"):
        module._connection_options(
            KafkaSettings(security_protocol="SASL_SSL", sasl_username="t", sasl_password_env="NO_SUCH_VARIABLE")
        )


# zombies that have begun to send


def test_a_zombie_in_the_middle_of_its_commit_leaves_nothing_and_its_replacement_can_be_rebuilt(town: Town) -> None:
    topic = town.topic()
    zombie = town.bus.producer(town.id("p"))
    assert isinstance(zombie, KafkaBusProducer)
    # As if stopped within its commit, after its first send.
    zombie._client.begin_transaction()
    zombie._client.send(topic, value=b"zombie", partition=0).get(10)
    replacement = town.bench.open_bus().producer(town.id("p"))
    replacement.begin()
    replacement.append(Draft(topic, 0, None, b"new"))
    zombie._client.send(topic, value=b"last words", partition=0)
    for attempt in range(3):
        try:
            replacement.commit()
            break
        except BusFenced:  # taken down by the zombie's last words: rebuild, a bounded number of times
            assert attempt < 2
            replacement.close()
            replacement = town.bench.open_bus().producer(town.id("p"))
            replacement.begin()
            replacement.append(Draft(topic, 0, None, b"new"))
    zombie._is_open = True
    zombie._drafts = [Draft(topic, 0, None, b"again")]
    with pytest.raises(BusFenced):
        zombie.commit()
    assert town.read_all(topic) == [b"new"]
    zombie.close()
    replacement.close()


def test_a_commit_of_which_a_record_was_refused_is_no_commit(town: Town) -> None:
    topic = town.topic()
    producer = town.bus.producer(town.id("p"))
    assert isinstance(producer, KafkaBusProducer)
    producer.begin()
    producer.append(Draft(topic, 0, None, b"kept"))
    producer.append(Draft(topic, 0, None, b"refused"))
    send = producer._client.send

    def refuse(topic: str, value: bytes, **more: object) -> object:
        return (
            Future().failure(InvalidProducerEpochError()) if value == b"refused" else send(topic, value=value, **more)
        )

    producer._client.send = refuse
    with pytest.raises(BusFenced):
        producer.commit()
    producer.close()
    replacement = town.bus.producer(town.id("p"))
    replacement.begin()
    replacement.append(Draft(topic, 0, None, b"new"))
    replacement.commit()
    assert town.read_all(topic) == [b"new"]
    replacement.close()


def test_offsets_of_a_transaction_that_failed_do_not_come_with_the_next_one(town: Town) -> None:
    source, sink = town.topic("in", partitions=2), town.topic("out")
    consumer = town.consumer(source)
    town.settle(consumer, partitions=2)
    first, second = TopicPartition(source, 0), TopicPartition(source, 1)
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    producer.append(Draft(sink, 0, None, b"failed"))
    producer.move_offsets(consumer, {first: 5})
    _, offsets = producer._moves[0]  # type: ignore[attr-defined]
    producer._moves.append((ConsumerGroupMetadata(town.group, 99, "nobody"), offsets))  # type: ignore[attr-defined]
    with pytest.raises(BusFenced):
        producer.commit()
    producer.close()
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    producer.append(Draft(sink, 0, None, b"next"))
    producer.move_offsets(consumer, {second: 6})
    producer.commit()
    assert (consumer.committed(first), consumer.committed(second)) == (None, 6)
    assert town.read_all(sink) == [b"next"]
    producer.close()


# the broker dies: last, because it takes the others' connections with it


def test_nothing_is_lost_or_doubled_when_the_broker_is_killed_and_comes_back(
    kafka_broker: KafkaBroker, town: Town
) -> None:
    source, sink = town.topic("in"), town.topic("out")
    at = TopicPartition(source, 0)
    town.fill(source, *[b"%d" % i for i in range(60)])
    consumer = town.consumer(source)
    producer = town.bus.producer(town.id("p"))
    done, failures, kills = 0, 0, iter((10, 30))
    kill_at = next(kills)

    def copied() -> bool:
        nonlocal done, failures, kill_at, producer
        try:
            records = consumer.poll(0.1, records_max=5)
            if not records:
                return done >= 60
            producer.begin()
            for record in records:
                producer.append(Draft(sink, 0, None, record.value))
            producer.move_offsets(consumer, {at: records[-1].position.offset + 1})
            if done >= kill_at:
                kill_at = next(kills, 10_000)
                kafka_broker.kill()
                kafka_broker.start()
            producer.commit()
            done = records[-1].position.offset + 1
        except BusRetryable:
            failures += 1
            assert failures < 200
            producer.close()
            producer = town.bus.producer(town.id("p"))
            done = consumer.committed(at) or 0
            consumer.seek(at, done)
        return done >= 60

    town.until(copied, "60 records copied")
    assert town.read_all(sink) == [b"%d" % i for i in range(60)]
    producer.close()


def test_a_broker_that_is_away_is_reported_and_its_return_is_enough(kafka_broker: KafkaBroker, town: Town) -> None:
    topic = town.topic()
    town.fill(topic, b"before")
    consumer = town.consumer(topic)
    town.take(consumer, 1)
    kafka_broker.kill()
    try:
        with pytest.raises(BusRetryable, match=kafka_broker.bootstrap_servers):
            town.until(lambda: bool(consumer.poll(0.2)), "never")
        producer_refused = pytest.raises(BusRetryable)
        producer = None
        with producer_refused:
            producer = town.bus.producer()
            producer.append(Draft(topic, 0, None, b"x"))
            producer.flush(0.5)
    finally:
        kafka_broker.start()
    if producer is not None:
        producer.close()
    town.fill(topic, b"after")

    def arrived() -> bool:
        try:
            return any(record.value == b"after" for record in consumer.poll(0.2))
        except BusRetryable:
            return False

    town.until(arrived, "the record after the return")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_guarded_broker_is_a_bus_for_its_user_and_refuses_another_at_the_first_try(
    kafka_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch, mechanism: Any
) -> None:
    settings = KafkaSettings(
        bootstrap_servers=(kafka_broker.guarded_servers,), security_protocol="SASL_PLAINTEXT",
        sasl_mechanism=mechanism, sasl_username=USER, sasl_password_env="TOWER_PASSWORD",
    )  # fmt: skip
    monkeypatch.setenv("TOWER_PASSWORD", PASSWORD)
    bus = open_kafka(settings)
    bus.close()
    monkeypatch.setenv("TOWER_PASSWORD", "wrong-pass")
    with pytest.raises(SettingsError, match="to be let in, got a wrong user or password") as refusal:
        open_kafka(settings)
    assert "wrong-pass" not in str(refusal.value)


def test_a_mechanism_that_a_broker_does_not_know_is_told(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    settings = KafkaSettings(
        bootstrap_servers=(kafka_broker.guarded_servers,), security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-256", sasl_username=USER, sasl_password_file=str(secret),
    )  # fmt: skip
    with pytest.raises(SettingsError, match="a door that does not know SCRAM-SHA-256"):
        open_kafka(settings)
