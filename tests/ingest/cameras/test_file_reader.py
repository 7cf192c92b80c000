"""Recordings as cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from ingest.clock import NS_PER_S
from ingest.schema.tick import TimeSource
from tests.ingest.cameras.bench import Bench
from tests.ingest.cameras.cameras import QUICK, camera, clip, shared
from tests.support.waiting import until


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "a street.h264"
    path.write_bytes(b"".join(unit.data for unit in clip(seconds=1.0)))
    return path


def test_a_recording_plays_in_real_time_on_its_own_time_line_and_loops() -> None:
    path = shared("clips", "person_one_by_one_768x432.mp4")
    with Bench(camera(1, "file", path.as_uri(), sampling_period_s=1.0)) as bench:
        seen = bench.wait_for(1, 4)
    assert all(one.time_source == TimeSource.FILE and (one.width, one.height) == (768, 432) for one in seen)
    gaps_s = np.diff([one.captured_at_ns for one in seen]) / NS_PER_S
    assert gaps_s == pytest.approx(1.0, abs=0.15)
    assert all(abs(one.captured_at_ns - one.arrived_at_ns) < NS_PER_S / 2 for one in seen)


def test_time_goes_on_over_the_end_of_a_loop(recording: Path) -> None:
    with Bench(camera(1, "file", str(recording))) as bench:
        seen = bench.wait_for(1, 12)
    times = [one.captured_at_ns for one in seen]
    assert times == sorted(set(times)) and times[-1] - times[0] > 1.5 * NS_PER_S


def test_a_recording_that_does_not_loop_ends_as_off(recording: Path) -> None:
    with Bench(camera(1, "file", str(recording)), settings=replace(QUICK, file_loops=False)) as bench:
        assert bench.wait_state(1, "off").cause == "the recording has ended"
        assert len(bench.of(1)) >= 2


@pytest.mark.parametrize(
    ("content", "state", "words"),
    [
        (b"this is a letter, not a video\n" * 50, "no_video", "data that is no video stream"),
        (b"", "no_video", "data that is no video stream"),
        (None, "no_video", "no such file"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n", "no_video", ""),
    ],
)
def test_a_file_that_is_no_video_is_told_by_its_cause(
    tmp_path: Path, content: bytes | None, state: str, words: str
) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with Bench(camera(1, "file", str(path))) as bench:
        assert words in bench.wait_state(1, state).cause


def test_a_file_that_kills_another_decoder_is_read() -> None:
    path = shared("clips", "hostile_rawvideo_crashes_cv2.avi")
    with Bench(camera(1, "file", str(path))) as bench:
        assert all((one.width, one.height) == (48, 48) for one in bench.wait_for(1, 3))


def test_a_picture_for_the_perceive_stage_is_a_small_jpeg(recording: Path) -> None:
    with Bench(camera(1, "file", str(recording)), settings=replace(QUICK, frames=True, frame_width_px=160)) as bench:
        jpeg = bench.wait_for(1, 1)[0].jpeg
    assert jpeg is not None and jpeg[:2] == b"\xff\xd8" and len(jpeg) < 20_000


def test_a_reader_that_is_ended_closes_its_file_and_thread(recording: Path) -> None:
    with Bench(camera(1, "file", str(recording))) as bench:
        bench.wait_for(1, 1)
    reader = bench.readers[1]
    until(lambda: not reader._thread.is_alive(), "the thread's end")


def test_whatever_a_stream_sets_off_ends_only_its_own_connection(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras = [camera(1, "file", str(recording)), camera(2, "file", str(recording))]
    with Bench(*cameras) as bench:
        bench.wait_for(1, 1)

        def fails(*_: object) -> None:
            raise ZeroDivisionError("rtsp://op:c4nary@gate")

        monkeypatch.setattr(bench.readers[1], "_see", fails)
        cause = bench.wait_state(1, "no_video").cause
        assert "ZeroDivisionError" in cause and "c4nary" not in cause
        bench.wait_for(2, 3)
