"""
What reading a camera costs: CPU time of the ingest worker for each frame that it samples, over real RTSP.

The worker is the product's own process with its default settings, but for its patience: all packets are demuxed (5 a
second and camera), key frames are decoded, one a second, and the signals are measured on them. The cameras are other
processes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from benchmarks import full_hd_camera
from benchmarks.measuring import Figures, percentiles_ms, process_cpu_ns
from deploy.demo.place import SQUARE_MASTS
from ingest.cameras.observation import Observation
from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.supervisor import Supervisor
from ingest.clock import NS_PER_S, SystemClock
from ingest.registry.district import Camera

READERS = 16  # of the demo's four cameras, so that a second has frames enough
_FIRST_S_MAX = 60.0
_SETTLE_S = 1.5
_LOOK_S = 0.05


class CameraSilent(Exception):
    """No frame came from the cameras of the benchmark."""


def ingest_cost(measured_s: float) -> Figures:
    """
    CPU ms per sampled frame at 640 x 360 (the demo's cameras) and at 1080p, and how old a frame is when it leaves the
    worker. Both are read at once, by a worker each.

    Raises:
        CameraSilent: a camera sends nothing.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="drumtower-bench-"))
        # From 60 s of its story on the square is full.
        demo = stack.enter_context(served("deploy.demo", folder, "--metadata-cameras=0", "--begins-at-s=60"))
        large = stack.enter_context(served("benchmarks.full_hd_camera"))
        _, _, url = said(demo, 3)
        small_urls = [f"{url}/{SQUARE_MASTS[n % len(SQUARE_MASTS)].id}" for n in range(READERS)]
        readings = [
            stack.enter_context(_Reading("", small_urls)),
            stack.enter_context(_Reading("_1080p", said(large, full_hd_camera.CAMERAS))),
        ]
        _look(readings, _FIRST_S_MAX, lambda: all(reading.is_complete for reading in readings))
        for reading in readings:
            reading.check_complete()
        _look(readings, _SETTLE_S)
        for reading in readings:
            reading.begin()
        _look(readings, measured_s)
        return readings[0].figures() | readings[1].figures()


def _look(readings: Sequence[_Reading], seconds: float, is_enough: Callable[[], bool] = lambda: False) -> None:
    """Look for frames as often as the ingest role does."""
    give_up_s = time.monotonic() + seconds
    while time.monotonic() < give_up_s and not is_enough():
        for reading in readings:
            reading.look()
        time.sleep(_LOOK_S)


@contextmanager
def served(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A module that serves cameras; it ends with its standard input, however we end."""
    call = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(10)


def said(process: subprocess.Popen[str], lines: int) -> list[str]:
    """The first lines of its standard output."""
    assert process.stdout is not None
    lines_said = [process.stdout.readline().strip() for _ in range(lines)]
    if not all(lines_said):
        raise CameraSilent(f"{process.args!r}: expected {lines} lines, got {lines_said}; see the lines above.")
    return lines_said


class _Reading:
    """The cameras of these addresses, one for each, in one worker."""

    def __init__(self, suffix: str, urls: list[str]) -> None:
        self._suffix, self._urls, self._clock = suffix, urls, SystemClock()
        self._came: list[tuple[int, Observation]] = []  # with when they came, UTC ns
        self._from_ns = self._cpu_ns = 0

    def __enter__(self) -> Self:
        # Patient where a busy machine opens slowly: what counts is the reading after it.
        settings = IngestSettings(
            cameras_per_worker=len(self._urls), workers_spread=1, open_s_max=20.0, read_s_max=20.0, backoff_s_max=1.0
        )
        self._supervisor = Supervisor(settings, self._clock)
        self._supervisor.set_cameras(camera_at(number, url) for number, url in enumerate(self._urls))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._supervisor.stop()

    def look(self) -> None:
        """Take what has come."""
        self._supervisor.tend()
        frames = self._supervisor.take()
        now_ns = self._clock.now_ns()
        self._came += [(now_ns, frame) for frame in frames]

    @property
    def is_complete(self) -> bool:
        """Whether each camera has sent a frame."""
        return len({frame.camera for _, frame in self._came}) == len(self._urls)

    def check_complete(self) -> None:
        if not self.is_complete:
            seen = len({frame.camera for _, frame in self._came})
            expected = f"a frame of each of {len(self._urls)} within {_FIRST_S_MAX:.0f} s"
            raise CameraSilent(f"cameras: expected {expected}, got {seen}; is the machine overloaded?")

    def begin(self) -> None:
        """From now on frames and CPU time count."""
        self._came.clear()
        self._from_ns, self._cpu_ns = self._clock.monotonic_ns(), self._worker_cpu_ns()

    def figures(self) -> Figures:
        frames, suffix = self._came, self._suffix
        cpu_ns = self._worker_cpu_ns() - self._cpu_ns
        seconds = (self._clock.monotonic_ns() - self._from_ns) / NS_PER_S
        if not frames:
            raise CameraSilent(f"{self._urls[0]}: expected a frame a second, got none in {seconds:.1f} s.")
        ages_ns = (at_ns - frame.captured_at_ns for at_ns, frame in frames)
        return {
            f"cpu_ms_per_frame_ingest{suffix}": cpu_ns / 1e6 / len(frames),
            f"ingest_frames_per_s{suffix}": len(frames) / seconds,
        } | percentiles_ms(f"capture_to_ingest{suffix}", ages_ns)

    def _worker_cpu_ns(self) -> int:
        return sum(map(process_cpu_ns, self._supervisor.workers()))


def camera_at(number: int, url: str) -> Camera:
    return Camera(
        id=f"camera-{number}", number=number, name="Square", site="square", partition=0, lon=8.54, lat=47.37,
        source="rtsp", url=url,
    )  # fmt: skip
