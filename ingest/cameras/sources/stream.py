"""An open video stream of one camera, RTSP or file: packets with their times, in real time, until it fails or ends."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import av
import av.error
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext

from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.address import address_of, password_of
from ingest.cameras.sources.cause import opening_error, reading_error, source_error
from ingest.cameras.sources.decoder import Decoder, VideoPacket
from ingest.cameras.sources.host import check_host
from ingest.cameras.sources.redirect import check_redirect
from ingest.clock import NS_PER_S, Clock
from ingest.errors import SourceError
from ingest.registry.district import Camera

# A quick look is enough where the parameter sets come in the description; the second try looks longer.
_PROBE = {"analyzeduration": "0", "probesize": "5000", "fpsprobesize": "0"}
_PROBE_LONGER = {"analyzeduration": "5000000", "probesize": "5000000", "fpsprobesize": "0"}
RTSP = {
    "rtsp_transport": "tcp",
    "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,tls,udp",
}
_FILE = {"protocol_whitelist": "file"}
_NO_PTS_STEP_S = 0.04
_LATE_S_MAX = 1.0


@dataclass(frozen=True, slots=True)
class StreamPacket:
    """A packet, when it came, and what the camera says of its time."""

    packet: VideoPacket
    at_s: float  # on a clock that grows within the connection
    arrived_at_ns: int
    camera_at_ns: int | None  # the camera's NTP time; a file's own time line, mapped to the start


@dataclass(frozen=True, slots=True)
class Zero:
    """Where a recording's time line starts, on both clocks."""

    monotonic_ns: int
    utc_ns: int


