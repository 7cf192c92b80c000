"""
How people move in zones of which no boxes tell, from the flow grids of their cameras' pictures.

A reading is of two pictures that lie at most half a second apart, so it jumps; the sums over the persons of a view are
drawn towards each new one over about a second. A flow cannot tell persons from each other: no groups, no conflicts, no
pressure come of it, only how fast the crowd goes, and whether it goes the wrong way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.crowd.measures.flow_field import Lens, flow_in_views
from detectors.district_view import DistrictView
from detectors.geometry.homography import Floats, Ints
from detectors.newest import NOT_YET, newest
from ingest.clock import NS_PER_S
from ingest.schema.tick import F32, Tick

READS = ("grid_known", "foreground", "foreground_grid", "flow_known", "flow_grid")
STALE_NS = 3 * NS_PER_S
SMOOTH_S = 1.0
NOISE_M_S = 0.3  # 1 sigma along each axis of the velocity of one person's foreground: a guess, until it is measured

(_PERSONS, _EAST, _NORTH, _SPEED, _MOVING, _AGAINST) = range(6)  # columns of the sums
_SUMS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """V views."""

    read_ns: Ints  # (V,) when the last reading was captured; NOT_YET
    sums: F32  # (V, 6) over persons: themselves, velocity east and north, speed, who moves, who goes the wrong way


@dataclass(frozen=True, slots=True, eq=False)
class ZoneFlow:
    """Z zones; NaN where there is no fresh reading, or nobody to tell a flow of."""

    read_ns: Ints  # (Z,) NOT_YET
    persons: Floats  # (Z,) by their foreground; of the most that one of the views shows
    velocity_m_s: Floats  # (Z, 2)
    speed_m_s: Floats  # (Z,)
    moving: Floats  # (Z,)
    moving_share: Floats  # (Z,)
    against_share: Floats  # (Z,)


def no_flows(views: int) -> Flows:
    """Nothing read yet."""
    return Flows(np.full(views, NOT_YET, np.int64), np.zeros((views, _SUMS), np.float32))


def flowed(
    flows: Flows, through: Lens, district: DistrictView, one_way: Floats, tick: Tick, usable: Ints, at_ns: int
) -> Flows:
    """
    The flows after a tick; the newest frame of each camera counts.

    Args:
        one_way: (V, 2) NaN where there is none.
        usable: (N,) row of each frame's camera, -1 for a frame that does not count.
        at_ns: the time of the tick; no frame is newer.
    """
    frames = np.flatnonzero((usable >= 0) & tick.grid_known & tick.flow_known)
    if not len(frames):
        return flows
    camera = usable[frames]
    count = district.view_start[camera + 1] - district.view_start[camera]
    frame = np.repeat(frames, count)
    within = np.arange(len(frame)) - np.repeat(np.cumsum(count) - count, count)
    view = np.repeat(district.view_start[camera], count) + within
    captured_ns = np.minimum(tick.captured_at_ns[frame], at_ns)
    rows, kept = newest(view, captured_ns, tick.foreground[frame].astype(np.float64), flows.read_ns)
    seen = flow_in_views(through, tick, frame[kept], rows, one_way[rows])
    told = np.isfinite(seen.speed_m_s)
    persons = np.where(told, seen.persons, 0.0)
    per_person = np.nan_to_num(np.stack([*seen.velocity_m_s.T, seen.speed_m_s], axis=1)) * persons[:, None]
    new = np.concatenate(
        [persons[:, None], per_person, np.where(told, seen.moving, 0.0)[:, None],
         np.where(told, seen.against, 0.0)[:, None]], axis=1,
    )  # fmt: skip
    age_ns = captured_ns[kept] - flows.read_ns[rows]
    # What is stale says nothing any more: the new reading stands alone.
    share = np.where(age_ns > STALE_NS, 1.0, 1.0 - np.exp(-age_ns / NS_PER_S / SMOOTH_S))
    read_ns, sums = flows.read_ns.copy(), flows.sums.copy()
    read_ns[rows] = captured_ns[kept]
    sums[rows] += (share[:, None] * (new - sums[rows])).astype(np.float32)
    return Flows(read_ns, sums)


def in_zones(flows: Flows, district: DistrictView, at_ns: int) -> ZoneFlow:
    """What the fresh readings say of each zone; views of one zone are joined by the persons that they show."""
    zones, fresh = len(district.zones), at_ns - flows.read_ns <= STALE_NS
    sums = np.where(fresh[:, None], flows.sums, np.float32(0.0)).astype(np.float64)
    read_ns = np.full(zones, NOT_YET, np.int64)
    np.maximum.at(read_ns, district.view_zone[fresh], flows.read_ns[fresh])
    total = np.stack([np.bincount(district.view_zone, column, zones) for column in sums.T], axis=1)
    most = np.zeros(zones)
    np.maximum.at(most, district.view_zone, sums[:, _PERSONS])
    with np.errstate(invalid="ignore", divide="ignore"):
        persons = np.where(total[:, _PERSONS] > 0.0, total[:, _PERSONS], np.nan)
        moving = np.where(total[:, _MOVING] > 0.0, total[:, _MOVING], np.nan)
        return ZoneFlow(
            read_ns=read_ns,
            persons=np.where(read_ns == NOT_YET, np.nan, most),
            velocity_m_s=total[:, [_EAST, _NORTH]] / persons[:, None],
            speed_m_s=total[:, _SPEED] / persons,
            moving=most * total[:, _MOVING] / persons,
            moving_share=total[:, _MOVING] / persons,
            against_share=total[:, _AGAINST] / moving,
        )
