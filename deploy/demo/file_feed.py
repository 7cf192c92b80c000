"""Plays a video file into a stream, again and again, in real time, with times that only grow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av
from av.bitstream import BitStreamFilterContext

from deploy.demo.encoder import Encoder

if TYPE_CHECKING:
    from deploy.demo.rtsp_stream import Stream


class ClipUnit(NamedTuple):
    """One access unit of a clip and its time from the start."""

    data: bytes
    time_s: float
    is_key: bool


def read_clip(path: Path) -> list[ClipUnit]:
    """
    All access units of a video file in Annex B form. H.264 without B frames is taken as it is; all else is encoded
    anew with a key frame each second.

    Raises:
        ValueError: the file has no video.
        av.FFmpegError: it cannot be read.
    """
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError(f"{path}: expected a video track, got none. Choose another file.")
        codec = container.streams.video[0].codec_context
        is_live = codec.name == "h264" and not codec.has_b_frames
    units = list(_copied(path) if is_live else _encoded(path))
    if not units:
        raise ValueError(f"{path}: expected at least one picture, got none. Choose another file.")
    return units


def _copied(path: Path) -> Iterator[ClipUnit]:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        to_annex_b = BitStreamFilterContext("h264_mp4toannexb", video)
        for packet in container.demux(video):
            if packet.size == 0:
                continue
            for unit in to_annex_b.filter(packet):
                if unit.pts is not None and unit.time_base is not None:
                    yield ClipUnit(bytes(unit), float(unit.pts * unit.time_base), unit.is_keyframe)


def _encoded(path: Path) -> Iterator[ClipUnit]:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        rate_hz = float(video.average_rate or 25)
        encoder = None
        for n, frame in enumerate(container.decode(video)):
            if encoder is None:
                width, height = frame.width & ~1, frame.height & ~1
                encoder = Encoder(width, height, rate_hz)
            picture = frame.reformat(width=width, height=height, format="bgr24").to_ndarray()
            data, is_key = encoder.encode(picture.astype("uint8", copy=False))
            yield ClipUnit(data, n / rate_hz, is_key)


class FileFeed:
    """
    Feeds one stream from a clip until stopped.

    Args:
        stream: where to push.
        clip: from `read_clip`; not empty.
        speed: 2.0 plays twice as fast, with times to match.
    """

    def __init__(self, stream: Stream, clip: list[ClipUnit], speed: float = 1.0) -> None:
        if not clip or speed <= 0:
            raise ValueError(f"feed of {stream.path}: expected a clip and a speed > 0, got {len(clip)} units, {speed}")
        self._stream, self._clip, self._speed = stream, clip, speed
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play, name=f"feed-{stream.path}", daemon=True)

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when no more will be pushed."""
        self._ended.set()
        self._thread.join(10)

    def _play(self) -> None:
        begun_s = time.monotonic()
        first_s = self._clip[0].time_s
        # The last picture is shown as long as the others are on average.
        length_s = (self._clip[-1].time_s - first_s) * len(self._clip) / max(len(self._clip) - 1, 1) or 0.04
        loop = 0
        while True:
            for unit in self._clip:
                due_s = (loop * length_s + unit.time_s - first_s) / self._speed
                if self._ended.wait(max(0.0, begun_s + due_s - time.monotonic())):
                    return
                self._stream.push_video(unit.data, due_s, unit.is_key)
            loop += 1
