"""
What stands before the background: a mixture of Gaussians, after the picture's overall gain has been taken out.

It learns slowly, so that a crowd that stands still stays foreground for `absorb_s`.

Source: Zivkovic, ICPR 2004.
"""

from __future__ import annotations

import cv2
import numpy as np

from ingest.cameras.signals.sample import Sample
from ingest.cameras.signals.tamper import BLIND
from ingest.schema.tick import U8, Picture

_WARM_PICTURES = 5  # foreground before this is not known
_FAST_PICTURES = 30  # learned at 1/n
_BACKGROUND_SHARE = 0.9  # of OpenCV's model: weight of what counts as background
_GAIN = (0.4, 2.5)
_GAIN_PERIOD = 10  # pictures between two looks at the background picture
_JUMP = 0.5  # share of the picture that becomes foreground from one picture to the next: light, or the lens
_JUMP_PICTURES = 3


class Foreground:
    """
    The background of one camera.

    Attributes:
        share: of the picture, as last seen.
        is_learning: who stands in the picture now would become a part of the background.
    """

    def __init__(self, absorb_s: float) -> None:
        self._absorb_s = absorb_s
        self._mixture = cv2.createBackgroundSubtractorMOG2(history=500, varThreshold=20, detectShadows=False)
        self._mixture.setBackgroundRatio(_BACKGROUND_SHARE)
        self._background: U8 | None = None
        self._seen = self._jumped = 0
        self.share = 0.0

    @property
    def is_learning(self) -> bool:
        return self._seen <= _FAST_PICTURES

    def read(self, picture: Sample) -> U8 | None:
        """(180, 320) 255 where something stands before the background; None while that is not known."""
        blind = bool(picture.flags & (BLIND | Picture.UNSTEADY))
        self._seen += not blind
        # While the lens is covered nothing is learned: the crowd must not be forgotten behind a hand.
        slow = 1.0 - _BACKGROUND_SHARE ** (picture.elapsed_s / self._absorb_s)
        rate = 0.0 if blind else max(slow, 1.0 / self._seen if self._seen <= _FAST_PICTURES else 0.0)
        raw = self._mixture.apply(self._levelled(picture.grey), learningRate=rate)
        mask: U8 = cv2.medianBlur(raw, 3).astype(np.uint8, copy=False)
        share = float(cv2.countNonZero(mask)) / mask.size
        if blind or self._seen <= _WARM_PICTURES:
            self.share = share
            return None
        # A crowd cannot fill half of the picture between two samples; a lamp or a turned camera can.
        self._jumped = self._jumped + 1 if share - self.share > _JUMP or (self._jumped and share > _JUMP) else 0
        if self._jumped > _JUMP_PICTURES:
            self._seen = self._jumped = 0
            self._background = None
        if not self._jumped:
            self.share = share
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
