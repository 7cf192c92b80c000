"""
Labelled crowds and real recordings as ticks of a calibrated camera, so that the whole way to findings is run.

The camera looks straight down on the scene; the foot point of each box projects to the place that the scenario says.
What a real camera does to places (persons missed and hidden, noise that grows with the range) is added before, by
`crowd_camera.view` of the shared tools.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.geometry.plane import SitePlane
from ingest.registry.district import Calibration, Camera, District, PointPair, Zone, ZoneClass, district_of
from ingest.schema.tick import ObjectClass, Tick, empty_tick

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SHARED = Path(__file__).parents[2] / "shared"
LEVELS = ("clean", "mild", "noisy", "heavy")
TICK_S = 0.2
START_NS = 1_790_000_000_000_000_000
PLANE = SitePlane(8.54, 47.37)
_BOX = (0.004, 0.02)  # width and height of a box, shares of the picture


@dataclass(frozen=True)
class Track:
    """One recording: rows sorted by person and frame, metres."""

    name: str
    fps: float
    frame: Ints
    person: Ints
    x_m: Floats
    y_m: Floats
    truth: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        return float((self.frame.max() - self.frame.min() + 1) / self.fps)

    @property
    def stride(self) -> int:
        """Frames from one that was labelled to the next: some recordings were labelled at each tenth."""
        return int(np.gcd.reduce(np.diff(np.unique(self.frame))))

    def zone_m(self) -> Floats:
        """(V, 2) corners of its zone: as labelled, else the box around all."""
        if "zone" in self.truth:
            return np.array(self.truth["zone"], np.float64)
        low = np.array([self.x_m.min(), self.y_m.min()])
        high = np.array([self.x_m.max(), self.y_m.max()])
        return np.array([low, [high[0], low[1]], high, [low[0], high[1]]])


def is_there() -> bool:
    """Whether the shared recordings and tools are beside the project."""
    return (SHARED / "tools/crowd_scenarios.py").exists() and (SHARED / "data/crowd").exists()


@lru_cache
def camera_tool() -> Any:
    spec = importlib.util.spec_from_file_location("crowd_camera", SHARED / "tools/crowd_camera.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scenario_folder(seed: int) -> Path:
    """
    Where the scenarios of a seed are; made if they are not there yet (some 10 s, with JuPedSim).

    Raises:
        CalledProcessError: the tool failed; its own words are on standard error.
    """
    if seed == 7:
        return SHARED / "data/crowd/scenarios"
    folder = Path(tempfile.gettempdir()) / "drumtower-crowd-scenarios" / str(seed)
    if not (folder / "scenarios.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        tool = str(SHARED / "tools/crowd_scenarios.py")
        subprocess.run([sys.executable, tool, str(folder), str(seed)], check=True, stdout=subprocess.DEVNULL)
    return folder


def scenario(seed: int, name: str) -> Track:
    folder = scenario_folder(seed)
    truth = json.loads((folder / "scenarios.json").read_text())["scenarios"][name]
    return _track(folder / f"{name}.npz", truth)


def recordings() -> list[str]:
    return sorted(path.stem for path in (SHARED / "data/crowd/real").glob("*.npz"))


def recording(name: str) -> Track:
    return _track(SHARED / f"data/crowd/real/{name}.npz", {})


def seen(track: Track, level: str, seed: int) -> Track:
    """What a camera reports of it at a level of noise."""
    if level == "clean":
        return track
    tool = camera_tool()
    random = np.random.default_rng([seed, zlib.crc32(track.name.encode()), LEVELS.index(level)])
    frame, person, x_m, y_m = tool.view(track.frame, track.person, track.x_m, track.y_m, random, **tool.NOISE[level])
    return replace(track, frame=frame, person=person, x_m=x_m, y_m=y_m)


def district(
    track: Track, capacity: int | None = None, zone_class: ZoneClass = ZoneClass.OPEN, bearing: float | None = None
) -> District:
    """One site, one zone, one camera straight above it."""
    reach_m, middle = _reach(track)
    image = [(x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0)]
    ground = PLANE.to_lon_lat(np.array([middle + reach_m * np.array([x - 0.5, 0.5 - y]) for x, y in image]))
    points = tuple(PointPair(x, y, float(lon), float(lat)) for (x, y), (lon, lat) in zip(image, ground, strict=True))
    ring = tuple((float(lon), float(lat)) for lon, lat in PLANE.to_lon_lat(track.zone_m()))
    camera = Camera(
        id="above", number=1, name="above", site="scene", partition=0, lon=PLANE.lon, lat=PLANE.lat, source="file",
        url="file:///scene", sampling_period_s=TICK_S,
        calibration=Calibration(points=points, error_m=0.02, measured_at_ns=START_NS - 86_400_000_000_000),
    )  # fmt: skip
    zone = Zone(
        id="zone", name="zone", site="scene", partition=0, zone_class=zone_class, polygon=ring,
        safe_capacity=capacity, one_way_bearing=bearing,
    )  # fmt: skip
    return district_of([camera], [zone])


def ticks(track: Track, reported: Track, is_tracked: bool = True) -> Iterator[Tick]:
    """A tick of 0.2 s after the other, each with the last frame of its time; ids as the recording has them, or none."""
    reach_m, middle = _reach(track)
    foot_x = ((reported.x_m - middle[0]) / reach_m + 0.5).astype(np.float32)
    foot_y = (0.5 - (reported.y_m - middle[1]) / reach_m).astype(np.float32)
    box = np.stack([foot_x - _BOX[0] / 2, foot_y - _BOX[1], *np.full((2, len(foot_x)), 0.0)], axis=1)
    box[:, 2:] = _BOX
    order = np.argsort(reported.frame, kind="stable")
    box, person, frame = box[order].astype(np.float32), reported.person[order], reported.frame[order]
    first, stride = int(track.frame.min()), track.stride
    before = -1
    for number in range(int(track.seconds / TICK_S)):
        at = (round((number + 1) * TICK_S * track.fps) - 1) // stride * stride + first
        is_new, before = at > before, at
        low, high = np.searchsorted(frame, [at, at + 1])
        captured_ns = START_NS + round((at + 1 - first) / track.fps * 1e9)
        ends_ns = START_NS + round((number + 1) * TICK_S * 1e9)
        count = int(high - low)
        starts_ns = ends_ns - round(TICK_S * 1e9)
        if not is_new:
            yield empty_tick(0, "ingest", starts_ns, ends_ns)
            continue
        blank = empty_tick(0, "ingest", starts_ns, ends_ns, 1)
        yield replace(
            blank,
            camera=np.array([1], np.uint32),
            captured_at_ns=np.array([min(captured_ns, ends_ns)], np.int64),
            arrived_at_ns=np.array([min(captured_ns, ends_ns)], np.int64),
            brightness=np.array([100.0], np.float32),
            objects_known=np.array([True]),
            object_start=np.array([0, count], np.int64),
            object_class=np.full(count, ObjectClass.PERSON, np.uint8),
            object_confidence=np.full(count, 0.9, np.float16),
            object_box=box[low:high],
            object_track=person[low:high].astype(np.int32) if is_tracked else np.full(count, -1, np.int32),
        )


def zone_counts(track: Track, every_s: float = 1.0) -> Floats:
    """(T,) persons in its zone at 1 Hz, as counted by a plain polygon test."""
    corners = track.zone_m()
    low, high = corners.min(axis=0), corners.max(axis=0)
    there = (track.x_m >= low[0]) & (track.x_m < high[0]) & (track.y_m >= low[1]) & (track.y_m < high[1])
    first = int(track.frame.min())
    count = np.bincount(track.frame[there] - first, minlength=int(track.seconds * track.fps))
    step = round(every_s * track.fps)
    last = np.arange(step - 1, len(count), step) // track.stride * track.stride
    return count[last].astype(np.float64)


def _track(path: Path, truth: Mapping[str, Any]) -> Track:
    data = np.load(path)
    order = np.lexsort((data["frame"], data["id"]))
    return Track(
        path.stem,
        float(data["fps"]),
        data["frame"][order].astype(np.int64),
        data["id"][order].astype(np.int64),
        data["x_mm"][order] / 1000.0,
        data["y_mm"][order] / 1000.0,
        truth,
    )


def _reach(track: Track) -> tuple[float, Floats]:
    """Side of the square that the camera sees, and its middle."""
    corners = np.concatenate([track.zone_m(), np.stack([track.x_m, track.y_m], axis=1)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    return float((high - low).max()) + 6.0, (low + high) / 2.0
