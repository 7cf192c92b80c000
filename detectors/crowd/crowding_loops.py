"""Sums over the neighbours of each person, compiled; `density` says what they are for."""

from __future__ import annotations

import numpy as np

from detectors.crowd.compiled import FLOAT, FLOATS, FLOATS_2D, INTS, NONE, WRITTEN, WRITTEN_2D, compiled
from detectors.geometry.homography import Floats, Ints


@compiled(NONE, FLOATS_2D, INTS, INTS, INTS, FLOATS, FLOAT, WRITTEN, WRITTEN)
def crowding(
    position: Floats,
    at: Ints,
    first: Ints,
    end: Ints,
    radius_m: Floats,
    reach: float,
    weight: Floats,
    square: Floats,
) -> None:
    """For the person at row `at[k]`: sums over rows `first[k]:end[k]` of w = exp(-d^2 / R^2), and of w^2."""
    for k in range(len(at)):
        x, y = position[at[k], 0], position[at[k], 1]
        scale = 1.0 / (radius_m[k] * radius_m[k])
        beyond = reach * reach
        total, squares = 0.0, 0.0
        for other in range(first[k], end[k]):
            east, north = position[other, 0] - x, position[other, 1] - y
            far = (east * east + north * north) * scale
            if far < beyond:
                each = np.exp(-far)
                total += each
                squares += each * each
        weight[k], square[k] = total, squares


@compiled(NONE, FLOATS_2D, FLOATS_2D, INTS, FLOAT, WRITTEN_2D)
def crowding_moments(position: Floats, velocity: Floats, group_start: Ints, radius_m: float, moment: Floats) -> None:
    """`moment` (N, 4): of each person, sums of w, w v_x, w v_y and w |v|^2 over those of its group whose v is known."""
    scale = 1.0 / (radius_m * radius_m)
    for group in range(len(group_start) - 1):
        first, end = group_start[group], group_start[group + 1]
        for here in range(first, end):
            for other in range(first, end):
                east, north = position[other, 0] - position[here, 0], position[other, 1] - position[here, 1]
                far = (east * east + north * north) * scale
                if far < 12.25 and velocity[other, 0] == velocity[other, 0]:  # NaN is not itself
                    each = np.exp(-far)
                    east, north = velocity[other, 0], velocity[other, 1]
                    moment[here, 0] += each
                    moment[here, 1] += each * east
                    moment[here, 2] += each * north
                    moment[here, 3] += each * (east * east + north * north)
