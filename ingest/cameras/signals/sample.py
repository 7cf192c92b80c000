"""One picture as all operators are given it, prepared once."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ingest.schema.tick import U8

WIDTH, HEIGHT = 320, 180
NS_PER_S = 1_000_000_000
_FULL_RANGE = np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)  # ITU-R BT.601, 2.5.1


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Arrays are lent: who keeps one past the call keeps a copy of what it needs."""

    grey: U8  # (180, 320) levels 0 to 255
    colour: U8 | None = None  # (180, 320, 3) blue, green, red; None where the source has none
    foreground: U8 | None = None  # (180, 320) 255 where something stands before the background; None: not known
    elapsed_s: float = 0.0  # since the sample before, 0 at the first
    flags: int = 0  # `Picture`: what is wrong with it
    key_digests: tuple[int, ...] | None = None  # of the encoded key frames since the sample before; None: not known


def from_planes(planes: U8) -> tuple[U8, U8]:
    """
    The grey and the colour picture of planes as decoders give them: cheaper than to scale twice.

    Args:
        planes: (270, 320) YUV 4:2:0, planar.

    Returns:
        (180, 320) levels 0 to 255, and (180, 320, 3) blue, green, red.
    """
    grey = cv2.LUT(planes[:HEIGHT], _FULL_RANGE).astype(np.uint8, copy=False)
    return grey, cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420).astype(np.uint8, copy=False)
