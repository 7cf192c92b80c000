"""
Whether the picture has lost its colours where it should have them.

A camera that turns to its night mode is grey, and well: so grey counts as lost only in good light, and at hours that
had colour the day before, with an hour on both sides for dusk that comes earlier each day.
"""

from __future__ import annotations

import cv2
import numpy as np

from ingest.cameras.signals.sample import NS_PER_S
from ingest.schema.tick import U8

_SIZE = (80, 45)
_LIT = 30  # grey level from which a colour can be seen
_GREY, _COLOURED = 4.0, 10.0  # the greatest less the least of the three, where there is most colour
_COLOURFUL = 95.0  # percentile of the picture
_USUAL_S = 120.0
_BRIGHT, _NOISY = 75.0, 3.5  # grey levels: a picture that is as bright and as quiet as by day
_HOUR_NS = 3_600 * NS_PER_S
_PICTURES_MIN = 2
_KNOWN_PICTURES = 10
_HAD, _HAD_NOT = 1, 2  # an hour's colours; 0 is not known


class Colour:
    """What is usual of one camera's colours, by the hour (UTC)."""

    def __init__(self) -> None:
        self._usual = 0.0
        self._coloured = self._grey = 0  # pictures
        self._lost = False
        self._today, self._yesterday = np.zeros(24, np.int8), np.zeros(24, np.int8)  # of each hour: _HAD, _HAD_NOT
        self._day = self._hour = -1

    def read(self, colour: U8 | None, brightness: float, noise: float, elapsed_s: float, at_ns: int) -> bool:
        """
        Whether colours are lost.

        Args:
            colour: (180, 320, 3) or None.
            brightness: mean grey level.
            noise: its standard deviation, grey levels.
        """
        now = float("nan") if colour is None else _colourfulness(colour)
        if np.isnan(now):
            return self._lost
        is_new_hour = self._turn(at_ns // _HOUR_NS)
        if now >= _GREY:
            self._lost, self._grey = False, 0
            self._coloured += 1
            self._usual += (now - self._usual) * max(min(1.0, elapsed_s / _USUAL_S), 1.0 / self._coloured)
            self._today[self._hour] = _HAD
            return False
        self._grey += 1
        if self._coloured < _KNOWN_PICTURES or self._usual < _COLOURED:
            return False
        if self._grey == _PICTURES_MIN:
            is_day = brightness >= _BRIGHT and noise <= _NOISY
            self._lost = self._lost or (is_day and self._yesterday[self._hour] != _HAD_NOT)
        elif is_new_hour:
            around = self._yesterday[[(self._hour - 1) % 24, self._hour, (self._hour + 1) % 24]]
            self._lost = self._lost or bool((around == _HAD).all())
        if not self._lost and self._today[self._hour] != _HAD:
            self._today[self._hour] = _HAD_NOT
        return self._lost

    def _turn(self, hours: int) -> bool:
        """Whether an hour has begun."""
        day, hour = divmod(hours, 24)
        if day != self._day:
            self._yesterday = self._today if day == self._day + 1 else np.zeros(24, np.int8)
            self._today, self._day = np.zeros(24, np.int8), day
        begun, self._hour = hour != self._hour, hour
        return begun


def _colourfulness(colour: U8) -> float:
    """The greatest less the least of blue, green and red, where there is most colour; NaN where there is no light."""
    blue, green, red = cv2.split(cv2.resize(colour, _SIZE, interpolation=cv2.INTER_AREA))
    high, low = cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red)
    lit = np.asarray(high) >= _LIT
    if int(lit.sum()) < lit.size // 10:
        return float("nan")
    return float(np.percentile(np.asarray(cv2.subtract(high, low))[lit], _COLOURFUL))
