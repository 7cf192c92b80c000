"""
Persons of a tick in each view, counted from foot points, or estimated from foreground.

A foot point is the middle of a box's lower edge. It is taken to the ground and counted in every zone that it lies in.
Where the feet are not seen, the head says where the person stands: see `geometry.head`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.district_view import DistrictView
from detectors.geometry.head import head_homography, shows_heads
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.geometry.lens import straight_points
from detectors.geometry.upright import upright
from ingest.registry.district import Camera
from ingest.schema.tick import F32, U8, ObjectClass, Tick

_NOWHERE_M = 1e300  # finite, so that arithmetic with it makes no NaN
_NOWHERE: Floats = np.array([[0.0, -_NOWHERE_M]])  # where somebody stands who does not stand on ground


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """
    The seen part of the zone of each of V views, as up to E edges that all point upwards: a foot point on a border that
    two zones share is then in exactly one of them, whichever way their rings turn.
    """

    homography: Floats  # (9, C) of each camera; 0 where there is none
    heads: Floats  # (13, C) its homography to the plane of heads, up, and whether it shows heads; see `head`
    whole: Bools  # (V,) not calibrated: everybody in the picture counts
    edges: Floats  # (4 E, V) y of the lower ends, y of the upper ends, x of the lower ends, x per y; see `_NOWHERE_M`


def outlines(district: DistrictView) -> Outlines:
    """The outlines of the views of a partition."""
    edges = [_upward_edges(view.seen) if view.homography is not None else np.empty((0, 4)) for view in district.views]
    count = max((len(each) for each in edges), default=0)
    table = np.zeros((4, count, len(edges)))
    table[:2] = _NOWHERE_M
    homography, heads = np.zeros((9, len(district.cameras))), np.zeros((13, len(district.cameras)))
    for row, (view, each) in enumerate(zip(district.views, edges, strict=True)):  # once for a district
        table[0, : len(each), row] = each[:, 1]
        table[1, : len(each), row] = each[:, 3]
        table[2, : len(each), row] = each[:, 0]
        table[3, : len(each), row] = (each[:, 2] - each[:, 0]) / (each[:, 3] - each[:, 1])
        if view.homography is not None:
            homography[:, district.view_camera[row]] = view.homography.reshape(9)
            heads[:, district.view_camera[row]] = _heads(district.cameras[district.view_camera[row]], view.homography)
    whole = np.array([view.homography is None for view in district.views], np.bool_)
    return Outlines(homography, heads, whole, table.reshape(4 * count, len(edges)))


def pairs(district: DistrictView, camera_row: Ints) -> tuple[Ints, Ints]:
    """
    Each frame with each view of its camera.

    Args:
        camera_row: (N,) row of the camera of each frame, >= 0.

    Returns:
        (Q,) the frame and (Q,) the view of each pair.
    """
    first = district.view_start[camera_row]
    count = district.view_start[camera_row + 1] - first
    frame = np.repeat(np.arange(len(camera_row)), count)
    return frame, np.arange(len(frame)) + np.repeat(first - np.cumsum(count) + count, count)


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """The persons of Q pairs of a frame and a view, whether they stand in the view's zone or beside it."""

    start: Ints  # (Q + 1,) persons of pair q are rows `start[q]:start[q + 1]`
    place_m: Floats  # (P, 2) east and north; beyond all ground where they do not stand on ground
    counted: Bools  # (P,) in the seen part of the zone
    by_head: Bools  # (P,) placed by the head, because the feet are not seen


def standing(views: Outlines, tick: Tick, camera_row: Ints, frame: Ints, view: Ints, confidence_min: float) -> Standing:
    """
    Where the persons of each pair of a frame and a view stand.

    Args:
        camera_row: (N,) row of each frame's camera; that of a frame in no pair may be anything.
        frame: (Q,) row of the tick.
        view: (Q,) row of the view.
        confidence_min: objects below it do not count; those of unknown confidence do.
    """
    from detectors.crowd.loops.standing import stand

    person = (tick.object_class == ObjectClass.PERSON) & ~(tick.object_confidence < confidence_min)
    before = np.append(0, np.cumsum(person))
    start = np.append(0, np.cumsum(before[tick.object_start[frame + 1]] - before[tick.object_start[frame]]))
    there = Standing(start, np.empty((start[-1], 2)), *(np.empty(start[-1], np.bool_) for _ in range(2)))
    stand(
        np.ascontiguousarray(tick.object_box),
        person,
        np.ascontiguousarray(tick.object_start),
        camera_row,
        frame,
        view,
        views.homography,
        views.heads,
        views.edges,
        views.whole,
        _NOWHERE,
        there.place_m,
        there.counted,
        there.by_head,
    )
    return there


def _heads(camera: Camera, homography: Floats) -> Floats:
    body = upright(homography)
    calibration = camera.calibration
    assert calibration is not None
    if not shows_heads(body, straight_points(calibration)):
        return np.zeros(13)
    return np.concatenate([head_homography(body).reshape(9), body.up, [1.0]])


def persons_in_views(there: Standing) -> Ints:
    """(Q,) persons in the zone of each pair; they do not depend on the order of the objects."""
    return _in_each(there, there.counted)


def persons_by_head(there: Standing) -> Ints:
    """(Q,) of these, how many were placed by the head."""
    if not there.by_head.any():  # nearly always
        return np.zeros(len(there.start) - 1, np.int64)
    return _in_each(there, there.counted & there.by_head)


def persons_from_foreground(cell_person_share: F32, foreground_grid: U8, frame: Ints, view: Ints) -> Floats:
    """
    Persons in the zone of each pair, from the share of each cell of the picture that is foreground.

    Args:
        cell_person_share: (V, 144) persons that a cell stands for when all of it is foreground.
        foreground_grid: (N, 9, 16) 255 is all of a cell.

    Returns:
        (Q,)
    """
    share = foreground_grid.reshape(len(foreground_grid), -1)[frame].astype(np.float32)
    share *= cell_person_share[view]
    persons: Floats = share.sum(axis=1, dtype=np.float64) / 255.0
    return persons


def _in_each(there: Standing, which: Bools) -> Ints:
    total = np.append(0, np.cumsum(which))
    count: Ints = total[there.start[1:]] - total[there.start[:-1]]
    return count


def _upward_edges(rings: tuple[Floats, ...]) -> Floats:
    """(E, 4) x, y of the lower and of the upper end of each edge of the rings (V, 2); level edges are left out."""
    edges = np.concatenate([np.concatenate([ring, np.roll(ring, -1, axis=0)], axis=1) for ring in rings])
    edges = edges[edges[:, 1] != edges[:, 3]]
    upward: Floats = np.where((edges[:, 1] < edges[:, 3])[:, None], edges, edges[:, [2, 3, 0, 1]])
    return upward
