"""
Which camera watches which exit: each line is counted by one view only, so that nobody is counted twice.

A view watches an exit whose line lies in what it sees of the zone, and half a metre beyond it in the picture, so that
who passes is seen on both sides. Of several the one with the surest places counts. Where an exit of a zone is watched
by nobody, what goes in and out of the zone is not known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.crowd.measures.flow import ExitLines, exit_lines
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints, project
from detectors.geometry.zones import inside

BEYOND_M = 0.5
_WATCHED_SHARE_MIN = 0.9  # of the points along a line
_POINTS = 11


@dataclass(frozen=True, slots=True, eq=False)
class WatchedExits:
    start: Ints  # (V + 1,) the lines of view v are rows `start[v]:start[v + 1]`
    line: Floats  # (X, 4) east and north of both ends, metres; the zone lies on the left
    all_of_zone: Bools  # (Z,) each of the zone's exits is watched, and it has some


def watched_exits(district: DistrictView) -> WatchedExits:
    """Made once for a partition."""
    exits = exit_lines(district)
    watched_by = np.full(len(exits.zone), -1, np.int64)
    for row, zone in enumerate(exits.zone):  # once for a district
        views = [
            view for view in np.flatnonzero(district.view_zone == zone) if _watches(district, int(view), exits, row)
        ]
        if views:
            watched_by[row] = min(views, key=lambda view: district.views[view].noise_m)
    zones = len(district.zones)
    count = np.bincount(exits.zone, minlength=zones)
    order = np.argsort(watched_by, kind="stable")
    order = order[watched_by[order] >= 0]
    line = np.concatenate([exits.start, exits.end], axis=1).reshape(-1, 4)[order]
    return WatchedExits(
        start=np.searchsorted(watched_by[order], np.arange(len(district.views) + 1)),
        line=np.ascontiguousarray(line, np.float64),
        all_of_zone=(count > 0) & (np.bincount(exits.zone[watched_by >= 0], minlength=zones) == count),
    )


def _watches(district: DistrictView, view: int, exits: ExitLines, row: int) -> bool:
    seen = district.views[view]
    if seen.homography is None:
        return False
    start, end = exits.start[row], exits.end[row]
    share = np.linspace(0.05, 0.95, _POINTS)[:, None]
    outward = np.array([end[1] - start[1], start[0] - end[0]]) / np.linalg.norm(end - start)  # to the right
    on_line = start + share * (end - start)
    within = np.any([inside(ring, on_line - 0.1 * outward) for ring in seen.seen], axis=0)
    picture = project(np.linalg.inv(seen.homography).astype(np.float64), on_line + BEYOND_M * outward)
    with np.errstate(invalid="ignore"):
        beyond = ((picture >= 0.0) & (picture <= 1.0)).all(axis=1)
    return float((within & beyond).mean()) >= _WATCHED_SHARE_MIN
