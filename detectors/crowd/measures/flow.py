"""
How many people pass, and what that means for a place: crossings of lines, flow, time until full, time until clear.

A crossing is taken from two consecutive samples of one track of one camera; tracks are never joined across cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.geometry.plane import site_plane
from ingest.registry.district import District

# Green Guide: 82 persons per metre and minute on the level, 66 on stairs.
SPECIFIC_FLOW_MAX_PER_M_S = 82.0 / 60.0
STAIRS_SPECIFIC_FLOW_MAX_PER_M_S = 66.0 / 60.0


@dataclass(frozen=True, slots=True, eq=False)
class ExitLines:
    """The exits of all zones of a partition; from `start` to `end`, the zone lies on the left."""

    zone: Ints  # (L,) row of the zone
    start: Floats  # (L, 2) metres of the site's plane
    end: Floats  # (L, 2)
    width_m: Floats  # (L,)


def signed_crossings(earlier: Floats, later: Floats, start: Floats, end: Floats) -> Ints:
    """
    Which movements pass which lines.

    Args:
        earlier, later: (N, 2) two consecutive places of one track, metres; NaN passes nothing.
        start, end: (L, 2) of each line.

    Returns:
        (N, L) +1 from the left of the line (looking from start to end) to its right, -1 from right to left, 0 else.
        A place on the line is to its left, so that a movement which touches the line and turns back counts both ways,
        or neither; its sum is always right.
    """
    along = (end - start)[None]
    before, after = earlier[:, None] - start[None], later[:, None] - start[None]
    side_before = along[..., 0] * before[..., 1] - along[..., 1] * before[..., 0]
    side_after = along[..., 0] * after[..., 1] - along[..., 1] * after[..., 0]
    left_before, left_after = side_before >= 0.0, side_after >= 0.0
    changes = (left_before != left_after) & ~np.isnan(side_before) & ~np.isnan(side_after)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = side_before / (side_before - side_after)
        met = before + share[..., None] * (after - before)
    length = (along**2).sum(axis=-1)
    place = (met * along).sum(axis=-1)
    passed = changes & (place >= 0.0) & (place <= length)
    return np.where(passed, np.where(left_before, 1, -1), 0).astype(np.int64)


def track_crossings(position: Floats, track_start: Ints, start: Floats, end: Floats) -> tuple[Ints, Ints]:
    """
    The crossings of one line by whole trajectories.

    Args:
        position: (N, 2) sorted by track and time.
        track_start: (T + 1,) rows of track t are `track_start[t]:track_start[t + 1]`.
        start, end: (2,) of the line.

    Returns:
        (K,) rows of the sample after each crossing, ascending, and (K,) its direction as `signed_crossings` has it.
    """
    along = end - start
    side = along[0] * (position[:, 1] - start[1]) - along[1] * (position[:, 0] - start[0])
    left = side >= 0.0
    changed = left[1:] != left[:-1]
    changed[track_start[1:-1] - 1] = False  # from the end of one track to the start of the next
    rows = np.flatnonzero(changed) + 1  # few: only these need to be looked at closely
    direction = signed_crossings(position[rows - 1], position[rows], start[None], end[None])[:, 0]
    passed = direction != 0
    return rows[passed], direction[passed]


def flow_per_s(crossed_at_s: Floats) -> float:
    """
    J = (N - 1) / (t_last - t_first) of the times (N,) of N crossings; NaN for fewer than two, or all at one time.

    Source: Seyfried et al., New insights into pedestrian flow through bottlenecks, Transp. Sci. 43 (2009) 395.
    """
    if len(crossed_at_s) < 2 or np.ptp(crossed_at_s) == 0.0:
        return float("nan")
    return float((len(crossed_at_s) - 1) / np.ptp(crossed_at_s))


def specific_flow_per_m_s(flow: Floats | float, width_m: Floats | float) -> Floats:
    """(...,) persons per metre of width and second."""
    return np.asarray(flow / np.asarray(width_m), np.float64)


def hydrodynamic_flow_per_m_s(per_m2: Floats, speed_m_s: Floats) -> Floats:
    """(...,) persons per metre and second: J_s = rho v."""
    result: Floats = per_m2 * speed_m_s
    return result


def walking_speed_m_s(per_m2: Floats) -> Floats:
    """
    (...,) the speed at which people walk freely at a density; 0 from 5.4 persons/m2.

    Source: Weidmann, Transporttechnik der Fussgaenger, 1993: v = 1.34 (1 - exp(-1.913 (1 / rho - 1 / 5.4))).
    """
    with np.errstate(divide="ignore"):
        speed: Floats = 1.34 * (1.0 - np.exp(-1.913 * (1.0 / per_m2 - 1.0 / 5.4)))
    return np.maximum(speed, 0.0)


def time_to_full_s(persons: Floats, capacity: Floats, inflow_per_s: Floats, outflow_per_s: Floats) -> Floats:
    """
    (Z,) seconds until a zone holds its safe capacity if people come and go as they do now; 0 where it is full,
    infinite where it does not fill up, NaN where any of these is not known.
    """
    left, net = capacity - persons, inflow_per_s - outflow_per_s
    with np.errstate(divide="ignore", invalid="ignore"):
        filling: Floats = np.where(net > 0.0, left / net, np.inf)
    unknown = np.isnan(left) | np.isnan(net)
    return np.where(unknown, np.nan, np.where(left <= 0.0, 0.0, filling))


def time_to_clear_s(
    persons: Floats, width_m: Floats, specific_flow_max_per_m_s: float = SPECIFIC_FLOW_MAX_PER_M_S
) -> Floats:
    """
    (Z,) seconds until all have left through exits of this width together, at the most that can pass; infinite
    without an exit. The way to the exits is not in it, so it is a lower bound.

    Source: t = n / (J_s,max w); Green Guide, 6th ed.: 82 persons/(m min) on the level, to be over in 8 min.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        clearing = persons / (specific_flow_max_per_m_s * width_m)
    return np.where(np.isnan(persons), np.nan, np.where(persons <= 0.0, 0.0, clearing))


