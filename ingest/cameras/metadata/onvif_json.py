"""
ONVIF metadata as JSON over MQTT: the same model as in XML, with attributes as `@name` and text as `#text`.

Source: ONVIF Profile M Specification and Analytics Service Specification, annex on JSON.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ingest.cameras.metadata.json_document import count_identity, json_of, listed, mapping, number, text
from ingest.cameras.metadata.plane import Plane, picture_edges
from ingest.cameras.metadata.reading import (
    FRAMES_MAX,
    OBJECTS_MAX,
    MetadataFrame,
    Notice,
    Operation,
    Reading,
    operation_of,
    time_ns,
    topic_of,
)
from ingest.cameras.sources.metadata_objects import SeenObject, Tracks, objects_of

FRAMES_TOPIC, EVENTS_TOPIC = "onvif-mj", "onvif-ej"


def read_message(topic: str, document: bytes, retained: bool, tracks: Tracks, dropped: Counter[str]) -> Reading:
    """
    The frames or the notice of a message, by its topic. What the broker had kept for us is how things stood before we
    asked: a notice is `initialized`, and frames are of another time and dropped.

    Raises:
        ValueError: no such message.
    """
    parts = topic.split("/")
    for name in (FRAMES_TOPIC, EVENTS_TOPIC):
        if name in parts:
            rest = parts[parts.index(name) + 1 :]
            break
    else:
        raise ValueError(f"metadata: expected a topic of {FRAMES_TOPIC} or {EVENTS_TOPIC}, got another")
    body = json_of(document)
    if not isinstance(body, dict):
        raise ValueError("metadata: expected an object, got other JSON")
    if name == EVENTS_TOPIC:
        return Reading(notices=[_notice(rest, body, retained, dropped)])
    if retained:
        dropped["retained"] += 1
        return Reading()
    return Reading(frames=_frames(body, tracks, dropped))


def _frames(body: dict[str, Any], tracks: Tracks, dropped: Counter[str]) -> list[MetadataFrame]:
    whole = mapping(body.get("MetadataStream")) or body
    analytics = [mapping(one) for one in listed(whole.get("VideoAnalytics"))] or [whole]
    frames = [mapping(frame) for one in analytics for frame in listed(one.get("Frame"))]
    if len(frames) > FRAMES_MAX:
        dropped["frame"] += len(frames) - FRAMES_MAX
    return [_frame(frame, tracks, dropped) for frame in frames[:FRAMES_MAX]]


def _frame(frame: dict[str, Any], tracks: Tracks, dropped: Counter[str]) -> MetadataFrame:
    plane, items = _plane(frame), [mapping(item) for item in listed(frame.get("Object"))]
    seen: list[SeenObject] = []
    for rename in listed(mapping(frame.get("ObjectTree")).get("Rename"))[:OBJECTS_MAX]:
        ends = {name.lower(): text(mapping(end).get("@ObjectId")) for name, end in mapping(rename).items()}
        tracks.rename(ends.get("from"), ends.get("to"))
    for item in items:
        if len(seen) >= OBJECTS_MAX:
            dropped["object"] += 1
            continue
        count_identity(item, dropped)
        if "Removed" in mapping(item.get("Behaviour")):
            continue  # it is told that it has gone
        appearance = mapping(item.get("Appearance"))
        box = mapping(mapping(appearance.get("Shape")).get("BoundingBox"))
        if not box:
            dropped["box"] += 1
            continue
        left, top, right, bottom = (number(box.get(f"@{edge}")) for edge in ("left", "top", "right", "bottom"))
        edges = picture_edges((left, top, right, bottom), _plane(appearance), plane)
        seen.append(SeenObject(_classes(appearance), *edges, id=text(item.get("@ObjectId"))))
    at_ns = time_ns(frame.get("@UtcTime"), dropped)
    if not items and "MotionInCells" in mapping(frame.get("Extension")):
        return MetadataFrame(at_ns, None)
    return MetadataFrame(at_ns, objects_of(seen, tracks, dropped))


def _classes(appearance: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    found = mapping(appearance.get("Class"))
    kinds, candidates = listed(found.get("Type")), map(mapping, listed(found.get("ClassCandidate")))
    newer = [(mapping(kind).get("#text", kind), mapping(kind).get("@Likelihood")) for kind in kinds]
    older = [(candidate.get("Type"), candidate.get("Likelihood")) for candidate in candidates]
    return tuple((text(word) or "", number(likelihood)) for word, likelihood in newer + older)


def _plane(element: dict[str, Any]) -> Plane | None:
    found = mapping(element.get("Transformation"))
    if not found:
        return None
    scale, shift = mapping(found.get("Scale")), mapping(found.get("Translate"))
    return Plane(
        (number(scale.get("@x")), number(scale.get("@y"))) if scale else (1.0, 1.0),
        (number(shift.get("@x")), number(shift.get("@y"))) if shift else (0.0, 0.0),
    )


def _notice(rest: list[str], body: dict[str, Any], retained: bool, dropped: Counter[str]) -> Notice:
    """The source begins at the segment with `&`: `RuleEngine/LineDetector/Crossed/&1/2/Fence`."""
    start = next((n for n, part in enumerate(rest) if part.startswith("&")), len(rest))
    items: dict[str, str] = {}
    for group in ("Key", "Data"):
        for name, value in mapping(body.get(group)).items():
            word = ("true" if value else "false") if isinstance(value, bool) else text(value)
            if isinstance(value, list):  # of object ids
                word = " ".join(filter(None, map(text, value)))
            if word is not None:
                items[name.lower()] = word
    operation: Operation = "initialized" if retained else operation_of(text(body.get("PropertyOperation")))
    said = mapping(body.get("Source"))
    rule = "/".join(rest[start:]) or "/".join(f"{name}={text(value)}" for name, value in sorted(said.items()))
    return Notice(topic_of("/".join(rest[:start])), rule[:400], items, operation, time_ns(body.get("UtcTime"), dropped))
