"""Cameras and clips for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.demo.encoder import Encoder
from deploy.demo.file_feed import ClipUnit, FileFeed
from deploy.demo.rtsp_stream import Stream
from ingest.cameras.settings import IngestSettings
from ingest.registry.district import Camera

SHARED = Path(__file__).parents[4] / "shared" / "data"
CANARY = "c4nary:p@ss/#%é"

QUICK = IngestSettings(
    open_s_max=1.0,
    read_s_max=1.0,
    metadata_silence_s_max=1.0,
    backoff_s_max=0.3,
    auth_retry_s=0.5,
    busy_retry_s=0.5,
    heartbeat_s_max=4.0,
    open_spread_s=0.0,
    frozen_s=1.0,
    file_folders=("/",),
)


def camera(number: int, source: str, url: str, **more: Any) -> Camera:
    facts = {"id": f"camera-{number}", "name": "Gate", "site": "square", "partition": 0, "lon": 0.0, "lat": 0.0}
    return Camera(**{**facts, "number": number, "source": source, "url": url, "sampling_period_s": 0.2, **more})


def shared(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


@lru_cache
def clip(
    seconds: float = 2.0, width: int = 320, height: int = 192, rate_hz: float = 10.0, key_frame_s: float = 0.2
) -> list[ClipUnit]:
    """A noisy street with a bright square that walks through it."""
    noise, encoder = np.random.default_rng(7), Encoder(width, height, rate_hz, key_frame_s)
    street = noise.integers(60, 180, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    units = []
    for n in range(round(seconds * rate_hz)):
        picture = street + noise.integers(-6, 7, (height, width, 3))
        picture[height // 3 : height // 3 * 2, (n * 7) % width : (n * 7) % width + 40] = 230
        data, is_key = encoder.encode(np.clip(picture, 0, 255).astype(np.uint8))
        units.append(ClipUnit(data, n / rate_hz, is_key))
    return units


@contextmanager
def fed(*streams: Stream, units: list[ClipUnit] | None = None) -> Iterator[None]:
    """Plays a clip into these streams."""
    feeds = [FileFeed(stream, units or clip()) for stream in streams]
    for feed in feeds:
        feed.start()
    try:
        yield
    finally:
        for feed in feeds:
            feed.stop()
