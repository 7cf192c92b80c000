"""
An RTSP server that can go wrong on purpose, one path at a time, while it runs.

    with FaultServer() as server:
        stream = server.add_stream("gate-7")
        server.faults("gate-7").is_stalled = True     # from now on; set it back to mend it

`moving_clip()` is something to show, `playing(stream)` shows it in real time, and `open_camera` reads as the product
does. `fault_server` is the same as a pytest fixture.
"""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import pytest
from av.container import InputContainer
from av.packet import Packet

from deploy.demo.encoder import Encoder
from deploy.demo.file_feed import ClipUnit, FileFeed
from deploy.demo.rtsp_server import Request, Response, RtspServer, Stream

__all__ = [
    "FaultServer",
    "Faults",
    "FaultyStream",
    "capture_time_s",
    "fault_server",
    "moving_clip",
    "open_camera",
    "playing",
    "until",
]

# How the product opens a camera; a test that reads otherwise proves nothing about it.
OPEN_OPTIONS = {"rtsp_transport": "tcp", "timeout": "5000000", "fpsprobesize": "0"}

_SILENCE = Response(status=0)


@dataclass(slots=True)
class Faults:
    """What is wrong with one path now. All may be set at any time from any thread."""

    is_stalled: bool = False  # the connection lives, packets stop (reports too)
    is_hanging: bool = False  # connections are accepted, DESCRIBE is never answered
    is_frozen: bool = False  # the last key frame again and again, with true times
    is_mute: bool = False  # no sender reports
    drop_share: float = 0.0  # share of packets lost, 0 to 1
    status: int | None = None  # every request but OPTIONS is answered by this (453, 503, 404, ...)
    password: str | None = None  # changed password: the old one gets 401 (needs `user` on the server)
    rtp_jump_s: float = 0.0  # added to RTP times
    clock_jump_s: float = 0.0  # added to the wall clock that sender reports claim
    random: random.Random = field(default_factory=lambda: random.Random(1))

    def jump(self, by_s: float) -> None:
        """The camera's clock is set: its RTP times and its wall clock move together."""
        self.rtp_jump_s += by_s
        self.clock_jump_s += by_s

    def lose_clock(self) -> None:
        """The camera rebooted without a battery: its wall clock starts at 1970."""
        self.clock_jump_s = -time.time()


class FaultyStream(Stream):
    """A stream that obeys its `faults`."""

    faults: Faults
    _key_frame: bytes | None = None

    def outgoing(self, packets: list[bytes]) -> list[bytes]:
        """Nothing while stalled; some lost while dropping."""
        faults = self.faults
        if faults.is_stalled or (faults.is_mute and _is_report(packets)):
            return []
        share = 0.0 if _is_report(packets) else faults.drop_share
        return [packet for packet in packets if faults.random.random() >= share]

    def stamped_s(self, pts_s: float) -> float:
        """RTP time, after any jump."""
        return pts_s + self.faults.rtp_jump_s

    def reported_s(self, unix_time_s: float) -> float:
        """Wall clock, after any jump."""
        return max(unix_time_s + self.faults.clock_jump_s, 0.0)

    def pictured(self, access_unit: bytes, keyframe: bool) -> tuple[bytes, bool] | None:
        """The last key frame while frozen."""
        if self.faults.is_frozen and self._key_frame is not None:
            return self._key_frame, True
        if keyframe:
            self._key_frame = access_unit
        return access_unit, keyframe


class FaultServer(RtspServer):
    """An RTSP server whose paths have faults; a context manager that starts and stops it."""

    def faults(self, path: str) -> Faults:
        """The faults of a path, to be changed in place."""
        stream = self.streams[path.strip("/")]
        assert isinstance(stream, FaultyStream)
        return stream.faults

    def close_clients(self, path: str) -> None:
        """Cut the connections of a path; new ones are welcome."""
        self.streams[path.strip("/")].close_readers()

    def make_stream(self, path: str, video: bool, metadata: bool) -> Stream:
        """A stream with faults."""
        stream = FaultyStream(path, self._loop, video, metadata, self.report_period_s)
        stream.faults = Faults()
        return stream

    def answer_instead(self, request: Request, stream: Stream) -> Response | None:
        """Silence, or a refusal."""
        assert isinstance(stream, FaultyStream)
        if stream.faults.is_hanging:
            return _SILENCE
        return None if stream.faults.status is None else Response(stream.faults.status)

    def password_of(self, stream: Stream) -> str | None:
        """The changed password, where there is one."""
        assert isinstance(stream, FaultyStream)
        return stream.faults.password or self.password

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def _is_report(packets: list[bytes]) -> bool:
    return bool(packets) and packets[0][1] == 200


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    """A running server with faults."""
    with FaultServer() as server:
        yield server


def moving_clip(length_s: float = 2.0, rate_hz: float = 10.0, size: tuple[int, int] = (320, 180)) -> list[ClipUnit]:
    """Noise with a bright bar that walks from left to right; a key frame each second. `size` is width, height."""
    width, height = size
    encoder, noise = Encoder(width, height, rate_hz), np.random.default_rng(1)
    clip = []
    for n in range(round(length_s * rate_hz)):
        picture = noise.integers(60, 80, (height, width, 3), dtype=np.uint8)
        left = round(n / (length_s * rate_hz) * (width - 20))
        picture[:, left : left + 20] = 220
        unit = encoder.encode(picture)
        clip.append(ClipUnit(unit.data, n / rate_hz, unit.is_key))
    return clip


@contextmanager
def playing(stream: Stream, clip: list[ClipUnit] | None = None, speed: float = 1.0) -> Iterator[FileFeed]:
    """Plays a clip into a stream, in a loop, while the block lasts."""
    feed = FileFeed(stream, moving_clip() if clip is None else clip, speed)
    feed.start()
    try:
        yield feed
    finally:
        feed.stop()


@contextmanager
def open_camera(url: str, open_s: float = 5.0, read_s: float = 5.0, **options: str) -> Iterator[InputContainer]:
    """A camera read through PyAV over TCP."""
    with av.open(url, options=OPEN_OPTIONS | options, timeout=(open_s, read_s)) as container:
        yield container


def capture_time_s(packet: Packet[Any]) -> float | None:
    """The wall-clock time in a packet's `prft` side data, seconds since 1970; None without a sender report."""
    for item in packet.iter_sidedata():
        if "prft" in str(item.data_type).lower():
            return int(struct.unpack("<q", bytes(item)[:8])[0]) / 1e6
    return None


def until(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    """Returns as soon as `holds()`; fails the test where it does not in time."""
    end_s, pause = time.monotonic() + within_s, threading.Event()
    while not holds():
        assert time.monotonic() < end_s, f"not so within {within_s} s"
        pause.wait(0.005)
