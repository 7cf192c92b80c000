"""People who stand, walk and sway under a camera that looks straight down: places in metres, times in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from detectors.crowd.motion.zone_motion import Motion, measure
from detectors.crowd.rules import congestion, counterflow, gathering, growth, oscillation, pressure, surge
from detectors.geometry.homography import Floats
from detectors.registry import Configured, settings_of
from detectors.settings import DetectSettings
from detectors.stage import DetectStage, State
from ingest.registry.district import District, ZoneClass, district_of
from ingest.schema.finding import Finding, Phase
from ingest.schema.tick import Tick
from tests.detectors.plaza import EXACT, boxes_at, camera, reads, square, tick, zone

RULES = (congestion, counterflow, gathering, growth, oscillation, pressure, surge)
Places = Callable[[float], Floats]  # (M, 2) metres at a time


def rows(count: int, apart_m: float = 0.8, across: int = 8) -> Floats:
    """(count, 2) people in rows around the middle."""
    at = np.stack([np.arange(count) % across, np.arange(count) // across], axis=1) * apart_m
    return np.asarray(at - at.mean(axis=0), np.float64)


def standing(count: int, apart_m: float = 0.8, since_s: float = 0.0) -> Places:
    return lambda at_s: rows(count if at_s >= since_s else 0, apart_m)


def place(
    capacity: int | None = None,
    zone_class: ZoneClass = ZoneClass.OPEN,
    half_m: float = 10.0,
    bearing: float | None = None,
) -> District:
    polygon = square(-half_m, -half_m, half_m, half_m)
    return district_of(
        [camera(7, "gate-7", calibrated=True, sampling_period_s=0.2)],
        [zone("plaza", capacity, polygon=polygon, zone_class=zone_class, one_way_bearing=bearing)],
    )


def film(
    places: Places,
    until_s: float,
    *,
    period_s: float = 0.2,
    number: int = 7,
    from_s: float = 0.0,
    is_tracked: bool = True,
    ids: Callable[[float, int], Floats] | None = None,
    noise_m: float = 0.0,
    seed: int = 1,
) -> list[Tick]:
    """A tick each period with the frame of one camera; ids are the rows of `places` unless `ids` says otherwise."""
    chance = np.random.default_rng(seed)
    made = []
    for index in range(1, round((until_s - from_s) / period_s) + 1):
        at_s = from_s + index * period_s
        there = places(at_s)
        there = there + chance.normal(0.0, noise_m, there.shape) if noise_m else there
        each = tick(at_s, {number: boxes_at(there)}, period_s=period_s, captured_s=at_s)
        track = np.arange(len(there)) if ids is None else ids(at_s, len(there))
        made.append(replace(each, object_track=track.astype(np.int32)) if is_tracked else each)
    return made


def stage_of(district: District, settings: Mapping[str, Mapping[str, object]] | None = None) -> DetectStage:
    given = settings or {}
    running = [Configured(each.detector, settings_of(each.detector, dict(given.get(each.detector.name, {}))))
               for each in RULES]  # fmt: skip
    return DetectStage(district, DetectSettings(occupancy=EXACT), running)


def told(stage: DetectStage, ticks: Sequence[Tick]) -> tuple[State, list[Finding]]:
    state, findings = stage.step(stage.initial(0), reads(ticks))
    assert state.counts.steps_failed == 0, "a rule failed"
    return state, list(findings)


def raised(findings: Sequence[Finding], kind: str = "crowd.") -> list[str]:
    """The rules that were raised, in order."""
    return [each.data.rule for each in findings if each.data.phase is Phase.RAISED and each.data.kind.startswith(kind)]


def motion_at_end(stage: DetectStage, ticks: Sequence[Tick]) -> Motion:
    """The motion of the zones after the last tick."""
    state, _ = told(stage, ticks)
    return measure(stage._prepared(0).motion, state.motion, state.at_ns)
