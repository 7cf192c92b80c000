"""
Rendered scenes with fire, with smoke and with neither, for a seed: what a fixed camera would show.

The renderer knows nothing of the detectors. Seeds 101 to 103 are for tuning, 201 to 205 for the report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmarks.fire_camera import camera
from benchmarks.fire_flames import Flame, flame, smoke
from benchmarks.fire_negatives import NEGATIVES, quiet
from benchmarks.fire_nuisances import Lamp, Thing, steady, still
from benchmarks.fire_places import LIGHTS, Light, place
from ingest.schema.tick import U8

Subject = Literal["fire", "smoke", "neither"]
TUNING, REPORT = (101, 102, 103), (201, 202, 203, 204, 205)
PER_SEED = {"fire": 8, "smoke": 8, "neither": 40}
RATES_HZ = (1.0, 5.0)
_BEGINS_S = {1.0: 12.0, 5.0: 5.0}
_LASTS_S = {1.0: 26.0, 5.0: 19.0}  # after it has begun


@dataclass(frozen=True, slots=True)
class Scene:
    subject: Subject
    kind: str  # "fire", "smoke", or the name of the nuisance
    light: Light
    rate_hz: float
    seed: tuple[int, ...]

    @property
    def begins_s(self) -> float:
        return _BEGINS_S[self.rate_hz]

    @property
    def seconds(self) -> float:
        return self.begins_s + _LASTS_S[self.rate_hz]


def scenes(seed: int, rate_hz: float) -> list[Scene]:
    """56 scenes: 8 with fire, 8 with smoke, 40 with neither, each kind of nuisance at least once."""
    chance = np.random.default_rng([seed, 7])
    found: list[Scene] = []
    for subject in ("fire", "smoke"):
        for at in range(PER_SEED[subject]):
            light = LIGHTS[(at + seed) % 3] if subject == "fire" else ("day", "day", "dusk", "night")[(at + seed) % 4]
            found.append(Scene(subject, subject, light, rate_hz, (seed, len(found))))  # type: ignore[arg-type]
    kinds = [*NEGATIVES]
    kinds += [kinds[at] for at in chance.permutation(len(kinds))][: PER_SEED["neither"] - len(kinds)]
    for kind in kinds:
        lights = NEGATIVES[kind][1]
        found.append(Scene("neither", kind, lights[int(chance.integers(0, len(lights)))], rate_hz, (seed, len(found))))
    return found


def frames(scene: Scene) -> Iterator[tuple[float, U8]]:
    """Second and picture (180, 320, 3), blue, green, red, of each sample of a scene."""
    chance = np.random.default_rng(scene.seed)
    where, seen_by = place(chance, scene.light), camera(chance)
    for x, y, power in where.lamps:
        where = replace(
            where, radiance=Lamp(still(x, y), steady(power), (0.1, 0.55, 1.0), 1.8).paint(where, where.radiance, 0.0)
        )
    things: list[Thing] = []
    if scene.subject == "neither":
        things += NEGATIVES[scene.kind][0](chance, where, scene.begins_s)
    else:
        hazard = flame if scene.subject == "fire" else smoke
        things += hazard(chance, where, scene.begins_s)
    if scene.subject != "neither" or chance.random() < 0.5:
        things = [*quiet(chance, where, 0.0), *things] if chance.random() < 0.6 else things
    flicker = float(chance.uniform(0, 0.03))  # of the light, from picture to picture
    for at in range(int(scene.seconds * scene.rate_hz)):
        at_s = at / scene.rate_hz + float(chance.uniform(0, 0.02))
        radiance = where.radiance * np.float32(1 + chance.normal(0, flicker))
        for thing in things:
            radiance = thing.paint(where, radiance, at_s)
        yield at_s, seen_by.shot(radiance, 1 / scene.rate_hz if at else 0.0)


def is_burning(scene: Scene, at_s: float) -> bool:
    return scene.subject != "neither" and at_s >= scene.begins_s


__all__ = ["PER_SEED", "RATES_HZ", "REPORT", "TUNING", "Flame", "Scene", "frames", "is_burning", "scenes"]
