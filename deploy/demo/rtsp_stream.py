"""One stream of the RTSP server: its tracks, the pictures since the last key frame, and who is reading."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deploy.demo import rtp

GOP_FRAMES_MAX = 600
REANCHOR_S = 2.0  # a feed whose own time runs away from the wall clock by this much starts a new mapping


@dataclass(eq=False, slots=True)
class Reader:
    """One client of a stream: where its packets go, and what it could not take."""

    transport: asyncio.Transport
    channels: dict[int, tuple[int, int]]  # track -> (RTP channel, RTCP channel)
    queue_bytes_max: int
    awaits_key: bool = True
    frames_lost: int = 0

    def is_full(self) -> bool:
        """Whether more bytes wait for this client than it is allowed to owe."""
        return self.transport.get_write_buffer_size() > self.queue_bytes_max

    def send(self, track: int, packets: Sequence[bytes], is_report: bool = False) -> None:
        """Write packets on the client's channel of `track`; nothing where it has not set that track up."""
        channel = self.channels.get(track)
        if channel is None or self.transport.is_closing() or not packets:
            return
        head = b"$" + bytes((channel[is_report],))
        self.transport.write(b"".join(part for p in packets for part in (head, len(p).to_bytes(2, "big"), p)))


@dataclass(frozen=True, slots=True)
class Frame:
    """Packets of one access unit, kept for clients that come later."""

    timestamp: int
    packets: list[bytes] = field(repr=False)


