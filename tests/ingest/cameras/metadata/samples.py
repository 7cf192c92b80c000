"""One small message of each format, as the formats' own documents show them; times and ids are of no camera."""

from __future__ import annotations

import json
from typing import Any

MJ_TOPIC = "gate/onvif-mj/VideoAnalytics/1/Classifier"
EJ_TOPIC = "gate/onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/Fence"


def onvif_frame(*objects: dict[str, Any], at: str = "2026-03-14T15:13:27.321Z", plane: bool = True) -> dict[str, Any]:
    frame: dict[str, Any] = {"@UtcTime": at, "Object": list(objects)}
    if plane:  # 640 x 480 pixels, y up
        frame["Transformation"] = {"Translate": {"@x": -1.0, "@y": -1.0}, "Scale": {"@x": 2 / 640, "@y": 2 / 480}}
    return {"Frame": [frame]}


def onvif_object(
    word: str = "Human", id_: Any = 15, box: tuple[Any, ...] = (64, 240, 128, 120), **more: Any
) -> dict[str, Any]:
    shape = {"BoundingBox": dict(zip(("@left", "@top", "@right", "@bottom"), box, strict=True))}
    kind = {"Type": [{"@Likelihood": 0.8, "#text": word}]}
    return {"@ObjectId": id_, "Appearance": {"Shape": shape, "Class": kind, **more}}


def onvif_event(data: dict[str, Any], at: str = "2026-03-14T12:24:57Z", **more: Any) -> dict[str, Any]:
    return {"UtcTime": at, "Source": {"VideoSource": "1", "Rule": "Fence"}, "Data": data, **more}


def deepstream(*lines: str, sensor: str = "cam-07", at: str = "2026-03-14T14:37:50.075262000Z") -> dict[str, Any]:
    return {"version": "4.0", "id": "5910", "@timestamp": at, "sensorId": sensor, "objects": list(lines)}


def line(
    track: Any = 170,
    box: str = "192|108|384|540",
    word: str = "person",
    attributes: str = "||||||",
    confidence: Any = 0.88,
    more: str = "",
) -> str:
    return f"{track}|{box}|{word}|#|{attributes}|{confidence}{more}"


def deepstream_full(
    track: Any = "170", kind: str = "person", sensor: str = "cam-07", at: str = "2026-03-14T17:38:20.123Z", **more: Any
) -> dict[str, Any]:
    box = {"topleftx": 192, "toplefty": 108, "bottomrightx": 384, "bottomrighty": 540}
    item = {"id": track, "speed": 0.0, kind: {"confidence": 0.88, **more}, "bbox": box, "location": {"lat": 0.0}}
    return {"messageid": "1", "mdsversion": "1.0", "@timestamp": at, "sensor": {"id": sensor}, "object": item}


def frigate(
    what: str = "new", id_: str = "1607123955.475377-mxklsc", box: Any = (128, 72, 256, 360), **more: Any
) -> dict[str, Any]:
    after = {
        "id": id_, "camera": "front_door", "frame_time": 1607123961.837752, "label": "person", "sub_label": None,
        "false_positive": False, "start_time": 1607123955.4, "end_time": 1607123970.1 if what == "end" else None,
        "score": 0.79, "box": list(box), "has_snapshot": False, **more,
    }  # fmt: skip
    return {"type": what, "before": after, "after": after}


def axis_v1(*detections: dict[str, Any], events: tuple[dict[str, Any], ...] = (), channel: int = 1) -> dict[str, Any]:
    at = "2026-03-14T15:37:21.040577Z"
    return {"channel_id": channel, "timestamp": at, "detections": list(detections), "track_events": list(events)}


def axis_detection(track: str = "6f0c", word: str = "Human", score: float = 0.75, **more: Any) -> dict[str, Any]:
    box = {"left": 0.1, "top": 0.2, "right": 0.3, "bottom": 0.6}
    return {"bounding_box": box, "class": {"type": word, "score": score}, "object_track_id": track, **more}


def axis_v0(*observations: dict[str, Any]) -> dict[str, Any]:
    at = "2026-03-14T15:37:21.040577Z"
    return {"frame": {"observations": list(observations), "operations": [], "timestamp": at}}


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()
