"""Cameras behind a real MQTT broker."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.assembly import DOCUMENT_BYTES_MAX
from ingest.schema.tick import EventKind, EventState, TimeSource
from tests.ingest.cameras.brokers_bench import PATIENT, BrokersBench
from tests.ingest.cameras.cameras import camera
from tests.ingest.cameras.metadata import samples
from tests.ingest.cameras.metadata.samples import encoded
from tests.support.mqtt_broker import USER, MqttBroker
from tests.support.waiting import until


def now() -> str:
    return datetime.now(UTC).isoformat()


def frame(objects: int = 1) -> bytes:
    return encoded(samples.onvif_frame(*[samples.onvif_object(id_=n) for n in range(objects)], at=now()))


def event(**data: Any) -> bytes:
    return encoded(samples.onvif_event(data, at=now()))


@pytest.fixture
def url(mqtt_broker: MqttBroker, request: pytest.FixtureRequest) -> str:
    """Of topics that no other test has."""
    return f"mqtt://127.0.0.1:{mqtt_broker.port}/{request.node.name.replace('[', '-').rstrip(']')}"


def prefix(url: str) -> str:
    return url.rpartition("/")[2]


def test_an_onvif_camera_gives_objects_and_events(mqtt_broker: MqttBroker, url: str) -> None:
    with BrokersBench(camera(1, "onvif", url)) as bench:
        bench.wait_ready()
        mqtt_broker.publish(f"{prefix(url)}/onvif-mj/VideoAnalytics/1/Classifier", frame(3))
        (seen,) = bench.wait_for()
        assert seen.objects.object_class.tolist() == [0, 0, 0] and seen.time_source == TimeSource.CAMERA
        mqtt_broker.publish(f"{prefix(url)}/onvif-ej/RuleEngine/TamperDetector/Tamper/&1/R", event(IsTamper=True))
        (told,) = bench.wait_for(events=True)
        assert [(one.kind, one.state) for one in told.events] == [(EventKind.TAMPER, EventState.ON)]
        assert bench.wait_state("live").cause == ""


def test_what_the_broker_had_kept_is_known_and_no_news(mqtt_broker: MqttBroker, url: str) -> None:
    topic = f"{prefix(url)}/onvif-ej/RuleEngine/TamperDetector/Tamper/&1/R"
    mqtt_broker.publish(topic, event(IsTamper=True), retain=True)
    with BrokersBench(camera(1, "onvif", url)) as bench:
        (told,) = bench.wait_for(events=True)
        assert [one.state for one in told.events] == [EventState.KNOWN_ON]
        assert bench.status().state == "connecting"  # it is no sign of life either
        mqtt_broker.publish(topic, event(IsTamper=False), retain=True)
        (told,) = bench.wait_for(events=True)
        assert [one.state for one in told.events] == [EventState.OFF]
    mqtt_broker.publish(topic, b"", retain=True)


def test_cameras_of_one_broker_share_its_connection(mqtt_broker: MqttBroker, url: str) -> None:
    cameras = [camera(n, "onvif", f"{url}-{n}") for n in range(1, 21)]
    axis = camera(21, "axis", f"{url}-axis?channel=1")
    before = mqtt_broker.log().count("New client connected")
    with BrokersBench(*cameras, axis) as bench:
        bench.wait_ready()
        assert bench.pool.links() == 1
        for n in range(1, 21):
            mqtt_broker.publish(f"{prefix(url)}-{n}/onvif-mj/VideoAnalytics/1/C", frame())
        body = samples.axis_v1(samples.axis_detection()) | {"timestamp": now()}
        mqtt_broker.publish(f"{prefix(url)}-axis", encoded(body))
        for n in range(1, 22):
            until(lambda n=n: len(bench.of(n)) == 1, f"a frame of camera {n}")
        # One is ours; each message that the test sends makes one of its own.
        assert mqtt_broker.log().count("New client connected") - before == 1 + 21
        for n in range(2, 22):
            bench.readers[n].end()
        mqtt_broker.publish(f"{prefix(url)}-1/onvif-mj/VideoAnalytics/1/C", frame())
        bench.wait_for(1)
    assert bench.pool.links() == 0


def test_a_broker_that_dies_is_told_and_its_cameras_come_back(mqtt_broker: MqttBroker, url: str) -> None:
    topic = f"{prefix(url)}/onvif-mj/VideoAnalytics/1/C"
    with BrokersBench(camera(1, "onvif", url)) as bench:
        bench.wait_ready()
        mqtt_broker.publish(topic, frame())
        before = bench.wait_for()[0].objects.track.tolist()
        mqtt_broker.kill()
        assert "broker" in bench.wait_state("unreachable").cause
        mqtt_broker.start()
        bench.wait_ready()
        mqtt_broker.publish(topic, frame())
        # Ids are given anew after a connection was lost.
        assert bench.wait_for()[0].objects.track.tolist() != before
        assert bench.wait_state("live").cause == ""


def test_a_broker_that_hangs_is_lost_within_its_keep_alive(mqtt_broker: MqttBroker, url: str) -> None:
    settings = replace(PATIENT, read_s_max=1.0, open_s_max=1.0)
    with BrokersBench(camera(1, "onvif", url), settings=settings) as bench:
        bench.wait_ready()
        mqtt_broker.pause(True)
        try:
            until(lambda: bench.status().state in ("stalled", "unreachable"), "a lost broker")
        finally:
            mqtt_broker.pause(False)
        bench.wait_ready()


def test_a_wrong_password_is_told_and_a_changed_one_needs_no_restart(
    mqtt_broker: MqttBroker, url: str, tmp_path: Path
) -> None:
    mqtt_broker.set_password("c4nary:p@ss/#")
    secret, guarded = tmp_path / "secret", url.replace(str(mqtt_broker.port), str(mqtt_broker.guarded_port))
    secret.write_text("wrong\n")
    with BrokersBench(camera(1, "onvif", guarded, user=USER, password_file=str(secret))) as bench:
        status = bench.wait_state("auth_failed")
        assert "password" in status.cause and "wrong" not in status.cause
        secret.write_text("c4nary:p@ss/#\n")
        bench.wait_ready()
        assert bench.status().state == "connecting" and "c4nary" not in bench.status().cause
    with BrokersBench(camera(2, "onvif", guarded)) as bench:
        assert bench.wait_state("auth_failed", 2).cause.startswith("camera camera-2: ")


def test_a_broker_over_tls_is_trusted_by_its_certificate_only(mqtt_broker: MqttBroker, url: str) -> None:
    secure = url.replace("mqtt://127.0.0.1", "mqtts://localhost").replace(
        str(mqtt_broker.port), str(mqtt_broker.tls_port)
    )
    with BrokersBench(camera(1, "onvif", secure)) as bench:
        assert "certificate" in bench.wait_state("refused").cause
    trusting = replace(PATIENT, mqtt_ca_file=str(mqtt_broker.certificate))
    with BrokersBench(camera(1, "onvif", secure), settings=trusting) as bench:
        bench.wait_ready()
        mqtt_broker.publish(f"{prefix(url)}/onvif-mj/VideoAnalytics/1/C", frame())
        bench.wait_for()


def test_nobody_behind_an_address_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with BrokersBench(camera(1, "onvif", f"mqtt://127.0.0.1:{port}/gate")) as bench:
        assert "refused" in bench.wait_state("unreachable").cause
    with BrokersBench(camera(1, "onvif", "mqtt://nowhere.invalid/gate")) as bench:
        assert "no address for nowhere.invalid" in bench.wait_state("unreachable").cause


def test_a_silent_camera_is_stalled_while_its_neighbour_is_live(mqtt_broker: MqttBroker, url: str) -> None:
    settings = replace(PATIENT, metadata_silence_s_max=1.0)
    cameras = [camera(n, "onvif", f"{url}-{n}") for n in (1, 2)]
    with BrokersBench(*cameras, settings=settings) as bench:
        bench.wait_ready()
        deadline = threading.Event()

        def talk() -> None:
            while not deadline.wait(0.1):
                mqtt_broker.publish(f"{prefix(url)}-1/onvif-mj/VideoAnalytics/1/C", frame())

        talker = threading.Thread(target=talk)
        talker.start()
        try:
            assert "expected a message, got nothing for 1 s" in bench.wait_state("stalled", 2).cause
            assert bench.wait_state("live", 1)
        finally:
            deadline.set()
            talker.join()


def test_a_camera_that_floods_is_throttled_and_takes_nothing_from_its_neighbour(
    mqtt_broker: MqttBroker, url: str
) -> None:
    settings = replace(PATIENT, metadata_documents_per_s_max=20.0, metadata_pending_max=50)
    flood, calm = (camera(n, "onvif", f"{url}-{n}") for n in (1, 2))
    with BrokersBench(flood, calm, settings=settings) as bench:
        bench.wait_ready()
        import paho.mqtt.publish as publish

        body = event(ObjectId="1")
        many = [{"topic": f"{prefix(url)}-1/onvif-ej/RuleEngine/LineDetector/Crossed/&1/R", "payload": body, "qos": 0}]
        publish.multiple(many * 2_000, hostname="127.0.0.1", port=mqtt_broker.port)  # type: ignore[arg-type]
        mqtt_broker.publish(f"{prefix(url)}-2/onvif-mj/VideoAnalytics/1/C", frame())
        bench.wait_for(2)
        bench.wait_count("frames_dropped", "flood")
        until(lambda: bench.of(1), "some of the flood")
        assert len(bench.of(1)) < 200


def test_a_message_that_is_too_large_never_comes_and_one_that_is_none_is_counted(
    mqtt_broker: MqttBroker, url: str
) -> None:
    topic = f"{prefix(url)}/onvif-mj/VideoAnalytics/1/C"
    with BrokersBench(camera(1, "onvif", url)) as bench:
        bench.wait_ready()
        mqtt_broker.publish(topic, b" " * (DOCUMENT_BYTES_MAX + 10_000))
        mqtt_broker.publish(topic, b" " * (DOCUMENT_BYTES_MAX + 10))
        bench.wait_count("frames_dropped", "too_large")
        for _ in range(21):
            mqtt_broker.publish(topic, b"{")
        bench.wait_count("frames_dropped", "document", 21)
        assert "expected messages of onvif" in bench.wait_state("no_video").cause
        mqtt_broker.publish(topic, frame())
        bench.wait_for()
        assert bench.wait_state("live")


def test_two_sources_of_one_device_are_told_apart(mqtt_broker: MqttBroker, url: str) -> None:
    cameras = [camera(n, "onvif", f"{url}?profile=p{n}&video_source={n}") for n in (1, 2)]
    with BrokersBench(*cameras) as bench:
        bench.wait_ready()
        mqtt_broker.publish(f"{prefix(url)}/onvif-mj/VideoAnalytics/p2/C", frame(2))
        mqtt_broker.publish(f"{prefix(url)}/onvif-ej/RuleEngine/LineDetector/Crossed/&1/R", event(ObjectId="1"))
        bench.wait_for(1, events=True)
        (seen,) = bench.wait_for(2)
        assert len(seen.objects.track) == 2 and len(bench.of(1)) == 1


# Frigate


@pytest.fixture
def door(mqtt_broker: MqttBroker, url: str) -> Iterator[BrokersBench]:
    size = {"width_px": 1280, "height_px": 720, "sampling_period_s": 0.2}
    cameras = [camera(1, "frigate", f"{url}/front_door", **size), camera(2, "frigate", f"{url}/yard", **size)]
    with BrokersBench(*cameras) as bench:
        bench.wait_ready()
        yield bench


def told(what: str, **more: Any) -> bytes:
    return encoded(samples.frigate(what, **{"frame_time": datetime.now(UTC).timestamp(), **more}))


def test_frigate_tells_of_changes_and_what_is_there_is_told_on(
    mqtt_broker: MqttBroker, url: str, door: BrokersBench
) -> None:
    events = f"{prefix(url)}/events"
    mqtt_broker.publish(events, told("new", id_="a", sub_label="CANARY"))
    # Nothing more comes, and still the person stands there.
    seen = door.wait_for(1, 4)
    assert all(one.objects.object_class.tolist() == [0] for one in seen) and "CANARY" not in repr(seen)
    assert seen[-1].objects.box[0].tolist() == pytest.approx((0.1, 0.1, 0.1, 0.4), abs=1e-6)
    assert len({int(one.objects.track[0]) for one in seen}) == 1 and door.of(2) == []
    assert door.counts["fields_dropped", "sub_label"] == 1
    mqtt_broker.publish(events, told("end", id_="a"))
    until(lambda: len(door.of(1)[-1].objects.track) == 0, "an empty scene")


def test_frigate_that_stops_or_has_no_pictures_is_told(mqtt_broker: MqttBroker, url: str, door: BrokersBench) -> None:
    def stats(fps: float) -> bytes:
        return json.dumps({"cameras": {"front_door": {"camera_fps": 5.0}, "yard": {"camera_fps": fps}}}).encode()

    mqtt_broker.publish(f"{prefix(url)}/stats", stats(0.0))
    door.wait_state("live", 1)
    assert "its sender" in door.wait_state("stalled", 2).cause
    mqtt_broker.publish(f"{prefix(url)}/stats", stats(5.0))
    door.wait_state("live", 2)
    assert all(len(one.objects.track) == 0 for one in door.wait_for(2, 2))  # a look that sees nobody
    mqtt_broker.publish(f"{prefix(url)}/available", b"offline")
    door.wait_state("stalled", 1)


def test_a_broker_that_knows_the_older_version_only_is_asked_in_it(url: str) -> None:
    """It hangs up on version 5, as some cameras' own brokers do."""
    asked: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(10.0)

        def serve() -> None:
            for _ in range(2):
                link, _ = door.accept()
                with link:
                    asked.append(link.recv(100)[8])
                    if asked[-1] == 4:
                        link.sendall(b"\x20\x02\x00\x00")  # welcome
                        while link.recv(1_000):
                            pass

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        address = f"mqtt://127.0.0.1:{door.getsockname()[1]}/gate"
        with BrokersBench(camera(1, "onvif", address), settings=replace(PATIENT, backoff_s_max=0.05)):
            until(lambda: asked == [5, 4], "both versions")
        server.join(5.0)


