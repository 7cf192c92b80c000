"""
What is neither fire nor smoke and has been taken for it, for rendered pictures: lights, cloth, weather, dirt, traffic.

Each nuisance is a function `(chance, place, starts_s) -> things`; a thing has `paint(place, radiance, at_s)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.fire_flames import sampled, window
from benchmarks.fire_places import COLUMNS, F32, HEIGHT, ROWS, WIDTH, Place, ground_point

Colour = tuple[float, float, float]  # blue, green, red
AMBER: Colour = (0.01, 0.35, 1.0)
RED: Colour = (0.02, 0.04, 1.0)
WARM: Colour = (0.35, 0.75, 1.0)
COLD: Colour = (1.0, 0.95, 0.9)
ORANGES: tuple[Colour, ...] = ((0.03, 0.2, 0.85), (0.02, 0.35, 0.9), (0.05, 0.75, 0.8), (0.04, 0.05, 0.6))


class Thing(Protocol):
    def paint(self, place: Place, radiance: F32, at_s: float) -> F32: ...


Path = Callable[[float], tuple[float, float]]
Power = Callable[[float], float]


@dataclass(slots=True)
class Lamp:
    """A light of some pixels across, with the glow of its reflector."""

    path: Path
    power: Power  # radiance, in white walls of daylight
    colour: Colour
    size_px: float
    mirrored: float = 0.0  # share of it that a wet ground below shows

    def paint(self, place: Place, radiance: F32, at_s: float) -> F32:
        power = self.power(at_s)
        column, row = self.path(at_s)
        if power <= 0 or not -30 < column < WIDTH + 30:
            return radiance
        result = radiance.copy()
        lit = window(column, row, 18 * self.size_px)
        distance = ((COLUMNS[lit] - column) ** 2 + (ROWS[lit] - row) ** 2) / self.size_px**2
        spot = np.exp(-distance) + 0.01 * np.exp(-distance / 25)
        result[lit] += (np.float32(power) * spot)[..., None] * np.array(self.colour, np.float32)
        if self.mirrored:
            below = slice(max(int(row + 4), 0), HEIGHT), window(column, row, 3 * self.size_px)[1]
            x, y = COLUMNS[below], ROWS[below]
            wave = np.clip(1 + 0.6 * sampled(place.noise, x * 4, y * 9 + at_s * 70), 0, None) if x.size else x
            streak = np.exp(-(((x - column) / (1.2 * self.size_px)) ** 2) - (y - row) / 35) * wave
            shown = np.float32(power * self.mirrored * 0.1) * streak
            result[below] += shown[..., None] * np.array(self.colour, np.float32)
        return result


@dataclass(slots=True)
class Body:
    """Something opaque that reflects the light of the place: boxes of colour that move along a path."""

    path: Path
    boxes: tuple[tuple[float, float, float, float, Colour], ...]  # left, top, width, height from its foot, px; colour
    texture: float = 0.15
    sways: float = 0.0  # px, as a walker's arms and legs

    def paint(self, place: Place, radiance: F32, at_s: float) -> F32:
        column, row = self.path(at_s)
        result = radiance.copy()
        for index, (left, top, width, height, colour) in enumerate(self.boxes):
            shift = self.sways * np.sin(at_s * 6 + index * 2.1)
            x, y = column + left + shift, row + top
            body = (
                slice(max(int(y), 0), max(int(y + height), 0)),
                slice(max(int(x), 0), max(int(x + width), 0)),
            )
            if result[body].size:
                folds = sampled(place.noise, (COLUMNS[body] - x) * 3 + 9 * index, (ROWS[body] - y) * 3)
                light = place.ambient * np.array(colour, np.float32)
                result[body] = light * (1 + self.texture * folds)[..., None]
        return result


@dataclass(slots=True)
class Cloth:
    """A flag, a banner or netting in the wind; it hangs there from the start or from some time on."""

    column: float
    row: float
    width: float
    height: float
    colours: tuple[Colour, ...]
    speed: float
    starts_s: float
    sunlit: float

    def paint(self, place: Place, radiance: F32, at_s: float) -> F32:
        if at_s < self.starts_s:
            return radiance
        u = (COLUMNS - self.column) / self.width
        gust = 0.7 + 0.3 * np.sin(at_s * 0.7 + self.column)
        wave = np.sin(7 * u - at_s * self.speed) * 0.16 * np.clip(u, 0, 1) * gust
        wave += 0.2 * sampled(place.noise, u * 20 - at_s * 25, np.full_like(u, at_s * 9)) * np.clip(u, 0, 1)
        v = (ROWS - self.row) / self.height + wave
        length = 1 - 0.15 * sampled(place.noise, v * 15 + 3, np.full_like(v, at_s * 21))
        inside = (u > 0) & (u < length) & (v > 0) & (v < 1)
        if not inside.any():
            return radiance
        stripe = np.clip((v * len(self.colours)).astype(np.int32), 0, len(self.colours) - 1)
        folds = 0.75 + 0.35 * np.cos(7 * u - at_s * self.speed) * np.clip(2 * u, 0, 1)
        light = np.array(self.colours, np.float32)[stripe] * folds[..., None] * place.ambient * self.sunlit
        return np.where(inside[..., None], light, radiance).astype(np.float32)


@dataclass(slots=True)
class Foliage:
    """A tree in the wind, with leaves of one season."""

    column: float
    row: float
    size: float
    colour: Colour
    wind: float

    def paint(self, place: Place, radiance: F32, at_s: float) -> F32:
        sway = self.wind * np.sin(at_s * 2.1 + self.column)
        x, y = COLUMNS - self.column - sway * np.clip((self.row - ROWS) / self.size, 0, 2), ROWS - self.row
        flutter = 1.5 * self.wind * sampled(place.noise, COLUMNS * 2 + at_s * 40, ROWS * 2)
        leaves = sampled(place.noise, x * 6 + flutter, y * 6 + 70)
        inside = (x**2 + y**2 < self.size**2 * (1 + 0.5 * leaves)) & (leaves > -0.35)
        light = place.ambient * np.array(self.colour, np.float32) * (0.8 + 0.6 * leaves)[..., None]
        return np.where(inside[..., None], light, radiance).astype(np.float32)


@dataclass(slots=True)
class Everywhere:
    """Something that changes the whole picture: `change(place, radiance, at_s)`."""

    change: Callable[[Place, F32, float], F32]

    def paint(self, place: Place, radiance: F32, at_s: float) -> F32:
        return self.change(place, radiance, at_s)


def still(column: float, row: float) -> Path:
    return lambda _: (column, row)


def line(start: tuple[float, float], speed: tuple[float, float], starts_s: float, ends_s: float = 1e9) -> Path:
    """Goes on from a point at `starts_s`, in px/s, and stands from `ends_s` on."""

    def path(at_s: float) -> tuple[float, float]:
        age_s = min(at_s, ends_s) - starts_s
        return (start[0] + speed[0] * age_s, start[1] + speed[1] * age_s) if at_s >= starts_s else (-1e6, 0.0)

    return path


def steady(power: float, starts_s: float = -1e9, ends_s: float = 1e9) -> Power:
    return lambda at_s: power if starts_s <= at_s < ends_s else 0.0


def blinking(power: float, hertz: float, share: float, phase: float, starts_s: float, soft: bool = False) -> Power:
    """On for `share` of each period; or turning past, as a beacon behind a lens."""

    def at(at_s: float) -> float:
        if at_s < starts_s:
            return 0.0
        turn = (at_s * hertz + phase) % 1.0
        return power * float(np.exp(-(((turn - 0.5) / 0.12) ** 2))) if soft else power * (turn < share)

    return at


def walker(chance: np.random.Generator, place: Place, starts_s: float, coat: Colour | None = None) -> list[Thing]:
    """A walking or standing figure without features."""
    column, row, scale = ground_point(chance, place)
    if coat is None:
        coat = tuple(float(value) for value in chance.uniform(0.03, 0.6, 3))  # type: ignore[assignment]
    assert coat is not None
    trousers: Colour = (0.08, 0.07, 0.07) if chance.random() < 0.7 else coat
    boxes = (
        (-0.11 * scale, -0.48 * scale, 0.22 * scale, 0.48 * scale, trousers),
        (-0.16 * scale, -0.85 * scale, 0.32 * scale, 0.42 * scale, coat),
        (-0.07 * scale, -scale, 0.14 * scale, 0.15 * scale, (0.2, 0.27, 0.35)),
    )
    pace = float(chance.choice([0.0, 1.0])) * float(chance.uniform(-0.8, 0.8)) * scale
    stands_s = starts_s + float(chance.uniform(3, 60))
    return [Body(line((column, row), (pace, pace * 0.1), starts_s, stands_s), boxes, 0.3, 0.04 * scale)]


def vehicle(
    chance: np.random.Generator, place: Place, starts_s: float, paint: Colour, tall: float = 1.0, stops: bool = False
) -> list[Thing]:
    _, row, scale = ground_point(chance, place)
    long, high = scale * 2.4 * tall, scale * 0.85 * tall
    speed = float(chance.choice([-1, 1]) * chance.uniform(0.8, 4)) * scale
    start = (WIDTH + long if speed < 0 else -long, row)
    ends_s = starts_s + float(chance.uniform(0.3, 0.8)) * (WIDTH + long) / abs(speed) if stops else 1e9
    boxes = (
        (-long / 2, -high, long, high * 0.9, paint),
        (-long * 0.35, -high * 0.9, long * 0.2, high * 0.3, (0.06, 0.05, 0.05)),
        (long * 0.1, -high * 0.9, long * 0.25, high * 0.3, (0.06, 0.05, 0.05)),
        (-long * 0.4, -high * 0.2, high * 0.25, high * 0.2, (0.02, 0.02, 0.02)),
        (long * 0.3, -high * 0.2, high * 0.25, high * 0.2, (0.02, 0.02, 0.02)),
    )
    return [Body(line(start, (speed, 0.0), starts_s, ends_s), boxes, 0.06)]


def brightness(place: Place) -> float:
    """Radiance of a lamp of traffic beside the place: as bright by day, far brighter by night."""
    return {"day": 2.0, "dusk": 1.2, "night": 0.25}[place.light]
