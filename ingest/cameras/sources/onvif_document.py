"""
One ONVIF metadata document to frames with objects. Source: ONVIF Analytics Service Specification, 5.1 to 5.3.

Elements are found by their local names, since vendors differ in namespaces. A document type declaration is refused.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

from ingest.cameras.observation import Objects
from ingest.cameras.sources.metadata_objects import IDENTITY_KINDS, SeenObject, Tracks, objects_of
from ingest.clock import utc_ns

FRAMES_MAX = 100  # of one document
OBJECTS_MAX = 1_000  # of one frame


@dataclass(frozen=True, slots=True)
class MetadataFrame:
    """`at_ns` is the camera's time, UTC; None where it cannot be read."""

    at_ns: int | None
    objects: Objects


@dataclass(frozen=True, slots=True)
class _Plane:
    """x' = x * scale + shift, for both axes."""

    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)

    def map(self, x: float, y: float) -> tuple[float, float]:
        return x * self.scale[0] + self.shift[0], y * self.scale[1] + self.shift[1]


def parse_document(document: bytes, tracks: Tracks, dropped: Counter[str]) -> list[MetadataFrame]:
    """
    The frames of a document, none where it holds only events.

    Args:
        dropped: counts what was left out, by kind.

    Raises:
        ValueError: not such a document; the text names the kind of fault, and nothing of what stood there.
    """
    root = _tree(document)
    if _name(root) != "MetadataStream":
        raise ValueError("metadata: expected a MetadataStream, got another root element")
    frames = [frame for analytics in _all(root, "VideoAnalytics") for frame in _all(analytics, "Frame")]
    if len(frames) > FRAMES_MAX:
        dropped["frame"] += len(frames) - FRAMES_MAX
    return [_frame(frame, tracks, dropped) for frame in frames[:FRAMES_MAX]]


def _tree(document: bytes) -> Element:
    """
    The document's root. Expat builds the tree without a step in Python for each element, which nearly halves the whole
    cost. A document type, and with it every entity, is refused by the parser itself.
    """
    builder, parser = TreeBuilder(), ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(document, True)
        return builder.close()
    except (ExpatError, AssertionError, UnicodeError, LookupError) as error:
        raise ValueError(f"metadata: expected an XML document, got {type(error).__name__}") from None


def _refuse(*_: object) -> None:
    raise ValueError("metadata: expected no document type, got one")


def _frame(frame: Element, tracks: Tracks, dropped: Counter[str]) -> MetadataFrame:
    plane = _plane(frame)
    seen: list[SeenObject] = []
    for item in _all(frame, "Object"):
        if len(seen) >= OBJECTS_MAX:
            dropped["object"] += 1
            continue
        for element in item.iter():
            if kind := _identity(element.tag):
                dropped[kind] += 1
        if (behaviour := _one(item, "Behaviour")) is not None and _one(behaviour, "Removed") is not None:
            continue  # it is told that it has gone
        one = _object(item, plane)
        if one is None:
            dropped["box"] += 1
        else:
            seen.append(one)
    return MetadataFrame(_time_ns(frame.get("UtcTime"), dropped), objects_of(seen, tracks, dropped))


def _object(item: Element, plane: _Plane) -> SeenObject | None:
    appearance = _one(item, "Appearance")
    shape = None if appearance is None else _one(appearance, "Shape")
    box = None if shape is None else _one(shape, "BoundingBox")
    if appearance is None or box is None:
        return None
    left, top, right, bottom = (_number(box.get(edge)) for edge in ("left", "top", "right", "bottom"))
    own = _plane(appearance)
    # 1. The object's own plane. 2. The frame's plane, [-1, 1] with y up. 3. Ours, [0, 1] with y down.
    (left, top), (right, bottom) = (plane.map(*own.map(x, y)) for x, y in ((left, top), (right, bottom)))
    edges = (left + 1) / 2, (1 - top) / 2, (right + 1) / 2, (1 - bottom) / 2
    return SeenObject(tuple(_classes(appearance)), *edges, id=item.get("ObjectId"))


def _classes(appearance: Element) -> Iterator[tuple[str, float]]:
    """Words with likelihoods, in the older form and in the newer."""
    found = _one(appearance, "Class")
    if found is None:
        return
    for kind in _all(found, "Type"):
        yield (kind.text or "").strip(), _number(kind.get("Likelihood"))
    for candidate in _all(found, "ClassCandidate"):
        word, likelihood = _one(candidate, "Type"), _one(candidate, "Likelihood")
        if word is not None:
            yield (word.text or "").strip(), _number(None if likelihood is None else likelihood.text)


def _plane(element: Element) -> _Plane:
    found = _one(element, "Transformation")
    if found is None:
        return _Plane()
    scale, shift = _one(found, "Scale"), _one(found, "Translate")
    return _Plane(
        (1.0, 1.0) if scale is None else (_number(scale.get("x")), _number(scale.get("y"))),
        (0.0, 0.0) if shift is None else (_number(shift.get("x")), _number(shift.get("y"))),
    )


def _time_ns(text: str | None, dropped: Counter[str]) -> int | None:
    try:
        at = datetime.fromisoformat(text or "")
        if at.tzinfo is None:
            dropped["zone"] += 1  # some cameras leave the Z away
            at = at.replace(tzinfo=UTC)
        return utc_ns(at)
    except (ValueError, OverflowError):
        dropped["time"] += 1
        return None


def _number(text: str | None) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.nan


@lru_cache(1_024)
def _identity(tag: str) -> str | None:
    """The kind that this element is counted under when it is left out; None where it describes nobody."""
    return IDENTITY_KINDS.get(_local(tag).lower())


@lru_cache(1_024)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _name(element: Element) -> str:
    return _local(element.tag)


def _all(element: Element, name: str) -> list[Element]:
    return [child for child in element if _local(child.tag) == name]


def _one(element: Element, name: str) -> Element | None:
    for child in element:
        if _local(child.tag) == name:
            return child
    return None
