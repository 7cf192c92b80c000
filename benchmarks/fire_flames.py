"""
Flames and smoke for rendered pictures: sources of light and veils, not what any detector looks for.

    size       mean height of the flame after Heskestad (Fire Safety J. 5 (1983) 103) from the heat released, which
               grows with the square of time (NFPA 72, annex B)
    puffing    1.5 / sqrt(width in m) Hz (Cetegen and Ahmed, Combust. Flame 93 (1993) 157)
    shape      noise that rises with the gas and bends in the wind; tongues come off at the top
    colour     a black body of 1,100 to 1,900 K by Planck's law, seen by a camera that is set to daylight
    smoke      optical depth of a plume that widens as it rises and draws in air (Morton, Taylor and Turner, Proc. R.
               Soc. A 234 (1956) 1), or of a layer under a ceiling; light is dimmed, and scattered light is added
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.fire_places import COLUMNS, F32, HEIGHT, NOISE, ROWS, WIDTH, Place, ground_point

_WAVELENGTH_M = np.array([465e-9, 545e-9, 610e-9])  # blue, green, red
_HC_K = 0.014388  # m K
_DAYLIGHT_K = 6_000.0
_COOL_K, _HOT_K = 1_100.0, 1_900.0


def _planck(kelvin: np.ndarray) -> np.ndarray:
    """(..., 3) spectral radiance beside that of daylight, of a black body."""
    return np.expm1(_HC_K / (_WAVELENGTH_M * _DAYLIGHT_K)) / np.expm1(_HC_K / (_WAVELENGTH_M * kelvin[..., None]))


_BODY = _planck(np.linspace(_COOL_K, _HOT_K, 256))
_COLOURS = (_BODY / _BODY[160].max()).astype(np.float32)  # radiance 1 in red at about 1,600 K


def sampled(noise: F32, column: F32, row: F32) -> F32:
    """The noise at these places, in px of its tile."""
    where = (np.mod(each, NOISE - 1).astype(np.float32) for each in (column, row))
    return np.asarray(cv2.remap(noise, *where, cv2.INTER_LINEAR), np.float32)


def window(column: float, row: float, reach_px: float) -> tuple[slice, slice]:
    """The part of the picture within `reach_px` of a point."""
    top, left = max(int(row - reach_px), 0), max(int(column - reach_px), 0)
    return slice(top, max(int(row + reach_px) + 1, top)), slice(left, max(int(column + reach_px) + 1, left))


@dataclass(slots=True)
class Flame:
    """A fire that starts at `starts_s` and grows to `height_px` within `grows_s`."""

    column: float
    row: float  # of its foot
    height_px: float  # mean height of its flames when grown
    width_px: float
    starts_s: float
    grows_s: float
    radiance: float  # of its hottest part, in white walls of daylight
    lean: float  # by the wind, widths a height
    puff_hz: float
    speed: float  # of the gas, heights/s
    phase: float
    sooty: float  # share of what is behind that it hides

    def paint(self, place: Place, radiance: F32, at_s: float) -> F32:
        age_s = at_s - self.starts_s
        if age_s <= 0:
            return radiance
        # The heat grows with the square of time, the height with its power of 2/5.
        grown = min(1.0, (age_s / self.grows_s) ** 0.8)
        puff = 1 + 0.25 * np.sin(2 * np.pi * self.puff_hz * at_s + self.phase + 2 * np.sin(1.7 * at_s))
        height, half = self.height_px * grown * puff, max(self.width_px * grown**0.7 / 2, 1.0)
        top, bottom = max(int(self.row - 1.7 * height), 0), min(int(self.row) + 2, HEIGHT)
        reach = half * 2.2 + abs(self.lean) * half * 2
        left, right = max(int(self.column - reach), 0), min(int(self.column + reach) + 1, WIDTH)
        if bottom - top < 2 or right - left < 2:
            return radiance
        body = slice(top, bottom), slice(left, right)
        v = (self.row - ROWS[body]) / height
        rise = at_s * self.speed * 60.0 + self.phase * 40
        grain = 90.0
        coarse = sampled(place.noise, COLUMNS[body] / half * 14 + 31 * self.phase, v * grain * 0.5 + rise)
        fine = sampled(place.noise, COLUMNS[body] / half * 38 + 7, v * grain * 1.4 + rise * 1.6)
        u = (COLUMNS[body] - self.column) / half - self.lean * v - 0.9 * coarse * np.clip(v, 0, 1)
        profile = np.clip(1.15 - v, 0, None) ** 0.6 * np.clip(v * 6 + 0.6, 0, 1)
        heat = profile - np.abs(u) + 0.55 * coarse + 0.5 * fine * np.clip(0.3 + v, 0, 1)
        heat = np.clip(heat * 1.3, 0, 1) * (v > -0.1)
        hidden = (1 - np.exp(-3.0 * heat))[..., None]
        glowing = _COLOURS[(heat * 255).astype(np.int32)] * np.float32(self.radiance)
        result = radiance.copy()
        result[body] = result[body] * (1 - hidden * self.sooty) + glowing * hidden
        # What stands around is lit by it.
        spread = 2.0 * (height + half)
        lit = window(self.column, self.row - 0.4 * height, 3 * spread)
        near = np.exp(
            -((COLUMNS[lit] - self.column) ** 2 + 2 * (ROWS[lit] - self.row + 0.4 * height) ** 2) / (2 * spread**2)
        )
        cast = np.float32(0.02 * self.radiance * (height * half / 400) ** 0.5) * near
        result[lit] += place.reflectance[lit] * cast[..., None] * _COLOURS[160]
        return result


@dataclass(slots=True)
class Plume:
    """Smoke that rises from a place, widens, bends in the wind and thickens as the fire grows."""

    column: float
    row: float
    width_px: float  # at its foot
    rise_px_s: float
    wind: float  # px to the side for each px up
    widens: float  # px for each px up
    depth: float  # optical depth through its middle when grown
    starts_s: float
    grows_s: float
    albedo: float  # how much of the light that meets it is scattered to the camera, 1 = as a white wall
    fades_px: float = 1e9  # after so much rise it has dissolved, as steam does
    hue: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ends_s: float = 1e9

    def paint(self, place: Place, radiance: F32, at_s: float) -> F32:
        age_s = at_s - self.starts_s
        if age_s <= 0:
            return radiance
        foot = min(int(self.row) + 1, HEIGHT)
        top = max(0, int(self.row - min(age_s * self.rise_px_s, 2.5 * self.fades_px)) - 2)
        tall = self.row - top
        reach = 2.5 * (self.width_px / 2 + self.widens * tall) + 0.4 * tall
        left, right = self.column + min(0.0, self.wind * tall) - reach, self.column + max(0.0, self.wind * tall) + reach
        body = slice(top, max(foot, top)), slice(max(int(left), 0), max(int(right), 0))
        columns, rows = COLUMNS[body], ROWS[body]
        if not columns.size:
            return radiance
        z = self.row - rows
        # The gas at height z left its source so long ago; it is slower higher up.
        left_s = age_s - z / self.rise_px_s * (1 + z / 300)
        source = np.clip(left_s / self.grows_s, 0, 1) ** 0.7 * np.clip(left_s * 2.0, 0, 1)
        if self.ends_s < 1e9:
            source = source * np.clip(1 - (at_s - z / self.rise_px_s - self.ends_s) / 2.0, 0, 1)
        drift = at_s * self.rise_px_s
        bend = sampled(place.noise, z * 0.4 + 11, np.full_like(z, at_s * 5))
        half = (self.width_px / 2 + self.widens * z) * (0.6 + 0.4 * min(1.0, age_s / self.grows_s))
        across = (columns - self.column - self.wind * z - bend * 0.35 * z) / half
        whirls = sampled(place.noise, across * 20 + 60, z * 180 / (40 + z) - drift * 0.9)
        fine = sampled(place.noise, columns * 3.1, rows * 3.1 + drift * 3.1)
        thins = np.sqrt(self.width_px / 2 / half) * np.exp(-((z / self.fades_px) ** 2))
        billows = np.clip(0.65 + 0.9 * whirls + 0.35 * fine, 0, None)
        tau = self.depth * source * thins * np.exp(-(across**2)) * billows
        result = radiance.copy()
        result[body] = veiled(place, radiance[body], tau, self.albedo, self.hue, 1 + 0.25 * whirls)
        return result


@dataclass(slots=True)
class Layer:
    """Smoke that gathers under a ceiling and comes down."""

    depth: float
    starts_s: float
    grows_s: float
    reach_px: float  # how far down it comes
    albedo: float
    column: float

    def paint(self, place: Place, radiance: F32, at_s: float) -> F32:
        age_s = at_s - self.starts_s
        if age_s <= 0:
            return radiance
        grown = min(1.0, age_s / self.grows_s)
        wave = sampled(place.noise, COLUMNS * 0.7 + at_s * 6, np.full_like(ROWS, at_s * 3))
        whirls = sampled(place.noise, COLUMNS * 1.3 - at_s * 9, ROWS * 2 + at_s * 4)
        side = np.clip((grown * 2.2 * WIDTH - np.abs(COLUMNS - self.column)) / 40, 0, 1)  # it runs along the ceiling
        edge = self.reach_px * grown * (0.8 + 0.5 * wave)
        tau = self.depth * grown * np.clip((edge - ROWS) / 14 + 0.5, 0, 1) * (0.8 + 0.7 * whirls) * side
        return veiled(place, radiance, np.clip(tau, 0, None), self.albedo, (1.0, 1.0, 1.0), 1 + 0.2 * whirls)


def veiled(
    place: Place, radiance: F32, tau: F32, albedo: float, hue: tuple[float, float, float], shade: F32 | None = None
) -> F32:
    """What is seen of (H, W, 3) through a veil of optical depth `tau` (H, W) that scatters the light of the place."""
    through = np.exp(-tau.astype(np.float32))[..., None]
    scattered = place.ambient * np.array(hue, np.float32) * np.float32(albedo)
    lit = scattered if shade is None else scattered * shade[..., None]
    return np.asarray(radiance * through + lit * (1 - through), np.float32)


def flame(chance: np.random.Generator, place: Place, starts_s: float) -> list[Flame | Plume]:
    """A fire of any size down to 14 px of height and 0.1 % of the picture, with or without smoke of its own."""
    column, row, _ = ground_point(chance, place)
    height = float(np.exp(chance.uniform(np.log(14), np.log(85))))
    height = min(height, row - 4)
    width = height * float(chance.uniform(0.45, 1.3))
    metres = width / 25 * float(chance.uniform(0.6, 2.5))
    grows_s = float(chance.uniform(3, 12))
    parts: list[Flame | Plume] = []
    if chance.random() < 0.6:
        parts.append(
            Plume(column, row - height * 0.7, width, float(chance.uniform(10, 40)), float(chance.uniform(-1, 1)),
                  0.2, float(chance.uniform(0.5, 2.5)), starts_s, grows_s, float(chance.uniform(0.1, 0.5)))
        )  # fmt: skip
    for _ in range(int(chance.integers(1, 4))):
        shift = float(chance.normal(0, width / 5))
        parts.append(
            Flame(column + shift, row, height * float(chance.uniform(0.7, 1)), width * float(chance.uniform(0.5, 1)),
                  starts_s, grows_s, float(np.exp(chance.uniform(np.log(0.7), np.log(3.0)))),
                  float(chance.normal(0, 0.4)), 1.5 / metres**0.5, float(chance.uniform(1.5, 4)),
                  float(chance.uniform(0, 7)), float(chance.uniform(0.3, 0.9)))
        )  # fmt: skip
    return parts


def smoke(chance: np.random.Generator, place: Place, starts_s: float) -> list[Plume | Layer]:
    """Smoke of a fire that is not seen itself, grown to about 2 % of the picture or more."""
    albedo = float(chance.uniform(0.08, 0.75))
    grows_s = float(chance.uniform(4, 15))
    if chance.random() < 0.15:
        return [Layer(float(chance.uniform(1.2, 3.5)), starts_s, grows_s, float(chance.uniform(50, 120)), albedo,
                      float(chance.uniform(0, WIDTH)))]  # fmt: skip
    column, row, scale = ground_point(chance, place)
    row -= float(chance.uniform(0, 0.5 * (row - place.horizon_px)))
    return [
        Plume(column, max(row, 55.0), float(chance.uniform(8, 14) + scale * chance.uniform(0.05, 0.5)),
              float(chance.uniform(10, 35)), float(chance.normal(0, 0.6)), float(chance.uniform(0.15, 0.35)),
              float(chance.uniform(2.5, 7)), starts_s, grows_s, albedo)
    ]  # fmt: skip
