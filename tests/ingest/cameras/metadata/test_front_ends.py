"""What comes in five formats comes out in one; and what could describe a person comes out in none."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.cameras.metadata import axis_scene, deepstream, frigate, onvif_json
from ingest.cameras.metadata.reading import Reading
from ingest.cameras.observation import Objects
from ingest.cameras.sources.metadata_objects import Tracks, objects_of
from ingest.cameras.sources.onvif_document import read_document
from ingest.clock import NS_PER_S, utc
from tests.ingest.cameras.cameras import shared
from tests.ingest.cameras.metadata.samples import (
    EJ_TOPIC,
    MJ_TOPIC,
    axis_detection,
    axis_v0,
    axis_v1,
    deepstream_full,
    encoded,
    line,
    onvif_event,
    onvif_frame,
    onvif_object,
)  # fmt: skip
from tests.ingest.cameras.metadata.samples import deepstream as minimal
from tests.ingest.cameras.metadata.samples import frigate as event

CANARY = "CANARY"


def onvif(body: Any, topic: str = MJ_TOPIC, retained: bool = False) -> tuple[Reading, Counter[str]]:
    dropped: Counter[str] = Counter()
    return onvif_json.read_message(topic, encoded(body), retained, Tracks(), dropped), dropped


def axis(body: Any, channel: str | None = None, tracks: Tracks | None = None) -> tuple[Reading, Counter[str]]:
    dropped: Counter[str] = Counter()
    return axis_scene.read_message(encoded(body), channel, tracks or Tracks(), dropped), dropped


def streamed(body: Any) -> tuple[deepstream.DeepStreamMessage, Counter[str]]:
    dropped: Counter[str] = Counter()
    return deepstream.read_message(encoded(body), dropped), dropped


def boxes(seen: list[Any]) -> Objects:
    return objects_of(seen, Tracks(), Counter())


# ONVIF as JSON


def test_onvif_json_in_pixels_with_y_up_comes_out_in_shares_with_y_down() -> None:
    reading, dropped = onvif(onvif_frame(onvif_object()))
    (frame,) = reading.frames
    assert frame.objects.box[0] == pytest.approx((0.1, 0.5, 0.1, 0.25), abs=1e-6)
    assert frame.objects.object_class.tolist() == [0] and frame.objects.confidence[0] == pytest.approx(0.8, abs=1e-3)
    assert utc(frame.at_ns or 0).isoformat() == "2026-03-14T15:13:27.321000+00:00" and not dropped


@pytest.mark.parametrize("id_", [15, "15"])
def test_an_object_id_may_be_a_number_or_a_text(id_: Any) -> None:
    tracks = Tracks()
    for written in (15, id_):
        body = encoded(onvif_frame(onvif_object(id_=written)))
        reading = onvif_json.read_message(MJ_TOPIC, body, False, tracks, Counter())
        assert reading.frames[0].objects.track.tolist() == [0]


def test_both_forms_of_a_class_may_stand_beside_each_other() -> None:
    item = onvif_object()
    item["Appearance"]["Class"] = {
        "Type": {"#text": "Person"},
        "ClassCandidate": [{"Type": "Vehicle", "Likelihood": 0.3}],
    }
    reading, _ = onvif(onvif_frame(item))
    assert reading.frames[0].objects.object_class.tolist() == [0] and np.isnan(reading.frames[0].objects.confidence[0])


def test_one_thing_alone_need_not_be_a_list_and_a_time_without_zone_is_utc() -> None:
    body = onvif_frame(onvif_object(), at="2026-03-14T15:13:27.321")
    frame = body["Frame"][0] | {"Object": body["Frame"][0]["Object"][0]}
    reading, dropped = onvif({"VideoAnalytics": {"Frame": frame}})
    assert len(reading.frames[0].objects.track) == 1 and dropped == {"zone": 1}
    assert utc(reading.frames[0].at_ns or 0).isoformat() == "2026-03-14T15:13:27.321000+00:00"


def test_a_frame_that_the_broker_had_kept_is_of_another_time() -> None:
    reading, dropped = onvif(onvif_frame(onvif_object()), retained=True)
    assert reading.frames == [] and dropped == {"retained": 1}


def test_a_removed_object_is_gone_and_an_empty_frame_is_a_look() -> None:
    reading, _ = onvif(onvif_frame(onvif_object() | {"Behaviour": {"Removed": {}}}))
    assert len(reading.frames) == 1 and len(reading.frames[0].objects.track) == 0


def test_an_event_has_its_topic_up_to_the_source_and_is_initialized_if_the_broker_had_kept_it() -> None:
    body = onvif_event({"ObjectId": "15", "Active": True})
    (now,), (before,) = (onvif(body, EJ_TOPIC, retained)[0].notices for retained in (False, True))
    assert (now.topic, now.rule, now.operation) == ("ruleengine/linedetector/crossed", "&1/2/Fence", "")
    assert before.operation == "initialized" and now.items == {"objectid": "15", "active": "true"}


@pytest.mark.parametrize("topic", ["gate/else/VideoAnalytics", "", "onvif"])
def test_another_topic_is_no_metadata(topic: str) -> None:
    with pytest.raises(ValueError, match="metadata: expected a topic"):
        onvif({}, topic)


@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_frame_that_looked_for_motion_only_says_nothing_of_objects(form: str) -> None:
    cells = {"MotionInCells": {"@Columns": 8, "@Rows": 6, "@Cells": "AAD8AA=="}}
    reading, _ = (
        onvif(onvif_frame() | {"Frame": [{"@UtcTime": "2026-03-14T12:00:00Z", "Extension": cells}]})
        if form == "json"
        else in_xml("<tt:Extension><tt:MotionInCells Columns='8' Rows='6' Cells='AAD8AA=='/></tt:Extension>")
    )
    assert [frame.objects for frame in reading.frames] == [None]


@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_renamed_object_of_onvif_keeps_its_track(form: str) -> None:
    tracks = Tracks()
    assert tracks.number("12") == 0
    tree = {"Rename": [{"from": {"@ObjectId": 12}, "to": {"@ObjectId": 15}}]}
    body = onvif_frame(onvif_object(id_=15))
    body["Frame"][0]["ObjectTree"] = tree
    if form == "json":
        reading = onvif_json.read_message(MJ_TOPIC, encoded(body), False, tracks, Counter())
    else:
        rename = "<tt:ObjectTree><tt:Rename><tt:from ObjectId='12'/><tt:to ObjectId='15'/></tt:Rename></tt:ObjectTree>"
        reading, _ = in_xml(rename + xml_object(15, "Human", 0.8, (64, 240, 128, 120)), tracks)
    assert reading.frames[0].objects is not None and reading.frames[0].objects.track.tolist() == [0]


EDGE = st.floats(-2_000, 2_000, width=32)
ITEM = st.tuples(
    st.integers(0, 9),
    st.sampled_from(["Human", "Vehicle", "Face", "Bag"]),
    st.floats(0, 1),
    st.tuples(EDGE, EDGE, EDGE, EDGE),
)


@given(st.lists(ITEM, max_size=6))
@settings(deadline=None)
def test_xml_and_json_of_one_scene_are_one_scene(items: list[tuple[int, str, float, tuple[float, ...]]]) -> None:
    plane = (
        f'<tt:Transformation><tt:Translate x="-1" y="-1"/><tt:Scale x="{2 / 640}" y="{2 / 480}"/></tt:Transformation>'
    )
    xml, dropped_xml = in_xml(plane + "".join(xml_object(*item) for item in items))
    objects = []
    for id_, word, likelihood, box in items:
        one = onvif_object(word, id_, box)
        one["Appearance"]["Class"]["Type"][0]["@Likelihood"] = likelihood
        objects.append(one)
    other, dropped_json = onvif(onvif_frame(*objects, at="2026-03-14T12:00:00Z"))
    (a,), (b,) = xml.frames, other.frames
    assert a.at_ns == b.at_ns and a.objects is not None and b.objects is not None and dropped_xml == dropped_json
    for column in ("object_class", "confidence", "box", "track"):
        assert np.array_equal(getattr(a.objects, column), getattr(b.objects, column))


def xml_object(id_: int, word: str, likelihood: float, box: tuple[float, ...]) -> str:
    edges = " ".join(f'{edge}="{value}"' for edge, value in zip(("left", "top", "right", "bottom"), box, strict=True))
    return (
        f'<tt:Object ObjectId="{id_}"><tt:Appearance><tt:Shape><tt:BoundingBox {edges}/></tt:Shape><tt:Class>'
        f'<tt:Type Likelihood="{likelihood}">{word}</tt:Type></tt:Class></tt:Appearance></tt:Object>'
    )


def in_xml(body: str, tracks: Tracks | None = None) -> tuple[Reading, Counter[str]]:
    document = (
        '<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:VideoAnalytics><tt:Frame '
        f'UtcTime="2026-03-14T12:00:00Z">{body}</tt:Frame></tt:VideoAnalytics></tt:MetadataStream>'
    )
    dropped: Counter[str] = Counter()
    return read_document(document.encode(), tracks or Tracks(), dropped), dropped


# DeepStream


def test_pixels_of_the_muxer_become_shares_by_the_size_that_the_registry_knows() -> None:
    message, dropped = streamed(minimal(line(), line(143, word="car")))
    objects = boxes([one.within(1920, 1080) for one in message.objects])
    assert objects.box[0] == pytest.approx((0.1, 0.1, 0.1, 0.4), abs=1e-6) and objects.object_class.tolist() == [0, 1]
    assert (message.sensor, message.is_whole) == ("cam-07", True) and not +dropped


def test_the_greatest_number_is_no_track_and_a_negative_confidence_is_none() -> None:
    message, _ = streamed(minimal(line(18446744073709551615), line(7, confidence=-0.1)))
    objects = boxes(message.objects)
    assert objects.track.tolist() == [-1, 0] and np.isnan(objects.confidence[1])


def test_attributes_poses_and_embeddings_are_dropped_and_counted() -> None:
    more = f"|#|pose3D|1|2|3|#|embedding|{CANARY}"
    message, dropped = streamed(minimal(line(attributes=f"male|30|{CANARY}|||cap|", more=more)))
    assert dropped == {"attributes": 1, "body": 1, "embedding": 1}
    assert CANARY not in repr(message) and message.objects[0].classes == (("person", 0.88),)


def test_a_sensor_may_have_no_name_and_a_frame_a_number() -> None:
    body = minimal(line(), sensor="") | {"id": 5910}
    del body["@timestamp"]
    message, _ = streamed(body)
    assert (message.sensor, message.moment) == ("", "5910")


@pytest.mark.parametrize("bad", ["", "1|2|3", "1|nan|1|2|3|person|#||||||||0.5", 7, None, {}])
def test_an_object_without_a_box_is_dropped_and_counted(bad: Any) -> None:
    message, dropped = streamed(minimal(bad, line()))  # type: ignore[arg-type]
    objects = objects_of(message.objects, Tracks(), dropped)
    assert len(objects.track) == 1 and dropped["box"] == 1


def test_the_full_message_is_of_one_object() -> None:
    message, dropped = streamed(deepstream_full(gender=CANARY, age=30, hair="black", cap=None, apparel="unknown"))
    assert (message.sensor, message.is_whole) == ("cam-07", False) and message.objects[0].classes == (("person", 0.88),)
    assert dropped["body"] == 4 and CANARY not in repr(message)


def test_a_vehicle_loses_its_plate() -> None:
    message, dropped = streamed(deepstream_full(kind="vehicle", license=CANARY, licenseState="CA", make="x"))
    assert dropped["plate"] >= 1 and CANARY not in repr(message) and boxes(message.objects).object_class.tolist() == [1]


# Frigate


def test_frigate_tells_of_changes_and_what_is_there_is_held() -> None:
    scene, dropped, now_ns = frigate.Scene(), Counter[str](), 10**18
    for what, id_ in (("new", "a"), ("update", "b"), ("end", "a")):
        told = frigate.read_event(encoded(event(what, id_)), dropped)
        assert told is not None and told.camera == "front_door"
        scene.apply(told, now_ns, dropped)
    (one,) = scene.objects(now_ns)
    assert one.id == "b" and boxes([one.within(1280, 720)]).box[0] == pytest.approx((0.1, 0.1, 0.1, 0.4), abs=1e-6)
    # Its end was lost: Frigate would have told of it once a minute.
    assert scene.objects(now_ns + frigate.FORGOTTEN_NS + NS_PER_S) == []


def test_names_plates_and_attributes_of_frigate_are_dropped_and_counted() -> None:
    more = {
        "sub_label": [CANARY, 0.9],
        "recognized_license_plate": CANARY,
        "attributes": {"face": 1},
        "snapshot": {"x": CANARY},
    }
    dropped: Counter[str] = Counter()
    told = frigate.read_event(encoded(event(**more)), dropped)
    assert dropped == {"sub_label": 1, "plate": 1, "attributes": 1, "image": 1} and CANARY not in repr(told)


def test_a_face_of_its_own_is_no_object_and_a_false_positive_is_none() -> None:
    assert frigate.read_event(encoded(event(false_positive=True)), Counter()) is None
    dropped: Counter[str] = Counter()
    for label in ("face", "license_plate"):
        told = frigate.read_event(encoded(event(label=label)), Counter())
        assert told is not None and len(objects_of([told.object], Tracks(), dropped).track) == 0
    assert dropped == {"face": 1, "plate": 1}


@pytest.mark.parametrize("at", [None, "soon", float("nan"), 1e300, -5])
def test_a_time_that_is_none_is_counted(at: Any) -> None:
    dropped: Counter[str] = Counter()
    told = frigate.read_event(json.dumps(event(frame_time=at)).encode(), dropped)
    assert told is not None and told.at_ns is None and dropped == {"time": 1}


@pytest.mark.parametrize("box", [[1, 2, 3], "box", None, [1, 2, 3, None], [1, 2, 3, float("inf")]])
def test_a_box_of_frigate_that_is_none_is_dropped(box: Any) -> None:
    body = event()
    body["after"]["box"] = box
    told = frigate.read_event(json.dumps(body).encode(), Counter())
    assert told is not None and len(boxes([told.object]).track) == 0


def test_statistics_say_which_camera_gives_pictures() -> None:
    stats = {"cameras": {"front_door": {"camera_fps": 5.0}, "yard": {"camera_fps": 0}, "odd": 7}, "detectors": {}}
    assert frigate.read_stats(encoded(stats)) == {"front_door": True, "yard": False, "odd": False}


# Axis


@pytest.mark.parametrize(
    "body", [axis_v1(axis_detection()), axis_v0(axis_detection()), {"data": axis_v0(axis_detection())}]
)
def test_both_forms_of_axis_are_read(body: Any) -> None:
    reading, _ = axis(body)
    (frame,) = reading.frames
    assert frame.objects.box[0] == pytest.approx((0.1, 0.2, 0.2, 0.4), abs=1e-6)
    assert frame.objects.object_class.tolist() == [0] and frame.objects.confidence[0] == 0.75


def test_an_object_of_axis_without_a_class_is_something_else_and_one_of_another_channel_is_not_ours() -> None:
    bare = axis_detection()
    del bare["class"]
    assert axis(axis_v1(bare))[0].frames[0].objects.object_class.tolist() == [3]
    assert axis(axis_v1(bare, channel=2), channel="1")[0].frames == []
    assert len(axis(axis_v1(channel=2), channel="2")[0].frames) == 1


def test_a_renamed_track_keeps_its_number() -> None:
    tracks, rename = Tracks(), {"type": "Rename", "from_id": "6f0c", "to_id": "6f0d"}
    before = axis(axis_v1(axis_detection("6f0c")), tracks=tracks)[0].frames[0].objects.track
    after = axis(axis_v1(axis_detection("6f0d"), events=(rename,)), tracks=tracks)[0].frames[0].objects.track
    assert before.tolist() == after.tolist() == [0]


def test_colours_of_clothing_and_pictures_of_axis_are_dropped_and_counted() -> None:
    colours = [{"name": CANARY, "score": 0.7}]
    item = axis_detection(image={"data": CANARY})
    item["class"] |= {"upper_clothing_colors": colours, "lower_clothing_colors": colours, "colors": colours}
    reading, dropped = axis(axis_v1(item, axis_detection("2", "Face"), axis_detection("3", "LicensePlate")))
    assert dropped == {"image": 1, "body": 2, "attributes": 1, "face": 1, "plate": 1}
    assert len(reading.frames[0].objects.track) == 1 and CANARY not in repr(
        dataclasses.asdict(reading.frames[0].objects)
    )


# All of them

READERS = {
    "onvif_mj": lambda document: onvif_json.read_message(MJ_TOPIC, document, False, Tracks(), Counter()),
    "onvif_ej": lambda document: onvif_json.read_message(EJ_TOPIC, document, False, Tracks(), Counter()),
    "deepstream": lambda document: deepstream.read_message(document, Counter()),
    "frigate": lambda document: frigate.read_event(document, Counter()),
    "frigate_stats": lambda document: frigate.read_stats(document),
    "axis": lambda document: axis_scene.read_message(document, None, Tracks(), Counter()),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "document", [b"", b"null", b"[]", b"7", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 5_000]
)
def test_what_is_no_such_message_is_refused_without_a_word_of_it(reader: str, document: bytes) -> None:
    with pytest.raises(ValueError, match=r"^metadata: expected [^{}\[\]]*$"):
        READERS[reader](document)


def test_a_stray_nan_costs_its_box_and_no_other() -> None:
    document = encoded(onvif_frame(onvif_object(), onvif_object(id_=16, box=(float("nan"), 1, 2, 3))))
    assert b"NaN" in document
    dropped: Counter[str] = Counter()
    reading = onvif_json.read_message(MJ_TOPIC, document, False, Tracks(), dropped)
    assert len(reading.frames[0].objects.track) == 1 and dropped == {"box": 1}


def test_more_objects_than_a_frame_holds_are_dropped_and_counted() -> None:
    message, dropped = streamed(minimal(*[line(n) for n in range(1_200)]))
    assert len(message.objects) == 1_000 and dropped["object"] == 200
    reading, dropped = axis(axis_v1(*[axis_detection(str(n)) for n in range(1_200)]))
    assert len(reading.frames[0].objects.track) == 1_000 and dropped["object"] == 200
    reading, dropped = onvif(onvif_frame(*[onvif_object(id_=n) for n in range(1_200)]))
    assert len(reading.frames[0].objects.track) == 1_000 and dropped["object"] == 200


# The recorded samples


def payload(name: str) -> tuple[str, bytes]:
    body = json.loads(shared("metadata", name).read_bytes())
    return body.get("_topic", ""), encoded(body.get("payload", body))


def test_recorded_samples_are_read() -> None:
    topic, document = payload("onvif_mj_frame.json")
    (frame,) = onvif_json.read_message(topic, document, False, Tracks(), Counter()).frames
    assert frame.objects.box[0] == pytest.approx((20 / 640, 1 - 80 / 480, 80 / 640, 50 / 480), abs=1e-5)
    _, document = payload("real_axis_scene_description_v0.json")
    (frame,) = axis_scene.read_message(document, None, Tracks(), Counter()).frames
    assert frame.objects.object_class.tolist() == [1, 3, 0, 3, 3]
    _, document = payload("axis_scene_frame_v1.json")
    assert len(axis_scene.read_message(document, "1", Tracks(), Counter()).frames) == 1
    _, document = payload("deepstream_minimal.json")
    message = deepstream.read_message(document, Counter())
    assert boxes(message.objects).object_class.tolist() == [0, 0, 1] and boxes(message.objects).track.tolist() == [
        0,
        -1,
        1,
    ]
    _, document = payload("deepstream_full.json")
    assert deepstream.read_message(document, Counter()).objects[0].right == 1049
    for name, ends in (("new", False), ("update", False), ("end", True)):
        told = frigate.read_event(payload(f"frigate_event_{name}.json")[1], Counter())
        assert told is not None and told.ends == ends and told.at_ns is not None
