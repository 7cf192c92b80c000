"""A camera that sends more than it may is held back, and counted; its neighbours do not notice."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import closing

import paho.mqtt.publish as publish
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from deploy.demo.file_feed import FileFeed
from ingest.bus.contract import Draft, TopicSpec
from ingest.bus.kafka import open_kafka
from ingest.bus.kafka_settings import KafkaSettings
from ingest.cameras.brokers.station import QUEUED_BYTES_MAX, Desk, Message, Station
from ingest.cameras.brokers.stations import DeepStreamStation, FrigateStation
from ingest.cameras.sources.sampler import Sampler
from ingest.cameras.sources.stream import StreamPacket, VideoStream
from ingest.cameras.throttle import Pace
from ingest.cameras.workers.video_reader import VideoReader
from ingest.clock import NS_PER_S, SystemClock
from tests.ingest.cameras.bench import Bench
from tests.ingest.cameras.brokers_bench import PATIENT, BrokersBench
from tests.ingest.cameras.cameras import QUICK, camera, clip, fed
from tests.ingest.cameras.metadata import samples
from tests.ingest.cameras.metadata.samples import encoded
from tests.ingest.cameras.test_metadata_reader import document
from tests.support.kafka_broker import KafkaBroker
from tests.support.mqtt_broker import MqttBroker
from tests.support.rtsp import FaultServer
from tests.support.waiting import until

HD = {"width_px": 1920, "height_px": 1080}
SMALL = replace(QUICK, stream_packets_per_s_max=40.0)


@given(
    st.lists(st.tuples(st.integers(0, NS_PER_S), st.integers(1, 2_000_000)), min_size=1, max_size=60),
    st.floats(1.0, 500.0),
    st.floats(1e3, 1e7),
)
@settings(deadline=None)
def test_a_stream_brings_no_more_than_its_bound_whatever_the_camera_sends(
    sent: list[tuple[int, int]], packets_per_s: float, bytes_per_s: float
) -> None:
    pace, now_ns, waited_ns, bytes_read = Pace(packets_per_s, bytes_per_s), NS_PER_S, 0, 0
    for step_ns, size_bytes in sent:
        now_ns += step_ns
        bytes_read += size_bytes
        wait_s = pace.wait_s(size_bytes, now_ns)
        assert 0.0 <= wait_s <= 1.0
        now_ns += int(wait_s * 1e9)
        waited_ns += int(wait_s * 1e9)
    passed_s = (now_ns - NS_PER_S) / 1e9
    # One lump is waited for a second at most; what is below that holds exactly.
    if max(size for _, size in sent) <= bytes_per_s:
        assert bytes_read <= bytes_per_s * (passed_s + Pace.BURST_S + 1e-6)
    if packets_per_s >= 1.0:
        assert len(sent) <= packets_per_s * (passed_s + Pace.BURST_S) + 1e-6


def test_a_camera_of_an_absurd_frame_rate_is_held_back_and_its_neighbour_keeps_its_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, offer = Counter[int](), VideoReader._offer

    def counted(self: VideoReader, stream: VideoStream, packet: StreamPacket, sampler: Sampler) -> None:
        read[self.camera.number] += 1
        offer(self, stream, packet, sampler)

    monkeypatch.setattr(VideoReader, "_offer", counted)
    with FaultServer(report_period_s=0.2) as server:
        mad, calm = server.add_stream("mad"), server.add_stream("calm")
        cameras = [camera(n, "rtsp", server.url_of(name)) for n, name in ((1, "mad"), (2, "calm"))]
        flood = FileFeed(mad, clip(seconds=4.0, key_frame_s=4.0), 60.0)  # 600 pictures a second, each to be decoded
        flood.start()
        try:
            with fed(calm), Bench(*cameras, settings=SMALL) as bench:
                bench.wait_for(2, 3)
                begun_ns = SystemClock().monotonic_ns()
                until(lambda: bench.status(1).is_flooding, "the flood to be noticed")
                seen = len(bench.wait_for(2, 10))
                passed_s = (SystemClock().monotonic_ns() - begun_ns) / 1e9 + 10.0
                assert seen >= 10 and not bench.status(2).is_flooding
                assert bench.status(1).state == bench.status(2).state == "live"
                assert read[1] <= 40.0 * (passed_s + Pace.BURST_S) and bench.counts["held_back", ""] > 0
        finally:
            flood.stop()


def test_a_picture_of_absurd_size_is_never_decoded() -> None:
    with FaultServer() as server:
        gate = camera(1, "rtsp", server.url_of("gate"))
        tight, large = replace(QUICK, picture_mpx_max=0.2), clip(width=640, height=384)
        with fed(server.add_stream("gate"), units=large), Bench(gate, settings=tight) as bench:
            assert "at most 0.2 million pixels, got 640 x 384" in bench.wait_state(1, "no_video").cause
            assert not any(one.foreground_grid is not None for one in bench.of(1))


def test_a_metadata_camera_that_floods_over_rtsp_is_held_back() -> None:
    with FaultServer(report_period_s=0.2) as server:
        stream, ended = server.add_stream("mad", video=False, metadata=True), threading.Event()
        calm = server.add_stream("calm", video=False, metadata=True)

        def talk() -> None:
            sent = 0
            while not ended.wait(0.05):
                for _ in range(30):
                    stream.push_metadata(document(2), sent / 100)
                    sent += 1
                calm.push_metadata(document(1), sent / 100)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        cameras = [camera(n, "onvif", server.url_of(name)) for n, name in ((1, "mad"), (2, "calm"))]
        tight = replace(SMALL, metadata_documents_per_s_max=20.0, metadata_silence_s_max=5.0)
        try:
            with Bench(*cameras, settings=tight) as bench:
                until(lambda: bench.status(1).is_flooding, "the flood to be noticed")
                bench.wait_for(2, 10)
                assert bench.counts["frames_dropped", "flood"] > 0 and bench.counts["held_back", ""] > 0
                assert bench.status(1).state == "live" and not bench.status(2).is_flooding
        finally:
            ended.set()
            thread.join()


def test_a_camera_that_floods_a_broker_is_told_and_takes_nothing_from_its_neighbour(mqtt_broker: MqttBroker) -> None:
    url = f"mqtt://127.0.0.1:{mqtt_broker.port}/flood"
    tight = replace(PATIENT, metadata_documents_per_s_max=20.0, metadata_pending_max=50)
    with BrokersBench(*(camera(n, "onvif", f"{url}-{n}") for n in (1, 2)), settings=tight) as bench:
        bench.wait_ready()
        body = encoded(samples.onvif_event({"IsTamper": True}))
        topic = "flood-{}/onvif-ej/RuleEngine/TamperDetector/Tamper/&1/R"
        many = [{"topic": topic.format(1), "payload": body, "qos": 0}] * 3_000
        publish.multiple(many, hostname="127.0.0.1", port=mqtt_broker.port)  # type: ignore[arg-type]
        mqtt_broker.publish(topic.format(2), body)
        bench.wait_for(2, events=True)
        until(lambda: bench.status(1).is_flooding, "the flood to be told")
        bench.of(1)
        assert bench.counts["frames_dropped", "flood"] > 1_000 and bench.counts["frames_dropped", "inbox"] == 0
        assert bench.status(1).state == "live" and not bench.status(2).is_flooding


def test_a_sensor_that_floods_a_topic_of_kafka_takes_nothing_from_those_who_share_it(kafka_broker: KafkaBroker) -> None:
    with closing(open_kafka(KafkaSettings(bootstrap_servers=(kafka_broker.bootstrap_servers,)))) as bus:
        bus.create_topics([TopicSpec("flood", 1, 3_600)])
        producer = bus.producer()

        def send(sensor: str, count: int = 1) -> None:
            for _ in range(count):
                producer.append(Draft("flood", 0, None, encoded(samples.deepstream(samples.line(), sensor=sensor))))
            producer.flush()

        tight = replace(PATIENT, metadata_documents_per_s_max=20.0, metadata_pending_max=50)
        url = f"kafka://{kafka_broker.bootstrap_servers}/flood/cam-"
        cameras = [camera(n, "deepstream", f"{url}{n}", **HD) for n in (1, 2)]
        with BrokersBench(*cameras, settings=tight) as bench:
            bench.wait_ready()
            until(lambda: (send("cam-1"), bench.of(1))[1], "a first frame")  # type: ignore[func-returns-value]
            told = len(bench.of(2))
            for _ in range(10):
                send("cam-1", 300)
                send("cam-2")
            until(lambda: len(bench.of(2)) >= told + 10, "all frames of the neighbour")
            assert bench.status(1).is_flooding and not bench.status(2).is_flooding
            assert bench.counts["frames_dropped", "flood"] > 1_000 and bench.counts["frames_dropped", "inbox"] == 0
        producer.close()


# What waits, without a broker


class _Waiting(Station):
    def __init__(self) -> None:
        super().__init__(())


def message(payload: bytes, topic: str = "t") -> Message:
    return Message(topic, payload, False, NS_PER_S, NS_PER_S)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1_000_000)), max_size=120), st.integers(1, 60))
@settings(deadline=None, max_examples=40)
def test_what_waits_of_a_broker_stays_within_its_bounds(offers: list[tuple[int, int]], pending_max: int) -> None:
    counts = Counter[str]()
    desk = Desk(pending_max, lambda: 0, lambda _, label: counts.update([label]), "t")
    stations = [_Waiting() for _ in range(3)]
    for station in stations:
        desk.add(station)
    for at, size in offers:
        desk.offer(stations[at], message(b"x" * size))
        held = [sum(len(one.payload) for one in station.waiting if one) for station in stations]
        assert held == [station.waiting_bytes for station in stations] and sum(held) <= QUEUED_BYTES_MAX
        assert max(len(station.waiting) for station in stations) <= pending_max
    kept = sum(len(station.waiting) for station in stations)
    assert kept + counts["inbox"] + counts["too_large"] == len(offers)


def test_who_holds_most_of_the_memory_loses_it_and_not_who_comes_last() -> None:
    desk = Desk(500, lambda: 0, lambda *_: None, "t")
    hog, small = _Waiting(), _Waiting()
    desk.add(hog)
    desk.add(small)
    for _ in range(40):
        desk.offer(hog, message(b"x" * 1_000_000))
    desk.offer(small, message(b"y" * 1_000))
    assert len(small.waiting) == 1 and hog.waiting_bytes + 1_000 <= QUEUED_BYTES_MAX


@pytest.mark.parametrize(
    ("station", "payload", "name"),
    [
        (DeepStreamStation, encoded(samples.deepstream(sensor="cam-07")), "cam-07"),
        (DeepStreamStation, encoded(samples.deepstream_full()), "cam-07"),
        (FrigateStation, encoded(samples.frigate()), "front_door"),
    ],
)
def test_the_name_of_a_camera_is_found_before_a_parse(
    station: type[DeepStreamStation | FrigateStation], payload: bytes, name: str
) -> None:
    made = station("t", lambda *_: None)
    found = made._name.search(payload)
    assert found is not None and name.encode() in found.groups()


def test_messages_that_name_no_camera_have_a_bound_of_their_own() -> None:
    counts = Counter[str]()
    made = DeepStreamStation("t", lambda _, label: counts.update([label]), per_s=10.0)
    assert sum(made.admits(message(b"{}")) for _ in range(100)) == 10 and counts["flood"] == 90
    assert not made.admits(message(encoded(samples.deepstream(sensor="nobody")))) and counts["unowned"] == 1
