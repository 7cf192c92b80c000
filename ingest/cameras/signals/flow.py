"""
How what stands before the background moves: dense inverse search, where samples come fast enough.

Source: Kroeger et al., ECCV 2016.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ingest.cameras.signals.sample import HEIGHT, WIDTH, Sample
from ingest.schema.tick import F16, GRID_COLUMNS, GRID_ROWS, U8

_FLOW_S_MAX = 0.5  # two pictures further apart cannot be matched


class Flow:
    """The picture before, of one camera."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._before: U8 | None = None

    def read(self, picture: Sample) -> F16 | None:
        """(9, 16, 2) picture widths and heights per second, x right, y down; None where it is not known."""
        before, self._before = self._before, picture.grey
        elapsed_s, mask = picture.elapsed_s, picture.foreground
        if before is None or mask is None or not 0 < elapsed_s <= _FLOW_S_MAX:
            return None
        field = self._flow.calc(before, picture.grey, np.zeros((HEIGHT, WIDTH, 2), np.float32)) * (1 / elapsed_s)
        field *= np.array([1 / WIDTH, 1 / HEIGHT], np.float32)
        # The mean over what moves in a cell, not over the pavement around it.
        weight = mask.astype(np.float32) / 255
        size = (GRID_COLUMNS, GRID_ROWS)
        weighed = cv2.resize(field * weight[..., None], size, interpolation=cv2.INTER_AREA)
        share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)[..., None]
        mean: npt.NDArray[np.float32] = np.divide(weighed, share, out=np.zeros_like(weighed), where=share > 0.01)
        return mean.astype(np.float16)
