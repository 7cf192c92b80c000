"""The benchmark of the cameras: all figures are there, over real RTSP, and reconnects are counted."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.camera_flapping import FlappingSize
from benchmarks.cameras import Size, measured
from benchmarks.measuring import show

KEYS = {"streams_per_core", "rss_mib_per_stream", "cpu_ratio_to_cv2", "cpu_ms_per_sample", "cpu_ms_per_sample_cv2"}


def test_all_figures_are_there_over_real_rtsp(capsys: pytest.CaptureFixture[str]) -> None:
    smallest = Size(streams=2, cv2_streams=1, measured_s=2.5, warm_rounds=1, rounds=1, flapping=FlappingSize(2, 2, 4.0))
    show(measured(smallest), as_json=True)
    figures = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1], type=dict[str, float])
    assert [name for name in KEYS if not figures[name] > 0] == []
    assert figures["reconnects"] == 2
    assert -1 < figures["reconnect_rss_growth"] < 1
    assert figures["flapping_reconnects"] >= 2 and figures["flapping_rate_drop"] < 1 and figures["steady_rate_hz"] > 0
