"""
Whether a picture stands still although the transport lives: exactly the same, or encoded in exactly the same bytes.

Every sensor has noise: two pictures that agree to the last grey level are one picture. Between two key frames an
encoder may repeat a quiet street to the last bit, so a picture counts as repeated only across key frames. A recorder
that sends its last key frame again and again, with other pictures in between, is told by the bytes.
"""

from __future__ import annotations

import numpy as np

from ingest.cameras.signals.sample import NS_PER_S, Sample
from ingest.schema.tick import U8

_REPEATS_MIN = 2  # pictures, or key frames, that repeat the one before


class Stillness:
    """The picture before, and since when it is repeated."""

    def __init__(self, frozen_s: float) -> None:
        self._frozen_ns = int(frozen_s * NS_PER_S)
        self._before: U8 | None = None
        self._digest: int | None = None
        self._same_since_ns = self._bytes_since_ns = 0
        self._same = self._keys = self._bytes_same = 0

    def read(self, picture: Sample, at_ns: int) -> bool:
        """Whether it has stood still for `frozen_s`."""
        keys = picture.key_digests
        if self._before is not None and np.array_equal(picture.grey, self._before):
            self._same += 1
            self._keys += 1 if keys is None else len(keys)
        else:
            self._same = self._keys = 0
            self._same_since_ns = at_ns
        self._before = picture.grey
        for digest in keys or ():
            if digest == self._digest:
                self._bytes_same += 1
            else:
                self._bytes_same, self._bytes_since_ns = 0, at_ns
            self._digest = digest
        still = min(self._same, self._keys) >= _REPEATS_MIN and at_ns - self._same_since_ns >= self._frozen_ns
        return still or (self._bytes_same >= _REPEATS_MIN and at_ns - self._bytes_since_ns >= self._frozen_ns)
