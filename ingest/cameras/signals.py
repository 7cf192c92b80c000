"""
What cheap classical operators see in one camera's pictures, on a grey picture of 320 x 180, beside the decoder.

    foreground   mixture of Gaussians (Zivkovic, ICPR 2004), after the picture's overall gain has been taken out.
                 It learns slowly, so that a crowd that stands still stays foreground for `absorb_s`.
    flow         dense inverse search (Kroeger et al., ECCV 2016), where samples come fast enough.
    tamper       frozen, dark, covered, blurred, by plain statistics of the grey levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ingest.schema.tick import F16, F32, GRID_COLUMNS, GRID_ROWS, U8, Picture

WIDTH, HEIGHT = 320, 180
NS_PER_S = 1_000_000_000

cv2.setNumThreads(1)  # one process has many cameras; threads within one picture only cost

_WARM_PICTURES = 5  # foreground before this is not known
_FAST_PICTURES = 30  # learned at 1/n
_BACKGROUND_SHARE = 0.9  # of OpenCV's model: weight of what counts as background
_GAIN = (0.4, 2.5)
_GAIN_PERIOD = 10  # pictures between two looks at the background picture
_JUMP = 0.5  # share of the picture that becomes foreground from one picture to the next: light, or the lens
_JUMP_PICTURES = 3
_FLOW_S_MAX = 0.5  # two pictures further apart cannot be matched
_DARK_MEAN, _DARK_SPREAD = 22.0, 14.0
_COVERED_SHARE, _BLURRED_SHARE, _MENDED_SHARE = 0.25, 0.35, 0.5  # of the usual sharpness
_SAME_PLACE = 0.6  # correlation of light and shade in a coarse grid
_SUDDEN = 12.0  # mean grey levels between two pictures
_BLURRED_S = 10.0
_USUAL_S = 600.0  # the usual sharpness follows within this time


@dataclass(frozen=True, slots=True)
class SignalSettings:
    absorb_s: float = 1_800.0
    frozen_s: float = 10.0
    flow: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Of one picture. Floats that are not known are NaN, grids None."""

    picture: int
    sharpness: float
    brightness: float
    foreground: float = float("nan")
    foreground_grid: U8 | None = None  # (9, 16) 255 = all of the cell
    flow_grid: F16 | None = None  # (9, 16, 2) picture widths and heights per second


