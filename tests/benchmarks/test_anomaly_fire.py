"""The benchmark of fire and smoke: its scenes are the same each time, and know nothing of what looks at them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import anomaly_fire
from benchmarks.fire_negatives import NEGATIVES
from benchmarks.scenes_fire import PER_SEED, REPORT, TUNING, Scene, frames, scenes

BENCHMARKS = Path(anomaly_fire.__file__).parent


def test_a_seed_has_enough_of_each_and_every_kind_of_nuisance():
    for rate_hz in (1.0, 5.0):
        every = [scene for seed in REPORT for scene in scenes(seed, rate_hz)]
        assert {subject: sum(scene.subject == subject for scene in every) for subject in PER_SEED} == {
            "fire": 40,
            "smoke": 40,
            "neither": 200,
        }
    for seed in (*REPORT, *TUNING):
        assert {scene.kind for scene in scenes(seed, 1.0) if scene.subject == "neither"} == NEGATIVES.keys()
    assert not set(TUNING) & set(REPORT)


@pytest.mark.parametrize("kind", ["fire", "smoke", "rain"])
def test_a_scene_is_the_same_each_time(kind):
    subject = kind if kind in ("fire", "smoke") else "neither"
    first, second = (list(frames(Scene(subject, kind, "dusk", 1.0, (104, 1)))) for _ in range(2))
    assert [at for at, _ in first] == [at for at, _ in second]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(first, second, strict=True))
    assert first[0][1].shape == (180, 320, 3) and first[0][1].dtype == np.uint8


def test_what_renders_imports_nothing_of_what_looks():
    for path in [*BENCHMARKS.glob("fire_*.py"), BENCHMARKS / "scenes_fire.py"]:
        imported = re.findall(r"^(?:from|import) (\S+)", path.read_text(), re.MULTILINE)
        assert not [name for name in imported if name.startswith(("detectors", "ingest.cameras"))], path


def test_shares_are_of_the_scenes_that_they_speak_of():
    fire, smoke, neither = (
        Scene(*what, "day", 1.0, (104, 1)) for what in (("fire",) * 2, ("smoke",) * 2, ("neither", "fog"))
    )
    told = [
        (fire, {"fire": 9.0}),
        (fire, {"fire": -2.0}),
        (smoke, {"fire": 3.0}),
        (neither, {}),
        (neither, {"smoke": 4.0}),
    ]
    figures = anomaly_fire.shares(told)
    assert (figures["fire_recall"], figures["fire_false_share"], figures["fire_delay_s"]) == (0.5, 0.0, 9.0)
    assert (figures["smoke_recall"], figures["smoke_false_share"]) == (0.0, 0.5)
    assert np.isnan(figures["smoke_delay_s"])
