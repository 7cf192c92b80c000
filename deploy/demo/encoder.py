"""H.264 for live streams: no B frames, no delay, parameter sets in front of each key frame."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.codeccontext import VideoCodecContext

Picture = npt.NDArray[np.uint8]


class AccessUnit(NamedTuple):
    """One encoded picture in Annex B form."""

    data: bytes
    is_key: bool


class Encoder:
    """
    Encodes BGR pictures of one size, one access unit for each picture.

    Args:
        width, height: even numbers of pixels.
        rate_hz: pictures a second.
        key_frame_s: time between two key frames.
    """

    def __init__(self, width: int, height: int, rate_hz: float, key_frame_s: float = 1.0) -> None:
        codec = VideoCodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
        rate = Fraction(rate_hz).limit_denominator(1001)
        codec.time_base, codec.framerate = 1 / rate, rate
        codec.thread_count = 1
        codec.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "crf": "26",
            "x264-params": "scenecut=0:sliced-threads=0",
        }
        codec.max_b_frames, codec.gop_size = 0, max(1, round(rate_hz * key_frame_s))
        self._codec = codec
        self._frames = 0

    def encode(self, picture: Picture) -> AccessUnit:
        """The access unit of the next picture, (height, width, 3) BGR."""
        planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).astype(np.uint8, copy=False)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = self._frames
        self._frames += 1
        packets = self._codec.encode(frame)
        assert len(packets) == 1, "zerolatency gives one packet a picture"
        return AccessUnit(bytes(packets[0]), packets[0].is_keyframe)
