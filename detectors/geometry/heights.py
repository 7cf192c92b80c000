"""How tall an upright body is in a camera's picture, place by place, from its calibration."""

from __future__ import annotations

import numpy as np

from detectors.geometry.homography import Floats
from detectors.geometry.upright import upright
from ingest.schema.tick import F32, GRID_COLUMNS, GRID_ROWS


def upright_heights(homography: Floats) -> F32:
    """
    (C, 10, 17) height in picture heights of an upright body whose foot is at each corner of the cells of the grids;
    NaN above the horizon, and for a camera that is not calibrated.

    Args:
        homography: (C, 3, 3) NaN where there is none.
    """
    v, u = np.mgrid[0 : GRID_ROWS + 1, 0 : GRID_COLUMNS + 1]
    foot = np.stack([u.ravel() / GRID_COLUMNS, v.ravel() / GRID_ROWS], axis=1)
    result = np.full((len(homography), GRID_ROWS + 1, GRID_COLUMNS + 1), np.nan, np.float32)
    for camera in np.flatnonzero(~np.isnan(homography[:, 0, 0])):
        top = upright(homography[camera]).body_top(foot)
        high = np.where(foot[:, 1] > top[:, 1], foot[:, 1] - top[:, 1], np.nan)
        result[camera] = high.reshape(v.shape).astype(np.float32)
    return result
