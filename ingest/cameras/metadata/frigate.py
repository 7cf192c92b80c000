"""
Frigate's messages over MQTT. An event is of one object, and comes when something about it changes: what is there now is
held here. Boxes are pixels of the detect resolution, which no message states: the registry has it.

Source: https://docs.frigate.video/integrations/mqtt/
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

from ingest.cameras.metadata.json_document import count_identity, json_of, listed, mapping, number, text
from ingest.cameras.sources.metadata_objects import SeenObject
from ingest.clock import NS_PER_S

HELD_MAX = 500  # objects of one camera
FORGOTTEN_NS = 150 * NS_PER_S  # an object is told of at least once a minute while it is there
_FIRST_NS, _LAST_NS = 0, 2**62


class FrigateEvent(NamedTuple):
    camera: str
    ends: bool
    at_ns: int | None
    object: SeenObject  # in pixels
    id: str


def read_event(document: bytes, dropped: Counter[str]) -> FrigateEvent | None:
    """
    None for one that turned out to be nothing.

    Raises:
        ValueError: no event of Frigate's.
    """
    body = json_of(document)
    after = mapping(mapping(body).get("after"))
    camera, id_ = text(after.get("camera")), text(after.get("id"))
    if camera is None or id_ is None:
        raise ValueError("metadata: expected an event of Frigate's, got other JSON")
    count_identity(after, dropped)
    if after.get("false_positive") is True:
        return None
    box = listed(after.get("box"))
    left, top, right, bottom = map(number, box if len(box) == 4 else [None] * 4)
    word = text(after.get("label")) or "", number(after.get("score"))
    seen = SeenObject((word,), left, top, right, bottom, id=id_)
    ends = mapping(body).get("type") == "end" or number(after.get("end_time")) > 0
    return FrigateEvent(camera, ends, _epoch_ns(after.get("frame_time"), dropped), seen, id_)


def read_stats(document: bytes) -> dict[str, bool]:
    """
    Whether each camera gives pictures, by its name.

    Raises:
        ValueError: no statistics of Frigate's.
    """
    cameras = mapping(json_of(document)).get("cameras")
    if not isinstance(cameras, dict):
        raise ValueError("metadata: expected statistics of Frigate's, got other JSON")
    return {name: number(mapping(one).get("camera_fps")) > 0 for name, one in cameras.items()}


class Scene:
    """What a camera sees now, by what has been told so far. Bounded; what is not told of any more is forgotten."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[int, SeenObject]] = {}

    def apply(self, event: FrigateEvent, arrived_ns: int, dropped: Counter[str]) -> None:
        if event.ends:
            self._held.pop(event.id, None)
        elif event.id in self._held or len(self._held) < HELD_MAX:
            self._held[event.id] = arrived_ns, event.object
        else:
            dropped["object"] += 1

    def objects(self, now_ns: int) -> list[SeenObject]:
        """In pixels."""
        self._held = {id_: one for id_, one in self._held.items() if now_ns - one[0] <= FORGOTTEN_NS}
        return [one for _, one in self._held.values()]

    def forget(self) -> None:
        self._held.clear()


def _epoch_ns(value: Any, dropped: Counter[str]) -> int | None:
    seconds = number(value)
    if not math.isfinite(seconds) or not _FIRST_NS < seconds * NS_PER_S < _LAST_NS:
        dropped["time"] += 1
        return None
    return round(seconds * NS_PER_S)
