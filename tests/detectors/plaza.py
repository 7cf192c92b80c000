"""A small district and its ticks: what is seen is said in persons, times in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from detectors.crowd.occupancy import OccupancySettings
from detectors.crowd.rules import capacity
from detectors.geometry.homography import Floats
from detectors.geometry.plane import SitePlane
from detectors.health import clock, stream
from detectors.health import picture as picture_health
from detectors.registry import Configured, settings_of
from detectors.settings import DetectSettings
from detectors.stage import DetectStage, State
from ingest.bus.contract import Position
from ingest.evidence import EvidenceSettings
from ingest.registry.district import Calibration, Camera, District, PointPair, Zone, ZoneClass, district_of
from ingest.schema.finding import Finding
from ingest.schema.tick import ObjectClass, Tick, empty_tick
from ingest.stages.stage import Read

START_NS = 1_790_000_000_000_000_000
PERIOD_S = 0.2
PLANE = SitePlane(8.54, 47.37)
EXACT = OccupancySettings(recall=1.0, recall_sd=0.0, boxes_per_m2_max=100.0)
SIDE_M = 20.0


def ns(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def square(west_m: float, south_m: float, east_m: float, north_m: float) -> tuple[tuple[float, float], ...]:
    """A rectangle in metres as lon, lat."""
    corners = np.array([[west_m, south_m], [east_m, south_m], [east_m, north_m], [west_m, north_m]])
    return tuple((float(lon), float(lat)) for lon, lat in PLANE.to_lon_lat(corners))


def zone(id: str = "plaza", capacity: int | None = 100, side_m: float = SIDE_M, **facts: object) -> Zone:
    given: dict[str, object] = {
        "id": id, "name": id, "site": "square", "partition": 0, "zone_class": ZoneClass.OPEN,
        "polygon": square(-side_m / 2, -side_m / 2, side_m / 2, side_m / 2), "safe_capacity": capacity,
    }  # fmt: skip
    return Zone(**(given | facts))  # type: ignore[arg-type]


def camera(number: int = 7, id: str = "gate-7", calibrated: bool = False, **facts: object) -> Camera:
    given: dict[str, object] = {
        "id": id, "number": number, "name": id, "site": "square", "partition": 0, "lon": PLANE.lon, "lat": PLANE.lat,
        "source": "rtsp", "url": "rtsp://10.0.4.7/1", "calibration": overhead() if calibrated else None,
    }  # fmt: skip
    return Camera(**(given | facts))  # type: ignore[arg-type]


def overhead(reach_m: float = 30.0, east_m: float = 0.0) -> Calibration:
    """Looks straight down at a square of `reach_m`, `east_m` beside the middle: x is east, y is south."""
    image = [(x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0)]
    ground = PLANE.to_lon_lat(np.array([((x - 0.5) * reach_m + east_m, (0.5 - y) * reach_m) for x, y in image]))
    pairs = tuple(PointPair(x, y, float(lon), float(lat)) for (x, y), (lon, lat) in zip(image, ground, strict=True))
    return Calibration(points=pairs, error_m=0.05, measured_at_ns=START_NS - 86_400_000_000_000)


def plaza(capacity: int | None = 100, side_m: float = SIDE_M, **facts: object) -> District:
    """One zone seen by the whole picture of one camera, `gate-7`."""
    return district_of([camera()], [zone("plaza", capacity, side_m, cameras=("gate-7",), **facts)])


def boxes_at(ground_m: Floats, reach_m: float = 30.0, east_m: float = 0.0) -> Floats:
    """(M, 4) boxes of people standing at (M, 2) metres, in the picture of an `overhead` camera."""
    foot = np.stack([(ground_m[:, 0] - east_m) / reach_m + 0.5, 0.5 - ground_m[:, 1] / reach_m], axis=1)
    return np.concatenate([foot - [0.01, 0.05], np.broadcast_to([0.02, 0.05], foot.shape)], axis=1)


def boxes(persons: int) -> Floats:
    """(persons, 4) boxes anywhere in the picture."""
    return np.tile([0.4, 0.4, 0.02, 0.1], (persons, 1))


def tick(
    at_s: float,
    seen: Mapping[int, Floats | int | None],
    *,
    period_s: float = PERIOD_S,
    producer: str = "ingest",
    picture: Mapping[int, int] | None = None,
    grid: Mapping[int, int] | None = None,
    brightness: float = 100.0,
    captured_s: float | None = None,
) -> Tick:
    """
    A tick that ends at `at_s`, with a frame of each camera in `seen`: its boxes, or how many persons, or None where
    nobody looked for objects. `grid`: the foreground of all cells, 255 is all.
    """
    numbers = list(seen)
    count = len(numbers)
    result = empty_tick(0, producer, ns(at_s - period_s), ns(at_s), count)
    known = [found is not None for found in seen.values()]
    each = [
        np.empty((0, 4)) if found is None else boxes(found) if isinstance(found, int) else found
        for found in seen.values()
    ]
    start = np.concatenate([[0], np.cumsum([len(found) for found in each])]).astype(np.int64)
    captured_ns = ns(at_s - period_s / 2 if captured_s is None else captured_s)
    result = replace(
        result,
        camera=np.array(numbers, np.uint32),
        captured_at_ns=np.full(count, captured_ns, np.int64),
        arrived_at_ns=np.full(count, captured_ns, np.int64),
        brightness=np.full(count, brightness, np.float32),
        picture=np.array([(picture or {}).get(number, 0) for number in numbers], np.uint16),
        grid_known=np.array([number in (grid or {}) for number in numbers], np.bool_),
        foreground_grid=np.stack([np.full((9, 16), (grid or {}).get(number, 0), np.uint8) for number in numbers])
        if numbers
        else result.foreground_grid,
        objects_known=np.array(known, np.bool_),
        object_start=start,
        object_class=np.full(start[-1], ObjectClass.PERSON, np.uint8),
        object_confidence=np.full(start[-1], 0.9, np.float16),
        object_box=np.concatenate([*each, np.empty((0, 4))]).astype(np.float32),
        object_track=np.full(start[-1], -1, np.int32),
    )
    result.check()
    return result


def detect(
    district: District,
    settings: DetectSettings | None = None,
    only: Sequence[str] = ("crowd.capacity", "health.picture", "health.stream"),
) -> DetectStage:
    """The stage with our own detectors; exact recall unless settings say otherwise."""
    settings = settings or DetectSettings(occupancy=EXACT)
    known = (capacity.detector, clock.detector, picture_health.detector, stream.detector)
    ours = [each for each in known if each.name in only]
    running = [Configured(each, settings_of(each, settings.detectors.get(each.name, {}))) for each in ours]
    return DetectStage(district, settings, running, EvidenceSettings())


def reads(ticks: Sequence[Tick], first: int = 0) -> list[Read[Tick]]:
    return [Read(Position("dt.observations", 0, offset), each) for offset, each in enumerate(ticks, first)]


def run(stage: DetectStage, ticks: Sequence[Tick], state: State | None = None) -> tuple[State, list[Finding]]:
    after, findings = stage.step(stage.initial(0) if state is None else state, reads(ticks))
    return after, list(findings)


def counts(series: Mapping[float, int | None], until_s: float, period_s: float = 1.0, number: int = 7) -> list[Tick]:
    """
    A tick each period. `series` says from when on how many persons camera 7 sees; None: no frame comes.
    """
    ticks = []
    for index in range(1, round(until_s / period_s) + 1):
        at_s = index * period_s
        seen = [persons for since_s, persons in sorted(series.items()) if since_s < at_s]
        now = seen[-1] if seen else 0
        ticks.append(tick(at_s, {} if now is None else {number: now}, period_s=period_s, captured_s=at_s))
    return ticks


def told(findings: Sequence[Finding]) -> list[tuple[str, str, float]]:
    """Phase, level and second of each finding."""
    return [
        (each.data.phase.value, each.data.level.value, round(each.time.timestamp() - START_NS / 1e9, 3))
        for each in findings
    ]


def seconds(at: object) -> float:
    return round(at.timestamp() - START_NS / 1e9, 3)  # type: ignore[attr-defined]
