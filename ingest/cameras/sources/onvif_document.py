"""
One ONVIF metadata document to frames with objects, and to notices. Source: ONVIF Analytics Service Specification, 5.1
to 5.3, and Core Specification, 9 (notifications).

Elements are found by their local names, since vendors differ in namespaces. A document type declaration is refused.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

from ingest.cameras.metadata.plane import Plane, picture_edges
from ingest.cameras.metadata.reading import (
    FRAMES_MAX,
    NOTICES_MAX,
    OBJECTS_MAX,
    MetadataFrame,
    Notice,
    Reading,
    operation_of,
    time_ns,
    topic_of,
)
from ingest.cameras.sources.metadata_objects import IDENTITY_KINDS, SeenObject, Tracks, objects_of

_VALUE_MAX = 400  # characters of an item
_TAG_MAX = 200


def read_document(document: bytes, tracks: Tracks, dropped: Counter[str]) -> Reading:
    """
    The frames of a document and the notices of its events.

    Args:
        dropped: counts what was left out, by kind.

    Raises:
        ValueError: not such a document; the text names the kind of fault, and nothing of what stood there.
    """
    root = _tree(document, dropped)
    if root.tag != "MetadataStream":
        raise ValueError("metadata: expected a MetadataStream, got another root element")
    frames = [frame for analytics in root.findall("VideoAnalytics") for frame in analytics.findall("Frame")]
    if len(frames) > FRAMES_MAX:
        dropped["frame"] += len(frames) - FRAMES_MAX
    told = root.findall("Event/NotificationMessage")
    if len(told) > NOTICES_MAX:
        dropped["event"] += len(told) - NOTICES_MAX
    return Reading(
        [_frame(frame, tracks, dropped) for frame in frames[:FRAMES_MAX]],
        [notice for one in told[:NOTICES_MAX] if (notice := _notice(one, dropped)) is not None],
    )


def _notice(element: Element, dropped: Counter[str]) -> Notice | None:
    message = element.find("Message/Message")
    if message is None:
        dropped["event"] += 1
        return None
    items = {
        (item.get("Name") or "").lower(): (item.get("Value") or "")[:_VALUE_MAX]
        for group in ("Key", "Data")
        for item in message.findall(f"{group}/SimpleItem")
    }
    rule = "/".join(f"{item.get('Name')}={item.get('Value')}" for item in message.findall("Source/SimpleItem"))
    topic, operation = topic_of(element.findtext("Topic") or ""), operation_of(message.get("PropertyOperation"))
    return Notice(topic, rule[:_VALUE_MAX], items, operation, time_ns(message.get("UtcTime"), dropped))


def _tree(document: bytes, dropped: Counter[str]) -> Element:
    """
    The document's root, tags without namespaces. A document type, and with it every entity, is refused by the parser
    itself. Elements that could describe a person are counted, and never looked into.
    """

    def start(tag: str, attributes: dict[str, str]) -> None:
        name, kind = _known(tag)
        if kind is not None:
            dropped[kind] += 1
        builder.start(name, attributes)

    builder, parser = TreeBuilder(), ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler, parser.EndElementHandler = start, lambda tag: builder.end(_known(tag)[0])
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(document, True)
        return builder.close()
    except (ExpatError, AssertionError, UnicodeError, LookupError) as error:
        raise ValueError(f"metadata: expected an XML document, got {type(error).__name__}") from None


def _refuse(*_: object) -> None:
    raise ValueError("metadata: expected no document type, got one")


def _frame(frame: Element, tracks: Tracks, dropped: Counter[str]) -> MetadataFrame:
    plane, items = _plane(frame), frame.findall("Object")
    seen: list[SeenObject] = []
    for rename in frame.findall("ObjectTree/Rename")[:OBJECTS_MAX]:
        ends = {end.tag.lower(): end.get("ObjectId") for end in rename}
        tracks.rename(ends.get("from"), ends.get("to"))
    for item in items:
        if len(seen) >= OBJECTS_MAX:
            dropped["object"] += 1
            continue
        if (behaviour := item.find("Behaviour")) is not None and behaviour.find("Removed") is not None:
            continue  # it is told that it has gone
        one = _object(item, plane)
        if one is None:
            dropped["box"] += 1
        else:
            seen.append(one)
    at_ns = time_ns(frame.get("UtcTime"), dropped)
    if not items and frame.find(".//MotionInCells") is not None:
        return MetadataFrame(at_ns, None)
    return MetadataFrame(at_ns, objects_of(seen, tracks, dropped))


def _object(item: Element, plane: Plane | None) -> SeenObject | None:
    appearance = item.find("Appearance")
    shape = None if appearance is None else appearance.find("Shape")
    box = None if shape is None else shape.find("BoundingBox")
    if appearance is None or box is None:
        return None
    left, top, right, bottom = (_number(box.get(edge)) for edge in ("left", "top", "right", "bottom"))
    edges = picture_edges((left, top, right, bottom), _plane(appearance), plane)
    return SeenObject(_classes(appearance), *edges, id=item.get("ObjectId"))


def _classes(appearance: Element) -> tuple[tuple[str, float], ...]:
    """Words with likelihoods, in the older form and in the newer."""
    found = appearance.find("Class")
    if found is None:
        return ()
    words = [((kind.text or "").strip(), _number(kind.get("Likelihood"))) for kind in found.findall("Type")]
    for candidate in found.findall("ClassCandidate"):
        word, likelihood = candidate.find("Type"), candidate.find("Likelihood")
        if word is not None:
            words.append(((word.text or "").strip(), _number(None if likelihood is None else likelihood.text)))
    return tuple(words)


def _plane(element: Element) -> Plane | None:
    found = element.find("Transformation")
    if found is None:
        return None
    scale, shift = found.find("Scale"), found.find("Translate")
    return Plane(
        (1.0, 1.0) if scale is None else (_number(scale.get("x")), _number(scale.get("y"))),
        (0.0, 0.0) if shift is None else (_number(shift.get("x")), _number(shift.get("y"))),
    )


def _number(text: str | None) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.nan


def _known(tag: str) -> tuple[str, str | None]:
    """The local name of a tag, and the kind under which it is counted where it could describe a person."""
    # Tags are strangers' words: a long one is not remembered.
    return _remembered(tag) if len(tag) <= _TAG_MAX else _remembered.__wrapped__(tag)


@lru_cache(1_024)
def _remembered(tag: str) -> tuple[str, str | None]:
    name = tag.rpartition("}")[2]
    return name, IDENTITY_KINDS.get(name.lower())
