"""
Axis' scene metadata as JSON over MQTT: `axis.scene.frame_v1`, and the older `analytics_scene_description.v0.beta`.
Boxes are in [0, 1] with y down.

Source: https://developer.axis.com/analytics/axis-scene-metadata/reference/data-formats/analytics-data-format/frame
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ingest.cameras.metadata.json_document import count_identity, json_of, listed, mapping, number, text
from ingest.cameras.metadata.reading import OBJECTS_MAX, MetadataFrame, Reading, time_ns
from ingest.cameras.sources.metadata_objects import SeenObject, Tracks, objects_of


def read_message(document: bytes, channel: str | None, tracks: Tracks, dropped: Counter[str]) -> Reading:
    """
    The frame of a message, none where it is of another channel.

    Args:
        channel: the `channel_id` that is ours, as text; None takes all.

    Raises:
        ValueError: no scene of Axis'.
    """
    body = mapping(json_of(document))
    body = mapping(body.get("data")) or mapping(body.get("payload")) or body
    if isinstance(body.get("frame"), dict):
        frame = body["frame"]
        items = listed(frame.get("observations"))
    elif "timestamp" in body and body.keys() & {"channel_id", "detections", "track_events"}:
        frame = body
        if channel is not None and text(frame.get("channel_id")) != channel:
            return Reading()
        _rename(listed(frame.get("track_events")), tracks)
        items = listed(frame.get("detections"))
    else:
        raise ValueError("metadata: expected a scene of Axis', got other JSON")
    if len(items) > OBJECTS_MAX:
        dropped["object"] += len(items) - OBJECTS_MAX
    seen = [_object(mapping(item), dropped) for item in items[:OBJECTS_MAX]]
    at_ns = time_ns(frame.get("timestamp"), dropped)
    return Reading(frames=[MetadataFrame(at_ns, objects_of(seen, tracks, dropped))])


def _object(item: dict[str, Any], dropped: Counter[str]) -> SeenObject:
    count_identity(item, dropped)
    box = mapping(item.get("bounding_box"))
    left, top, right, bottom = (number(box.get(edge)) for edge in ("left", "top", "right", "bottom"))
    words = [_word(mapping(one)) for one in listed(item.get("class")) + listed(item.get("classes"))]
    track = text(item.get("object_track_id")) or text(item.get("track_id"))
    return SeenObject(tuple(words), left, top, right, bottom, id=track)


def _word(kind: dict[str, Any]) -> tuple[str, float]:
    score = kind.get("score", kind.get("confidence"))
    return text(kind.get("type")) or text(kind.get("name")) or "", number(score)


def _rename(events: list[Any], tracks: Tracks) -> None:
    for event in map(mapping, events[:OBJECTS_MAX]):
        if event.get("type") == "Rename":
            tracks.rename(text(event.get("from_id")), text(event.get("to_id")))
