"""A video file as a camera: what is taken as it is, what is encoded anew, and that time only grows."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from deploy.demo.file_feed import FileFeed, read_clip
from deploy.demo.rtp import has_idr, nal_units, parameter_sets
from tests.support.rtsp import FaultServer, fault_server, moving_clip, open_camera, playing, until

__all__ = ["fault_server"]


def _write(path: Path, codec: str, pictures: int = 24, rate_hz: int = 12) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, options={"bf": "0", "g": "12"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for n in range(pictures):
            picture = np.full((96, 160, 3), 8 * n, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("name", "codec"), [("clip.mp4", "libx264"), ("clip.avi", "mpeg4"), ("clip.avi", "rawvideo")])
def test_every_key_frame_of_a_clip_can_be_decoded_alone(tmp_path: Path, name: str, codec: str) -> None:
    clip = read_clip(_write(tmp_path / name, codec))
    assert len(clip) == 24
    assert [unit.is_key for unit in clip] == [n % 12 == 0 for n in range(24)]
    assert all(b.time_s - a.time_s == pytest.approx(1 / 12, abs=1e-3) for a, b in itertools.pairwise(clip))
    for unit in clip:
        units = nal_units(unit.data)
        assert has_idr(units) == unit.is_key
        assert (parameter_sets(units) is not None) == unit.is_key


def test_the_pictures_of_h264_are_taken_as_they_are(tmp_path: Path) -> None:
    path = _write(tmp_path / "clip.mp4", "libx264")
    with av.open(str(path)) as container:
        largest = max(packet.size for packet in container.demux(video=0))
    assert 0 <= max(len(unit.data) for unit in read_clip(path)) - largest < 200  # and the parameter sets


def test_a_file_without_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        assert isinstance(stream, av.AudioStream)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(ValueError, match="expected a video track, got none"):
        read_clip(path)


def test_a_looped_clip_has_times_that_only_grow(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("loop")
    with playing(stream, moving_clip(1.0), speed=8.0), open_camera(fault_server.url_of("loop")) as camera:
        packets = camera.demux(video=0)
        times = [packet.pts for packet in itertools.islice(packets, 35) if packet.pts is not None]
    gaps = np.diff(times) / 90_000
    assert np.allclose(gaps, 1 / 80, atol=1e-3)


def test_a_feed_that_was_stopped_pushes_no_more(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("clip")
    feed = FileFeed(stream, moving_clip(1.0), speed=20.0)
    feed.start()
    until(lambda: stream.tracks[0].packets > 20)
    feed.stop()
    with open_camera(fault_server.url_of("clip"), analyzeduration="0", probesize="5000"):
        sent = stream.tracks[0].packets  # a whole conversation later, the server has done all that was pushed
    assert stream.tracks[0].packets == sent


def test_a_speed_is_above_zero(fault_server: FaultServer) -> None:
    with pytest.raises(ValueError, match="expected a clip and a speed > 0"):
        FileFeed(fault_server.add_stream("clip"), moving_clip(1.0), speed=0.0)
