"""
Which packets of a video stream are decoded. Pure: it sees key flags and times, no bytes.

Key frames alone are decoded where they come at least once a sampling period; the rest is only read. The gap is
measured: a stream begins fully decoded, and a "smart" codec that stretches its gap later is decoded fully from its
next key frame on.
"""

from __future__ import annotations

import math
from enum import Enum

_SLACK = 1.25  # a key frame a little late still keeps the period
_OVERDUE = 2.5  # key-frame gaps without a key frame before the mode is changed
_GAP_S_MAX = 300.0
_SHORT_GAPS = 2


class Want(Enum):
    PASS = 0  # not needed
    DECODE = 1  # needed by later pictures
    SAMPLE = 2  # this picture is wanted


class Sampler:
    """
    Attributes:
        keys_only: whether only key frames are decoded now.
        key_gap_s: the last measured time between two key frames, None before the second.
    """

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self.keys_only = False
        self.key_gap_s: float | None = None
        self._key_at_s: float | None = None
        self._due_s = -math.inf
        self._short_gaps = 0  # in a row; one may be a burst of packets at the start
        self._chained = False  # every packet since the last key frame went to the decoder

    def offer(self, is_key: bool, at_s: float) -> Want:
        """What to do with the next packet, which came at `at_s` (seconds on a clock that grows)."""
        if is_key:
            self._key(at_s)
        elif self.keys_only and self._is_overdue(at_s):
            self.keys_only, self._chained, self._short_gaps = False, False, 0
        if self.keys_only and not is_key:
            self._chained = False
            return Want.PASS
        if not self._chained:
            # Between two modes: pictures that lean on skipped ones cannot be decoded.
            return Want.PASS
        if self._is_due(at_s):
            return Want.SAMPLE
        if self.keys_only:
            self._chained = False
            return Want.PASS
        return Want.DECODE

    def unchain(self) -> None:
        """Packets were lost on the way to the decoder: begin again at the next key frame."""
        self._chained = False

    def _key(self, at_s: float) -> None:
        if self._key_at_s is not None and 0 < at_s - self._key_at_s <= _GAP_S_MAX:
            self.key_gap_s = at_s - self._key_at_s
            self._short_gaps = self._short_gaps + 1 if self.key_gap_s <= self.period_s * _SLACK else 0
            self.keys_only = self._short_gaps >= _SHORT_GAPS
        self._key_at_s = at_s
        self._chained = True

    def _is_overdue(self, at_s: float) -> bool:
        gap_s = max(self.key_gap_s or 0.0, self.period_s)
        return self._key_at_s is not None and at_s - self._key_at_s > gap_s * _OVERDUE

    def _is_due(self, at_s: float) -> bool:
        slack_s = min(self.key_gap_s or 0.0, self.period_s) / 2 if self.keys_only else self.period_s / 50
        if at_s < self._due_s - slack_s:
            return False
        # Keep the rhythm; after a pause, start a new one.
        self._due_s = (self._due_s if at_s - self._due_s < self.period_s else at_s) + self.period_s
        return True
