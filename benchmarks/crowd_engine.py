"""
What the whole crowd engine costs: a district of 7,600 calibrated cameras with 20 tracked persons each at 5 frames/s,
every rule on, from the decoded tick to the findings told. CPU time of this process a second of the district.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from benchmarks.crowds import crowd_district
from benchmarks.measuring import Figures, talk
from detectors.geometry.homography import Floats
from detectors.registry import prepared_settings
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.bus.contract import Position
from ingest.schema.tick import Tick, empty_tick
from ingest.stages.stage import Read

CAMERAS, PERSONS, FRAMES_PER_S = 7_600, 20, 5
_QUICK_SHARE = 4  # a quarter of the cameras, times four: to prepare 7,600 takes longer than to measure them
_TICK_NS = 1_000_000_000 // FRAMES_PER_S
_START_NS = 1_790_000_000_000_000_000


def measure(quick: bool) -> Figures:
    """Core-seconds a second, median over seconds; the first second, which compiles and fills, is told apart."""
    times = _QUICK_SHARE if quick else 1
    cameras = CAMERAS // times
    began = time.process_time()
    rules = [each for each in prepared_settings(DetectSettings()) if each.detector.name.startswith("crowd.")]
    stage = DetectStage(crowd_district(cameras, 1, _START_NS), DetectSettings(), rules)
    state = stage.initial(0)
    prepared_s = time.process_time() - began
    talk(f"a district of {cameras} cameras prepared for {len(rules)} rules")
    random = np.random.default_rng(1)
    place = random.uniform(0.1, 0.8, (cameras * PERSONS, 2))
    pace = random.normal(0.0, 0.01, place.shape)  # about 0.4 m/s in pictures of 30 m
    spent_s = []
    for second in range(4 if quick else 12):
        reads = [
            Read(Position("dt.observations", 0, n), _tick(n, cameras, place + pace * (n / FRAMES_PER_S)))
            for n in range(second * FRAMES_PER_S, (second + 1) * FRAMES_PER_S)
        ]
        began = time.process_time()
        for read in reads:
            state, _ = stage.step(state, [read])
        spent_s.append((time.process_time() - began) * times)
    assert state.counts.steps_failed == 0, "a rule failed"
    return {
        "engine_core_s_per_s": float(np.median(spent_s[1:])),
        "engine_first_second_core_s": spent_s[0],
        "engine_rules": float(len(rules)),
        "engine_cameras": float(cameras),
        "engine_prepare_core_s": prepared_s,
    }


def _tick(n: int, cameras: int, left_top: Floats) -> Tick:
    starts_ns, persons = _START_NS + n * _TICK_NS, cameras * PERSONS
    box = np.concatenate([left_top, np.broadcast_to([0.02, 0.08], left_top.shape)], axis=1)
    captured_ns = np.full(cameras, starts_ns + _TICK_NS // 2, np.int64)
    return replace(
        empty_tick(0, "ingest", starts_ns, starts_ns + _TICK_NS, cameras),
        camera=np.arange(cameras, dtype=np.uint32),
        captured_at_ns=captured_ns,
        arrived_at_ns=captured_ns,
        brightness=np.full(cameras, 110.0, np.float32),
        objects_known=np.ones(cameras, np.bool_),
        object_start=np.arange(cameras + 1, dtype=np.int64) * PERSONS,
        object_class=np.zeros(persons, np.uint8),
        object_confidence=np.full(persons, 0.9, np.float16),
        object_box=box.astype(np.float32),
        object_track=np.tile(np.arange(PERSONS, dtype=np.int32), cameras),
    )
