"""
How much of the usual detail is there, cell by cell: what covers a lens, or takes it out of focus, takes detail away.

Detail is the energy of the Laplacian less what the sensor's noise adds to it. The noise is what changes from picture to
picture in most places. A street where it grows dark has less contrast everywhere, so the usual follows the brightness;
a part of it that falls dark by night has lost a lamp, not its place.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ingest.cameras.signals.sample import Sample
from ingest.schema.tick import F32, GRID_COLUMNS, GRID_ROWS, U8

_USUAL_S = 600.0  # the usual follows within this time
_FAST_PICTURES = 30  # learned at 1/n
_TEXTURED = 30.0  # squared grey levels of the Laplacian: less is a plain cell, which cannot lose anything
_CELLS_MIN = 10  # textured cells; with fewer nothing can be said
_LOST, _SOFT = 0.10, 0.22  # of the usual energy
_NOISE_OF_LAPLACIAN = 20.0  # sum of the squares of its coefficients
_NOISE_OF_MEDIAN = 0.954  # median of the difference of two pictures, of a deviation of 1
_PICTURES_OF_NOISE = 5
_CLIPPED_UNKNOWN = 0.4  # share of the picture that is taken for usual before that is known
_DIM, _DIM_USUAL = 22.0, 70.0  # grey levels of a cell: so dark now, and never bright


@dataclass(frozen=True, slots=True, eq=False)
class DetailFigures:
    sharpness: float  # standard deviation of the Laplacian, grey levels
    brightness: float  # mean grey level
    spread: float  # standard deviation of the grey levels
    bleached: float  # share of the picture at the brightest levels, beyond the usual: a sky may always be there
    known: bool  # whether the usual is known and has detail that could be lost
    change: float  # mean difference to the picture before, brightness aside, grey levels
    kept: float  # of the energy in all of the picture, wherever it is now
    textured: float  # cells with detail, wherever they are now, over the usual number of them
    lost: float  # share of the usually textured cells that are plain
    soft: float  # share of them with less than half of their contrast
    alike: float  # correlation of light and shade, in cells that have lost detail, with the usual; 1 where all is well
    contrast: float  # of light and shade there, over the usual


class Detail:
    """What is usual of one camera's pictures. Call `learn` where the picture just read was a good one."""

    def __init__(self) -> None:
        self._before: U8 | None = None
        self._mean = 0.0
        self._noise: deque[float] = deque(maxlen=_PICTURES_OF_NOISE)
        self._usual: F32 = np.zeros((GRID_ROWS, GRID_COLUMNS), np.float32)
        self._usual_layout = self._layout = self._energy = self._usual
        self._learned = 0
        self._clipped = self._usual_clipped = 0.0

    @property
    def noise(self) -> float:
        """Standard deviation, grey levels."""
        return min(self._noise, default=0.0)

    def read(self, picture: Sample, unsteady: bool) -> DetailFigures:
        """
        The figures of the next picture, beside what is usual.

        Args:
            unsteady: whether all of the picture changes all the time: then that is not noise.
        """
        grey = picture.grey
        laplacian = cv2.Laplacian(grey, cv2.CV_32F)
        sharpness = float(cv2.meanStdDev(laplacian)[1][0, 0])
        mean, spread = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
        size = (GRID_COLUMNS, GRID_ROWS)
        energy = cv2.resize(cv2.multiply(laplacian, laplacian), size, interpolation=cv2.INTER_AREA)
        self._layout = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        change = 0.0
        if self._before is not None:
            apart = cv2.absdiff(grey[::2, ::2], self._before[::2, ::2])
            change = max(0.0, float(apart.mean()) - abs(mean - self._mean))
            if not unsteady:
                self._noise.append(_median(apart) / _NOISE_OF_MEDIAN)
        self._before, self._mean = grey, mean
        energy_of_noise = _NOISE_OF_LAPLACIAN * self.noise**2
        self._energy = np.maximum(energy - energy_of_noise, 0.0).astype(np.float32)
        self._clipped = float(cv2.countNonZero(cv2.inRange(grey, np.array(250.0), np.array(255.0)))) / grey.size
        usual_clipped = self._usual_clipped if self._learned >= _FAST_PICTURES else _CLIPPED_UNKNOWN
        bleached = max(0.0, self._clipped - usual_clipped)
        usual_mean = float(self._usual_layout.mean())
        light = float(np.clip((mean / max(usual_mean, 1.0)) ** 2, 0.1, 1.0))
        dim = (self._layout < _DIM) & (self._usual_layout < _DIM_USUAL)
        textured = (self._usual > _TEXTURED) & ~dim
        cells = int(textured.sum())
        if self._learned < _FAST_PICTURES or cells < _CELLS_MIN:
            return DetailFigures(sharpness, mean, spread, bleached, False, change, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0)
        lost = textured & (self._energy < _LOST * light * self._usual)
        soft = textured & (self._energy < _SOFT * light * self._usual)
        alike, contrast = _likeness(self._layout, self._usual_layout, soft)
        share = float(lost.sum()) / cells, float(soft.sum()) / cells
        kept = float(self._energy.sum()) / max(light * float(self._usual.sum()), 1e-6)
        now = float((self._energy > _TEXTURED * light).sum()) / cells
        return DetailFigures(sharpness, mean, spread, bleached, True, change, kept, now, *share, alike, contrast)

    def learn(self, elapsed_s: float) -> None:
        """Take the last picture for a usual one."""
        self._learned += 1
        pace = max(min(1.0, elapsed_s / _USUAL_S), 1.0 / self._learned if self._learned <= _FAST_PICTURES else 0.0)
        self._usual_clipped += (self._clipped - self._usual_clipped) * pace
        self._usual = self._usual + (self._energy - self._usual) * np.float32(pace)
        self._usual_layout = self._usual_layout + (self._layout - self._usual_layout) * np.float32(pace)


def _median(levels: npt.NDArray[Any]) -> float:
    """Of grey levels, as if they were not whole numbers: half-way through those that are equal to it."""
    counts = np.bincount(levels.ravel(), minlength=256)
    below = np.cumsum(counts)
    middle = int(np.searchsorted(below, levels.size / 2))
    under = below[middle] - counts[middle]
    return max(0.0, float(middle - 0.5 + (levels.size / 2 - under) / max(int(counts[middle]), 1)))


def _likeness(layout: F32, usual: F32, cells: np.ndarray) -> tuple[float, float]:
    """Correlation of two (9, 16) layouts over some cells, and the ratio of their contrasts; 1 where there are few."""
    if int(cells.sum()) < _CELLS_MIN:
        return 1.0, 1.0
    a, b = layout[cells], usual[cells]
    a, b = a - a.mean(), b - b.mean()
    size_a, size_b = float(np.sqrt((a * a).sum())), float(np.sqrt((b * b).sum()))
    if size_b < 1e-6:
        return 1.0, 1.0
    return float((a * b).sum()) / max(size_a * size_b, 1e-6), size_a / size_b
