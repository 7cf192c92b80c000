"""
An RTSP server that can go wrong on purpose, one path at a time, while it runs.

    with FaultServer() as server:
        stream = server.add_stream("gate-7")
        server.faults("gate-7").is_stalled = True     # from now on; set it back to mend it

A clip for it to play: `still_clip(seconds)` and `play(stream, ...)`.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from deploy.demo.rtsp_server import Request, Response, RtspServer, Stream

__all__ = ["FaultServer", "Faults", "FaultyStream"]

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
