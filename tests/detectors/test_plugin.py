"""A detector that comes in a package of its own: installed, listed, asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import numpy as np
import pytest

from detectors.registry import GROUP, Configured, installed_detectors, settings_of
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.registry.district import district_of
from ingest.schema.tick import ObjectClass, Tick
from tests.detectors.plaza import EXACT, boxes_at, camera, reads, run, tick, told, zone

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "examples/detector_plugin"
NAME = "place.blocked_fire_lane"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the package installed in it, without any network."""
    target = tmp_path_factory.mktemp("site-packages")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(PLUGIN)],
        check=True,
        timeout=120,
    )
    sys.path.insert(0, str(target))
    yield target
    sys.path.remove(str(target))
    sys.modules.pop("blocked_fire_lane", None)


def entry(installed: Path) -> EntryPoint:
    (package,) = distributions(path=[str(installed)])
    (found,) = package.entry_points.select(group=GROUP)
    return found


def parked(second: int, east_m: float | None) -> Tick:
    """A vehicle as seen from above at a second, or none."""
    there = np.empty((0, 2)) if east_m is None else np.array([[east_m, 0.0]])
    made = tick(float(second), {7: boxes_at(there)}, period_s=1.0, captured_s=float(second))
    made.object_class[:] = ObjectClass.VEHICLE
    return made


def stage(installed: Path) -> DetectStage:
    detector = installed_detectors([entry(installed)])[NAME]
    district = district_of([camera(calibrated=True)], [zone("fire-lane-1", None), zone("plaza", None)])
    return DetectStage(
        district, DetectSettings(occupancy=EXACT), [Configured(detector, settings_of(detector, {"hold_s": 20.0}))]
    )


def test_it_is_listed_with_version_reads_and_settings(installed: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"}

    def listed(*more: str) -> str:
        command = [sys.executable, "-m", "deploy", "detectors", "list", *more]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout

    (ours,) = [each for each in json.loads(listed("--json")) if each["name"] == NAME]
    assert ours["version"] == 1 and "object_box" in ours["reads"]
    assert ours["settings"] == {"zone_prefix": "fire-lane", "hold_s": 60.0}
    text = listed()
    assert f"{NAME}\tversion 1\treads camera, objects_known" in text and "    hold_s = 60.0" in text


def test_a_vehicle_that_stays_in_a_fire_lane_is_told_and_one_that_passes_is_not(installed: Path) -> None:
    stays = [parked(at, 0.0 if 5 <= at < 50 else None) for at in range(1, 70)]
    found = run(stage(installed), stays)[1]
    assert {each.data.kind for each in found} == {NAME} and {each.subject for each in found} == {"fire-lane-1"}
    assert (told(found)[0], told(found)[-1]) == (("raised", "amber", 25), ("cleared", "amber", 55))
    assert run(stage(installed), [parked(at, 0.0 if 5 <= at < 20 else None) for at in range(1, 70)])[1] == []


def test_its_state_comes_back_whole(installed: Path) -> None:
    ticks = [parked(at, 0.0 if 5 <= at < 50 else None) for at in range(1, 70)]
    made = stage(installed)
    _, whole = run(made, ticks)
    first, before = made.step(made.initial(0), reads(ticks[:18]))
    _, after = made.step(made.restore(0, made.save(first)), reads(ticks[18:], 18))
    assert [*before, *after] == whole


def test_it_is_short() -> None:
    assert len((PLUGIN / "blocked_fire_lane.py").read_text("utf-8").splitlines()) < 60
