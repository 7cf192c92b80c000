"""
Fire and smoke in a picture by a model: how much of the picture is in boxes of each. It is a witness of what the look
beside the decoder has found, and no detector of its own; see `detectors/anomaly/candidate.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detectors.vision.models import Model
from detectors.vision.person import boxes_of, letterbox, network
from ingest.schema.tick import F32, U8

_ROWS, _COLUMNS = 90, 160  # cells in which the area of overlapping boxes is counted once


@dataclass(frozen=True, slots=True)
class Hazards:
    """Shares of the picture in [0, 1]; NaN where the model knows no such class."""

    flame: float
    smoke: float


FindHazards = Callable[[U8], Hazards]  # of a picture (H, W, 3), blue, green, red


def hazard_finder(model: Model) -> FindHazards:
    """
    The function that looks for fire and smoke with this model. Not safe for several threads.

    Raises:
        SettingsError: OpenCV cannot read the weights, or they have another output than the card says.
    """
    run, card = network(model), model.card

    def find(picture: U8) -> Hazards:
        blob, scale = letterbox(card, picture)
        output, (height, width) = run(blob), picture.shape[:2]
        flame, smoke = (
            covered(boxes_of(card, output, kind, scale, width, height).box) if kind >= 0 else float("nan")
            for kind in (card.fire_class, card.smoke_class)
        )
        return Hazards(flame, smoke)

    return find


def covered(box: F32) -> float:
    """Share of the picture that is in at least one of the boxes (M, 4); a box counts for a cell at least."""
    cells = np.zeros((_ROWS, _COLUMNS), np.bool_)
    size = np.array([_COLUMNS, _ROWS], np.float64)
    low = np.floor(np.clip(box[:, :2], 0, 1) * (size - 1e-6)).astype(np.int64)
    high = np.ceil(np.clip(box[:, :2] + box[:, 2:], 0, 1) * size).astype(np.int64)
    for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):  # a few boxes a picture
        cells[top : max(bottom, top + 1), left : max(right, left + 1)] = True
    return float(cells.mean())
