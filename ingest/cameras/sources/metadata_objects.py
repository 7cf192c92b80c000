"""
Objects that other machines have seen, in our words. What could describe a person is dropped here, and counted by kind.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ingest.cameras.observation import Objects
from ingest.schema.tick import ObjectClass

_WORDS = {
    ObjectClass.PERSON: "human humanbody person people pedestrian upperbody",
    ObjectClass.VEHICLE: "vehicle car truck lorry bus van bike bicycle motorcycle motorbike train tram",
    ObjectClass.ANIMAL: "animal dog cat horse bird",
}
_CLASS_OF = {word: kind for kind, words in _WORDS.items() for word in words.split()}
# An object of these classes is a part of somebody, and no object of its own.
IDENTITY_CLASSES = frozenset({"face", "humanface", "licenseplate", "licenceplate", "plate", "head"})
_PLAIN = str.maketrans("", "", " _-")
# Element or attribute names, lower case, and the kind they are counted under.
IDENTITY_KINDS = {
    "humanface": "face",
    "face": "face",
    "facedescriptor": "face",
    "humanbody": "body",
    "bodymetric": "body",
    "clothing": "body",
    "gender": "body",
    "age": "body",
    "licenseplateinfo": "plate",
    "licenseplate": "plate",
    "platenumber": "plate",
    "vehicleinfo": "vehicle",
    "image": "image",
    "sceneimage": "image",
    "imageref": "image",
    "sceneimageref": "image",
    "barcodeinfo": "barcode",
    "label": "label",
}
TRACKS_MAX = 10_000
_ID_MAX = 200  # characters: a source's ids are kept, so that a long one must not be


class SeenObject(NamedTuple):
    """One object as it came; the box is in [0, 1], y down, though it may reach beyond, or in pixels until `within`."""

    classes: tuple[tuple[str, float], ...]  # word, likelihood or NaN
    left: float
    top: float
    right: float
    bottom: float
    id: str | None = None

    def within(self, width_px: float, height_px: float) -> SeenObject:
        """The box in [0, 1], of one in pixels of a frame of this size."""
        left, right, top, bottom = self.left, self.right, self.top, self.bottom
        return self._replace(
            left=left / width_px, top=top / height_px, right=right / width_px, bottom=bottom / height_px
        )


class Tracks:
    """
    Numbers for a source's own object ids, never used twice for another object in one run. A source gives its ids
    anew after a restart, so a new connection begins with `forget`.
    """

    def __init__(self) -> None:
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._next = 0

    def number(self, source_id: str | None) -> int:
        """The track of this id; -1 where there is none."""
        if source_id is None:
            return -1
        source_id = source_id[:_ID_MAX]
        number = self._numbers.pop(source_id, None)
        if number is None:
            number, self._next = self._next, (self._next + 1) & 0x7FFFFFFF
        self._numbers[source_id] = number
        if len(self._numbers) > TRACKS_MAX:
            self._numbers.popitem(last=False)
        return number

    def rename(self, old: str | None, new: str | None) -> None:
        """The source says that two of its ids are of one object, which else would be counted twice."""
        if old is None or new is None:
            return
        number = self._numbers.pop(old[:_ID_MAX], None)
        if number is not None:
            self._numbers.setdefault(new[:_ID_MAX], number)

    def forget(self) -> None:
        self._numbers.clear()


def objects_of(seen: Sequence[SeenObject], tracks: Tracks, dropped: Counter[str]) -> Objects:
    """The objects that can be used, in columns; the others are counted in `dropped`."""
    kinds: list[ObjectClass] = []
    rows: list[tuple[float, ...]] = []
    numbers: list[int] = []
    for one in seen:
        words = [(word.lower().translate(_PLAIN), likelihood) for word, likelihood in one.classes]
        if not IDENTITY_CLASSES.isdisjoint(word for word, _ in words):
            dropped["face" if any("face" in word or word == "head" for word, _ in words) else "plate"] += 1
            continue
        left, right = sorted((one.left, one.right))
        top, bottom = sorted((one.top, one.bottom))
        # A comparison with NaN is false, so the test is for what is good.
        if not math.isfinite(left + right + top + bottom):
            dropped["box"] += 1
            continue
        left, right, top, bottom = (min(max(edge, 0.0), 1.0) for edge in (left, right, top, bottom))
        kind, likelihood = _most_likely(words)
        kinds.append(kind)
        rows.append((left, top, right - left, bottom - top, likelihood))
        numbers.append(tracks.number(one.id))
    table = np.array(rows, np.float64).reshape(len(rows), 5)
    return Objects(
        object_class=np.array(kinds, np.uint8),
        confidence=np.clip(table[:, 4], 0.0, 1.0).astype(np.float16),
        box=table[:, :4].astype(np.float32),
        track=np.array(numbers, np.int32),
    )


def _most_likely(words: Sequence[tuple[str, float]]) -> tuple[ObjectClass, float]:
    """
    The class with the highest likelihood; a word without one counts as certain of itself, but says NaN. A negative one
    is how some say that they do not know.
    """
    best: tuple[ObjectClass, float] = (ObjectClass.OTHER, math.nan)
    rank = -1.0
    for word, likelihood in words:
        known = likelihood if math.isfinite(likelihood) and likelihood >= 0.0 else math.nan
        worth = 1.0 if math.isnan(known) else known
        if worth > rank:
            best, rank = (_CLASS_OF.get(word, ObjectClass.OTHER), known), worth
    return best
