"""What a stream is, found out by reading it for some seconds: for `drumtower cameras probe`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import av.error
import msgspec

from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.address import address_of, password_of
from ingest.cameras.sources.cause import reading_error, source_error
from ingest.cameras.sources.host import check_host
from ingest.cameras.sources.redirect import check_redirect
from ingest.cameras.sources.stream import RTSP, file_address, ntp_ns, open_container
from ingest.clock import NS_PER_S, Clock
from ingest.counted import counted
from ingest.registry.district import Camera

_GAPS_WANTED = 3
_STEP_S_MAX = 60.0
_PICTURES_MAX = 30  # decoded for their cost


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """None where it could not be told within the time."""

    codec: str
    profile: str | None
    width: int
    height: int
    frames_per_s: float | None
    kbit_per_s: float | None
    key_frame_gap_s: float | None
    clock_offset_s: float | None  # camera less ours
    metadata_tracks: int
    audio_tracks: int
    key_frame_decode_ms: float | None  # time of one core
    frame_decode_ms: float | None
    corrupt_frames: int
    read_s: float


@dataclass
class _Seen:
    times_s: list[float] = field(default_factory=list)
    key_times_s: list[float] = field(default_factory=list)
    offsets_s: list[float] = field(default_factory=list)
    key_ms: list[float] = field(default_factory=list)
    frame_ms: list[float] = field(default_factory=list)
    size_bytes: int = 0
    corrupt: int = 0


def probe(camera: Camera, settings: IngestSettings, clock: Clock, read_s: float = 10.0) -> Probe:
    """
    Args:
        read_s: how long to read at most; it ends earlier once three key-frame gaps are known.

    Raises:
        SourceError: with its cause; nothing of the address in it.
    """
    begun_s = clock.monotonic_ns() / NS_PER_S
    with closing(_opened(camera, settings)) as container:
        if not container.streams.video:
            raise source_error(camera, "no_video", f"{len(container.streams.data)} tracks of metadata, none of video")
        video = container.streams.video[0]
        codec = video.codec_context
        if codec is None:
            raise source_error(camera, "no_video", "a codec that cannot be decoded here")
        video.thread_type, codec.thread_count = "NONE", 1
        seen = _Seen()
        for packet in _read(camera, container, video, clock, read_s):
            _look(packet, codec, seen, clock, of_file=camera.source == "file")
            if len(seen.key_times_s) > _GAPS_WANTED and len(seen.times_s) > _PICTURES_MAX:
                break
        if not seen.times_s:
            raise source_error(camera, "no_video", f"no packet within {read_s:g} s")
        steps_s = _steps(seen.times_s)
        rate = len(steps_s) / sum(steps_s) if steps_s else None
        return Probe(
            codec=codec.name,
            profile=codec.profile,
            width=codec.width,
            height=codec.height,
            frames_per_s=None if rate is None else round(rate, 2),
            kbit_per_s=None if rate is None else round(seen.size_bytes / len(seen.times_s) * rate * 8 / 1e3, 1),
            key_frame_gap_s=_median(_steps(seen.key_times_s)),
            clock_offset_s=_median(seen.offsets_s),
            metadata_tracks=len(container.streams.data),
            audio_tracks=len(container.streams.audio),
            key_frame_decode_ms=_median(seen.key_ms),
            frame_decode_ms=_median(seen.frame_ms),
            corrupt_frames=seen.corrupt,
            read_s=round(clock.monotonic_ns() / NS_PER_S - begun_s, 2),
        )


def advice(found: Probe, settings: IngestSettings, sampling_period_s: float, is_live: bool = True) -> list[str]:
    """What to set, a sentence each: at the camera, or here."""
    said: list[str] = []
    gap_s = found.key_frame_gap_s
    if gap_s is None:
        said.append(
            f"No key-frame gap was seen within {found.read_s:g} s: turn a smart codec (H.264+, H.265+) off, "
            "and set the camera's key-frame interval to one second."
        )
    elif gap_s > sampling_period_s * 1.25:
        said.append(
            f"Key frames come every {gap_s:.1f} s, a picture is wanted every {sampling_period_s:g} s: every frame is "
            "decoded. Set the camera's key-frame interval to the sampling period, or sampling_period_s to the gap."
        )
    if found.width * found.height > 1920 * 1088:
        said.append(f"{found.width} x {found.height} costs much and shows no more: name the camera's sub-stream.")
    if not is_live:
        return said
    if found.clock_offset_s is None:
        said.append("The camera sends no time of its own: arrival counts. Turn NTP and RTCP sender reports on.")
    elif abs(found.clock_offset_s) > settings.clock_offset_s_max:
        said.append(
            f"The camera's clock is off by {found.clock_offset_s:.1f} s, so arrival counts: set its NTP server."
        )
    if found.metadata_tracks:
        said.append("The camera sends metadata: a second camera of source `onvif` reads its objects at hardly a cost.")
    if found.corrupt_frames:
        said.append(f"{counted(found.corrupt_frames, 'frame')} came damaged: look at the network.")
    return said


def cost_share(found: Probe, sampling_period_s: float) -> float | None:
    """Share of one core that decoding takes at this sampling period."""
    gap_s, rate = found.key_frame_gap_s, found.frames_per_s
    if gap_s is not None and gap_s <= sampling_period_s * 1.25 and found.key_frame_decode_ms is not None:
        return found.key_frame_decode_ms / 1e3 / max(gap_s, sampling_period_s)
    each_ms = found.frame_decode_ms or found.key_frame_decode_ms
    return None if each_ms is None or rate is None else each_ms / 1e3 * rate


def _opened(camera: Camera, settings: IngestSettings) -> Any:
    probe_longer = {"analyzeduration": "3000000", "probesize": "5000000"}
    if camera.source == "file":
        options, address = {"protocol_whitelist": "file"}, file_address(camera)
    else:
        check_host(camera)
        check_redirect(camera, settings.open_s_max)
        options = {**RTSP, **probe_longer, "timeout": str(int(settings.read_s_max * 1e6))}
        address = address_of(camera, password_of(camera, settings.password_command))
    return open_container(camera, address, options, settings.open_s_max, settings.read_s_max)


def _read(camera: Camera, container: Any, video: Any, clock: Clock, read_s: float) -> Iterator[Any]:
    until_ns = clock.monotonic_ns() + int(read_s * NS_PER_S)
    try:
        for packet in container.demux(video):
            if packet.size:
                yield packet
            if clock.monotonic_ns() > until_ns:
                return
    except av.error.FFmpegError as error:
        raise reading_error(camera, error) from None


def _look(packet: Any, codec: Any, seen: _Seen, clock: Clock, of_file: bool) -> None:
    now_s = clock.monotonic_ns() / NS_PER_S
    stamp = packet.dts if packet.dts is not None else packet.pts
    at_s = now_s if stamp is None else float(stamp * packet.time_base)
    seen.times_s.append(at_s)
    seen.size_bytes += packet.size
    if packet.is_keyframe:
        seen.key_times_s.append(at_s)
    camera_ns = None if of_file else ntp_ns(packet)
    if camera_ns is not None:
        seen.offsets_s.append((camera_ns - clock.now_ns()) / NS_PER_S)
    if not seen.key_times_s or len(seen.key_ms) + len(seen.frame_ms) >= _PICTURES_MAX:
        return
    begun_s = time.thread_time()
    try:
        frames = codec.decode(packet)
    except av.error.FFmpegError:
        seen.corrupt += 1
        return
    seen.corrupt += sum(frame.is_corrupt for frame in frames)
    (seen.key_ms if packet.is_keyframe else seen.frame_ms).append((time.thread_time() - begun_s) * 1e3)


def _steps(times_s: list[float]) -> list[float]:
    """Times between neighbours; a step back, or over more than a minute, is a clock that was set."""
    return [later - earlier for earlier, later in pairwise(times_s) if 0 < later - earlier < _STEP_S_MAX]


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 3) if values else None
