from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.registry.broker_url import broker_url, broker_url_fault
from ingest.registry.files import read_cameras


def test_an_address_names_broker_topic_and_camera() -> None:
    mqtt = broker_url("mqtt://broker/city/gate%207?profile=1")
    assert mqtt is not None and mqtt.servers == ("broker:1883",)
    assert (mqtt.topic, mqtt.query) == ("city/gate 7", {"profile": "1"})
    kafka = broker_url("kafka://10.0.0.1:9092,[fd00::1]/mdx-raw/cam-07")
    assert kafka is not None and kafka.servers == ("10.0.0.1:9092", "[fd00::1]:9092")
    assert (kafka.prefix, kafka.path[-1]) == ("mdx-raw", "cam-07")
    assert broker_url("rtsp://10.0.0.1/1") is None


@pytest.mark.parametrize(
    ("source", "url", "fault"),
    [
        ("onvif", "mqtt://broker/gate", None),
        ("axis", "mqtts://broker:8884/a/b?channel=1", None),
        ("axis", "mqtt://broker/a?profile=1", "?profile="),
        ("frigate", "mqtt://broker/frigate/front_door", None),
        ("frigate", "mqtt://broker/frigate/", "no topic, or no camera behind it"),
        ("frigate", "mqtt://broker/frigate/reviews", "Frigate's own topic reviews in the place of a camera"),
        ("deepstream", "kafka://broker:9092/mdx-raw/", None),
        ("deepstream", "kafka://broker:9092//x", "no topic, or no camera behind it"),
        ("onvif", "mqtt://a,b/gate", "several hosts"),
        ("onvif", "mqtt://broker/gate/+", "a wildcard"),
        ("onvif", "mqtt:///gate", "no host, or a port that is none"),
    ],
)
def test_what_keeps_an_address_from_being_one_of_a_source(source: str, url: str, fault: str | None) -> None:
    assert broker_url_fault(source, url) == fault


@given(st.sampled_from(["mqtt", "kafka"]), st.text(max_size=40))
def test_any_address_is_read_or_is_none(scheme: str, rest: str) -> None:
    found = broker_url(f"{scheme}://{rest}")
    assert found is None or all(server.rpartition(":")[2].isdecimal() for server in found.servers)


def test_the_size_of_a_frame_comes_with_the_camera(tmp_path: Path) -> None:
    facts = {"id": "gate-7", "name": None, "site": "square", "source": "frigate", "url": "mqtt://10.0.4.7/frigate/gate"}
    place = {"type": "Point", "coordinates": [7.01, 50.02]}
    feature = {"type": "Feature", "properties": {**facts, "width_px": 1280.0, "height_px": "720"}, "geometry": place}
    file = tmp_path / "cameras.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (row,) = read_cameras(file)
    assert (row.source, row.width_px, row.height_px) == ("frigate", 1280, 720)
