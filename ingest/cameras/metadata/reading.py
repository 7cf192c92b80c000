"""What every front end makes of a document: frames with objects, and notices of the camera's own rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from ingest.cameras.observation import Objects
from ingest.clock import utc_ns

FRAMES_MAX = 100  # of one document
OBJECTS_MAX = 1_000  # of one frame
NOTICES_MAX = 200  # of one document
_TIME_MAX = 40  # characters
_TOPIC_MAX = 400
_LAST_NS = 2**62  # the year 2116: no clock is right behind it, and the columns end soon after

Operation = Literal["", "initialized", "changed", "deleted"]
_OPERATIONS: Mapping[str, Operation] = {"initialized": "initialized", "changed": "changed", "deleted": "deleted"}


@dataclass(frozen=True, slots=True)
class MetadataFrame:
    """
    Attributes:
        at_ns: the camera's time, UTC; None where it cannot be read.
        objects: None where it did not look for objects, but for motion only.
    """

    at_ns: int | None
    objects: Objects | None


class Notice(NamedTuple):
    """A rule of the camera's own has something to say. Nothing of its words goes farther than the mapping."""

    topic: str  # as `topic_of` gives it
    rule: str  # which rule on which source speaks: tells two of one topic apart
    items: Mapping[str, str]  # of its key and data, names in lower case
    operation: Operation
    at_ns: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    frames: list[MetadataFrame] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def topic_of(text: str) -> str:
    """
    `tns1:RuleEngine/LineDetector/Crossed` as `ruleengine/linedetector/crossed`: name spaces differ by vendor. They are
    remembered, so that one that is longer than any real one is none.
    """
    if len(text) > _TOPIC_MAX:
        return ""
    return "/".join(part.rpartition(":")[2] for part in text.strip().lower().split("/") if part)


def operation_of(text: str | None) -> Operation:
    return _OPERATIONS.get((text or "").strip().lower(), "")


def time_ns(value: object, dropped: Counter[str]) -> int | None:
    """UTC since 1970. A time without a zone is counted, and taken as UTC; one that no clock shows is None."""
    try:
        # Nine digits of a second are more than a `datetime` holds.
        at = datetime.fromisoformat(value.strip()[:_TIME_MAX]) if isinstance(value, str) else None
        if at is not None:
            if at.tzinfo is None:
                dropped["zone"] += 1
                at = at.replace(tzinfo=UTC)
            if 0 <= (at_ns := utc_ns(at)) < _LAST_NS:
                return at_ns
    except (ValueError, OverflowError):
        pass
    dropped["time"] += 1
    return None
