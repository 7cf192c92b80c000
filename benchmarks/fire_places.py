"""
Places for rendered pictures: what a fixed camera looks at, in linear light, by day, at dusk and at night.

Radiance is relative: 1 is a white wall in daylight, about 1e4 cd/m2. Colours are blue, green, red, as in OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
WIDTH, HEIGHT = 320, 180
NOISE = 256  # px, side of a tile of noise

Light = Literal["day", "dusk", "night"]
LIGHTS: tuple[Light, ...] = ("day", "dusk", "night")
_AMBIENT = {"day": (0.35, 1.0), "dusk": (0.03, 0.12), "night": (0.002, 0.006)}  # of a white wall
_TINT = {"day": (1.0, 1.0, 1.0), "dusk": (1.1, 0.97, 0.95), "night": (0.62, 0.9, 1.15)}  # lamps are warm

ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    light: Light
    ambient: F32  # (3,) radiance of a white wall
    reflectance: F32  # (180, 320, 3) in [0, 1]
    radiance: F32  # (180, 320, 3) of the empty place: its reflectance in its light, its sky and its lamps
    horizon_px: int  # row; below it is ground
    lamps: tuple[tuple[float, float, float], ...]  # column, row, radiance of lamps that burn all the time
    noise: F32  # (256, 256) fractal noise that tiles, in [-1, 1]


def fractal(chance: np.random.Generator, slope: float = 1.6, size: int = NOISE) -> F32:
    """
    (size, size) noise that tiles, with a power spectrum of frequency to the power of -2 `slope`, in [-1, 1].

    Source: Saupe, in The science of fractal images, 1988, chapter 2: spectral synthesis.
    """
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(chance.normal(size=(size, size))) / frequency**slope
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(size, size))
    return np.clip(field / (2.5 * field.std()), -1.0, 1.0).astype(np.float32)


def place(chance: np.random.Generator, light: Light) -> Place:
    """A street, a square or a hall, with buildings, windows, markings and grain."""
    noise = fractal(chance)
    horizon = int(chance.integers(45, 85))
    reflectance = _ground(chance, horizon)
    indoors = bool(chance.random() < 0.25)
    sky = np.zeros((HEIGHT, WIDTH), np.bool_)
    if indoors:
        _panels(chance, reflectance, horizon)
    else:
        sky[:horizon] = True
        _houses(chance, reflectance, sky, horizon)
    _furniture(chance, reflectance, sky, horizon)
    grain = cv2.resize(noise[:90, :160], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    fine = chance.normal(0, 0.04, (HEIGHT, WIDTH)).astype(np.float32)
    reflectance = np.clip(reflectance * (1 + 0.25 * grain + fine)[..., None], 0.02, 0.95).astype(np.float32)
    ambient = np.float32(np.exp(chance.uniform(*np.log(_AMBIENT[light])))) * np.array(_TINT[light], np.float32)
    radiance = reflectance * ambient * _shade(chance, noise)[..., None]
    if sky.any():
        glow = {"day": 1.1, "dusk": 1.3, "night": 0.02}[light] * (1 - 0.25 * ROWS / HEIGHT) * (1 + 0.1 * grain)
        hue = np.array([1.0, 0.9, 0.8] if light != "dusk" else [0.9, 0.75, 0.8], np.float32)
        radiance = np.where(sky[..., None], glow[..., None] * hue * ambient, radiance)
    lamps = _lamps(chance, light, horizon, float(ambient.mean()))
    return Place(light, ambient, reflectance, radiance.astype(np.float32), horizon, lamps, noise)


def ground_point(chance: np.random.Generator, place: Place) -> tuple[float, float, float]:
    """Column and row of a point on the ground, and the scale there: about how many px a person of 1.7 m is high."""
    row = float(chance.uniform(place.horizon_px + 12, HEIGHT - 8))
    scale = 12 + 60 * (row - place.horizon_px) / (HEIGHT - place.horizon_px)
    return float(chance.uniform(40, WIDTH - 40)), row, scale


def _ground(chance: np.random.Generator, horizon: int) -> F32:
    base = chance.uniform(0.12, 0.4) * (1 + chance.uniform(-0.06, 0.06, 3))
    picture = np.ones((HEIGHT, WIDTH, 3), np.float32) * base.astype(np.float32)
    picture[:horizon] *= chance.uniform(0.8, 2.0)
    vanishing = (float(chance.uniform(60, 260)), float(horizon))
    for _ in range(int(chance.integers(4, 12))):  # kerbs, slabs and painted lines run to one point
        end = int(chance.uniform(-150, WIDTH + 150))
        shade = float(chance.uniform(0.08, 0.8))
        width = int(chance.integers(1, 5))
        cv2.line(picture, (int(vanishing[0]), horizon), (end, HEIGHT), (shade,) * 3, width, cv2.LINE_AA)
    for step in range(1, 9):
        row = int(horizon + (HEIGHT - horizon) * (step / 9) ** 1.6)
        picture[row : row + 1] *= 0.8
    return picture


def _houses(chance: np.random.Generator, picture: F32, sky: npt.NDArray[np.bool_], horizon: int) -> None:
    left = -int(chance.integers(0, 40))
    while left < WIDTH:
        width, top = int(chance.integers(35, 100)), int(chance.integers(-20, horizon - 10))
        wall = chance.uniform(0.15, 0.65) * (1 + chance.uniform(-0.2, 0.2, 3))
        body = slice(max(top, 0), horizon + 3), slice(max(left, 0), max(left + width, 0))
        picture[body], sky[body] = wall, False
        pitch = int(chance.integers(7, 15))
        for row in range(top + 4, horizon - 4, pitch):
            for column in range(left + 4, left + width - 4, pitch):
                cv2.rectangle(
                    picture,
                    (column, row),
                    (column + pitch // 2, row + pitch // 2),
                    (float(chance.uniform(0.03, 0.2)),) * 3,
                    -1,
                )
        left += width + int(chance.integers(0, 30))


def _panels(chance: np.random.Generator, picture: F32, horizon: int) -> None:
    picture[:horizon] = chance.uniform(0.3, 0.7)
    for column in range(0, WIDTH, int(chance.integers(12, 30))):
        picture[:horizon, column : column + 2] *= 0.6
    for row in range(0, horizon, int(chance.integers(8, 20))):
        picture[row : row + 1, :] *= 0.7


def _furniture(chance: np.random.Generator, picture: F32, sky: npt.NDArray[np.bool_], horizon: int) -> None:
    """Signs, shop fronts, bins, parked cars: also red, orange and yellow ones, which stand there all day."""
    for _ in range(int(chance.integers(8, 22))):
        row = int(chance.integers(horizon - 20, HEIGHT - 10))
        column, size = int(chance.integers(0, WIDTH)), 3 + int(22 * chance.random() * max(row - horizon + 25, 8) / 100)
        colour = chance.uniform(0.03, 0.8, 3) if chance.random() < 0.5 else np.full(3, chance.uniform(0.05, 0.8))
        body = slice(max(row - size, 0), row), slice(column, column + max(2, int(size * chance.uniform(0.3, 2.5))))
        picture[body], sky[body] = colour, False
    for _ in range(int(chance.integers(1, 5))):
        column = int(chance.integers(0, WIDTH))
        cv2.line(picture, (column, 0), (column, horizon + 20), (float(chance.uniform(0.05, 0.3)),) * 3, 2)
    for _ in range(int(chance.integers(0, 3))):  # a tree: leaves of many shades
        column, row, size = chance.integers(0, WIDTH), chance.integers(20, horizon + 20), int(chance.integers(12, 30))
        for _ in range(160):
            spot = chance.normal(0, size / 2, 2)
            shade = chance.uniform(0.03, 0.35)
            cv2.circle(picture, (int(column + spot[0]), int(row + spot[1])), 1, (shade * 0.3, shade, shade * 0.5), -1)


def _shade(chance: np.random.Generator, noise: F32) -> F32:
    """(180, 320) how the light falls: uneven, and with the hard shadow of something in half of the places."""
    soft = 1 + 0.2 * cv2.resize(noise[100:110, 100:118], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    if chance.random() < 0.5:
        corner = chance.uniform(0, WIDTH, 2)
        soft = soft * np.where(COLUMNS * 0.7 + ROWS * chance.uniform(-1, 1) < corner[0], 0.45, 1.0)
    return soft.astype(np.float32)


def _lamps(
    chance: np.random.Generator, light: Light, horizon: int, ambient: float
) -> tuple[tuple[float, float, float], ...]:
    if light == "day":
        return ()
    count = int(chance.integers(1, 5))
    return tuple(
        (float(chance.uniform(0, WIDTH)), float(chance.uniform(5, horizon)), float(ambient * chance.uniform(20, 150)))
        for _ in range(count)
    )