class VideoStream:
    """
    Open with `open_rtsp` or `open_file`; iterate `packets`; always `close`, which says TEARDOWN to the camera.

    Attributes:
        decoder: of this very connection; None once it is closed.
        lock: held while the decoder is in use, so that closing waits.
    """

    def __init__(self, camera: Camera, container: InputContainer, clock: Clock, picture_mpx_max: float) -> None:
        self.camera = camera
        self.lock = threading.Lock()
        self._container, self._clock = container, clock
        if not container.streams.video:
            container.close()
            raise source_error(camera, "no_video", "no video track")
        self._video = container.streams.video[0]
        self._video.thread_type = "NONE"
        codec: VideoCodecContext | None = self._video.codec_context
        if codec is None:
            container.close()
            raise source_error(camera, "no_video", "a codec that cannot be decoded here")
        if codec.width * codec.height > picture_mpx_max * 1e6:
            container.close()
            got = f"{codec.width} x {codec.height}"
            raise source_error(camera, "no_video", got, f"pictures of at most {picture_mpx_max:g} million pixels")
        codec.thread_count = 1
        # For a stream that says a small size, and then sends another: the library refuses before it takes the memory.
        codec.options = {"max_pixels": str(int(picture_mpx_max * 1e6))}
        self.decoder: Decoder | None = Decoder(codec)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels as the stream describes itself, (0, 0) where it does not."""
        return self._video.codec_context.width, self._video.codec_context.height

    def packets(self) -> Iterator[StreamPacket]:
        """
        Packets as they come.

        Raises:
            SourceError: `stalled` when none comes within the deadline, `closed` when the camera ends the stream.
        """
        started_ns = self._clock.monotonic_ns()
        for packet in self._demuxed():
            arrived_ns = self._clock.now_ns()
            at_s = (self._clock.monotonic_ns() - started_ns) / NS_PER_S
            yield StreamPacket(packet, at_s, arrived_ns, ntp_ns(packet))
        raise source_error(self.camera, "closed", "the end of the stream", "a stream without end")

    def file_packets(self, base_s: float, zero: Zero, ended: threading.Event) -> Iterator[StreamPacket]:
        """
        Packets of a recording at their times.

        Args:
            base_s: time of the first packet on the time line that starts at `zero`.
            ended: ends the waiting.
        """
        first_s: float | None = None
        at_s = base_s
        for packet in self._demuxed():
            stamp = packet.dts if packet.dts is not None else packet.pts
            if stamp is None:
                at_s += _NO_PTS_STEP_S
            else:
                time_s = float(stamp * packet.time_base)
                first_s = time_s if first_s is None else first_s
                at_s = max(at_s, base_s + time_s - first_s)
            wait_s = at_s - (self._clock.monotonic_ns() - zero.monotonic_ns) / NS_PER_S
            if wait_s > 0 and ended.wait(wait_s):
                return
            if wait_s < -_LATE_S_MAX:  # the machine slept: go on from here, rather than rush
                base_s -= wait_s
                at_s -= wait_s
            yield StreamPacket(packet, at_s, self._clock.now_ns(), zero.utc_ns + int(at_s * NS_PER_S))

    def close(self) -> None:
        """End the connection."""
        with self.lock:
            self.decoder = None
        # Outside the lock: a farewell to a camera that is gone may take its time, and the analyst has others.
        self._container.close()

    def _demuxed(self) -> Iterator[VideoPacket]:
        try:
            for packet in self._container.demux(self._video):
                if packet.size:
                    yield packet
        except av.error.FFmpegError as error:
            raise reading_error(self.camera, error) from None


def open_rtsp(
    camera: Camera, settings: IngestSettings, clock: Clock, look_longer: bool = False, after_refusal: bool = False
) -> VideoStream:
    """
    A camera's stream over RTSP in TCP. The password is read now.

    Args:
        after_refusal: see first whether there is a video track at all. Where there is none, nothing is set up, and it
            is PLAY that the camera refuses, in the same words as one without a free session.

    Raises:
        SourceError: with its cause; nothing stays open.
    """
    check_host(camera)
    check_redirect(camera, settings.open_s_max)
    probe = _PROBE_LONGER if look_longer else _PROBE
    options = {**RTSP, **probe, "timeout": str(int(settings.read_s_max * 1e6))}
    address = address_of(camera, password_of(camera, settings.password_command))
    if after_refusal:
        with open_container(camera, address, options, settings.open_s_max, settings.read_s_max) as whole:
            if not whole.streams.video:
                raise source_error(camera, "no_video", "no video track")
    options["allowed_media_types"] = "video"
    container = open_container(camera, address, options, settings.open_s_max, settings.read_s_max)
    return VideoStream(camera, container, clock, settings.picture_mpx_max)


def open_file(camera: Camera, settings: IngestSettings, clock: Clock) -> VideoStream:
    """
    A recording.

    Raises:
        SourceError: `not_found`, also where it is outside of the folders for recordings; `no_video` where it is no
            video.
    """
    check_folder(camera, settings.file_folders)
    container = open_container(camera, file_address(camera), _FILE, settings.open_s_max, settings.read_s_max)
    return VideoStream(camera, container, clock, settings.picture_mpx_max)


def check_folder(camera: Camera, folders: Sequence[str]) -> None:
    """
    Raises:
        SourceError: `not_found`, the recording is not below one of these folders, links followed.
    """
    path = Path(file_address(camera).removeprefix("file:")).resolve()
    if not any(path.is_relative_to(Path(folder).resolve()) for folder in folders):
        raise SourceError(
            camera.id,
            "not_found",
            expected=f"a recording below {' or '.join(folders) or 'a folder of ingest.file_folders, which is empty'}",
            got=str(path),
            mend="Move it there, or add its folder to `file_folders` in section [ingest].",
        )


def file_address(camera: Camera) -> str:
    """What the library opens for a recording."""
    parts = urlsplit(camera.url)
    path = unquote(parts.path) if parts.scheme == "file" else camera.url
    return f"file:{path}"


def open_container(
    camera: Camera, address: str, options: dict[str, str], open_s_max: float, read_s_max: float
) -> InputContainer:
    """
    Raises:
        SourceError: with its cause, and nothing of the library's own text in it.
    """
    begun_s = time.monotonic()
    try:
        return av.open(address, options=options, timeout=(open_s_max, read_s_max))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        timed_out = time.monotonic() - begun_s >= 0.9 * min(open_s_max, read_s_max)
        raise opening_error(camera, error, timed_out) from None


def ntp_ns(packet: VideoPacket) -> int | None:
    """The camera's wall clock for a packet, UTC ns; known after its first sender report."""
    if not packet.has_sidedata("prft"):
        return None
    # FFmpeg's AVProducerReferenceTime: int64 microseconds, int32 flags.
    microseconds, _ = struct.unpack("<qi", bytes(packet.get_sidedata("prft"))[:12])
    return int(microseconds) * 1_000
