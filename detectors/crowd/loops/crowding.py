"""Sums over the neighbours of each person, compiled; `density` says what they are for."""

from __future__ import annotations

import numpy as np

from detectors.crowd.loops.compiled import BOOLS, FLOAT, FLOATS, FLOATS_2D, INTS, NONE, WRITTEN, WRITTEN_2D, compiled
from detectors.geometry.homography import Bools, Floats, Ints

UNIT = 2**40  # of the sums of whole numbers


@compiled(NONE, FLOATS_2D, INTS, BOOLS, FLOATS, FLOAT, WRITTEN, WRITTEN)
def densest(
    position: Floats, start: Ints, asked: Bools, radius_m: Floats, reach: float, weight: Floats, square: Floats
) -> None:
    """Of each group, the greatest sum of w = exp(-d^2 / R^2) where a person of it that is asked about stands."""
    most = 0
    for group in range(len(start) - 1):
        most = max(most, start[group + 1] - start[group])
    # Sums of whole numbers: they are the same to the last bit whatever the order of the persons is.
    total, squares = np.empty(most, np.int64), np.empty(most, np.int64)
    for group in range(len(start) - 1):
        if not radius_m[group] > 0.0:
            continue
        first, count = start[group], start[group + 1] - start[group]
        near = reach * reach * radius_m[group] * radius_m[group]
        scale = 1.0 / (radius_m[group] * radius_m[group])
        for here in range(count):
            total[here], squares[here] = UNIT, UNIT
        for here in range(count):
            x, y = position[first + here, 0], position[first + here, 1]
            for other in range(here + 1, count):
                east, north = position[first + other, 0] - x, position[first + other, 1] - y
                far = east * east + north * north
                if far < near:
                    each = np.exp(-far * scale)
                    whole, whole_square = np.int64(each * UNIT), np.int64(each * each * UNIT)
                    total[here] += whole
                    total[other] += whole
                    squares[here] += whole_square
                    squares[other] += whole_square
        best, best_square = 0, 0
        for here in range(count):
            is_more = total[here] > best or (total[here] == best and squares[here] > best_square)
            if asked[first + here] and is_more:
                best, best_square = total[here], squares[here]
        weight[group], square[group] = best / UNIT, best_square / UNIT


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
