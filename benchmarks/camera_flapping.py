"""
What a hundred cameras that come and go cost those that stay: the rate of the steady ones, before and meanwhile.

All are read by the product's own supervisor with its default settings, the steady ones spread among the others over its
workers. The server, another process, cuts the connections of all flapping cameras every `CUT_S`; each is opened anew
after the product's own rests. A rate is samples over the time from the first to the last of each camera, so that the
ends of a window do not count.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.camera_cost import CameraSilent, camera_at, said, served
from benchmarks.measuring import Figures, talk
from ingest.cameras.measures import NoMetrics
from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.supervisor import Supervisor
from ingest.clock import NS_PER_S, SystemClock
from ingest.registry.district import Camera

WIDTH_PX, HEIGHT_PX, RATE_HZ = 640, 360, 5.0
CUT_S, _LOOK_S, _WAIT_S_MAX = 2.0, 0.05, 90.0


@dataclass(frozen=True)
class FlappingSize:
    flapping: int
    steady: int
    window_s: float


class _Reconnects(NoMetrics):
    def __init__(self) -> None:
        self.count = 0

    def reconnected(self, cause: str) -> None:
        self.count += 1


def flapping(size: FlappingSize) -> Figures:
    """
    `flapping_rate_drop`: share of their rate that the steady cameras lose.

    Raises:
        CameraSilent: a steady camera sends nothing.
    """
    count = size.flapping + size.steady
    arguments = f"--cameras={count}", f"--rate-hz={RATE_HZ}", f"--width-px={WIDTH_PX}", f"--height-px={HEIGHT_PX}"
    with served("benchmarks.full_hd_camera", *arguments) as server:
        urls = said(server, count)
        with _reading(_interleaved(urls, size.flapping)) as (supervisor, reconnects):
            steady = range(size.flapping, count)
            _wait_for(supervisor, steady)
            talk(f"{size.steady} cameras alone for {size.window_s:.0f} s")
            alone_hz = _rate_hz(supervisor, steady, size.window_s)
            talk(f"{size.flapping} cameras flap for {size.window_s:.0f} s")
            lost = reconnects.count
            assert server.stdin is not None
            begun_s, next_s, came = time.monotonic(), 0.0, defaultdict[int, list[int]](list)
            while (passed_s := time.monotonic() - begun_s) < size.window_s:
                if passed_s >= next_s:
                    next_s += CUT_S
                    print(f"cut {size.flapping}", file=server.stdin, flush=True)
                _look(supervisor, came)
            beside_hz = _mean_hz(came, steady)
            return {
                "flapping_rate_drop": 1.0 - beside_hz / alone_hz,
                "flapping_cameras": float(size.flapping),
                "flapping_reconnects": float(reconnects.count - lost),
                "steady_cameras": float(size.steady),
                "steady_rate_hz": alone_hz,
            }


@contextmanager
def _reading(cameras: Sequence[Camera]) -> Iterator[tuple[Supervisor, _Reconnects]]:
    reconnects = _Reconnects()
    # Patient where a busy machine opens slowly; all else as it is.
    supervisor = Supervisor(IngestSettings(open_s_max=20.0, lease_s=3_600.0), SystemClock(), reconnects)
    try:
        supervisor.set_cameras(cameras)
        yield supervisor, reconnects
    finally:
        supervisor.stop()


def _interleaved(urls: Sequence[str], flapping: int) -> list[Camera]:
    """Cameras numbered as their addresses, the steady ones spread evenly among the others."""
    cameras = [camera_at(number, url) for number, url in enumerate(urls)]
    steady, others = cameras[flapping:], cameras[:flapping]
    placed = [((n + 0.5) / len(group), camera) for group in (steady, others) for n, camera in enumerate(group)]
    return [camera for _, camera in sorted(placed, key=lambda one: (one[0], one[1].number))]


def _look(supervisor: Supervisor, came: dict[int, list[int]]) -> None:
    supervisor.tend()
    for frame in supervisor.take():
        came[frame.camera].append(frame.arrived_at_ns)
    time.sleep(_LOOK_S)


def _wait_for(supervisor: Supervisor, steady: Sequence[int]) -> None:
    """Until each camera gives only key frames: the beginning is decoded fully."""
    give_up_s, came = time.monotonic() + _WAIT_S_MAX, defaultdict[int, list[int]](list)
    while min(len(came[number]) for number in steady) < 4:
        if time.monotonic() > give_up_s:
            raise CameraSilent(f"expected frames of {len(steady)} cameras within {_WAIT_S_MAX:.0f} s, got fewer.")
        _look(supervisor, came)


def _rate_hz(supervisor: Supervisor, steady: Sequence[int], window_s: float) -> float:
    begun_s, came = time.monotonic(), defaultdict[int, list[int]](list)
    while time.monotonic() - begun_s < window_s:
        _look(supervisor, came)
    return _mean_hz(came, steady)


def _mean_hz(came: dict[int, list[int]], numbers: Sequence[int]) -> float:
    """Samples a second of these cameras; of one that gives fewer than two, none came."""
    rates = [
        (len(came[number]) - 1) * NS_PER_S / (came[number][-1] - came[number][0]) if len(came[number]) > 1 else 0.0
        for number in numbers
    ]
    return sum(rates) / len(rates)
