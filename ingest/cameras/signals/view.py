"""
Whether the camera still looks where it looked: the directions of edges, beside a reference that is learned.

An edge keeps its direction in any light, and people who pass average out. Directions are taken twice, so that a window
that is dark by day and bright by night is the same edge. The reference follows within ten minutes; one of each three
hours of the day is kept, so that a mast that gives way too slowly to be seen is told the next day.

    moved     the reference fits elsewhere in the picture; or nowhere, all of a sudden, while what is seen is steady
    unsteady  nothing fits the reference, nor the picture before: interference, a noisy sensor, a mast that shakes

Source: directions doubled, Granlund and Knutsson, Signal processing for computer vision (1995), 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import fft

from ingest.cameras.signals.sample import NS_PER_S, Sample

Field = npt.NDArray[np.complex64]  # (90, 160)
_WIDTH, _HEIGHT = 160, 90
_EDGE = 3.0  # grey levels per pixel: an edge of this height counts half
_LEARN_S = 600.0
_FAST_PICTURES = 60
_KNOWN_PICTURES = 30
_USUAL_S = 120.0
_SLOTS, _SLOT_NS = 8, 3 * 3_600 * NS_PER_S
_SLOT_PERIOD = 30  # pictures between two looks at the reference of the day before
_SHIFT_PX_MIN = 3.0  # of 160: 2 % of the picture's width
_FITS, _WORSE, _UNLIKE = 0.65, 0.6, 0.35  # of the usual fit
_ELSEWHERE = 0.35  # fit of the reference elsewhere, of the usual fit
_STEADY = 0.5  # fit with the picture before, of the usual fit
_WILD, _WILD_TIMES, _STILL_WILD = (
    8.0,
    3.0,
    0.5,
)  # mean change from picture to picture: grey levels, of the usual; of both
_FIT_MIN = 0.25  # where the usual fit is less, the place has no edges to hold on to
_PICTURES_MIN = 3
_SUDDEN_S = 5.0


@dataclass(frozen=True, slots=True)
class ViewFigures:
    fit: float  # with the reference, 1 is the same; NaN while it is not known
    steady: float  # with the picture before
    moved: bool
    unsteady: bool


class View:
    """What one camera looks at."""

    def __init__(self) -> None:
        self._reference: Field = np.zeros((_HEIGHT, _WIDTH), np.complex64)
        self._of_day: list[npt.NDArray[np.int8] | None] = [None] * _SLOTS
        self._slot = -1
        self._before: Field | None = None
        self._now: Field = self._reference
        self._learned = self._elsewhere = self._nowhere = self._wild = self._calm = self._pictures = 0
        self._usual_fit = self._usual_change = self._change = 0.0
        self._fitted_ns = 0
        self._moved = self._unsteady = self._sagged = False

    def read(self, picture: Sample, at_ns: int, change: float, has_detail: bool) -> ViewFigures:
        """
        Args:
            change: mean difference to the picture before, grey levels.
            has_detail: whether there is anything to look at: neither dark nor covered nor washed out.
        """
        self._now = _field(picture)
        before, self._before = self._before, self._now
        steady = _fit(self._now, before) if before is not None else 1.0
        self._change = change
        if self._learned < _KNOWN_PICTURES or self._usual_fit < _FIT_MIN:
            return ViewFigures(float("nan"), steady, False, False)
        fit = _fit(self._now, self._reference)
        if fit >= _FITS * self._usual_fit:
            self._fitted_ns = at_ns
            self._elsewhere = self._nowhere = self._wild = 0
            self._unsteady, self._moved = False, self._sagged
        else:
            sudden = at_ns - self._fitted_ns <= int(_SUDDEN_S * NS_PER_S)
            self._shake(fit, change, sudden)
            if not has_detail and sudden:
                self._fitted_ns = at_ns  # what is behind the cover is told when it can be seen
            elif has_detail and not self._wild and fit < _WORSE * self._usual_fit:
                self._move(fit, steady, sudden)
        if not self._unsteady:
            self._look_back(at_ns)
        return ViewFigures(fit, steady, self._moved and not self._unsteady, self._unsteady)

    def learn(self, elapsed_s: float) -> None:
        """Take the last picture for a usual one."""
        self._learned += 1
        fit = _fit(self._now, self._reference) if self._learned > 1 else 1.0
        pace = max(min(1.0, elapsed_s / _LEARN_S), 1.0 / self._learned if self._learned <= _FAST_PICTURES else 0.0)
        self._reference = self._reference + (self._now - self._reference) * np.float32(pace)
        pace = max(min(1.0, elapsed_s / _USUAL_S), 1.0 / self._learned if self._learned <= _FAST_PICTURES else 0.0)
        self._usual_fit += (fit - self._usual_fit) * pace
        self._usual_change += (self._change - self._usual_change) * pace

    def _shake(self, fit: float, change: float, sudden: bool) -> None:
        """Count pictures in a row that have nothing in common with the place, nor with one another."""
        # One of them may by chance be like another: what has begun ends with several that are not wild.
        least = max(_WILD, _WILD_TIMES * self._usual_change) * (_STILL_WILD if self._unsteady else 1.0)
        wild = fit < (_FITS if self._unsteady else _UNLIKE) * self._usual_fit and change >= least
        self._calm = 0 if wild else self._calm + 1
        if wild and (self._wild or sudden):
            self._wild += 1
        elif self._calm >= (_PICTURES_MIN if self._unsteady else 1):
            self._wild = 0
        self._unsteady = self._wild >= _PICTURES_MIN

    def _move(self, fit: float, steady: float, sudden: bool) -> None:
        """Count pictures in a row in which the place is elsewhere, or in which another one is seen."""
        usual = self._usual_fit
        away_px, there = _elsewhere(self._now, self._reference)
        fits_there = away_px >= _SHIFT_PX_MIN and there >= max(_ELSEWHERE * usual, 1.5 * fit)
        self._elsewhere = self._elsewhere + 1 if fits_there else 0
        nowhere = fit < _UNLIKE * usual and steady >= _STEADY * usual
        self._nowhere = self._nowhere + 1 if nowhere and (self._nowhere or sudden) else 0
        if max(self._elsewhere, self._nowhere) >= _PICTURES_MIN:
            self._moved = True

    def _look_back(self, at_ns: int) -> None:
        """At what was seen here at this time of the day before."""
        slot = at_ns // _SLOT_NS % _SLOTS
        if slot != self._slot:
            if self._slot >= 0 and not self._moved and self._learned > _FAST_PICTURES:
                self._of_day[self._slot] = _packed(self._reference)
            self._slot = slot
        self._pictures += 1
        known = self._of_day[slot]
        if known is None or self._pictures % _SLOT_PERIOD or self._moved:
            return
        usual = _unpacked(known)
        here = _fit(self._reference, usual)
        away_px, there = _elsewhere(self._reference, usual)
        self._sagged = away_px >= _SHIFT_PX_MIN and there >= max(0.3, 1.5 * here)
        self._moved = self._moved or self._sagged


def _field(picture: Sample) -> Field:
    """(90, 160) the direction of each edge, twice its angle, weighed by how high it is."""
    half = cv2.resize(picture.grey, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    right = cv2.Sobel(half, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(half, cv2.CV_32F, 0, 1, scale=1 / 8)
    size = cv2.magnitude(right, down)
    gradient = right + 1j * down
    result: Field = (gradient * gradient / (size * (size + _EDGE) + 1e-6)).astype(np.complex64)
    return result


def _fit(now: Field, usual: Field) -> float:
    """Correlation of two fields of directions in place, 1 where they are the same."""
    size = float(np.linalg.norm(now) * np.linalg.norm(usual))
    return float(np.vdot(usual, now).real) / size if size > 1e-6 else 0.0


def _elsewhere(now: Field, usual: Field) -> tuple[float, float]:
    """How far away the two fit best, px of 160, and how well."""
    size = float(np.linalg.norm(now) * np.linalg.norm(usual))
    if size <= 1e-6:
        return 0.0, 0.0
    fits = fft.ifft2(fft.fft2(now) * np.conj(fft.fft2(usual))).real
    down, right = np.unravel_index(int(fits.argmax()), fits.shape)
    down, right = min(down, _HEIGHT - down), min(right, _WIDTH - right)
    return float(np.hypot(down, right)), float(fits.max()) / size


def _packed(field: Field) -> npt.NDArray[np.int8]:
    packed: npt.NDArray[np.int8] = np.rint(np.stack([field.real, field.imag]) * 127.0).astype(np.int8)
    return packed


def _unpacked(packed: npt.NDArray[np.int8]) -> Field:
    result: Field = (packed[0] + 1j * packed[1].astype(np.float32)).astype(np.complex64)
    return result
