"""
JSON from strangers: values are taken if they are what they should be. What could describe a person is counted by kind,
and never looked into.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from ingest.cameras.sources.metadata_objects import IDENTITY_KINDS

_TEXT_MAX = 200
_NUMBER_MAX = 40  # characters
_DEPTH_MAX = 12
# Keys in lower case without `@`, `#`, `_` and `-`. `label` is the class of an object in some formats.
_KINDS: Mapping[str, str] = {
    **{name: kind for name, kind in IDENTITY_KINDS.items() if name != "label"},
    "sublabel": "sub_label",
    "attributes": "attributes",
    "attribute": "attributes",
    "colors": "attributes",
    "color": "attributes",
    "currentattributes": "attributes",
    "description": "description",
    "embedding": "embedding",
    "embeddings": "embedding",
    "feature": "embedding",
    "features": "embedding",
    "signature": "embedding",
    "recognizedlicenseplate": "plate",
    "license": "plate",
    "licence": "plate",
    "licencestate": "plate",
    "plate": "plate",
    "snapshot": "image",
    "thumbnail": "image",
    "videopath": "image",
    "pose": "body",
    "pose3d": "body",
    "hair": "body",
    "cap": "body",
    "apparel": "body",
    "upperclothingcolors": "body",
    "lowerclothingcolors": "body",
    "glasses": "face",
    "facialhair": "face",
    "hasface": "face",
    "facelandmarks": "face",
}


def json_of(document: bytes) -> Any:
    """
    The document; a stray NaN in it is read, and goes as far as the box that holds it.

    Raises:
        ValueError: no JSON; the text names the kind of fault, and nothing of what stood there.
    """
    try:
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        return json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"metadata: expected JSON, got {type(error).__name__}") from None


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """A list; one thing alone, as some writers leave the list away, is a list of it."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def number(value: Any) -> float:
    """NaN for whatever is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    if isinstance(value, str) and len(value) > _NUMBER_MAX:
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def text(value: Any) -> str | None:
    """A word or an id, also one that is written as a number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return str(value).strip()[:_TEXT_MAX] or None
    except ValueError:  # a whole number of thousands of digits
        return None


def count_identity(node: Any, dropped: Counter[str]) -> None:
    """Count what could describe a person, however deep it stands."""
    waiting = [(node, 0)]
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, dict):
            for key, value in one.items():
                kind = _KINDS.get(key.lower().translate(_PLAIN))
                if kind is not None and value:
                    dropped[kind] += 1
                elif isinstance(value, dict | list) and value and depth < _DEPTH_MAX:
                    waiting.append((value, depth + 1))
        elif isinstance(one, list):
            waiting += [(value, depth + 1) for value in one if isinstance(value, dict | list) and depth < _DEPTH_MAX]


_PLAIN = str.maketrans("", "", "@#_-")