def exit_lines(district: DistrictView) -> ExitLines:
    """The exits of the zones of a partition, turned so that their zone lies on the left: +1 is a person who leaves."""
    plain = District(district.cameras, district.zones)
    rows, starts, ends, widths = [], [], [], []
    for row, zone in enumerate(district.zones):  # once for a district
        if not zone.exits:
            continue
        plane = site_plane(plain, zone.site)
        ring = plane.to_metres(np.array(zone.polygon, np.float64))
        for each in zone.exits:
            start, end = plane.to_metres(np.array(each.line, np.float64))
            if not _on_the_left(ring, start, end):
                start, end = end, start
            rows.append(row)
            starts.append(start)
            ends.append(end)
            widths.append(each.width_m)
    shape = (len(rows), 2)
    return ExitLines(
        np.array(rows, np.int64), np.array(starts).reshape(shape), np.array(ends).reshape(shape), np.array(widths)
    )


def exit_width_m(exits: ExitLines, zones: int) -> Floats:
    """(Z,) width of all exits of each zone together."""
    width: Floats = np.bincount(exits.zone, exits.width_m, zones).astype(np.float64)
    return width


def in_and_out(crossing: Ints, exits: ExitLines, zones: int, counted: Bools | None = None) -> tuple[Ints, Ints]:
    """
    (Z,) persons who came in and (Z,) who left by the exits of each zone.

    Args:
        crossing: (N, L) of `signed_crossings` over the exits' lines.
        counted: (N, L) which of these count (a camera that sees that exit); None: all.
    """
    given = crossing if counted is None else np.where(counted, crossing, 0)
    outward, inward = (given > 0).sum(axis=0), (given < 0).sum(axis=0)
    sums = (np.bincount(exits.zone, each, zones).astype(np.int64) for each in (inward, outward))
    came, went = sums
    return came, went


def _on_the_left(ring: Floats, start: Floats, end: Floats) -> bool:
    """Whether more of the ring's area lies to the left of the line, by its centroid."""
    x, y = (ring - start).T
    cross = x * np.roll(y, -1) - y * np.roll(x, -1)
    centroid = np.array([((x + np.roll(x, -1)) * cross).sum(), ((y + np.roll(y, -1)) * cross).sum()])
    centroid /= 3.0 * cross.sum()
    along = end - start
    return bool(along[0] * centroid[1] - along[1] * centroid[0] >= 0.0)
