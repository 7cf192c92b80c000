"""
NVIDIA DeepStream's messages (nvmsgconv): the minimal one, a frame with its objects as texts, and the full one, an
object a message. Boxes are pixels of the muxer's frame, whose size no message states: the registry has it.

Source: DeepStream developer guide, Gst-nvmsgconv. `@timestamp` is when a frame was processed, not when it was captured,
so arrival counts. nvmsgconv's third payload type, Protobuf, is not read; it is recognised, and said so.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

from ingest.cameras.metadata.json_document import count_identity, json_of, listed, mapping, number, text
from ingest.cameras.metadata.reading import OBJECTS_MAX
from ingest.cameras.sources.metadata_objects import SeenObject

PROTOBUF = "messages in Protobuf (nv.Frame)"
UNTRACKED = str(2**64 - 1)
_ATTRIBUTES = 7  # slots between the first `#` and the confidence: gender, age, hair, cap, apparel ...
_GROUPS = {"pose": "body", "pose3d": "body", "embedding": "embedding", "face": "face", "plate": "plate"}


class DeepStreamMessage(NamedTuple):
    """Boxes are in pixels."""

    sensor: str
    moment: str  # messages of the same moment are of one frame
    objects: list[SeenObject]
    is_whole: bool  # all objects of the frame, not one of them


def read_message(document: bytes, dropped: Counter[str]) -> DeepStreamMessage:
    """
    Raises:
        ValueError: no such message.
    """
    body = json_of(document)
    if not isinstance(body, dict) or not body.keys() & {"sensorId", "sensor"}:
        raise ValueError("metadata: expected a DeepStream message, got other JSON")
    if "sensorId" in body:
        sensor, moment = text(body["sensorId"]) or "", text(body.get("@timestamp")) or text(body.get("id")) or ""
        lines = listed(body.get("objects"))
        if len(lines) > OBJECTS_MAX:
            dropped["object"] += len(lines) - OBJECTS_MAX
        seen = [_of_line(line, dropped) for line in lines[:OBJECTS_MAX]]
        return DeepStreamMessage(sensor, moment, [one for one in seen if one is not None], True)
    sensor = text(mapping(body["sensor"]).get("id")) or ""
    # The place and the sensor describe no person; what they are called is not ours to keep either.
    count_identity({key: value for key, value in body.items() if key in ("object", "videoPath")}, dropped)
    one = _of_object(mapping(body.get("object")), dropped)
    return DeepStreamMessage(sensor, text(body.get("@timestamp")) or "", [] if one is None else [one], False)


def is_protobuf(document: bytes) -> bool:
    """
    Whether it looks like an `nv.Frame` rather than JSON: it begins with the tag of its version, id, time or sensor. The
    first of these tags is a line feed, which may stand before JSON too.
    """
    return document[:1] in (b"\n", b"\x12", b"\x1a", b"\x22") and document.lstrip()[:1] not in (b"{", b"[")


def _of_line(line: Any, dropped: Counter[str]) -> SeenObject | None:
    """`trackId|left|top|right|bottom|class|#|seven attributes|confidence`, and groups that begin with `#`."""
    fields = line.split("|") if isinstance(line, str) else []
    if len(fields) < 6:
        dropped["box"] += 1
        return None
    marks = [at for at, field in enumerate(fields) if field == "#"]
    confidence = math.nan
    if marks and marks[0] == 6:
        first = fields[7 : marks[1] if len(marks) > 1 else None]
        if any(field.strip() for field in first[:_ATTRIBUTES]):
            dropped["attributes"] += 1
        if len(first) > _ATTRIBUTES:
            confidence = number(first[_ATTRIBUTES])
        for at in marks[1:]:
            name = fields[at + 1].lower() if at + 1 < len(fields) else ""
            dropped[_GROUPS.get(name, "attributes")] += 1
    elif len(fields) > 6:
        confidence = number(fields[-1])
    track = text(fields[0])
    left, top, right, bottom = map(number, fields[1:5])
    words = ((fields[5].strip(), confidence),)
    return SeenObject(words, left, top, right, bottom, id=None if track in (UNTRACKED, "-1") else track)


def _of_object(item: dict[str, Any], dropped: Counter[str]) -> SeenObject | None:
    if not item:
        return None
    box = mapping(item.get("bbox"))
    names = ("topleftx", "toplefty", "bottomrightx", "bottomrighty")
    if not box:
        dropped["box"] += 1
        return None
    left, top, right, bottom = (number(box.get(name)) for name in names)
    kinds = [(name, value) for name, value in item.items() if isinstance(value, dict) and "confidence" in value]
    words = tuple((name, number(value["confidence"])) for name, value in kinds)
    track = text(item.get("id"))
    return SeenObject(words, left, top, right, bottom, id=None if track in (UNTRACKED, "-1") else track)
