"""
The measures against PedPy, on a laboratory recording of a bottleneck: 75 persons, 1,657 frames at 25 frames/s.

Both are given the same places in memory, and both are timed by the CPU time of this process, best of several, in turn;
what PedPy needs to load its data, and we to compile, is in neither.

Source: PedPy, https://github.com/PedestrianDynamics/PedPy; recording 040_c_56_h-, doi 10.34735/ped.2018.1, CC BY 4.0.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pedpy
import shapely

from benchmarks.crowd_scenarios import SHARED
from benchmarks.measuring import Figures, talk
from detectors.crowd.measures import density, flow, velocity
from detectors.geometry.homography import Bools, Floats, Ints

RECORDING = SHARED / "data/crowd/real/juelich_bottleneck_040_c_56.npz"
FRAMES_PER_S, STEPS = 25.0, 5
_DENSE = (400, 700)  # frames of the crowd before the bottleneck
_AREA = ((-0.4, 0.5), (0.4, 0.5), (0.4, 1.3), (-0.4, 1.3))
# Half a millimetre off the recording's grid: PedPy counts who only touches a line and turns back, we do not.
_LINE = ((0.4, 0.0005), (-0.4, 0.0005))
_OPEN_M = 60.0  # side of a ground without walls
# The walls of the experiment: two barriers that leave 0.5 m between them, and the room around.
_ROOM = ((3.5, -2.0), (3.5, 8.0), (-3.5, 8.0), (-3.5, -2.0))
_BARRIER = (
    (-0.7, -1.1), (-0.25, -1.1), (-0.25, -0.15), (-0.4, 0.0), (-2.8, 0.0), (-2.8, 6.7), (-3.05, 6.7), (-3.05, -0.3),
    (-0.7, -0.3),
)  # fmt: skip
_TWELVE_GON = pedpy.Cutoff(radius=density.CUT_M, quad_segments=3)
_BORDER_M = 1e-9  # PedPy counts nobody on the border: so the same area without it


class _Recording:
    def __init__(self, path: Path, keep: Callable[[Ints, Ints], Bools] | None = None) -> None:
        with np.load(path) as saved:
            frame, person = saved["frame"].astype(np.int64), saved["id"].astype(np.int64)
            place_m = np.stack([saved["x_mm"], saved["y_mm"]], axis=1) / 1000.0
        kept = np.ones(len(frame), np.bool_) if keep is None else keep(frame, person)
        order = np.lexsort((person[kept], frame[kept]))
        self.frame, self.person, self.place_m = frame[kept][order], person[kept][order], place_m[kept][order]
        self.frame_start = np.searchsorted(self.frame, np.arange(self.frame.min(), self.frame.max() + 2))
        by_track = np.lexsort((self.frame, self.person))
        self.track_place_m, self.track_frame = self.place_m[by_track], self.frame[by_track]
        self.track = self.person[by_track]
        self.track_start = np.append(np.flatnonzero(np.append(True, np.diff(self.track) != 0)), len(self.track))
        columns = {"id": self.person, "frame": self.frame, "x": self.place_m[:, 0], "y": self.place_m[:, 1]}
        self.pedpy = pedpy.TrajectoryData(pd.DataFrame(columns), frame_rate=FRAMES_PER_S)


def measure(quick: bool) -> Figures:
    """Relative differences and ratios of CPU time; empty where the shared recording is not there."""
    if not RECORDING.exists():
        talk("crowd measures: ../shared is not there, so there is nothing to compare on")
        return {}
    repeats = 2 if quick else 3  # the first of PedPy's is slower
    whole = _Recording(RECORDING)
    # Of 50 persons a frame 39 without a fourth of them, and 10 of a sixth.
    dense = _Recording(RECORDING, lambda frame, person: _is_dense(frame) & (person % 4 != 3))
    thin = _Recording(RECORDING, lambda frame, person: _is_dense(frame) & (person % 6 == 4))
    figures = _classic(whole, repeats, 16 if quick else 64) | _crossings(whole, repeats) | _speed(whole, repeats)
    talk("classic density, crossings and speed done")
    for name, recording in (("38", dense), ("10", thin)):
        figures |= _voronoi(name, recording, repeats)
        talk(f"Voronoi density of {len(recording.frame) / len(recording.frame_start[1:]):.1f} persons a frame done")
    if quick:
        dense = _Recording(RECORDING, lambda frame, _: _is_dense(frame) & (frame < _DENSE[0] + 60))
    return _merged(figures) | _walls(dense, repeats) | scatter()


def _is_dense(frame: Ints) -> Bools:
    return (frame >= _DENSE[0]) & (frame < _DENSE[1])


def best_s(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The least CPU time of a call, s, and what it returned."""
    least, result = np.inf, None
    for _ in range(repeats):
        began = time.process_time()
        result = call()
        least = min(least, time.process_time() - began)
    return least, result


