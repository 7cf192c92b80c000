"""
What a sample of one camera says of the people in each zone that it sees: speeds, standing groups, conflicts, pressure.

All of it is sums, maxima and counts over persons and over pairs of persons of one camera; who they are is gone after.

    noise       sigma-hat of a place, from how far it lies beside the line between its neighbours in time
    velocity    over about 1 s, and over a window that grows with the noise (`velocity.window_s`)
    moving      above max(0.3 m/s, 3 sigma_v);  running: above max(2 m/s, 3 sigma_v) over 1 s
    standing    below max(0.4 m/s, 2.5 sigma_v) over 3 s; who was not seen just now is where he last stood, for 2.5 s
    density     kernel at each person, sum of exp(-d2 / R2) / (pi R2), R = 1 m; Helbing et al., PRE 75 (2007) 046109
    cluster     standing persons linked over 1.5 m
    conflict    pairs of moving persons within 1.5 m, courses more than 134 degrees apart, closing
    exits       crossings of the lines of a zone's exits, each line by one view, since the camera is watched
    pressure    density x variance of velocity around its local mean, less the noise's part; same source
"""

from __future__ import annotations

# Columns of the measures of a view.
(
    SEEN, TIMED, EAST, NORTH, SPEED, RUNNING, PACED, SLOW_SPEED, MOVING, STANDING, CLUSTER, PER_M2, CONFLICT,
    AGAINST, PRESSURE, ENTERED, LEFT, NOISE, SPEED_NOISE, MOVING_SPEED, CAME_IN, WENT_OUT,
) = range(22)  # fmt: skip
COLUMNS = 22

KERNEL_M = 1.0
CARRIED_S = 2.5
STANDING_M_S, STANDING_S = 0.4, 3.0
RUNNING_M_S = 2.0
LINK_M = 1.5
CONFLICT_M, CONFLICT_COSINE = 1.5, -0.7
PRESSURE_FROM_PER_M2 = 1.5  # below it there is no pressure worth the arithmetic
NOISE_SAMPLES = 256
NOISE_KEPT = 0.7  # of what was known before
SORTED_FROM = 48  # persons of a view from which on they are sorted
