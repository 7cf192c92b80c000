"""
How many 1080p cameras a core reads, what each keeps in memory, whether a thousand reconnects leave anything behind, and
what a hundred cameras that flap cost the others.

    python -m benchmarks.cameras                  # a table, within 6 minutes
    python -m benchmarks.cameras --quick --json   # fewer streams and reconnects, within 45 s

RTSP over TCP, H.264, 1920 x 1080, 15 pictures a second with the noise of a sensor, a key frame each second; the server
is another process and does not count. The reader is the product's own worker process, as the ingest role starts it:
signals on (foreground, sharpness, brightness, freeze), no model, a sample a second of each camera, all packets read.

- `streams_per_core` is a second over the CPU time of the worker process for each sample, all its threads. A sample that
  is dropped because the machine is busy makes it less, not more; how many came is `samples_per_stream_s`.
- `cpu_ratio_to_cv2`: CPU time of a sample read by `cv2.VideoCapture` on FFmpeg, with the same signals, over ours; some
  of the same streams, read by both in the same seconds, on the same cores.
- `rss_mib_per_stream`: resident memory of the worker with its streams, less that of a worker without, by stream.
- `reconnect_rss_growth`: the server cuts all streams, again and again; each is opened anew. Resident memory after all
  reconnects over that after the first rounds, less 1, both once all streams are steady.
- `flapping_rate_drop`: the share of their rate that 20 cameras lose while 100 others are cut every 2 s
  (`benchmarks/camera_flapping.py`); not with `--quick`.

Openings, and the first pictures of each stream, which are decoded fully, are left out of CPU times.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import click

from benchmarks.camera_cost import CameraSilent, camera_at, said, served
from benchmarks.camera_flapping import FlappingSize, flapping
from benchmarks.cv2_reader import Cv2Reader
from benchmarks.measuring import Figures, machine, process_cpu_ns, show, talk
from deploy.logs import set_up_logs
from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.process import WorkerProcess
from ingest.cameras.workers.worker import Report
from ingest.clock import SystemClock

RATE_HZ, LENGTH_S, PERIOD_S = 15.0, 2.0, 1.0
_WAIT_S_MAX, _LOOK_S = 60.0, 0.05
_STEADY_SAMPLES = 4  # of each stream: by then only its key frames are decoded
_REST_S = 0.1  # of a stream that was cut, instead of a second and more


@dataclass(frozen=True)
class Size:
    streams: int
    cv2_streams: int
    measured_s: float
    warm_rounds: int  # of cuts, before memory is first looked at
    rounds: int
    flapping: FlappingSize | None = None


FULL = Size(streams=40, cv2_streams=12, measured_s=40.0, warm_rounds=3, rounds=25, flapping=FlappingSize(100, 20, 40.0))
QUICK = Size(streams=16, cv2_streams=6, measured_s=6.0, warm_rounds=1, rounds=2)


@click.command()
@click.option("--quick", is_flag=True, help="Fewer streams and reconnects: within 45 s.")
@click.option("--json", "as_json", is_flag=True, help="One flat JSON object of numbers as the last line.")
def main(quick: bool, as_json: bool) -> None:
    """
    Measure reading of 1080p cameras.

    Example:  python -m benchmarks.cameras --quick --json
    """
    set_up_logs("error")
    try:
        show(measured(QUICK if quick else FULL), as_json=as_json)
    except (CameraSilent, OSError) as error:
        talk(f"cameras: {error}")
        sys.exit(1)


def measured(size: Size) -> Figures:
    """
    All figures.

    Raises:
        CameraSilent: a camera sends nothing.
    """
    begun_s, figures = time.monotonic(), machine()
    with ExitStack() as stack:
        worker = stack.enter_context(Worker(size.streams))
        server = stack.enter_context(
            served(
                "benchmarks.full_hd_camera",
                f"--cameras={size.streams}", f"--rate-hz={RATE_HZ}", f"--length-s={LENGTH_S}",
            )
        )  # fmt: skip
        urls = said(server, size.streams)
        empty_bytes = worker.resident_bytes()
        talk(f"{size.streams} streams are opened; {size.cv2_streams} of them by cv2 too")
        worker.read(urls)
        with Cv2Reader(urls[: size.cv2_streams], PERIOD_S) as other:
            _wait(lambda: min(worker.samples()) >= _STEADY_SAMPLES, "frames of all streams")
            _wait(lambda: min(other.sampled()) >= 2, "frames of all streams from cv2")
            talk(f"steady; now {size.measured_s:.0f} s count")
            figures |= _cost(worker, other, size)
        figures["rss_mib_per_stream"] = (worker.resident_bytes() - empty_bytes) / size.streams / 2**20
        figures["rss_mib_worker"] = worker.resident_bytes() / 2**20
        talk(f"{size.streams * (size.warm_rounds + size.rounds)} reconnects")
        assert server.stdin is not None
        before_bytes = _after_cuts(worker, server.stdin, size.streams, size.warm_rounds)
        reconnects = worker.reconnects()
        after_bytes = _after_cuts(worker, server.stdin, size.streams, size.rounds)
        figures["reconnect_rss_growth"] = after_bytes / before_bytes - 1.0
        figures["reconnects"] = float(worker.reconnects() - reconnects)
    if size.flapping is not None:
        figures |= flapping(size.flapping)
    return figures | {"load_average_end_1m": machine()["load_average_1m"], "measured_s": time.monotonic() - begun_s}


def _cost(worker: Worker, other: Cv2Reader, size: Size) -> Figures:
    """Of the samples of the next seconds."""
    worker.forget_samples()
    begun_s, theirs, pids = time.monotonic(), sum(other.sampled()), (worker.pid, other.pid)
    cpu_ns = [process_cpu_ns(pid) for pid in pids]
    time.sleep(size.measured_s)
    seconds = time.monotonic() - begun_s
    ours_ns, theirs_ns = (process_cpu_ns(pid) - before for pid, before in zip(pids, cpu_ns, strict=True))
    samples, theirs = sum(worker.samples()), sum(other.sampled()) - theirs
    if not samples or not theirs:
        raise CameraSilent(f"streams: expected samples in {seconds:.0f} s, got {samples} and, by cv2, {theirs}.")
    ours_ms, theirs_ms = ours_ns / 1e6 / samples, theirs_ns / 1e6 / theirs
    return {
        "streams_per_core": 1_000.0 * PERIOD_S / ours_ms,
        "cpu_ms_per_sample": ours_ms,
        "cpu_ms_per_sample_cv2": theirs_ms,
        "cpu_ratio_to_cv2": theirs_ms / ours_ms,
        "samples_per_stream_s": samples / size.streams / seconds,
        "samples_per_stream_s_cv2": theirs / size.cv2_streams / seconds,
        "streams": float(size.streams),
    }


def _after_cuts(worker: Worker, server: IO[str], streams: int, rounds: int) -> int:
    """Resident bytes of the worker after all its streams were cut and opened anew so often, once they are steady."""
    for lost in range(worker.reconnects() + streams, worker.reconnects() + rounds * streams + 1, streams):
        print(f"cut {streams}", file=server, flush=True)
        _wait(partial(worker.has_lost, lost), "all streams to be lost")
        worker.forget_samples()
        _wait(lambda: min(worker.samples()) >= 1, "frames of all streams after a cut")
    worker.forget_samples()
    _wait(lambda: min(worker.samples()) >= _STEADY_SAMPLES, "frames of all streams")
    return worker.resident_bytes()


class Worker:
    """A worker process of the ingest role with room for so many cameras."""

    def __init__(self, cameras: int) -> None:
        # Patient where a busy machine opens slowly, quick to come back, and tied to no role.
        self._settings = IngestSettings(
            cameras_per_worker=cameras, backoff_s_max=_REST_S, open_s_max=20.0, read_s_max=20.0, lease_s=3_600.0
        )
        self._lock = threading.Lock()
        self._samples, self._counts = Counter[int](), Counter[tuple[str, str]]()
        self._beat = threading.Event()

    def __enter__(self) -> Self:
        self._process = WorkerProcess("video", self._settings, SystemClock(), self._on_report)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.stop()
        self._process.wait(5.0)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def read(self, urls: list[str]) -> None:
        """Open these addresses, a camera each."""
        for number, url in enumerate(urls):
            self._samples[number] = 0
            self._process.add(camera_at(number, url))

    def samples(self) -> list[int]:
        """Of each camera, since they were last forgotten."""
        with self._lock:
            return list(self._samples.values())

    def forget_samples(self) -> None:
        with self._lock:
            self._samples = Counter(dict.fromkeys(self._samples, 0))

    def reconnects(self) -> int:
        """Streams that were lost, since the start."""
        with self._lock:
            return sum(count for (name, _), count in self._counts.items() if name == "reconnected")

    def has_lost(self, streams: int) -> bool:
        return self.reconnects() >= streams

    def resident_bytes(self) -> int:
        """Once it has begun to report."""
        _wait(self._beat.is_set, "a report of the worker")
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _on_report(self, report: Report) -> None:
        with self._lock:
            self._samples.update(frame.camera for frame in report.observations)
            self._counts.update(report.counts)
        self._beat.set()


def _wait(is_so: Callable[[], bool], what: str) -> None:
    give_up_s = time.monotonic() + _WAIT_S_MAX
    while not is_so():
        if time.monotonic() > give_up_s:
            raise CameraSilent(f"expected {what} within {_WAIT_S_MAX:.0f} s, got less; is the machine overloaded?")
        time.sleep(_LOOK_S)


if __name__ == "__main__":
    main()
