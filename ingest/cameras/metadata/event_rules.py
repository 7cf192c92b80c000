"""
Which notice of a camera is which kind of event: a table that the settings extend.

Refused whatever a table says: what recognises faces or plates, and that one person lingers. Loitering rules count only
as a number of objects in a field, at or above the floor that holds for gatherings everywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from ingest.cameras.metadata.reading import Notice, topic_of
from ingest.schema.tick import EventKind

STANDING_MIN = 15  # persons; fewer are never a gathering
_IDENTITY = re.compile(r"face|plate|recogni|biometric|\banpr\b|\blpr\b|person_?id|gait|watch_?list")
_LINGERING = re.compile(r"loiter|linger|dwell|time_?in_?area|stay")

Kind = Literal[
    "line_crossed",
    "objects_inside",
    "occupancy",
    "count",
    "standing",
    "crowding",
    "abandoned_object",
    "removed_object",
    "motion",
    "tamper",
    "scene_change",
    "dark",
    "bright",
    "blurred",
    "signal_lost",
    "device_fault",
    "reboot",
    "clock_sync",
    "fire",
    "smoke",
    "fall",
    "wrong_way",
    "stopped_vehicle",
    "none",
]
Reads = Literal["happened", "state", "number", "objects", "inside"]


class EventRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One row of the table, `[[ingest.events]]` of the settings.

        happened   each notice is an event of its own
        state      `item` is true or false: it begins and ends
        number     `item` is a number; with `at_least` it begins and ends there
        objects    `item` is a list of ids, which are counted; it begins at `at_least`, or at one
        inside     `item` says true or false of the object whose id is in the key; the objects are counted
    """

    topic: str  # without name spaces; `*` stands for one segment; what comes behind it is of it too
    kind: Kind  # what it is to us; `none` passes it over
    reads: Reads = "state"
    item: str = "State"
    at_least: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0

    def __post_init__(self) -> None:
        topic, item = topic_of(self.topic), self.item.lower()
        if not topic:
            raise ValueError("Expected a topic, as `RuleEngine/LineDetector/Crossed`")
        if self.kind == "none":
            return
        if _IDENTITY.search(topic) or _IDENTITY.search(item):
            raise ValueError("Expected a topic that recognises nobody")
        lingers = bool(_LINGERING.search(topic))
        if (lingers or self.kind == "standing") and (
            self.kind not in ("standing", "crowding")
            or self.reads not in ("number", "objects", "inside")
            or self.at_least < STANDING_MIN
        ):
            raise ValueError(
                f"Expected kind 'standing' with a number of objects and at_least >= {STANDING_MIN}: "
                "that one person lingers is no event"
            )


def _rule(topic: str, kind: Kind, reads: Reads = "state", item: str = "State") -> EventRule:
    return EventRule(topic=topic, kind=kind, reads=reads, item=item)


STANDARD = (
    _rule("RuleEngine/LineDetector/Crossed", "line_crossed", "happened", ""),
    _rule("RuleEngine/FieldDetector/ObjectsInside", "objects_inside", "inside", "IsInside"),
    _rule("RuleEngine/CountAggregation/OccupancyCounter", "occupancy", "number", "Count"),
    _rule("RuleEngine/CountAggregation/Counter", "count", "number", "Count"),
    _rule("RuleEngine/ObjectAbandoned", "abandoned_object", "objects", "ObjectId"),
    _rule("RuleEngine/ObjectRemoved", "removed_object", "objects", "ObjectId"),
    _rule("RuleEngine/MotionRegionDetector/Motion", "motion"),
    _rule("RuleEngine/CellMotionDetector/Motion", "motion", "state", "IsMotion"),
    _rule("RuleEngine/TamperDetector/Tamper", "tamper", "state", "IsTamper"),
    _rule("VideoSource/MotionAlarm", "motion"),
    _rule("VideoSource/GlobalSceneChange", "scene_change"),
    _rule("VideoSource/ImageTooDark", "dark"),
    _rule("VideoSource/ImageTooBright", "bright"),
    _rule("VideoSource/ImageTooBlurry", "blurred"),
    _rule("VideoSource/SignalLoss", "signal_lost"),
    _rule("Device/HardwareFailure", "device_fault", "state", "Failed"),
    _rule("Monitoring/OperatingTime/LastReboot", "reboot", "happened", ""),
    _rule("Monitoring/OperatingTime/LastClockSynchronization", "clock_sync", "happened", ""),
)


class EventTable:
    """
    Args:
        own: rules of the settings; they come before the standard ones.
    """

    def __init__(self, own: Sequence[EventRule] = ()) -> None:
        self._rules = tuple((topic_of(rule.topic).split("/"), rule) for rule in (*own, *STANDARD))
        self._known: dict[str, EventRule | None] = {}

    def rule_of(self, notice: Notice, dropped: Counter[str]) -> EventRule | None:
        """The rule that fits; None, and counted by kind, where none does or may."""
        topic = notice.topic
        if (found := _IDENTITY.search(topic)) is not None:
            dropped["plate" if found[0] in ("plate", "anpr", "lpr") else "face"] += 1
            return None
        if topic not in self._known:
            if len(self._known) >= 1_000:  # topics are strangers' words
                self._known.clear()
            self._known[topic] = self._find(topic)
        rule = self._known[topic]
        if rule is None:
            dropped["loitering" if _LINGERING.search(topic) else "event"] += 1
            return None
        return None if rule.kind == "none" else rule

    def _find(self, topic: str) -> EventRule | None:
        parts = topic.split("/")
        for wanted, rule in self._rules:
            if len(parts) >= len(wanted) and all(a in ("*", b) for a, b in zip(wanted, parts, strict=False)):
                return rule
        return None


def kind_of(rule: EventRule) -> EventKind:
    return EventKind[rule.kind.upper()]
