"""
RTSP streams read as most programs do it: `cv2.VideoCapture` on FFmpeg, a thread each, one picture a second kept.

It is given what helps it: TCP, a quick opening, one decoder thread, `grab` without `retrieve` for the pictures that are
not kept, and the resize before the change to grey.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Self

import cv2

from ingest.cameras.signals import HEIGHT, WIDTH, SignalReader, SignalSettings

_OPTIONS = "rtsp_transport;tcp|fpsprobesize;0"
_CAPTURE = [
    cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 30_000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 30_000, cv2.CAP_PROP_N_THREADS, 1,
]  # fmt: skip


class Cv2Reader:
    """A process that reads these addresses, and measures the same signals."""

    def __init__(self, urls: list[str], period_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._sampled = context.RawArray("q", len(urls))
        self._process: SpawnProcess = context.Process(
            target=_read_all, args=(urls, period_s, self._sampled), name="cv2", daemon=True
        )

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.join()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def sampled(self) -> list[int]:
        """Pictures of each stream that were measured so far."""
        return list(self._sampled)


def _read_all(urls: list[str], period_s: float, sampled: list[int]) -> None:
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = _OPTIONS
    threads = [
        threading.Thread(target=_read, args=(row, url, period_s, sampled), daemon=True) for row, url in enumerate(urls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _read(row: int, url: str, period_s: float, sampled: list[int]) -> None:
    signals, due_s = SignalReader(SignalSettings()), time.monotonic()
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, _CAPTURE)
    while True:
        if not capture.grab():
            capture.open(url, cv2.CAP_FFMPEG, _CAPTURE)
            continue
        now_s = time.monotonic()
        if now_s < due_s:
            continue
        due_s = max(due_s + period_s, now_s)
        good, picture = capture.retrieve()
        if not good:
            continue
        small = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        signals.read(grey, time.time_ns())  # type: ignore[arg-type]
        sampled[row] += 1
