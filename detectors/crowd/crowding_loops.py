"""Sums over the neighbours of each person, compiled; `density` says what they are for."""

from __future__ import annotations

import numpy as np

from detectors.crowd.compiled import BOOLS, FLOAT, FLOATS, FLOATS_2D, INTS, NONE, WRITTEN, WRITTEN_2D, compiled
from detectors.geometry.homography import Bools, Floats, Ints


@compiled(NONE, FLOATS_2D, INTS, BOOLS, FLOATS, FLOAT, WRITTEN, WRITTEN)
def densest(
    position: Floats, start: Ints, asked: Bools, radius_m: Floats, reach: float, weight: Floats, square: Floats
) -> None:
    """Of each group, the greatest sum of w = exp(-d^2 / R^2) where a person of it that is asked about stands."""
    most = 0
    for group in range(len(start) - 1):
        most = max(most, start[group + 1] - start[group])
    x, y, is_asked = np.empty(most), np.empty(most), np.empty(most, np.bool_)
    for group in range(len(start) - 1):
        if not radius_m[group] > 0.0:
            continue
        # 1. From west to east: a sum is the same to its last bit whatever the order of the persons was.
        count = 0
        for row in range(start[group], start[group + 1]):
            east, north = position[row, 0], position[row, 1]
            place = count
            while place > 0 and (x[place - 1] > east or (x[place - 1] == east and y[place - 1] > north)):
                x[place], y[place], is_asked[place] = x[place - 1], y[place - 1], is_asked[place - 1]
                place -= 1
            x[place], y[place], is_asked[place] = east, north, asked[row]
            count += 1
        # 2. Only those within reach to the west and to the east need to be looked at.
        reach_m = reach * radius_m[group]
        scale = 1.0 / (radius_m[group] * radius_m[group])
        first = 0
        for here in range(count):
            if not is_asked[here]:
                continue
            while x[first] < x[here] - reach_m:
                first += 1
            total, squares = 0.0, 0.0
            for other in range(first, count):
                east, north = x[other] - x[here], y[other] - y[here]
                if east > reach_m:
                    break
                far = (east * east + north * north) * scale
                if far < reach * reach:
                    each = np.exp(-far)
                    total += each
                    squares += each * each
            if total > weight[group]:
                weight[group], square[group] = total, squares


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
