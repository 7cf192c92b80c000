"""
The picture that leaves a worker as evidence: small, and nobody can be recognised in it.

It is made beside the signals, which know where something moves; what cannot be known is covered whole. Two walls stand
one behind the other: who stands before the learned background is blocks of mean colour, and the picture as a whole is
so small that a face some metres away is a few pixels (IEC 62676-4 asks 125 px/m to recognise a person one knows).
"""

from __future__ import annotations

import cv2
import numpy as np

from ingest.cameras.privacy import without_persons
from ingest.cameras.signals import HEIGHT, WIDTH, Signals
from ingest.evidence import EvidenceSettings, reference_of
from ingest.schema.tick import U8, Picture


class EvidenceSlots:
    """One camera's: which of its pictures are wanted, the first of each slot."""

    def __init__(self, settings: EvidenceSettings, camera: str) -> None:
        self._settings, self._camera = settings, camera
        self._last = ""

    def is_new(self, captured_at_ns: int) -> bool:
        """Whether this picture is the first of its slot; the next one of the slot is not."""
        reference = reference_of(self._settings, self._camera, captured_at_ns)
        fresh, self._last = reference != self._last, reference
        return fresh


def evidence_picture(colour: U8, width: int, height: int, signals: Signals, quality: int) -> bytes | None:
    """
    The picture as JPEG with its persons covered; None where it cannot be encoded.

    Args:
        colour: (180, 320, 3) blue, green, red, as the signals saw it.
        width, height: of the stream's picture, whose shape is shown.
        signals: of this very picture. While the background is learned who stands there seems to be a part of it, so
            that all is covered.
    """
    grid = None if signals.picture & Picture.LEARNING else signals.foreground_grid
    covered = without_persons(colour, None, grid)
    shown = shape(width, height)
    if shown != (WIDTH, HEIGHT):
        covered = cv2.resize(covered, shown, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return encoded(covered, quality)


def shape(width: int, height: int) -> tuple[int, int]:
    """Width and height of the largest picture of this shape within 320 x 180 px."""
    scale = min(WIDTH / width, HEIGHT / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def encoded(picture: U8, quality: int) -> bytes | None:
    good, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes() if good else None
