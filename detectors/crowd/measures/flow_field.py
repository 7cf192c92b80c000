"""
How people move where there are no boxes: from the flow grid of the picture, taken to the ground.

Each cell of the picture that shows people of a zone stands for the ground under them; its flow times how the projection
stretches there is a velocity in m/s, which weighs as many persons as the cell's foreground stands for. A flow is of
what moves in the picture: shadows, flags and a camera that shakes are in it, and a crowd that stands has none. So it
tells direction and a mean, never single persons, and says nothing where there is no calibration. What is faster than a
person runs is no person, and is left out; a cyclist, or a car that crawls, is not. The flow of a small figure is drawn
towards the still ground around it: its mean was 0.57 to 0.70 of the truth on rendered pictures (10 and 40 figures of
8 x 22 px, 1 to 8 px between pictures), and is corrected by the middle of that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.crowd.measures.velocity import MOVING_M_S, RUN_M_S_MAX
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints, jacobian
from detectors.geometry.lens import bend_slope, straighten
from detectors.geometry.upright import upright
from ingest.schema.tick import F32, GRID_COLUMNS, GRID_ROWS, Tick

SLOWED = 0.65  # share of the true speed that the flow of a picture tells
PERSONS_MIN = 1.0  # less foreground than of one person tells nothing
_CELLS = GRID_ROWS * GRID_COLUMNS


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """How the flow of each cell reads on the ground of each of V views; 0 where a cell shows nobody of the zone."""

    stretch: F32  # (V, 144, 2, 2) metres east and north per picture width and height, over SLOWED
    person_share: F32  # (V, 144) persons that a cell stands for when all of it is foreground


@dataclass(frozen=True, slots=True, eq=False)
class ViewFlow:
    """What Q pairs of a frame and a view say; NaN where there is too little foreground."""

    velocity_m_s: Floats  # (Q, 2) mean, east and north
    speed_m_s: Floats  # (Q,) mean of the speeds, whatever their directions
    persons: Floats  # (Q,) that moved or stood there, by their foreground
    moving: Floats  # (Q,) of these, those who move
    against: Floats  # (Q,) of those who move, those who go against the way they should


def lens(district: DistrictView) -> Lens:
    """Made once for a partition."""
    middle = np.stack(
        np.meshgrid((np.arange(GRID_COLUMNS) + 0.5) / GRID_COLUMNS, (np.arange(GRID_ROWS) + 0.5) / GRID_ROWS), axis=-1
    ).reshape(-1, 2)
    stretch = np.zeros((len(district.views), _CELLS, 2, 2), np.float32)
    share = np.zeros((len(district.views), _CELLS), np.float32)
    for row, view in enumerate(district.views):
        if view.homography is None:
            continue
        calibration = district.cameras[district.view_camera[row]].calibration
        bent = None if calibration is None else calibration.lens
        straight = middle if bent is None else straighten(bent, middle)
        there = jacobian(view.homography, upright(view.homography).foot_under(straight))
        if bent is not None:  # the flow is of the lens' own picture
            there = there @ np.linalg.inv(bend_slope(bent, straight))
        known = np.flatnonzero(np.isfinite(there).all(axis=(1, 2)))
        stretch[row, known] = there[known] / SLOWED
        share[row, known] = view.cell_person_share.reshape(-1)[known]
    return Lens(stretch, share)


def flow_in_views(through: Lens, tick: Tick, frame: Ints, view: Ints, one_way: Floats) -> ViewFlow:
    """
    Args:
        frame: (Q,) row of the tick.
        view: (Q,) row of the view.
        one_way: (Q, 2) unit vector in which people should go; NaN where they may go as they like.
    """
    known = tick.grid_known[frame] & tick.flow_known[frame]
    grid = tick.foreground_grid.reshape(tick.frames, _CELLS)[frame].astype(np.float32) / np.float32(255.0)
    flow = tick.flow_grid.reshape(tick.frames, _CELLS, 2)[frame].astype(np.float32)
    unknown: Bools = np.isnan(flow).any(axis=2) | ~known[:, None]
    moved: F32 = np.einsum("qcij,qcj->qci", through.stretch[view], np.nan_to_num(flow))
    pace = np.hypot(moved[..., 0], moved[..., 1])
    weight = np.where(unknown | (pace > RUN_M_S_MAX), np.float32(0.0), grid * through.person_share[view])
    persons = weight.sum(axis=1, dtype=np.float64)
    enough = np.where(persons >= PERSONS_MIN, persons, np.nan)
    velocity = np.einsum("qc,qci->qi", weight, moved).astype(np.float64) / enough[:, None]
    speed = (weight * pace).sum(axis=1, dtype=np.float64) / enough
    moves = weight * (pace > MOVING_M_S)
    along = np.einsum("qci,qi->qc", moved, np.nan_to_num(one_way).astype(np.float32))  # 0 where there is no way
    against = (moves * (along < -MOVING_M_S)).sum(axis=1, dtype=np.float64)
    return ViewFlow(velocity, speed, persons, moves.sum(axis=1, dtype=np.float64), against)
