"""Frozen, dark, covered, blurred: by plain statistics of the grey levels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ingest.cameras.signals.sample import NS_PER_S, Sample
from ingest.schema.tick import F32, GRID_COLUMNS, GRID_ROWS, U8, Picture

_DARK_MEAN, _DARK_SPREAD = 22.0, 14.0
_COVERED_SHARE, _BLURRED_SHARE, _MENDED_SHARE = 0.25, 0.35, 0.5  # of the usual sharpness
_SAME_PLACE = 0.6  # correlation of light and shade in a coarse grid
_SUDDEN = 12.0  # mean grey levels between two pictures
_BLURRED_S = 10.0
_USUAL_S = 600.0  # the usual sharpness follows within this time


@dataclass(frozen=True, slots=True)
class Tampering:
    flags: Picture
    sharpness: float  # standard deviation of the Laplacian, grey levels
    brightness: float  # mean grey level


class Tamper:
    """What is usual of one camera's pictures."""

    def __init__(self, frozen_s: float) -> None:
        self._frozen_s = frozen_s
        self._before: U8 | None = None
        self._changed_at_ns = 0
        self._usual = float("nan")
        self._usual_layout: F32 = np.zeros((GRID_ROWS, GRID_COLUMNS), np.float32)
        self._covered = False
        self._soft_since_ns: int | None = None

    def read(self, picture: Sample, at_ns: int) -> Tampering:
        """
        Args:
            at_ns: when it was captured; grows.
        """
        grey, before = picture.grey, self._before
        change = float(cv2.norm(grey, before, cv2.NORM_L1)) / grey.size if before is not None else 255.0
        mean, spread = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
        sharpness = float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1][0, 0])
        layout = cv2.resize(grey, (GRID_COLUMNS, GRID_ROWS), interpolation=cv2.INTER_AREA).astype(np.float32)
        flags = self._flags(at_ns, picture.elapsed_s, change, mean, spread, sharpness, layout)
        self._before = grey
        return Tampering(flags, sharpness, mean)

    def _flags(
        self, at_ns: int, elapsed_s: float, change: float, mean: float, spread: float, sharpness: float, layout: F32
    ) -> Picture:
        picture = Picture(0)
        # Every sensor has noise: two pictures that agree to the last grey level are one picture.
        if change > 0:
            self._changed_at_ns = at_ns
        elif at_ns - self._changed_at_ns >= self._frozen_s * NS_PER_S:
            picture |= Picture.FROZEN
        if mean < _DARK_MEAN and spread < _DARK_SPREAD:
            picture |= Picture.DARK
        usual = self._usual
        if self._covered:
            self._covered = sharpness < usual * _MENDED_SHARE
        elif sharpness < usual * _COVERED_SHARE and change > _SUDDEN:
            # Out of focus, light and shade are still where they were; behind a hand they are not.
            self._covered = _likeness(layout, self._usual_layout) < _SAME_PLACE
        if self._covered:
            picture |= Picture.COVERED
        soft = sharpness < usual * _BLURRED_SHARE
        self._soft_since_ns = (self._soft_since_ns or at_ns) if soft else None
        if self._soft_since_ns is not None and at_ns - self._soft_since_ns >= _BLURRED_S * NS_PER_S:
            picture |= Picture(0) if picture & (Picture.DARK | Picture.COVERED) else Picture.BLURRED
        if np.isnan(usual):
            self._usual, self._usual_layout = sharpness, layout
        elif not picture and not soft:
            pace = min(1.0, elapsed_s / _USUAL_S)
            self._usual += (sharpness - usual) * pace
            self._usual_layout = self._usual_layout + (layout - self._usual_layout) * np.float32(pace)
        return picture


def _likeness(layout: F32, usual: F32) -> float:
    """Correlation of two (9, 16) layouts of light and shade; 0 where one of them has none."""
    a, b = layout - layout.mean(), usual - usual.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 1e-6 else 0.0
