"""
Level of service: how much room people have, in six bands from A (free) to F (pressed).

Source: Fruin, Pedestrian Planning and Design, 1971; bounds in square feet a person, taken to persons/m2. For walkways
35, 25, 15, 10 and 5 ft2; for queues 13, 10, 7, 3 and 2 ft2.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from detectors.geometry.homography import Bools, Floats, Ints

_FT2_M2 = 0.3048**2
UNKNOWN = -1


class Service(IntEnum):
    A = 0
    B = 1
    C = 2
    D = 3
    E = 4
    F = 5


WALKWAY_PER_M2: Floats = 1.0 / (np.array([35.0, 25.0, 15.0, 10.0, 5.0]) * _FT2_M2)  # (5,) upper bounds of A to E
QUEUE_PER_M2: Floats = 1.0 / (np.array([13.0, 10.0, 7.0, 3.0, 2.0]) * _FT2_M2)  # (5,)
WALKWAY_FLOW_PER_M_MIN: Floats = np.array([23.0, 33.0, 49.0, 66.0, 82.0])  # (5,) persons per metre and minute


def service_band(per_m2: Floats, queueing: Bools | bool = False) -> Ints:
    """
    The band of each density.

    Args:
        per_m2: (...,) persons/m2; NaN where it is not known.
        queueing: (...,) or one for all: whether people wait there rather than walk.

    Returns:
        (...,) `Service`; UNKNOWN (-1) where the density is.
    """
    walking = np.searchsorted(WALKWAY_PER_M2, per_m2, side="left")
    waiting = np.searchsorted(QUEUE_PER_M2, per_m2, side="left")
    return np.where(np.isnan(per_m2), UNKNOWN, np.where(queueing, waiting, walking)).astype(np.int64)


def band_shares(band: Ints, seconds: Floats) -> Floats:
    """
    (6,) share of the known time that was spent in each band; NaN where none is known.

    Args:
        band: (N,) `Service` of each reading, UNKNOWN is left out.
        seconds: (N,) how long each reading stands for.
    """
    known = band != UNKNOWN
    spent = np.bincount(band[known], seconds[known], len(Service))
    with np.errstate(invalid="ignore"):
        shares: Floats = spent / (spent.sum() or np.nan)
    return shares
