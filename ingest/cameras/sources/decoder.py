"""Packets of one connection to pictures. A damaged picture, and all up to the next key frame, are told as corrupt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import av.error
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream as AvVideo

from ingest.cameras.sources.sampler import Want

VideoPacket: TypeAlias = "Packet[AvVideo]"


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came of a packet: the wanted picture, or that it is corrupt, or neither (not wanted, or still inside)."""

    frame: VideoFrame | None = None
    corrupt: bool = False


class Decoder:
    """Not safe for several threads."""

    def __init__(self, codec: VideoCodecContext) -> None:
        self._codec = codec
        self._awaits_key = True
        self._wanted = False

    def decode(self, packet: VideoPacket, want: Want, keys_only: bool) -> Decoded:
        """
        The picture of `packet` where it is wanted.

        Args:
            packet: of the stream's own time base.
            want: `DECODE` or `SAMPLE`.
            keys_only: the next packet will not lean on this one, so the picture is fetched at once.
        """
        self._wanted |= want is Want.SAMPLE
        if self._awaits_key and not packet.is_keyframe:
            return self._result(None)
        self._awaits_key = False
        try:
            frames = list(self._codec.decode(packet))
            if keys_only:
                frames += self._codec.decode(None)
                self._codec.flush_buffers()
        except av.error.FFmpegError:
            frames = []
            self._awaits_key = True
        if packet.is_corrupt or any(frame.is_corrupt for frame in frames):
            self._awaits_key = True
        return self._result(frames[-1] if frames else None)

    def _result(self, frame: VideoFrame | None) -> Decoded:
        if not self._wanted or (frame is None and not self._awaits_key):
            return Decoded()
        self._wanted = False
        return Decoded(corrupt=True) if self._awaits_key else Decoded(frame)