def test_a_topic_that_the_broker_refuses_is_told(url: str) -> None:
    """Its access rules do not let us read there."""

    def serve() -> None:
        link, _ = door.accept()
        with link:
            link.recv(200)
            link.sendall(b"\x20\x03\x00\x00\x00")  # welcome, version 5
            while asked := link.recv(1_000):
                while len(asked) > 3 and asked[0] == 0x82:  # each subscription: not authorised
                    link.sendall(b"\x90\x04" + asked[2:4] + b"\x00\x87")
                    asked = asked[2 + asked[1] :]

    with socket.create_server(("127.0.0.1", 0)) as door:
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        with BrokersBench(camera(1, "axis", f"mqtt://127.0.0.1:{door.getsockname()[1]}/scene")) as bench:
            assert "expected to be given its topic" in bench.wait_state("refused").cause
        server.join(5.0)


def test_own_rules_of_the_settings_are_in_force(mqtt_broker: MqttBroker, url: str) -> None:
    from ingest.cameras.metadata.event_rules import EventRule

    own = EventRule(topic="Vendor/Scene/*", kind="crowding", item="active")
    settings: IngestSettings = replace(PATIENT, events=(own,))
    with BrokersBench(camera(1, "onvif", url), settings=settings) as bench:
        bench.wait_ready()
        mqtt_broker.publish(f"{prefix(url)}/onvif-ej/Vendor/Scene/Scenario1/&1", event(active="1", confidence=87))
        (seen,) = bench.wait_for(events=True)
        assert (seen.events[0].kind, seen.events[0].state) == (EventKind.CROWDING, EventState.ON)
        assert seen.events[0].confidence == pytest.approx(0.87)
