"""
1080p cameras, or smaller ones, as a process of their own: the demo's square, enlarged, over RTSP.

    python -m benchmarks.full_hd_camera       # prints the address of each; ends with its standard input

A line `cut N` on standard input closes the connections of the first N cameras, as a camera that restarts does.
"""

from __future__ import annotations

import sys
import time

import click
import cv2
import numpy as np

from deploy.demo.backdrop import ground_texture
from deploy.demo.district import KEY_FRAME_S, RATE_HZ
from deploy.demo.encoder import Encoder
from deploy.demo.file_feed import ClipUnit, FileFeed
from deploy.demo.picture import NOISE, Painter
from deploy.demo.place import SQUARE_MASTS
from deploy.demo.story import scene_at
from deploy.demo.view import Pinhole
from tests.support.rtsp import FaultServer

WIDTH, HEIGHT = 1920, 1080
BEGINS_AT_S, LENGTH_S = 60.0, 4.0  # the square is full then
CAMERAS = 8
_SEED = 1


def clip(
    rate_hz: float = RATE_HZ, length_s: float = LENGTH_S, width_px: int = WIDTH, height_px: int = HEIGHT
) -> list[ClipUnit]:
    """Pictures of the square with the noise of a sensor of this size, at the demo's key-frame gap."""
    painter = Painter(Pinhole(SQUARE_MASTS[0]), ground_texture(_SEED), _SEED)
    encoder, random = Encoder(width_px, height_px, rate_hz, KEY_FRAME_S), np.random.default_rng(_SEED)
    noise = random.normal(0.0, NOISE, (height_px, width_px, 3)).astype(np.float32)
    units = []
    for n in range(round(length_s * rate_hz)):
        small = painter.paint(scene_at(_SEED, BEGINS_AT_S + n / rate_hz))
        large = cv2.resize(small, (width_px, height_px), interpolation=cv2.INTER_CUBIC) + np.roll(noise, 37 * n, axis=1)
        data, is_key = encoder.encode(np.clip(large, 0, 255).astype(np.uint8))
        units.append(ClipUnit(data, n / rate_hz, is_key))
    return units


@click.command()
@click.option("--cameras", type=int, default=CAMERAS)
@click.option("--rate-hz", type=float, default=float(RATE_HZ), help="Pictures a second.")
@click.option("--length-s", type=float, default=LENGTH_S, help="After which the pictures begin again.")
@click.option("--width-px", type=int, default=WIDTH)
@click.option("--height-px", type=int, default=HEIGHT)
def main(cameras: int, rate_hz: float, length_s: float, width_px: int, height_px: int) -> None:
    """Serve until standard input ends."""
    units, server = clip(rate_hz, length_s, width_px, height_px), FaultServer()
    server.start()
    names = [f"camera-{n}" for n in range(cameras)]
    feeds = [FileFeed(server.add_stream(name), units) for name in names]
    for feed in feeds:
        feed.start()
        time.sleep(KEY_FRAME_S / cameras)  # their key frames come one after the other, as those of strangers do
    for name in names:
        print(server.url_of(name), flush=True)  # noqa: T201
    for line in sys.stdin:
        for name in names[: int(line.removeprefix("cut "))]:
            server.close_clients(name)
    for feed in feeds:
        feed.stop()
    server.stop()


if __name__ == "__main__":
    main()
