"""
A second look for people who lie.

Models learn from people who stand: of one who lies they find little, and nearly all of him in a picture that is turned
by a quarter. Two more runs for each picture would cost three times as much, so that only places are looked at where
somebody was a moment ago and is not found now, away from the border: a square around the place, turned both ways. What
is found there is somebody only if it is sure, lies, and is no part of a person that is found already.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectors.geometry.homography import Bools, Floats, Ints
from detectors.vision.person import FindPersons, Persons
from ingest.schema.tick import F32, U8

MEMORY_NS = 3_000_000_000  # so long after the last time somebody is looked for
PERSONS_MAX = 8  # in a crowd somebody is always hidden: nobody is looked for
CONFIDENCE_MIN = 0.45
_LYING_ASPECT_MIN = 0.9
_BORDER = 0.02
_HIDDEN = 0.3  # share of a box that another covers
_SIDE_UPRIGHT, _SIDE_LYING = 2.4, 1.8  # of the height of who stood, the width of who lay
_TURNS = (cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE)


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """K persons of one camera, as last found."""

    box: F32  # (K, 4) left, top, width, height in [0, 1], y down
    seen_ns: Ints  # (K,)


NOBODY = Recent(np.empty((0, 4), np.float32), np.empty(0, np.int64))


def missed(recent: Recent, found: F32, at_ns: int) -> Bools:
    """(K,) who of `recent` is looked for: not long gone, not at the border, not behind one of `found` (M, 4)."""
    if not len(recent.box) or len(found) > PERSONS_MAX:
        return np.zeros(len(recent.box), np.bool_)
    box = recent.box
    # Who stood at the border has walked out; who lay there has not.
    inside = ((box[:, 0] > _BORDER) & (box[:, 0] + box[:, 2] < 1.0 - _BORDER)) | (box[:, 2] > box[:, 3])
    fresh = (at_ns - recent.seen_ns <= MEMORY_NS) & (at_ns > recent.seen_ns)
    result: Bools = fresh & inside & (_covered(box, found).max(axis=1, initial=0.0) < _HIDDEN)
    return result


def look_again(find: FindPersons, picture: U8, place: F32, found: Persons) -> Persons:
    """
    The persons with the one who lies at a place, if there is one.

    Args:
        find: the model; run twice.
        picture: (H, W, 3)
        place: (4,) box of who was there.
        found: who was found in the upright picture.
    """
    height, width = picture.shape[:2]
    px = np.array([width, height, width, height], np.float64)
    left, top, right, bottom = _square(place * px, width, height)
    boxes, confidences = [], []
    for turn in _TURNS:
        part = np.asarray(cv2.rotate(picture[top:bottom, left:right], turn), np.uint8)
        seen = find(part)
        box = _turned_back(seen.box.astype(np.float64), turn)
        part_px = np.array([right - left, bottom - top, right - left, bottom - top], np.float64)
        boxes.append((box * part_px + [left, top, 0, 0]) / px)
        confidences.append(seen.confidence)
    box, confidence = np.concatenate(boxes), np.concatenate(confidences)
    lies = box[:, 2] * width >= _LYING_ASPECT_MIN * box[:, 3] * height
    beside = _covered(found.box, box).max(axis=0, initial=0.0) < _HIDDEN
    beside &= _covered(box, found.box).max(axis=1, initial=0.0) < _HIDDEN
    around = np.concatenate([place[:2] - place[2:] / 2.0, place[2:] * 2.0])[None]
    near = _covered(box, around)[:, 0] > 0.0
    kept = np.flatnonzero(lies & beside & near & (confidence >= CONFIDENCE_MIN))
    if not len(kept):
        return found
    best = kept[np.argsort(-confidence[kept], kind="stable")[0]]
    return Persons(
        np.concatenate([found.box, box[best : best + 1].astype(np.float32)]),
        np.concatenate([found.confidence, confidence[best : best + 1]]),
    )


def remembered(recent: Recent, was_missed: Bools, found: F32, at_ns: int) -> Recent:
    """What to remember: who is found, and who was missed and may still be found."""
    kept = was_missed & (_covered(recent.box, found).max(axis=1, initial=0.0) < _HIDDEN)
    return Recent(
        np.concatenate([found, recent.box[kept]]),
        np.concatenate([np.full(len(found), at_ns, np.int64), recent.seen_ns[kept]]),
    )


def _square(box: Floats, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of the picture in which somebody may lie who was in a box, all px."""
    side = max(_SIDE_UPRIGHT * box[3], _SIDE_LYING * box[2])
    x, y = box[0] + box[2] / 2.0, box[1] + box[3] - 0.35 * min(box[2], box[3])
    left, top = int(max(0.0, min(x - side / 2.0, width - side))), int(max(0.0, min(y - side / 2.0, height - side)))
    return left, top, min(width, int(left + side) + 1), min(height, int(top + side) + 1)


def _turned_back(box: Floats, turn: int) -> Floats:
    """Boxes (M, 4) of a turned picture as they are in the upright one."""
    left, top, width, height = box.T
    if turn == cv2.ROTATE_90_CLOCKWISE:
        return np.stack([top, 1.0 - left - width, height, width], axis=1)
    return np.stack([1.0 - top - height, left, height, width], axis=1)


def _covered(box: F32 | Floats, by: F32 | Floats) -> Floats:
    """(K, M) share of each of K boxes that each of M others covers."""
    corner, end = box[:, None, :2], (box[:, :2] + box[:, 2:])[:, None]
    shared = np.minimum(end, (by[:, :2] + by[:, 2:])[None]) - np.maximum(corner, by[None, :, :2])
    area = np.maximum(box[:, 2] * box[:, 3], 1e-12)[:, None]
    result: Floats = np.prod(np.maximum(shared, 0.0), axis=2) / area
    return result
