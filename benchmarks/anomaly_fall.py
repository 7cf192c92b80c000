"""
How well suspected falls are told: clips, rendered falls at many angles, and ordinary life.

The clips begin and end within a second or two of what they show; their first and last pictures are held for some
seconds, of all alike. Rendered figures are of seeds 201 to 205; the rule was set on 101 to 103.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from benchmarks.anomaly_fall_figures import ASPECT, RATE_HZ, Seen
from benchmarks.anomaly_fall_scenes import FallScene, fall_scene, ordinary_hour
from detectors.anomaly import fall
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView, district_view
from detectors.geometry.homography import Floats
from ingest.registry.district import Camera, District
from ingest.schema.tick import U8, ObjectClass, Tick, empty_tick

START_NS = 1_790_000_000_000_000_000
TUNED, REPORTED = (101, 102, 103), (201, 202, 203, 204, 205)
FALLS = ("fall_backward_s1_14", "fall_backward_sideview_s2_13", "fall_from_bed_s4_02")
NO_FALLS = ("adl_pick_up_s3_19", "adl_sit_s2_23")
_DATA = Path(__file__).parents[2] / "shared/data"
_HELD_FIRST_S, _HELD_LAST_S = 3, 15


def watching(cameras: int) -> DistrictView:
    """Cameras without calibration, by number."""
    made = tuple(
        Camera(
            id=f"c{n}", number=n, name=f"c{n}", site="square", partition=0, lon=8.54, lat=47.37, source="rtsp",
            url="rtsp://10.0.4.7/1", calibration=None,
        )
        for n in range(cameras)
    )  # fmt: skip
    return district_view(District(made, ()), 0)


def tick_of(at_s: float, boxes: Sequence[Floats], grids: Sequence[U8], shape: float = ASPECT) -> Tick:
    """What all cameras see at one moment, by number."""
    count = len(boxes)
    start = np.concatenate([[0], np.cumsum([len(each) for each in boxes])]).astype(np.int64)
    at_ns = START_NS + round(at_s * 1e9)
    objects = int(start[-1])
    return replace(
        empty_tick(0, "ingest", at_ns - 1, at_ns, count),
        camera=np.arange(count, dtype=np.uint32),
        captured_at_ns=np.full(count, at_ns, np.int64),
        width=np.full(count, round(1_080 * shape), np.uint16),
        height=np.full(count, 1_080, np.uint16),
        grid_known=np.full(count, bool(len(grids))),
        foreground_grid=np.stack(grids) if len(grids) else np.zeros((count, 9, 16), np.uint8),
        objects_known=np.ones(count, np.bool_),
        object_start=start,
        object_class=np.full(objects, ObjectClass.PERSON, np.uint8),
        object_confidence=np.full(objects, 0.7, np.float16),
        object_box=np.concatenate([*boxes, np.empty((0, 4))]).astype(np.float32),
        object_track=np.full(objects, -1, np.int32),
    )


def told(view: DistrictView, ticks: Iterator[Tick], settings: fall.FallSettings | None = None) -> list[Condition]:
    """All that the detector says, in order; updates left out."""
    rule = fall.detector
    own = rule.prepare(settings or fall.FallSettings(cameras=("*",)), view)
    state = rule.initial(own)
    said: list[Condition] = []
    nobody_blind = np.zeros(len(view.cameras), np.bool_)
    for tick in ticks:
        moment = Moment(tick.ends_at_ns, 0, 10**15, view.camera_rows(tick.camera), None, None, nobody_blind)  # type: ignore[arg-type]
        state, conditions = rule.step(own, state, moment, tick)
        said += conditions
    return said


def played(scenes: Sequence[Seen], rate_hz: int, grids: bool = True) -> Iterator[Tick]:
    """Scenes side by side, a camera each."""
    count = max(len(scene.boxes) for scene in scenes)
    for sample in range(0, count, RATE_HZ // rate_hz):
        boxes = [scene.boxes[sample] if sample < len(scene.boxes) else np.empty((0, 4)) for scene in scenes]
        second = sample // RATE_HZ
        shown = [scene.grids[second] for scene in scenes] if grids and sample % RATE_HZ == 0 else []
        yield tick_of(sample / RATE_HZ, boxes, shown)


def found(scenes: Sequence[FallScene], rate_hz: int, grids: bool = True) -> list[str | None]:
    """By which sign each fall was told, if it was."""
    said = told(watching(len(scenes)), played([scene.seen for scene in scenes], rate_hz, grids))
    result: list[str | None] = [None] * len(scenes)
    for each in said:
        after_s = (each.onset_at_ns - START_NS) / 1e9 - scenes[int(each.subject[1:])].falls_s
        if each.ends is None and -2.0 <= after_s <= 8.0:
            result[int(each.subject[1:])] = each.rule.rpartition(".")[2]
    return result


def clips(rate_hz: float) -> dict[str, bool]:
    """Whether a fall was told in each clip; empty where the clips or the weights are not there."""
    from detectors.vision import lying
    from detectors.vision.models import add_model, load_model
    from detectors.vision.person import person_finder

    weights, card = _DATA / "models/yolox_nano.onnx", Path(__file__).parents[1] / "docs/models/yolox-nano.toml"
    if not weights.exists() or not (_DATA / "clips").exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        add_model(Path(folder), weights, card)
        find = person_finder(load_model(Path(folder), "yolox-nano"))
    result = {}
    for name in (*FALLS, *NO_FALLS):
        with av.open(str(_DATA / f"clips/{name}.mp4")) as container:
            pictures = [(float(each.time or 0), each) for each in container.decode(video=0)]
            times = np.array([at for at, _ in pictures])
            recent, ticks, shown = lying.NOBODY, [], -1
            for at_s in np.arange(-_HELD_FIRST_S, times[-1] + _HELD_LAST_S, 1 / rate_hz):
                index = min(int(np.searchsorted(times, at_s)), len(pictures) - 1)
                if index != shown:  # a picture that is held is looked at once
                    shown, picture = index, pictures[index][1].to_ndarray(format="bgr24").astype(np.uint8, copy=False)
                    seen = find(picture)
                at_ns, persons = START_NS + round(at_s * 1e9), seen
                missed = lying.missed(recent, persons.box, at_ns)
                for row in np.flatnonzero(missed)[np.argsort(-recent.seen_ns[missed], kind="stable")][:1]:
                    persons = lying.look_again(find, picture, recent.box[row], persons)
                recent = lying.remembered(recent, missed, persons.box, at_ns)
                tick = tick_of(at_s, [persons.box.astype(np.float64)], [], picture.shape[1] / picture.shape[0])
                ticks.append(replace(tick, object_confidence=persons.confidence))
        result[name] = any(each.ends is None for each in told(watching(1), iter(ticks)))
    return result


def measure(quick: bool) -> dict[str, float]:
    """Figures of falls; `quick` looks at fewer scenes and hours."""
    figures: dict[str, float] = {}
    shown = clips(1.0 if quick else 5.0)
    if shown:
        figures["fall_clips_found"] = float(sum(shown[name] for name in FALLS))
        figures["fall_clips_false"] = float(sum(shown[name] for name in NO_FALLS))
    each = 4 if quick else 60
    scenes = [fall_scene(seed * 1_000 + n) for seed in REPORTED for n in range(each)]
    for rate_hz, suffix in ((RATE_HZ, ""), (1, "_1_hz")):
        signs = found(scenes, rate_hz)
        hit = np.array([sign is not None for sign in signs])
        figures[f"fall_rendered_recall{suffix}"] = float(hit.mean())
        found_lying = np.array([scene.lying_missed < 1.0 for scene in scenes])
        figures[f"fall_recall_where_found{suffix}"] = float(hit[found_lying].mean())
        if rate_hz == RATE_HZ:
            figures |= by_angle(scenes, hit)
    hours = 1 if quick else 20
    life = [ordinary_hour(REPORTED[n % 5] * 1_000 + n, 600 if quick else 3_600) for n in range(hours)]
    length_h = sum(len(one.boxes) for one in life) / RATE_HZ / 3_600
    for rate_hz, suffix in ((RATE_HZ, ""), (1, "_1_hz")):
        said = told(watching(len(life)), played(life, rate_hz))
        figures[f"fall_false_per_10_h{suffix}"] = sum(one.ends is None for one in said) / length_h * 10
    figures["fall_ordinary_h"] = length_h
    return figures


def by_angle(scenes: Sequence[FallScene], hit: np.ndarray) -> dict[str, float]:
    """Recall by how steeply the camera looks down, and by the direction of the fall beside that of the look."""
    down = np.array([scene.down_degrees for scene in scenes])
    aside = np.array([scene.aside_degrees for scene in scenes])
    result = {}
    for low, high in ((0, 15), (15, 25), (25, 35), (35, 90)):
        for name, kind in (("along", aside < 30), ("oblique", (aside >= 30) & (aside < 60)), ("across", aside >= 60)):
            chosen = (down >= low) & (down < high) & kind
            if chosen.sum() >= 5:
                result[f"fall_recall_down_{low}_{high}_{name}"] = float(hit[chosen].mean())
    return result
