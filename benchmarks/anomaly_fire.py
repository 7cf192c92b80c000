"""
Fire and smoke in figures: rendered scenes from the picture to the finding, and real clips without either.

    fire_recall, smoke_recall                share of the scenes in which it was told before they ended
    fire_false_share, smoke_false_share      share of the scenes without either in which one was told
    fire_delay_s, smoke_delay_s              median time from its beginning to the finding
    clip_false_alerts                        findings on all real clips

Keys that end in `_1_hz` and `_5_hz` are of the scenes at that many samples/s: all of them at 1, half of them at 5.
Report seeds are 201 to 205; tuning was on 101 to 103.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import click
import cv2
import numpy as np

from benchmarks.measuring import Figures, show, talk
from benchmarks.scenes_fire import RATES_HZ, REPORT, Scene, frames, scenes
from detectors.anomaly import fire, smoke
from detectors.registry import Configured, settings_of
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.bus.contract import Position
from ingest.cameras.signals import SignalReader, SignalSettings
from ingest.cameras.signals.flame import Flame
from ingest.cameras.signals.sample import Sample
from ingest.cameras.signals.smoke import Smoke
from ingest.registry.district import Camera, district_of
from ingest.schema.finding import Finding, Phase
from ingest.schema.tick import U8, Tick, empty_tick
from ingest.stages.stage import Read

CLIPS = Path(__file__).parents[2] / "shared/data/clips"
# Debian's package opencv-doc puts it there; a copy elsewhere is named by the variable.
VTEST = Path(os.environ.get("DRUMTOWER_VTEST", "/usr/share/doc/opencv-doc/examples/data/vtest.avi"))
_START_NS = 1_790_000_000_000_000_000
_CAMERA = Camera(
    id="gate-7", number=7, name="gate-7", site="square", partition=0, lon=8.54, lat=47.37, source="file", url="x.mp4"
)


def looked(pictures: Iterable[tuple[float, U8]], whole: bool) -> Iterator[tuple[float, Tick]]:
    """Second and tick of each picture; by the whole look of a worker, or by the two parts alone, which is cheaper."""
    reader, parts, before_s = SignalReader(SignalSettings()), (Flame(), Smoke()), None
    for at_s, colour in pictures:
        at_ns = _START_NS + int(at_s * 1e9)
        grey = np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), np.uint8)
        if whole:
            seen = reader.read(grey, at_ns, colour)
            yield at_s, _tick(at_ns, seen.picture, seen.flame, seen.smoke)
        else:
            sample = Sample(grey, colour, elapsed_s=0.0 if before_s is None else at_s - before_s)
            flame, veil = (part.read(sample, at_ns) for part in parts)
            yield at_s, _tick(at_ns, 0, flame.flame, veil.smoke)
        before_s = at_s


def findings(pictures: Iterable[tuple[float, U8]], whole: bool = True) -> Iterator[tuple[float, Finding]]:
    """
    Second and finding of all that is told of one camera's pictures.

    Args:
        pictures: second and picture (180, 320, 3), blue, green, red.
    """
    own = [Configured(each.detector, settings_of(each.detector, {})) for each in (fire, smoke)]
    stage = DetectStage(district_of([_CAMERA], []), DetectSettings(), own)
    state = stage.initial(0)
    for offset, (at_s, tick) in enumerate(looked(pictures, whole)):
        state, told = stage.step(state, [Read(Position("dt.observations", 0, offset), tick)])
        for each in told:
            yield at_s, each


def scene_delays(scene: Scene) -> dict[str, float]:
    """Seconds from the beginning of a scene's hazard to each kind that was raised, none where it was told before."""
    delays: dict[str, float] = {}
    for at_s, told in findings(frames(scene), whole=False):
        if told.data.phase is Phase.RAISED:
            delays.setdefault(told.data.kind.removeprefix("anomaly."), at_s - scene.begins_s)
    return delays


def clip_pictures(path: Path, rate_hz: float, passes: int) -> Iterator[tuple[float, U8]]:
    """A clip over and over, as one long look: short ones would end before the background is learned."""
    offset_s = 0.0
    for _ in range(passes):
        last_s, next_s = 0.0, 0.0
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                at_s = frame.time if frame.time is not None else last_s
                last_s = max(last_s, at_s)
                if at_s >= next_s:
                    next_s += 1 / rate_hz
                    small = frame.reformat(320, 180, format="bgr24", interpolation="AREA")
                    yield offset_s + at_s, np.asarray(small.to_ndarray(), np.uint8)
        offset_s += last_s + 1 / rate_hz


