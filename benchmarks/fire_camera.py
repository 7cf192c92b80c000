"""
A cheap camera: glare, exposure that follows the scene, colour cross-talk, noise, gamma, shake and compression.

    glare       some of the light of each point is spread by the lens, so that what is far too bright has a halo
    exposure    the mean of the picture is led to middle grey within about a second, up to the gain of the sensor
    cross-talk  each colour filter lets some of the others through: what is far too bright becomes white
    noise       of photons (grows with the root of the light) and of reading, more with gain
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.fire_places import F32, HEIGHT, WIDTH
from ingest.schema.tick import U8

_MIDDLE_GREY = 0.2
_EXPOSURE_S = 1.0
_GAIN_MAX = 120.0  # of a white wall in daylight; darker scenes stay dark
_GAMMA = 1 / 2.2
_GRAIN = np.random.default_rng(9).standard_normal((720, 1280, 3), np.float32)  # cut out anywhere: noise is dear
_CURVE = (255 * (np.linspace(0, 1, 4096) ** _GAMMA)).astype(np.uint8)


@dataclass(slots=True)
class Camera:
    """One camera's properties and its present gain."""

    chance: np.random.Generator
    glare: float  # share of the light that the lens spreads
    crosstalk: float
    noise: float
    quality: int  # of its JPEG, 1 to 100
    shake_px: float
    steps: float = 0.0  # of white balance: how far red and blue drift
    gain: float = 0.0

    def shot(self, radiance: F32, elapsed_s: float) -> U8:
        """
        (180, 320, 3) the picture of a scene.

        Args:
            radiance: (180, 320, 3) linear light.
            elapsed_s: since the shot before; 0 at the first.
        """
        wanted = min(
            _MIDDLE_GREY / max(float(np.minimum(radiance[::3, ::3] * max(self.gain, 1e-6), 1.0).mean()), 1e-4), 4.0
        )
        if self.gain == 0.0:
            self.gain = min(_MIDDLE_GREY / max(float(np.median(radiance)), 1e-6), _GAIN_MAX)
        else:
            share = 1 - np.exp(-elapsed_s / _EXPOSURE_S)
            self.gain = float(np.clip(self.gain * wanted**share, 0.1, _GAIN_MAX))
        light = np.minimum(radiance * np.float32(self.gain), np.float32(60.0))
        small = cv2.resize(light, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA)
        near, far = cv2.GaussianBlur(small, (0, 0), 1.2), cv2.GaussianBlur(small, (0, 0), 6)
        halo = cv2.resize(near * np.float32(0.7) + far * np.float32(0.3), (WIDTH, HEIGHT))
        light = light * np.float32(1 - self.glare) + halo * np.float32(self.glare)
        grey = cv2.transform(light, np.full((1, 3), 1 / 3, np.float32))[..., None]
        light = light * np.float32(1 - self.crosstalk) + grey * np.float32(self.crosstalk)
        if self.steps:
            light = light * np.array([1 - self.steps, 1, 1 + self.steps], np.float32)
        if self.shake_px:
            shift = np.float32(
                [[1, 0, self.chance.normal(0, self.shake_px)], [0, 1, self.chance.normal(0, self.shake_px)]]
            )
            light = cv2.warpAffine(light, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        read = self.noise * (0.3 + 0.7 * min(self.gain / 20.0, 2.0))
        top, left = self.chance.integers(0, _GRAIN.shape[0] - HEIGHT), self.chance.integers(0, _GRAIN.shape[1] - WIDTH)
        field = _GRAIN[top : top + HEIGHT, left : left + WIDTH]
        light = np.clip(light, 0, 1)
        light = light + field * (np.float32(read) * np.sqrt(light + np.float32(0.02)))
        exposed = _CURVE[(np.clip(light, 0, 1) * np.float32(4095)).astype(np.int16)]
        good, data = cv2.imencode(".jpg", exposed, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        assert good
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def camera(chance: np.random.Generator) -> Camera:
    """Any of the cameras of a city: good and bad ones."""
    return Camera(
        chance=chance,
        glare=float(chance.uniform(0.01, 0.06)),
        crosstalk=float(chance.uniform(0.03, 0.12)),
        noise=float(chance.uniform(0.01, 0.04)),
        quality=int(chance.integers(40, 90)),
        shake_px=float(chance.uniform(0.1, 0.6)) if chance.random() < 0.2 else 0.0,
    )
