"""
Each parser of a stranger's bytes, from the bytes to what would go on the bus, as the fuzzers and the laws call it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ingest.cameras.metadata import axis_scene, deepstream, frigate, onvif_json
from ingest.cameras.metadata.event_board import EventBoard
from ingest.cameras.metadata.event_rules import EventTable
from ingest.cameras.metadata.reading import Reading
from ingest.cameras.observation import Objects
from ingest.cameras.sources.metadata_objects import Tracks, objects_of
from ingest.cameras.sources.onvif_document import read_document
from ingest.schema.tick import EventKind, EventState, ObjectClass
from tests.ingest.cameras.metadata import samples

NOW_NS = 1_790_000_000 * 10**9
SHARED = Path(__file__).parents[3] / "shared" / "data" / "metadata"
XML = (
    b'<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:VideoAnalytics><tt:Frame UtcTime="2026-03-14T'
    b'12:00:00Z"><tt:Transformation><tt:Translate x="-1" y="1"/><tt:Scale x="0.001" y="-0.001"/></tt:Transformation>'
    b'<tt:Object ObjectId="1"><tt:Appearance><tt:Shape><tt:BoundingBox left="1" top="2" right="3" bottom="4"/></tt:Sh'
    b'ape><tt:Class><tt:Type Likelihood="0.9">Human</tt:Type></tt:Class><tt:HumanFace><tt:Age>3</tt:Age></tt:HumanFace>'
    b"</tt:Appearance></tt:Object></tt:Frame></tt:VideoAnalytics><tt:Event><wsnt:NotificationMessage "
    b'xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"><wsnt:Topic>tns1:RuleEngine/FieldDetector/ObjectsInside'
    b'</wsnt:Topic><wsnt:Message><tt:Message UtcTime="2026-03-14T12:00:00Z" PropertyOperation="Changed"><tt:Source>'
    b'<tt:SimpleItem Name="Rule" Value="F"/></tt:Source><tt:Key><tt:SimpleItem Name="ObjectId" Value="15"/></tt:Key>'
    b'<tt:Data><tt:SimpleItem Name="IsInside" Value="true"/></tt:Data></tt:Message></wsnt:Message>'
    b"</wsnt:NotificationMessage></tt:Event></tt:MetadataStream>"
)


def check_objects(objects: Objects) -> None:
    """What goes on the bus holds whatever came."""
    box, confidence = objects.box, objects.confidence[~np.isnan(objects.confidence)]
    assert box.shape == (len(objects.track), 4) and np.isfinite(box).all()
    assert (box >= 0).all() and (box[:, :2] + box[:, 2:] <= 1 + 1e-5).all()
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert (objects.object_class <= max(ObjectClass)).all() and (objects.track >= -1).all()


def check_reading(reading: Reading) -> None:
    for frame in reading.frames:
        if frame.objects is not None:
            check_objects(frame.objects)
        assert frame.at_ns is None or -(2**63) <= frame.at_ns < 2**63
    board = EventBoard(EventTable(), 2 * 10**9)
    for event in board.events(reading.notices, NOW_NS, Counter()):
        assert event.kind in list(EventKind) and event.state in list(EventState)
        assert abs(event.at_ns - NOW_NS) <= 2 * 10**9
        np.float32(event.value), np.float16(event.confidence)


def onvif_xml(document: bytes) -> None:
    check_reading(read_document(document, Tracks(), Counter()))


def _onvif(topic: str, document: bytes) -> None:
    check_reading(onvif_json.read_message(topic, document, False, Tracks(), Counter()))


def deepstream_json(document: bytes) -> None:
    dropped: Counter[str] = Counter()
    message = deepstream.read_message(document, dropped)
    check_objects(objects_of([one.within(1920, 1080) for one in message.objects], Tracks(), dropped))


def frigate_events(document: bytes) -> None:
    dropped: Counter[str] = Counter()
    if (told := frigate.read_event(document, dropped)) is not None:
        assert told.at_ns is None or 0 < told.at_ns < 2**63
        scene = frigate.Scene()
        scene.apply(told, NOW_NS, dropped)
        check_objects(objects_of([one.within(1280, 720) for one in scene.objects(NOW_NS)], Tracks(), dropped))


def frigate_stats(document: bytes) -> None:
    assert all(isinstance(known, bool) for known in frigate.read_stats(document).values())


def axis(document: bytes) -> None:
    check_reading(axis_scene.read_message(document, "1", Tracks(), Counter()))


PARSERS: dict[str, Callable[[bytes], None]] = {
    "onvif_xml": onvif_xml,
    "onvif_mj": partial(_onvif, samples.MJ_TOPIC),
    "onvif_ej": partial(_onvif, samples.EJ_TOPIC.replace("LineDetector/Crossed", "FieldDetector/ObjectsInside")),
    "deepstream": deepstream_json,
    "frigate": frigate_events,
    "frigate_stats": frigate_stats,
    "axis": axis,
}
_OWN: dict[str, list[object]] = {
    "onvif_mj": [samples.onvif_frame(samples.onvif_object(), samples.onvif_object("Vehicle", 16))],
    "onvif_ej": [samples.onvif_event({"IsInside": True, "Confidence": 0.5}, Key={"ObjectId": "15"})],
    "deepstream": [samples.deepstream(samples.line(), samples.line(more="|#|embedding|1")), samples.deepstream_full()],
    "frigate": [samples.frigate(), samples.frigate("end")],
    "frigate_stats": [{"cameras": {"front_door": {"camera_fps": 5.0}}}],
    "axis": [samples.axis_v1(samples.axis_detection()), samples.axis_v0(samples.axis_detection())],
}
_RECORDED = {
    "onvif_xml": "*.xml",
    "onvif_mj": "onvif_mj*",
    "onvif_ej": "onvif_ej*",
    "deepstream": "deepstream*",
    "frigate": "frigate*",
    "axis": "*axis_scene*",
}


def seeds(parser: str) -> list[bytes]:
    """Messages to begin with: our own, and the recorded ones where they are at hand."""
    found = [samples.encoded(body) for body in _OWN.get(parser, ())]
    if parser == "onvif_xml":
        found.append(XML)
    for path in sorted(SHARED.glob(_RECORDED[parser])) if parser in _RECORDED and SHARED.exists() else ():
        document = path.read_bytes()
        if path.suffix == ".json":
            body = json.loads(document)
            document = samples.encoded(body.get("payload", body))
        found.append(document)
    return found


def read(parser: str, document: bytes) -> bool:
    """Whether the parser took the document. Anything but its own refusal is a fault, and raised."""
    try:
        PARSERS[parser](document)
    except ValueError as error:
        if not str(error).startswith("metadata: "):
            raise
        return False
    return True