def rendered(chosen: Sequence[Scene]) -> Figures:
    """Of all scenes, and of those at each rate."""
    told = [(scene, scene_delays(scene)) for scene in chosen]
    for scene, delays in told:
        for hazard in ("fire", "smoke"):
            if (delays.get(hazard, -1.0) > 0) != (hazard == scene.subject) and scene.subject in (hazard, "neither"):
                talk(f"{hazard} {'told' if hazard in delays else 'missed'}: {scene}")
    figures = shares(told)
    for rate_hz in sorted({scene.rate_hz for scene in chosen}):
        at_rate = shares([each for each in told if each[0].rate_hz == rate_hz])
        figures |= {f"{name}_{rate_hz:.0f}_hz": value for name, value in at_rate.items()}
    return figures


def shares(told: Sequence[tuple[Scene, dict[str, float]]]) -> Figures:
    """
    Args:
        told: each scene with the seconds from its beginning to each hazard that was told.
    """
    figures: Figures = {}
    for hazard in ("fire", "smoke"):
        delay_s = np.array([delays.get(hazard, np.nan) for scene, delays in told if scene.subject == hazard])
        found = delay_s > 0  # not NaN, and not before it began
        false = [hazard in delays for scene, delays in told if scene.subject == "neither"]
        figures[f"{hazard}_recall"] = float(found.mean())
        figures[f"{hazard}_false_share"] = float(np.mean(false))
        figures[f"{hazard}_delay_s"] = float(np.median(delay_s[found])) if found.any() else float("nan")
        figures[f"{hazard}_scenes"] = float(len(delay_s))
    return figures | {"negative_scenes": float(sum(scene.subject == "neither" for scene, _ in told))}


def clips(quick: bool) -> Figures:
    vtest = [VTEST] if VTEST.exists() else []
    paths = [*sorted(CLIPS.glob("*.mp4")), *sorted(CLIPS.glob("road*.avi")), *vtest]
    if not paths:
        talk(f"clips: skipped, none in {CLIPS}")
        return {}
    if not vtest:
        talk(f"vtest.avi: skipped, not at {VTEST} (Debian's package opencv-doc, or DRUMTOWER_VTEST)")
    told = 0
    for path in paths[:: 3 if quick else 1]:
        for rate_hz in (5.0,) if quick else RATES_HZ:
            passes = 1 if "one_by_one" in path.name or path == VTEST else 6
            pictures = clip_pictures(path, rate_hz, passes)
            for at_s, finding in findings(islice(pictures, 60 if quick else None)):
                if finding.data.phase is Phase.RAISED:
                    talk(f"{path.name}: {finding.data.kind} at {at_s:.1f} s, {rate_hz:.0f}/s")
                    told += 1
    return {"clip_false_alerts": float(told), "clips": float(len(paths))}


def measure(quick: bool, seeds: Sequence[int] = REPORT) -> Figures:
    """Keys as above; `quick` takes a few scenes of one seed at 1 sample/s."""
    if quick:
        some = scenes(seeds[0], 1.0)
        chosen = [*some[:2], *some[8:10], *some[16::7]]
    else:
        chosen = [scene for seed in seeds for rate_hz in RATES_HZ for scene in report_scenes(seed, rate_hz)]
    return rendered(chosen) | clips(quick)


def report_scenes(seed: int, rate_hz: float) -> list[Scene]:
    """Those of a seed that a full run takes: at 5 samples/s every other one, which differ from seed to seed."""
    found = scenes(seed, rate_hz)
    return found if rate_hz == RATES_HZ[0] else found[seed % 2 :: 2]


def _tick(at_ns: int, picture: int, flame: float, smoke_share: float) -> Tick:
    return replace(
        empty_tick(0, "ingest", at_ns - 100_000_000, at_ns + 100_000_000, 1),
        camera=np.array([_CAMERA.number], np.uint32),
        captured_at_ns=np.array([at_ns], np.int64),
        arrived_at_ns=np.array([at_ns], np.int64),
        picture=np.array([picture], np.uint16),
        flame=np.array([flame], np.float32),
        smoke=np.array([smoke_share], np.float32),
    )


@click.command()
@click.option("--quick", is_flag=True, help="A few scenes of one seed.")
@click.option("--seeds", default=",".join(map(str, REPORT)), help="Seeds of the scenes, with commas.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def main(quick: bool, seeds: str, as_json: bool) -> None:
    """Recall and false alarms of fire and smoke."""
    began = time.process_time()
    figures = measure(quick, [int(seed) for seed in seeds.split(",")])
    show(figures | {"cpu_s": time.process_time() - began}, as_json=as_json)


if __name__ == "__main__":
    main()
