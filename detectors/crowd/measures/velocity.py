"""
How fast people move, from positions of one camera's tracks, and how far the noise of the positions lets that be said.

A person who stands still in noise of sigma m seems to move at sqrt(2) sigma / w over a window of w s. So the window
grows with the noise, and nobody counts as moving below three times what noise alone would make.
"""

from __future__ import annotations

import numpy as np

from detectors.geometry.homography import Floats, Ints

SPEED_NOISE_M_S = 0.15  # what the window is chosen for
WINDOW_S_MIN, WINDOW_S_MAX = 1.0, 4.0
MOVING_M_S = 0.3
RUN_M_S_MAX = 7.0  # what seems faster is no person who goes on, and no person who runs
_SIGMAS_MOVING = 3.0
_MAD_TO_SD = 1.4826  # of a normal distribution
_SECOND_DIFFERENCE = np.sqrt(6.0)  # x(t+1) - 2 x(t) + x(t-1) has 1 + 4 + 1 times the variance of x


def position_noise_m(before: Floats, here: Floats, after: Floats, group: Ints, groups: int) -> Floats:
    """
    Noise of a position along each axis, from how far samples lie beside the line between their neighbours in time.

    Args:
        before, here, after: (N, 2) the place of one track at three equally spaced times, 1 s apart; NaN is left out.
        group: (N,) whose noise it tells (a zone, a camera).
        groups: how many groups there are.

    Returns:
        (groups,) sigma-hat in metres; NaN where there is no sample. Real turns and stops are in it, so it is an upper
        bound for people who walk about.

    Source: 1.4826 median |x(t+1) - 2 x(t) + x(t-1)| / sqrt 6; the median absolute deviation of a normal distribution.
    """
    beside = np.abs(after - 2.0 * here + before)
    median_m = group_medians(beside.reshape(-1), np.repeat(group, 2), groups)
    noise_m: Floats = _MAD_TO_SD / _SECOND_DIFFERENCE * median_m
    return noise_m


def window_s(noise_m: Floats) -> Floats:
    """(...,) seconds over which to take a velocity at this position noise; the longest where it is not known."""
    wanted = np.sqrt(2.0) * noise_m / SPEED_NOISE_M_S
    window: Floats = np.clip(np.nan_to_num(wanted, nan=WINDOW_S_MAX), WINDOW_S_MIN, WINDOW_S_MAX)
    return window


def velocity_noise_m_s(noise_m: Floats, over_s: Floats) -> Floats:
    """(...,) 1 sigma along each axis of a velocity over `over_s` seconds."""
    result: Floats = np.sqrt(2.0) * noise_m / over_s
    return result


def moving_above_m_s(noise_m: Floats, over_s: Floats) -> Floats:
    """(...,) the speed above which a person counts as moving; 0.3 m/s, or three sigmas of the velocity if more."""
    least: Floats = np.maximum(MOVING_M_S, _SIGMAS_MOVING * velocity_noise_m_s(noise_m, over_s))
    return least


def windowed_velocity(earlier: Floats, later: Floats, elapsed_s: Floats) -> Floats:
    """
    (N, 2) m/s between two places of one track; NaN where either is, or where no time has passed.

    Args:
        earlier, later: (N, 2) metres.
        elapsed_s: (N,)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        velocity: Floats = (later - earlier) / np.where(elapsed_s > 0.0, elapsed_s, np.nan)[:, None]
    return velocity


def mean_velocity(velocity: Floats, group: Ints, groups: int) -> Floats:
    """
    Args:
        velocity: (N, 2) m/s; NaN is left out.
        group: (N,) the zone of each; -1 outside every zone.

    Returns:
        (groups, 2) m/s; NaN where there is nobody. Its noise is that of one velocity over the root of their number.
    """
    known = (group >= 0) & ~np.isnan(velocity).any(axis=1)
    about, given = group[known], velocity[known]
    count = np.bincount(about, minlength=groups)
    total = np.stack([np.bincount(about, given[:, axis], groups) for axis in (0, 1)], axis=1)
    with np.errstate(invalid="ignore"):
        mean: Floats = total / np.where(count > 0, count, np.nan)[:, None]
    return mean


def mean_speed_m_s(velocity: Floats, group: Ints, groups: int) -> Floats:
    """(groups,) mean of the speeds, whatever their directions; arguments as in `mean_velocity`."""
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    return mean_velocity(np.stack([speed, speed], axis=1), group, groups)[:, 0]


def velocity_variance(velocity: Floats, group: Ints, groups: int, noise_m_s: Floats) -> Floats:
    """
    (groups,) m2/s2, variance of the velocities around their mean (both axes), what noise alone would make taken off;
    never below 0, NaN where there is nobody.

    Args:
        noise_m_s: (groups,) 1 sigma of a velocity along each axis.
    """
    mean = mean_velocity(velocity, group, groups)
    square = mean_speed_m_s(np.stack([(velocity**2).sum(axis=1), np.zeros(len(velocity))], axis=1), group, groups)
    variance: Floats = np.maximum(square - (mean**2).sum(axis=1) - 2.0 * noise_m_s**2, 0.0)
    return variance


def group_medians(value: Floats, group: Ints, groups: int) -> Floats:
    """(groups,) median of the values (N,) of each group (N,); NaN is left out, and where there is none."""
    known = (group >= 0) & ~np.isnan(value)
    order = np.lexsort((value[known], group[known]))
    ranked, about = value[known][order], group[known][order]
    first = np.searchsorted(about, np.arange(groups))
    count = np.searchsorted(about, np.arange(groups), side="right") - first
    median = np.full(groups, np.nan)
    there = count > 0
    low, high = first + (count - 1) // 2, first + count // 2
    median[there] = (ranked[low[there]] + ranked[high[there]]) / 2.0
    return median


def track_speed_m_s(position: Floats, track_start: Ints, steps: int, frames_per_s: float) -> Floats:
    """
    The speed of each sample of whole trajectories, over `steps` frames to either side; at the ends of a track over what
    is there on the one side.

    Args:
        position: (N, 2) sorted by track and frame, a sample each frame.
        track_start: (T + 1,) rows of track t are `track_start[t]:track_start[t + 1]`.
        steps: frames to either side.

    Returns:
        (N,) m/s; NaN in a track that is too short.

    Source: individual speed with the border method "single sided"; PedPy 1.5.
    """
    rows = np.arange(len(position))
    length = np.diff(track_start)
    first, last = np.repeat(track_start[:-1], length), np.repeat(track_start[1:], length) - 1
    back, ahead = rows - steps >= first, rows + steps <= last
    earlier, later = np.where(back, rows - steps, rows), np.where(ahead, rows + steps, rows)
    moved = position[later] - position[earlier]
    with np.errstate(invalid="ignore", divide="ignore"):
        speed: Floats = np.hypot(moved[:, 0], moved[:, 1]) / np.where(later > earlier, later - earlier, np.nan)
    return speed * frames_per_s