def relative(ours: Floats, theirs: Floats) -> float:
    """The greatest difference relative to theirs; where theirs is 0, ours must be."""
    both = np.abs(ours - theirs)
    return float(np.where(theirs > 0.0, both / np.where(theirs > 0.0, theirs, 1.0), both).max())


def hexagons(box: Floats, count: int) -> list[Floats]:
    """`count` hexagons in a honeycomb that fills a box (4,) from west to east and south to north."""
    columns = int(np.ceil(np.sqrt(count)))
    wide, high = (box[2] - box[0]) / (columns + 0.5), (box[3] - box[1]) / columns
    radius_m = 0.5 * min(wide, high)
    angle = np.arange(6) * np.pi / 3.0 + np.pi / 6.0
    corners = radius_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    middles = [(n % columns + 0.5 + 0.5 * (n // columns % 2), n // columns + 0.5) for n in range(count)]
    return [corners + box[:2] + np.array(middle) * (wide, high) for middle in middles]


def _classic(recording: _Recording, repeats: int, peers: int) -> Figures:
    area = shapely.Polygon(_AREA)
    theirs_s, theirs = best_s(
        lambda: pedpy.compute_classic_density(
            traj_data=recording.pedpy, measurement_area=pedpy.MeasurementArea(area)
        ).density.to_numpy(),
        repeats,
    )
    open_area = density.outline([area.buffer(-_BORDER_M, join_style="mitre")])
    position, start = recording.place_m, recording.frame_start
    ours_s, ours = best_s(lambda: density.persons_inside(open_area, position, start)[:, 0] / area.area, 20)
    box = np.concatenate([position.min(axis=0), position.max(axis=0)])
    shapes = [shapely.Polygon(ring) for ring in hexagons(box, 64)]
    areas = [pedpy.MeasurementArea(shape) for shape in shapes]

    def pedpy_zones() -> Floats:
        each = [
            pedpy.compute_classic_density(traj_data=recording.pedpy, measurement_area=area).density.to_numpy()
            for area in areas[:peers]
        ]
        return np.stack(each, axis=1)

    many_theirs_s, many_theirs = best_s(pedpy_zones, repeats)
    zones = density.outline([shape.buffer(-_BORDER_M, join_style="mitre") for shape in shapes])
    whole_m2 = np.array([shape.area for shape in shapes])
    many_ours_s, many_ours = best_s(lambda: density.persons_inside(zones, position, start) / whole_m2, 20)
    return {
        "classic_max_rel_diff": max(relative(ours, theirs), relative(many_ours[:, :peers], many_theirs)),
        "classic_ratio": theirs_s / ours_s,
        "classic_ratio_64_zones": many_theirs_s / peers * 64 / many_ours_s,
        "classic_64_zones_ms": many_ours_s * 1e3,
    }


def _crossings(recording: _Recording, repeats: int) -> Figures:
    line = pedpy.MeasurementLine(_LINE)
    theirs_s, (theirs, _) = best_s(lambda: pedpy.compute_n_t(traj_data=recording.pedpy, measurement_line=line), repeats)
    start, end = (np.array(each) for each in _LINE)
    first_frame = int(recording.frame.min())

    def ours() -> Ints:
        row, _ = flow.track_crossings(recording.track_place_m, recording.track_start, start, end)
        _, first = np.unique(recording.track[row], return_index=True)  # as PedPy, each person once
        count = np.bincount(recording.track_frame[row][first] - first_frame, minlength=len(recording.frame_start) - 1)
        return np.cumsum(count)

    ours_s, passed = best_s(ours, 20)
    peer = theirs.cumulative_pedestrians.reindex(np.arange(first_frame, first_frame + len(passed))).ffill().fillna(0)
    return {
        "crossings_ratio": theirs_s / ours_s,
        "crossings_max_rel_diff": relative(passed.astype(np.float64), peer.to_numpy(np.float64)),
        "crossings": float(passed[-1]),
    }


def _speed(recording: _Recording, repeats: int) -> Figures:
    theirs_s, theirs = best_s(
        lambda: pedpy.compute_individual_speed(
            traj_data=recording.pedpy,
            frame_step=STEPS,
            speed_calculation=pedpy.SpeedCalculation.BORDER_SINGLE_SIDED,
        ),
        repeats,
    )
    ours_s, ours = best_s(
        lambda: velocity.track_speed_m_s(recording.track_place_m, recording.track_start, STEPS, FRAMES_PER_S), 10
    )
    peer = theirs.sort_values(["id", "frame"]).speed.to_numpy()
    return {"speed_max_diff_m_s": float(np.abs(ours - peer).max()), "speed_ratio": theirs_s / ours_s}


def _voronoi(name: str, recording: _Recording, repeats: int) -> Figures:
    half = _OPEN_M / 2.0
    ground = pedpy.WalkableArea([(-half, -half), (half, -half), (half, half), (-half, half)])
    theirs_s, theirs = best_s(lambda: _pedpy_voronoi(recording, ground), repeats)
    zones = density.outline([shapely.Polygon(_AREA)])
    ours_s, ours = best_s(lambda: _our_voronoi(recording, zones, None), 10)
    return {
        f"voronoi_max_rel_diff_{name}": relative(ours, theirs),
        f"voronoi_ratio_{name}": theirs_s / ours_s,
        f"voronoi_{name}_us_per_frame": ours_s / len(ours) * 1e6,
        f"voronoi_persons_per_frame_{name}": len(recording.frame) / len(ours),
    }


def _walls(recording: _Recording, repeats: int) -> Figures:
    mirrored = [(-x, y) for x, y in _BARRIER]
    ground = pedpy.WalkableArea(_ROOM, obstacles=[_BARRIER, mirrored])
    theirs_s, theirs = best_s(lambda: _pedpy_voronoi(recording, ground), repeats)
    zones = density.outline([shapely.Polygon(_AREA)])
    ours_s, ours = best_s(lambda: _our_voronoi(recording, zones, ground.polygon), repeats)
    return {"voronoi_walls_max_rel_diff": relative(ours, theirs), "voronoi_walls_ratio": theirs_s / ours_s}


def _pedpy_voronoi(recording: _Recording, ground: pedpy.WalkableArea) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells = pedpy.compute_individual_voronoi_polygons(
            traj_data=recording.pedpy, walkable_area=ground, cut_off=_TWELVE_GON
        )
        found, _ = pedpy.compute_voronoi_density(
            individual_voronoi_data=cells, measurement_area=pedpy.MeasurementArea(_AREA)
        )
    said: Floats = found.density.to_numpy()
    return said


def _our_voronoi(recording: _Recording, zones: density.Outline, walls: shapely.Polygon | None) -> Floats:
    cells = density.voronoi_cells(zones, recording.place_m, recording.frame_start, walls=walls)
    return density.voronoi_density(zones, cells, recording.frame_start)[:, 0]


def series() -> tuple[Floats, Floats, Floats]:
    """(T,) seconds, classic and Voronoi density before the bottleneck while it is dense, by ours alone."""
    dense = _Recording(RECORDING, lambda frame, _: _is_dense(frame))
    zones = density.outline([shapely.Polygon(_AREA)])
    classic = density.classic_density(zones, dense.place_m, dense.frame_start)[:, 0]
    frame = dense.frame.min() + np.arange(len(classic))
    return frame / FRAMES_PER_S, classic, _our_voronoi(dense, zones, None)


def scatter() -> Figures:
    """How far the two densities scatter on the same frames."""
    _, classic, voronoi = series()
    return {
        "classic_mean_per_m2": float(classic.mean()),
        "classic_sd_per_m2": float(classic.std()),
        "voronoi_mean_per_m2": float(voronoi.mean()),
        "voronoi_sd_per_m2": float(voronoi.std()),
    }


def _merged(figures: Figures) -> Figures:
    worst = max(value for name, value in figures.items() if name.startswith("voronoi_max_rel_diff_"))
    return figures | {"voronoi_max_rel_diff": worst}
