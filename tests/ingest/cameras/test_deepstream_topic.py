"""DeepStream's messages on a real Kafka that is not our bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from ingest.bus.contract import Draft, TopicSpec
from ingest.bus.kafka import KafkaBus, open_kafka
from ingest.bus.kafka_settings import KafkaSettings
from ingest.cameras.brokers.station import Message
from ingest.cameras.brokers.stations import DeepStreamStation
from ingest.cameras.metadata.deepstream import is_protobuf
from ingest.schema.tick import TimeSource
from tests.ingest.cameras.brokers_bench import PATIENT, BrokersBench
from tests.ingest.cameras.cameras import CANARY, camera
from tests.ingest.cameras.metadata import samples
from tests.ingest.cameras.metadata.samples import encoded
from tests.support.kafka_broker import PASSWORD, USER, KafkaBroker
from tests.support.waiting import until

FULL_HD = {"width_px": 1920, "height_px": 1080}
Send = Callable[..., None]


@pytest.fixture
def bus(kafka_broker: KafkaBroker) -> Iterator[KafkaBus]:
    made = open_kafka(KafkaSettings(bootstrap_servers=(kafka_broker.bootstrap_servers,)))
    yield made
    made.close()


@pytest.fixture
def topic(bus: KafkaBus) -> str:
    name = f"mdx-raw-{uuid4().hex[:8]}"
    bus.create_topics([TopicSpec(name, 3, 3_600)])
    return name


@pytest.fixture
def send(bus: KafkaBus, topic: str) -> Send:
    producer = bus.producer()

    def append(body: object, partition: int = 0) -> None:
        producer.append(Draft(topic, partition, None, encoded(body)))
        producer.flush()

    return append


def of(broker: KafkaBroker, topic: str, number: int, sensor: str) -> object:
    return camera(number, "deepstream", f"kafka://{broker.bootstrap_servers}/{topic}/{sensor}", **FULL_HD)


def test_cameras_of_one_topic_are_told_apart_by_their_sensor(kafka_broker: KafkaBroker, topic: str, send: Send) -> None:
    send(samples.deepstream(samples.line(), sensor="cam-1"))  # before we asked
    cameras = [of(kafka_broker, topic, n, f"cam-{n}") for n in (1, 2)]
    with BrokersBench(*cameras) as bench:  # type: ignore[arg-type]
        bench.wait_ready()
        assert bench.pool.links() == 1
        # The first answer of the brokers may come a moment after the subscription: told until heard.
        until(lambda: (send(samples.deepstream(sensor="cam-1"), 1), bench.of(1))[1], "a first frame")
        send(
            samples.deepstream(samples.line(), samples.line(2**64 - 1), samples.line(9, word="car"), sensor="cam-2"), 2
        )
        (seen,) = bench.wait_for(2)
        assert seen.objects.object_class.tolist() == [0, 0, 1] and seen.objects.track.tolist() == [0, -1, 1]
        assert seen.objects.box[0].tolist() == pytest.approx((0.1, 0.1, 0.1, 0.4), abs=1e-6)
        assert seen.time_source == TimeSource.ARRIVAL  # its time is of processing, not of capture
        assert all(len(one.objects.track) == 0 for one in bench.of(1)) and bench.wait_state("live", 1)
        send(samples.deepstream(sensor="cam-3"))
        bench.wait_count("frames_dropped", "unowned")


def test_objects_that_come_one_by_one_are_one_frame(kafka_broker: KafkaBroker, topic: str, send: Send) -> None:
    with BrokersBench(of(kafka_broker, topic, 1, "cam-07")) as bench:  # type: ignore[arg-type]
        bench.wait_ready()
        until(lambda: (send(samples.deepstream()), bench.of(1))[1], "a first frame")
        before = len(bench.of(1))
        for track in ("1", "2", "3"):
            send(samples.deepstream_full(track, gender="CANARY"))
        until(lambda: [one for one in bench.of(1)[before:] if len(one.objects.track) == 3], "three objects in a frame")
        assert bench.counts["fields_dropped", "body"] == 3


def test_a_topic_that_is_not_there_is_told_and_taken_up_when_it_comes(
    kafka_broker: KafkaBroker, bus: KafkaBus, topic: str
) -> None:
    with BrokersBench(of(kafka_broker, f"{topic}-later", 1, "cam-1")) as bench:  # type: ignore[arg-type]
        assert "no such topic" in bench.wait_state("no_video").cause
        bus.create_topics([TopicSpec(f"{topic}-later", 1, 3_600)])
        bench.wait_ready()
        assert bench.wait_state("connecting")


def test_a_kafka_that_is_not_there_is_unreachable() -> None:
    settings = replace(PATIENT, kafka=KafkaSettings(start_s_max=1.0))
    with BrokersBench(
        camera(1, "deepstream", "kafka://127.0.0.1:1/mdx-raw/cam-1", **FULL_HD), settings=settings
    ) as bench:
        assert "refused" in bench.wait_state("unreachable").cause


def test_a_sender_whose_clock_is_wrong_is_heard_and_what_lay_for_long_is_not() -> None:
    with BrokersBench(camera(1, "deepstream", "kafka://127.0.0.1:1/mdx-raw/cam-07", **FULL_HD)) as bench:
        _, station = bench.readers[1]._held  # type: ignore[misc]
        assert isinstance(station, DeepStreamStation)
        now_ns, days_ns, payload = 10**18, 5 * 86_400 * 10**9, encoded(samples.deepstream(samples.line()))
        for arrived_s, appended_s in ((1, 0), (3, 2), (30, 18), (31, 30)):
            appended_ns = now_ns + appended_s * 10**9 - days_ns
            station.work(Message("mdx-raw", payload, False, now_ns + arrived_s * 10**9, appended_ns))
        assert len(bench.of(1)) == 3
        assert bench.counts["frames_dropped", "stale"] == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_guarded_kafka_is_read_by_its_user_and_a_wrong_password_is_told(
    kafka_broker: KafkaBroker, topic: str, send: Send, tmp_path: Path, mechanism: str
) -> None:
    secret = tmp_path / "password"
    secret.write_text("wrong-" + CANARY)
    settings = replace(PATIENT, kafka=KafkaSettings(sasl_mechanism=mechanism), auth_retry_s=0.5)  # type: ignore[arg-type]
    url = f"kafka://{kafka_broker.guarded_servers}/{topic}/cam-1"
    guarded = camera(1, "deepstream", url, user=USER, password_file=str(secret), **FULL_HD)
    with BrokersBench(guarded, settings=settings) as bench:
        cause = bench.wait_state("auth_failed").cause
        assert "wrong-" not in cause and "Check user and password" in cause
        secret.write_text(PASSWORD + "\n")  # no restart is needed
        bench.wait_ready()
        until(lambda: (send(samples.deepstream(sensor="cam-1")), bench.of(1))[1], "a first frame")
        assert bench.wait_state("live").cause == ""


def test_a_guarded_kafka_is_closed_to_who_gives_no_name(kafka_broker: KafkaBroker, topic: str) -> None:
    url = f"kafka://{kafka_broker.guarded_servers}/{topic}/cam-1"
    settings = replace(PATIENT, kafka=KafkaSettings(start_s_max=2.0))
    with BrokersBench(camera(1, "deepstream", url, **FULL_HD), settings=settings) as bench:
        until(lambda: bench.status().state not in ("connecting", "live"), "a refusal")
        assert bench.status().state in ("unreachable", "auth_failed", "refused")


FRAME = b"\x0a\x034.0\x12\x0242\x1a\x06\x08\xb0\xa3\xd5\xcd\x06\x22\x05cam-1"  # an `nv.Frame` without objects


def test_protobuf_is_not_read_and_the_camera_says_so(kafka_broker: KafkaBroker, bus: KafkaBus, topic: str) -> None:
    producer = bus.producer()
    with BrokersBench(of(kafka_broker, topic, 1, "cam-1")) as bench:  # type: ignore[arg-type]
        bench.wait_ready()

        def is_told() -> bool:
            producer.append(Draft(topic, 0, None, FRAME))
            producer.flush()
            return bench.status().state == "no_video"

        until(is_told, "the refusal")
        assert "expected messages in JSON, got messages in Protobuf (nv.Frame)" in bench.status().cause
        producer.append(Draft(topic, 0, None, encoded(samples.deepstream(sensor="cam-1"))))
        producer.flush()
        bench.wait_for(1)
        assert bench.wait_state("live")
    producer.close()


@pytest.mark.parametrize(
    "payload", [encoded(samples.deepstream()), b"\n\n" + encoded(samples.deepstream()), b"", b"\n"]
)
def test_json_is_no_protobuf(payload: bytes) -> None:
    assert is_protobuf(payload) == (payload == b"\n")
