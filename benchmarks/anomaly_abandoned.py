"""
How well things that are left, and things that are taken, are told: rendered scenes, and recordings where neither is.

No boxes of persons are given: our own look at the picture and the calibration of the camera are all there is. Scenes
are of seeds 201 to 205; the limits were set on 101 to 103.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import msgspec
import numpy as np

from benchmarks.anomaly_abandoned_scenes import LEFT, SILENT, Scene, scene
from benchmarks.anomaly_fall_figures import View
from detectors.anomaly import abandoned_object
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView, district_view
from detectors.geometry.plane import SitePlane
from ingest.cameras.observation import Observation
from ingest.cameras.signals.reader import SignalReader, SignalSettings
from ingest.cameras.signals.static_object import StaticObject
from ingest.cameras.ticker import assemble
from ingest.registry.district import Calibration, Camera, PointPair, Zone, ZoneClass, district_of
from ingest.schema.tick import U8, Tick, TimeSource

REPORTED = (201, 202, 203, 204, 205)
START_NS, NS_PER_S = 1_790_000_000_000_000_000, 1_000_000_000
PLANE = SitePlane(8.54, 47.37)
CLIPS = ("person_one_by_one_768x432.mp4", "road_vehicle_overhead_negative.avi")
_DATA = Path(__file__).parents[2] / "shared/data/clips"
Picture = U8  # (180, 320, 3)


def calibrated(view: View) -> DistrictView:
    """One camera with this view, and a zone that it sees."""
    pairs = []
    for x in (0.05, 0.35, 0.65, 0.95):
        for y in (0.45, 0.6, 0.75, 0.97):
            ground = view.ground(x, y)
            if np.hypot(*ground) < 60.0:
                lon, lat = PLANE.to_lon_lat(ground[None])[0]
                pairs.append(PointPair(x, y, float(lon), float(lat)))
    camera = Camera(
        id="gate-7", number=7, name="gate-7", site="square", partition=0, lon=PLANE.lon, lat=PLANE.lat, source="rtsp",
        url="rtsp://10.0.4.7/1", calibration=Calibration(points=tuple(pairs), error_m=0.05, measured_at_ns=START_NS),
    )  # fmt: skip
    corners = PLANE.to_lon_lat(np.array([[-30.0, 1.0], [30.0, 1.0], [30.0, 40.0], [-30.0, 40.0]]))
    zone = Zone(
        id="plaza", name="plaza", site="square", partition=0, zone_class=ZoneClass.OPEN, safe_capacity=100,
        polygon=tuple((float(lon), float(lat)) for lon, lat in corners), cameras=("gate-7",),
    )  # fmt: skip
    return district_view(district_of([camera], [zone]), 0)


def ticks(pictures: Iterator[tuple[float, Picture]]) -> Iterator[Tick]:
    """What comes of pictures at some seconds."""
    reader = SignalReader(SignalSettings(), parts=[StaticObject])
    for at_s, picture in pictures:
        at_ns = START_NS + round(at_s * NS_PER_S)
        seen = reader.read(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8), at_ns, picture)
        row = Observation(
            camera=7, captured_at_ns=at_ns, arrived_at_ns=at_ns, time_source=TimeSource.CAMERA, width=1_920,
            height=1_080, picture=seen.picture, brightness=seen.brightness, events=seen.events,
        )  # fmt: skip
        yield assemble([row], 0, "ingest", at_ns - 1, at_ns)


def told(view: DistrictView, line: Iterator[Tick]) -> list[Condition]:
    """All that both rules say, in order; updates left out."""
    rules = (abandoned_object.abandoned, abandoned_object.removed)
    own = [rule.prepare(abandoned_object.ObjectSettings(), view) for rule in rules]
    states = [rule.initial(each) for rule, each in zip(rules, own, strict=True)]
    said: list[Condition] = []
    blind = np.zeros(len(view.cameras), np.bool_)
    for tick in line:
        moment = Moment(tick.ends_at_ns, 0, 10**15, view.camera_rows(tick.camera), None, None, blind)  # type: ignore[arg-type]
        for index, rule in enumerate(rules):
            states[index], conditions = rule.step(own[index], states[index], moment, tick)
            said += conditions
    return said


def of_scene(given: Scene) -> list[Condition]:
    """What is told of a scene, a picture a second."""
    return told(calibrated(given.camera), ticks((float(n), each) for n, each in enumerate(given.pictures)))


def is_found(given: Scene, said: Sequence[Condition]) -> bool:
    """Whether the right thing was told at the right place, and nothing else."""
    assert given.thing is not None
    place, _ = given.camera.project(np.array([*given.thing.place, 0.0]))
    wanted = "anomaly.removed_object" if given.kind == "taken" else "anomaly.abandoned_object"
    raised = [each for each in said if each.ends is None]
    at = [abs(each.detail["left"] + each.detail["width"] / 2 - place[0]) < 0.1 for each in raised]
    return bool(raised) and all(at) and all(each.rule == wanted for each in raised)


def of_clip(name: str) -> list[Condition]:
    """What is told of a recording, looked at once a second."""

    def pictures() -> Iterator[tuple[float, Picture]]:
        next_s = 0.0
        with av.open(str(_DATA / name)) as container:
            for frame in container.decode(video=0):
                if float(frame.time or 0) >= next_s:
                    next_s += 1.0
                    small = frame.reformat(width=320, height=180, format="bgr24", interpolation="AREA")
                    yield float(frame.time or 0), small.to_ndarray().astype(np.uint8, copy=False)

    plain = calibrated(View(3.5, 0.25, 0.0, 1.2))
    uncalibrated = district_of([msgspec.structs.replace(plain.cameras[0], calibration=None)], plain.zones)
    return told(district_view(uncalibrated, 0), ticks(pictures()))


def measure(quick: bool) -> dict[str, float]:
    """Figures of things left and taken; `quick` looks at fewer scenes."""
    positives, negatives = (3, 4) if quick else (45, 208)
    left = [LEFT[n % len(LEFT)] for n in range(positives)]
    silent = [SILENT[(n * (4 if quick else 1)) % len(SILENT)] for n in range(negatives)]
    hits: dict[str, list[bool]] = {kind: [] for kind in LEFT}
    for n, kind in enumerate(left):
        given = scene(kind, REPORTED[n % 5] * 1_000 + n)
        hits[kind].append(is_found(given, of_scene(given)))
    false: dict[str, int] = {}
    for n, kind in enumerate(silent):
        if any(each.ends is None for each in of_scene(scene(kind, REPORTED[n % 5] * 1_000 + n))):
            false[kind] = false.get(kind, 0) + 1
    figures = {
        "abandoned_recall": float(np.mean([hit for kind in LEFT for hit in hits[kind]])),
        "abandoned_false_share": sum(false.values()) / negatives,
    }
    figures |= {f"abandoned_recall_{kind}": float(np.mean(hits[kind])) for kind in LEFT if hits[kind]}
    figures |= {f"abandoned_false_{kind}": float(count) for kind, count in sorted(false.items())}
    present = [name for name in CLIPS if (_DATA / name).exists()]
    if present:
        figures["abandoned_clips_false"] = float(
            sum(each.ends is None for name in present[: 1 if quick else None] for each in of_clip(name))
        )
    return figures
