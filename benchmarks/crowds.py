"""
A district of calibrated cameras, one zone each, and crowds that come and go in one zone after the other.

Zones are an exit route each, so far apart that no two are ever one incident. A frame shows 9 persons, or 20 while its
zone is over its safe capacity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.geometry.plane import SitePlane
from detectors.settings import DetectSettings
from ingest.cameras.observation import Objects, Observation
from ingest.clock import NS_PER_S
from ingest.registry.district import Calibration, Camera, District, PointPair, Zone, ZoneClass, district_of
from ingest.schema.tick import I64, Bools, ObjectClass, TimeSource

QUIET, CROWDED = 9, 20  # persons in a frame
SAFE_CAPACITY = 19  # 9 boxes at a recall of 0.9 are 0.53 of it, 20 boxes are 1.17
CROWDED_FRAMES = 2
_APART_M, _REACH_M, _ZONE_M = 300.0, 30.0, 28.0
_MIDDLE = SitePlane(8.54, 47.37)
_DAY_NS = 86_400 * NS_PER_S

# No hold, no release: each change of a zone is a finding at once, so that latency is of the system, not of the rule.
AT_ONCE = DetectSettings(
    detectors={
        "crowd.capacity": {
            **{f"{level}_hold_s": 0.0 for level in ("amber", "red", "critical")},
            "gap_s": 0.0,
            "release_s": 0.0,
        }
    }
)


def zone_id(camera: int) -> str:
    return f"exit-{camera:04d}"


def crowd_district(cameras: int, partitions: int, calibrated_at_ns: int) -> District:
    """`cameras` sites of one camera and one zone, dealt out to the partitions in turn; numbers from 0."""
    columns = int(np.ceil(np.sqrt(cameras)))
    sites = [(_APART_M * (n % columns), _APART_M * (n // columns)) for n in range(cameras)]
    records = [
        _camera(n, n % partitions, east_m, north_m, calibrated_at_ns) for n, (east_m, north_m) in enumerate(sites)
    ]
    zones = [_zone(n, n % partitions, east_m, north_m) for n, (east_m, north_m) in enumerate(sites)]
    return district_of(records, zones)


def _camera(number: int, partition: int, east_m: float, north_m: float, calibrated_at_ns: int) -> Camera:
    """Looks straight down at a square of `_REACH_M`."""
    image = [(x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0)]
    ground = [(east_m + (x - 0.5) * _REACH_M, north_m + (0.5 - y) * _REACH_M) for x, y in image]
    points = tuple(PointPair(*at, *place) for at, place in zip(image, _lon_lat(ground), strict=True))
    (lon, lat), *_ = _lon_lat([(east_m, north_m)])
    return Camera(
        id=f"camera-{number:04d}",
        number=number,
        name=f"Exit {number}",
        site=f"site-{number:04d}",
        partition=partition,
        lon=lon,
        lat=lat,
        source="rtsp",
        url="rtsp://127.0.0.1/1",
        calibration=Calibration(points=points, error_m=0.05, measured_at_ns=calibrated_at_ns - _DAY_NS),
    )


def _zone(number: int, partition: int, east_m: float, north_m: float) -> Zone:
    half_m = _ZONE_M / 2
    corners = [(-half_m, -half_m), (half_m, -half_m), (half_m, half_m), (-half_m, half_m)]
    return Zone(
        id=zone_id(number),
        name=f"Exit {number}",
        site=f"site-{number:04d}",
        partition=partition,
        zone_class=ZoneClass.EXIT_ROUTE,
        polygon=tuple(_lon_lat([(east_m + x, north_m + y) for x, y in corners])),
        safe_capacity=SAFE_CAPACITY,
    )


def _lon_lat(metres: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(float(lon), float(lat)) for lon, lat in _MIDDLE.to_lon_lat(np.array(metres))]


def persons(count: int, random: np.random.Generator) -> Objects:
    """Boxes of people who all stand in the zone of their camera."""
    left_top = random.uniform(0.1, 0.8, (count, 2))
    return Objects(
        np.full(count, ObjectClass.PERSON, np.uint8),
        np.full(count, 0.9, np.float16),
        np.concatenate([left_top, np.broadcast_to([0.02, 0.08], (count, 2))], axis=1).astype(np.float32),
        np.full(count, -1, np.int32),
    )


@dataclass(frozen=True, eq=False)
class Captures:
    """
    K frames in order of time: each camera once a period, at a phase of its own and with jitter.

    `raised_ns[n]` and `cleared_ns[n]` are the times of the frames that put the zone of camera n over its capacity, and
    under it again; each zone goes over once.
    """

    at_ns: I64  # (K,)
    camera: I64  # (K,)
    crowded: Bools  # (K,)
    raised_ns: I64  # (C,)
    cleared_ns: I64  # (C,)

    def observations(self, rows: slice, quiet: Objects, crowd: Objects) -> Iterator[Observation]:
        """What a reader would say of these frames the moment that they arrive."""
        columns = (self.at_ns[rows], self.camera[rows], self.crowded[rows])
        for at_ns, camera, crowded in zip(*(column.tolist() for column in columns), strict=True):
            objects = crowd if crowded else quiet
            yield Observation(camera, at_ns, at_ns, TimeSource.CAMERA, 1920, 1080, brightness=110.0, objects=objects)


def captures(
    cameras: int, starts_at_ns: int, seconds: float, period_s: float, raises_per_s: float, random: np.random.Generator
) -> Captures:
    """
    Frames from `starts_at_ns` on. Zones go over one after the other, `raises_per_s` of them a second, each at the first
    frame of its camera that is due.
    """
    frames = int(seconds / period_s)
    phase_s = random.uniform(0.0, period_s, cameras)
    jitter_s = random.uniform(-0.1, 0.1, (cameras, frames)) * period_s
    frame_s = phase_s[:, None] + np.arange(frames) * period_s + jitter_s  # (C, frames), ascending in each row
    order = random.permutation(cameras)
    due_s = np.empty(cameras)
    due_s[order] = np.arange(1, cameras + 1) / raises_per_s
    first = (frame_s < due_s[:, None]).sum(axis=1)  # (C,) index of the frame that is crowded first
    crowded = (np.arange(frames) >= first[:, None]) & (np.arange(frames) < first[:, None] + CROWDED_FRAMES)
    at_ns: I64 = starts_at_ns + (np.sort(frame_s, axis=1) * NS_PER_S).astype(np.int64)

    def time_of(frame: npt.NDArray[np.int64]) -> I64:
        """(C,) its time; -1 where the run ends before."""
        known = frame < frames
        return np.where(known, at_ns[np.arange(cameras), np.where(known, frame, 0)], -1)

    by_time = np.argsort(at_ns, axis=None, kind="stable")
    camera = np.repeat(np.arange(cameras), frames)
    return Captures(
        at_ns=at_ns.reshape(-1)[by_time],
        camera=camera[by_time],
        crowded=crowded.reshape(-1)[by_time],
        raised_ns=time_of(first),
        cleared_ns=time_of(first + CROWDED_FRAMES),
    )


def thresholds_at_once() -> dict[str, object]:
    """The settings that differ from the product's defaults, to be said beside the figures."""
    return dict(msgspec.to_builtins(AT_ONCE)["detectors"]["crowd.capacity"])