class SignalReader:
    """The memory of one camera. `reset` it when the picture's size or place changes."""

    def __init__(self, settings: SignalSettings) -> None:
        self._settings = settings
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST) if settings.flow else None
        self.reset()

    def reset(self) -> None:
        """Forget all pictures."""
        self._mixture = cv2.createBackgroundSubtractorMOG2(history=500, varThreshold=20, detectShadows=False)
        self._mixture.setBackgroundRatio(_BACKGROUND_SHARE)
        self._background: U8 | None = None
        self._before: U8 | None = None
        self._seen = 0
        self._at_ns = self._changed_at_ns = 0
        self._share = 0.0
        self._jumped = 0
        self._usual = float("nan")
        self._usual_layout: F32 = np.zeros((GRID_ROWS, GRID_COLUMNS), np.float32)
        self._covered = False
        self._soft_since_ns: int | None = None

    def read(self, grey: U8, at_ns: int) -> Signals:
        """
        The signals of the next picture.

        Args:
            grey: (180, 320) levels 0 to 255.
            at_ns: when it was captured; grows.
        """
        elapsed_s = (at_ns - self._at_ns) / NS_PER_S if self._before is not None else 0.0
        change = float(cv2.norm(grey, self._before, cv2.NORM_L1)) / grey.size if self._before is not None else 255.0
        mean, spread = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
        sharpness = float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1][0, 0])
        layout = cv2.resize(grey, (GRID_COLUMNS, GRID_ROWS), interpolation=cv2.INTER_AREA).astype(np.float32)
        picture = self._tamper(at_ns, elapsed_s, change, mean, spread, sharpness, layout)
        blind = bool(picture & (Picture.DARK | Picture.COVERED))
        mask = self._foreground(grey, elapsed_s, blind)
        if self._seen <= _FAST_PICTURES:
            picture |= Picture.LEARNING
        flow = self._motion(grey, mask, elapsed_s)
        self._before, self._at_ns = grey, at_ns
        if mask is None:
            return Signals(int(picture), sharpness, mean, flow_grid=flow)
        grid = cv2.resize(mask, (GRID_COLUMNS, GRID_ROWS), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return Signals(int(picture), sharpness, mean, self._share, grid, flow)

    def _foreground(self, grey: U8, elapsed_s: float, blind: bool) -> U8 | None:
        """(180, 320) 255 where something stands before the background; None while that is not known."""
        self._seen += not blind
        # While the lens is covered nothing is learned: the crowd must not be forgotten behind a hand.
        slow = 1.0 - _BACKGROUND_SHARE ** (elapsed_s / self._settings.absorb_s)
        rate = 0.0 if blind else max(slow, 1.0 / self._seen if self._seen <= _FAST_PICTURES else 0.0)
        raw = self._mixture.apply(self._levelled(grey), learningRate=rate)
        mask: U8 = cv2.medianBlur(raw, 3).astype(np.uint8, copy=False)
        share = float(cv2.countNonZero(mask)) / mask.size
        if blind or self._seen <= _WARM_PICTURES:
            self._share = share
            return None
        # A crowd cannot fill half of the picture between two samples; a lamp or a turned camera can.
        self._jumped = self._jumped + 1 if share - self._share > _JUMP or (self._jumped and share > _JUMP) else 0
        if self._jumped > _JUMP_PICTURES:
            self._seen = self._jumped = 0
            self._background = None
        if not self._jumped:
            self._share = share
        return None if self._jumped or not self._seen else mask

    def _levelled(self, grey: U8) -> U8:
        """The picture with the background's overall brightness: a cloud is not a crowd."""
        if self._seen > _WARM_PICTURES and (self._background is None or self._seen % _GAIN_PERIOD == 0):
            self._background = self._mixture.getBackgroundImage().astype(np.uint8, copy=False)
        if self._background is None:
            return grey
        now, usual = grey[::4, ::4].astype(np.float32), self._background[::4, ::4].astype(np.float32)
        lit = (now > 10) & (now < 245) & (usual > 10)
        if int(lit.sum()) < 200:
            return grey
        gain = float(np.clip(np.median(usual[lit] / now[lit]), *_GAIN))
        return cv2.convertScaleAbs(grey, alpha=gain).astype(np.uint8, copy=False)

    def _motion(self, grey: U8, mask: U8 | None, elapsed_s: float) -> F16 | None:
        if self._flow is None or self._before is None or mask is None or not 0 < elapsed_s <= _FLOW_S_MAX:
            return None
        field = self._flow.calc(self._before, grey, np.zeros((HEIGHT, WIDTH, 2), np.float32)) * (1 / elapsed_s)
        field *= np.array([1 / WIDTH, 1 / HEIGHT], np.float32)
        # The mean over what moves in a cell, not over the pavement around it.
        weight = mask.astype(np.float32) / 255
        size = (GRID_COLUMNS, GRID_ROWS)
        weighed = cv2.resize(field * weight[..., None], size, interpolation=cv2.INTER_AREA)
        share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)[..., None]
        mean: npt.NDArray[np.float32] = np.divide(weighed, share, out=np.zeros_like(weighed), where=share > 0.01)
        return mean.astype(np.float16)

    def _tamper(
        self, at_ns: int, elapsed_s: float, change: float, mean: float, spread: float, sharpness: float, layout: F32
    ) -> Picture:
        picture = Picture(0)
        # Every sensor has noise: two pictures that agree to the last grey level are one picture.
        if change > 0:
            self._changed_at_ns = at_ns
        elif at_ns - self._changed_at_ns >= self._settings.frozen_s * NS_PER_S:
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