class Stream:
    """
    One path of the server. Feed it from any thread with `push_video` and `push_metadata`.

    Times are seconds on the feed's own clock; they must grow. What they mean in the sender reports is said by
    `begin_at`, else by the wall clock at the first push.
    """

    def __init__(
        self, path: str, loop: asyncio.AbstractEventLoop, video: bool, metadata: bool, report_period_s: float
    ) -> None:
        self.path = path
        self.has_video, self.has_metadata = video, metadata
        self.readers: set[Reader] = set()
        self.plays = self.teardowns = self.frames_lost = 0
        self._loop = loop
        self._report_period_s = report_period_s
        kinds = [96] * video + [107] * metadata
        self.tracks = [rtp.Track(kind, secrets.randbits(32), secrets.randbits(16)) for kind in kinds]
        self._metadata_track = int(video)
        self._sets: tuple[bytes, bytes] | None = None
        self._gop: list[Frame] = []
        self._wall_at_zero_s: float | None = None
        self._reported_at_s = -1e9
        self._origin_s = secrets.randbits(24) / 1000  # RTP time starts anywhere

    def begin_at(self, unix_time_s: float) -> None:
        """Say what 0 on the feed's clock is, before the first push: one that comes late would make all else early."""
        self._submit(self._set_zero, unix_time_s)

    def push_video(self, access_unit: bytes, pts_s: float, keyframe: bool) -> None:
        """Send one H.264 access unit (Annex B or length-prefixed) captured at `pts_s`."""
        self._submit(self._send_video, access_unit, pts_s, keyframe)

    def push_metadata(self, xml: bytes, pts_s: float) -> None:
        """Send one metadata document that describes `pts_s`."""
        self._submit(self._send_metadata, xml, pts_s)

    def close_readers(self) -> None:
        """Cut every client's connection without a word."""
        self._submit(self._abort_readers)

    def description(self) -> str:
        """The SDP of the stream. Source: RFC 8866; ONVIF Streaming Specification, 5.1.2.1.1."""
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", f"s={self.path}", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        if self.has_video:
            lines += ["m=video 0 RTP/AVP 96", f"a=rtpmap:96 H264/{rtp.CLOCK_HZ}"]
            lines += [rtp.format_parameters(96, self._sets), "a=control:trackID=0"]
        if self.has_metadata:
            lines += ["m=application 0 RTP/AVP 107", f"a=rtpmap:107 vnd.onvif.metadata/{rtp.CLOCK_HZ}"]
            lines.append(f"a=control:trackID={self._metadata_track}")
        return "\r\n".join([*lines, ""])

    def join(self, reader: Reader) -> None:
        """Start sending to `reader`: a report and the pictures since the last key frame, where there are any."""
        self.plays += 1
        self.readers.add(reader)
        if self._wall_at_zero_s is not None:
            self._report(time.time() - self._wall_at_zero_s, [reader])
        for n, frame in enumerate(self._gop):
            self._deliver(reader, 0, frame.packets, is_key=n == 0)

    def leave(self, reader: Reader) -> None:
        """Stop sending to `reader`."""
        self.readers.discard(reader)

    # What goes out, in one place each, so that a stream with faults can change it.
    def outgoing(self, packets: list[bytes]) -> list[bytes]:
        """The packets that really leave for one client."""
        return packets

    def stamped_s(self, pts_s: float) -> float:
        """The time that is written into RTP for `pts_s`."""
        return pts_s

    def reported_s(self, unix_time_s: float) -> float:
        """The wall-clock time that sender reports claim."""
        return unix_time_s

    def pictured(self, access_unit: bytes, keyframe: bool) -> tuple[bytes, bool] | None:
        """The access unit that is really sent for one that was pushed; None for nothing."""
        return access_unit, keyframe

    def _submit(self, act: Callable[..., object], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, *arguments)

    def _abort_readers(self) -> None:
        for reader in tuple(self.readers):
            reader.transport.abort()

    def _send_video(self, access_unit: bytes, pts_s: float, keyframe: bool) -> None:
        self._anchor(pts_s)
        shown = self.pictured(access_unit, keyframe)
        if shown is None:
            return
        units, is_key = rtp.nal_units(shown[0]), shown[1]
        if is_key:
            self._sets = rtp.parameter_sets(units) or self._sets
            # A key frame must be decodable alone: whoever joins here has seen nothing before.
            if self._sets is not None and rtp.parameter_sets(units) is None:
                units = [*self._sets, *units]
            self._gop = []
        timestamp = self._timestamp(pts_s)
        packets = self.tracks[0].pack(rtp.h264_payloads(units), timestamp)
        if (self._gop or is_key) and len(self._gop) < GOP_FRAMES_MAX:
            self._gop.append(Frame(timestamp, packets))
        self._report_when_due(pts_s)
        for reader in tuple(self.readers):
            self._deliver(reader, 0, packets, is_key)

    def _send_metadata(self, xml: bytes, pts_s: float) -> None:
        self._anchor(pts_s)
        packets = self.tracks[self._metadata_track].pack(rtp.metadata_payloads(xml), self._timestamp(pts_s))
        # The report goes first, so that the very first document already has a wall-clock time.
        self._report_when_due(pts_s)
        for reader in tuple(self.readers):
            self._deliver(reader, self._metadata_track, packets, is_key=True)

    def _deliver(self, reader: Reader, track: int, packets: list[bytes], is_key: bool) -> None:
        is_picture = self.has_video and track == 0
        if reader.is_full():
            # The slow client loses whole frames and, after a lost picture, all until the next key frame.
            reader.frames_lost += 1
            self.frames_lost += 1
            reader.awaits_key |= is_picture
        elif not is_picture or is_key or not reader.awaits_key:
            reader.awaits_key &= not is_picture
            reader.send(track, self.outgoing(packets))

    def _set_zero(self, unix_time_s: float) -> None:
        self._wall_at_zero_s = unix_time_s

    def _anchor(self, pts_s: float) -> None:
        now_s = time.time()
        if self._wall_at_zero_s is None or abs(now_s - pts_s - self._wall_at_zero_s) > REANCHOR_S:
            self._wall_at_zero_s = now_s - pts_s
            self._reported_at_s = -1e9

    def _timestamp(self, pts_s: float) -> int:
        return rtp.rtp_timestamp(self.stamped_s(pts_s) + self._origin_s)

    def _report_when_due(self, pts_s: float) -> None:
        if self.readers and abs(pts_s - self._reported_at_s) >= self._report_period_s:
            self._reported_at_s = pts_s
            self._report(pts_s, tuple(self.readers))

    def _report(self, pts_s: float, readers: Sequence[Reader]) -> None:
        assert self._wall_at_zero_s is not None
        claimed_s = self.reported_s(self._wall_at_zero_s + pts_s)
        for n, track in enumerate(self.tracks):
            report = track.sender_report(claimed_s, self._timestamp(pts_s))
            for reader in readers:
                reader.send(n, self.outgoing([report]), is_report=True)

    def rtp_info(self, url: str, tracks: Sequence[int]) -> str:
        """The RTP-Info header of a PLAY: the first sequence number and time that will be sent of each track."""
        base, parts = url.rstrip("/"), []
        for n in tracks:
            first = self._gop[0] if n == 0 and self._gop else None
            sequence = self.tracks[n].sequence if first is None else int.from_bytes(first.packets[0][2:4], "big")
            part = f"url={base}/trackID={n};seq={sequence}"
            parts.append(part if first is None else f"{part};rtptime={first.timestamp}")
        return ",".join(parts)
