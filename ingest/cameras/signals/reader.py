"""
What cheap classical operators see in one camera's pictures, on a picture of 320 x 180, beside the decoder.

    tamper       what is wrong with the picture itself
    foreground   what stands before the background
    flow         how it moves, where samples come fast enough
    parts        one look for each hazard that is told from pictures: see `part`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ingest.cameras.observation import CameraEvent
from ingest.cameras.signals.flame import Flame
from ingest.cameras.signals.flow import Flow
from ingest.cameras.signals.foreground import Foreground
from ingest.cameras.signals.part import Part, Told
from ingest.cameras.signals.sample import NS_PER_S, Sample
from ingest.cameras.signals.smoke import Smoke
from ingest.cameras.signals.static_object import StaticObject
from ingest.cameras.signals.tamper import Tamper
from ingest.schema.tick import F16, GRID_COLUMNS, GRID_ROWS, U8, Picture

cv2.setNumThreads(1)  # one process has many cameras; threads within one picture only cost

PARTS: tuple[Callable[[], Part], ...] = (Flame, Smoke, StaticObject)  # what is looked for in all cameras' pictures


@dataclass(frozen=True, slots=True)
class SignalSettings:
    absorb_s: float = 1_800.0
    frozen_s: float = 4.0
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
    flame: float = float("nan")
    smoke: float = float("nan")
    events: tuple[CameraEvent, ...] = ()


class SignalReader:
    """
    The memory of one camera. `reset` it when the picture's size or place changes.

    Args:
        parts: what is looked for; each is made anew at a reset.
    """

    def __init__(self, settings: SignalSettings, parts: Sequence[Callable[[], Part]] | None = None) -> None:
        self._settings = settings
        self._makers = PARTS if parts is None else tuple(parts)
        self.reset()

    def reset(self) -> None:
        """Forget all pictures."""
        self._tamper = Tamper(self._settings.frozen_s)
        self._foreground = Foreground(self._settings.absorb_s)
        self._flow = Flow() if self._settings.flow else None
        self._parts = tuple(make() for make in self._makers)
        self._at_ns: int | None = None

    def read(
        self, grey: U8, at_ns: int, colour: U8 | None = None, key_digests: tuple[int, ...] | None = None
    ) -> Signals:
        """
        The signals of the next picture.

        Args:
            grey: (180, 320) levels 0 to 255.
            at_ns: when it was captured; grows.
            colour: (180, 320, 3) the same picture, blue, green, red; None where the source has none.
            key_digests: of the encoded key frames that came since the picture before; None where nobody has them.
        """
        elapsed_s = 0.0 if self._at_ns is None else (at_ns - self._at_ns) / NS_PER_S
        self._at_ns = at_ns
        picture = Sample(grey, colour, elapsed_s=elapsed_s, key_digests=key_digests)
        tampering = self._tamper.read(picture, at_ns)
        picture = replace(picture, flags=tampering.flags)
        mask = self._foreground.read(picture)
        flags = tampering.flags | (Picture.LEARNING if self._foreground.is_learning else Picture(0))
        picture = replace(picture, foreground=mask, flags=flags)
        flow = None if self._flow is None else self._flow.read(picture)
        told = _joined([part.read(picture, at_ns) for part in self._parts])
        share, grid = float("nan"), None
        if mask is not None:
            share = self._foreground.share
            size = (GRID_COLUMNS, GRID_ROWS)
            grid = cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return Signals(
            picture=int(flags),
            sharpness=tampering.sharpness,
            brightness=tampering.brightness,
            foreground=share,
            foreground_grid=grid,
            flow_grid=flow,
            flame=told.flame,
            smoke=told.smoke,
            events=told.events,
        )


def _joined(told: Sequence[Told]) -> Told:
    """What all parts say; of several that speak of one thing, the most."""
    flame, smoke = (
        float(np.fmax.reduce([getattr(each, name) for each in told], initial=np.nan)) for name in ("flame", "smoke")
    )
    return Told(flame, smoke, tuple(event for each in told for event in each.events))
