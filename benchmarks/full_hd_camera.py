"""
1080p cameras as a process of their own: the demo's square, enlarged, over RTSP.

    python -m benchmarks.full_hd_camera       # prints the address of each; ends with its standard input
"""

from __future__ import annotations

import sys
import time

import cv2
import numpy as np

from deploy.demo.backdrop import ground_texture
from deploy.demo.district import KEY_FRAME_S, RATE_HZ
from deploy.demo.encoder import Encoder
from deploy.demo.file_feed import ClipUnit, FileFeed
from deploy.demo.picture import NOISE, Painter
from deploy.demo.place import SQUARE_MASTS
from deploy.demo.rtsp_server import RtspServer
from deploy.demo.story import scene_at
from deploy.demo.view import Pinhole

WIDTH, HEIGHT = 1920, 1080
BEGINS_AT_S, LENGTH_S = 60.0, 4.0  # the square is full then
CAMERAS = 8
_SEED = 1


def clip() -> list[ClipUnit]:
    """Pictures of the square with the noise of a sensor of this size, at the demo's rate and key-frame gap."""
    painter = Painter(Pinhole(SQUARE_MASTS[0]), ground_texture(_SEED), _SEED)
    encoder, random = Encoder(WIDTH, HEIGHT, RATE_HZ, KEY_FRAME_S), np.random.default_rng(_SEED)
    noise = random.normal(0.0, NOISE, (HEIGHT, WIDTH, 3)).astype(np.float32)
    units = []
    for n in range(round(LENGTH_S * RATE_HZ)):
        small = painter.paint(scene_at(_SEED, BEGINS_AT_S + n / RATE_HZ))
        large = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) + np.roll(noise, 37 * n, axis=1)
        data, is_key = encoder.encode(np.clip(large, 0, 255).astype(np.uint8))
        units.append(ClipUnit(data, n / RATE_HZ, is_key))
    return units


def main() -> None:
    """Serve until standard input ends."""
    units, server = clip(), RtspServer()
    server.start()
    feeds = [FileFeed(server.add_stream(f"camera-{n}"), units) for n in range(CAMERAS)]
    for feed in feeds:
        feed.start()
        time.sleep(KEY_FRAME_S / CAMERAS)  # their key frames come one after the other, as those of strangers do
    for n in range(CAMERAS):
        print(server.url_of(f"camera-{n}"), flush=True)  # noqa: T201
    sys.stdin.buffer.read()
    for feed in feeds:
        feed.stop()
    server.stop()


if __name__ == "__main__":
    main()
