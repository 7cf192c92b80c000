"""The kinds of scenes without fire and smoke, by name: see `fire_nuisances` for what they are made of."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.fire_flames import Plume, sampled, veiled
from benchmarks.fire_nuisances import (
    AMBER,
    COLD,
    ORANGES,
    RED,
    WARM,
    Body,
    Cloth,
    Everywhere,
    Foliage,
    Lamp,
    Thing,
    blinking,
    brightness,
    line,
    steady,
    still,
    vehicle,
    walker,
)
from benchmarks.fire_places import COLUMNS, F32, HEIGHT, ROWS, WIDTH, Light, Place, ground_point

Kind = Callable[[np.random.Generator, Place, float], list[Thing]]


def quiet(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    return [thing for at in range(3) for thing in walker(chance, place, float(chance.uniform(-10, 20)))]


def headlights(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    things: list[Thing] = []
    for _ in range(int(chance.integers(1, 5))):
        column, row, scale = ground_point(chance, place)
        begins_s = starts_s + float(chance.uniform(-3, 12))
        speed = (float(chance.normal(0, 12)), float(chance.uniform(0, 5)))
        ends_s = begins_s + float(chance.uniform(4, 40))
        power, colour = brightness(place) * float(chance.uniform(0.5, 4)), WARM if chance.random() < 0.6 else COLD
        for side in (-0.3, 0.3):
            path = line((column + side * scale, row - 0.3 * scale), speed, begins_s, ends_s)
            things.append(Lamp(path, steady(power), colour, scale * 0.09 + 0.8, float(chance.choice([0.0, 0.5]))))
    return things


def brake_lights(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    things: list[Thing] = []
    _, row, scale = ground_point(chance, place)
    for at in range(int(chance.integers(2, 6))):
        begins_s, column = starts_s + float(chance.uniform(-4, 6)), 30 + at * 55.0
        stop = blinking(brightness(place) * 0.7, 0.08, 0.6, float(chance.random()), begins_s)
        creep = (float(chance.choice([0, 1]) * chance.uniform(1, 8)), 0.0)
        for side in (-0.3, 0.3):
            path = line((column + side * scale, row - 0.3 * scale), creep, begins_s)
            things.append(Lamp(path, stop, RED, scale * 0.07 + 0.7, float(chance.choice([0.0, 0.6]))))
    return things


def indicator(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    column, row, scale = ground_point(chance, place)
    power = blinking(brightness(place), float(chance.uniform(1, 2)), 0.5, float(chance.random()), starts_s)
    return [Lamp(still(column + side * scale, row - 0.3 * scale), power, AMBER, scale * 0.07 + 0.8) for side in (-1, 1)]


def amber_beacon(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    column, row, scale = ground_point(chance, place)
    power = blinking(
        brightness(place) * 3, float(chance.uniform(1, 2.2)), 0.3, float(chance.random()), starts_s, soft=True
    )
    truck = Body(still(column, row), ((-scale, -scale, 2 * scale, scale, (0.1, 0.5, 0.7)),))
    return [truck, Lamp(still(column, row - 1.05 * scale), power, AMBER, scale * 0.1 + 1, 0.3)]


def light_bar(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """Several lamps in a row that flash in turn, amber at road works, red and blue on emergency vehicles."""
    column, row, scale = ground_point(chance, place)
    colours = (AMBER, AMBER) if chance.random() < 0.5 else (RED, (1.0, 0.2, 0.05))
    return [
        Lamp(
            still(column + (at - 1.5) * scale * 0.3, row - scale),
            blinking(brightness(place) * 2, float(chance.uniform(1.5, 4)), 0.35, float(chance.random()), starts_s),
            colours[at % 2],
            scale * 0.1 + 0.8,
        )
        for at in range(4)
    ]


def red_coats(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    coats = [(0.05, 0.06, 0.65), (0.03, 0.18, 0.8), (0.05, 0.5, 0.8)]
    return [
        thing
        for at in range(int(chance.integers(2, 7)))
        for thing in walker(chance, place, starts_s + float(chance.uniform(-5, 10)), coats[at % 3])
    ]


def vests(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """Fluorescent cloth gives more light in its colour than falls on it."""
    colour = (0.05, 0.4, 1.3) if chance.random() < 0.6 else (0.08, 1.2, 0.95)
    return [
        thing
        for _ in range(int(chance.integers(2, 6)))
        for thing in walker(chance, place, starts_s + float(chance.uniform(-5, 8)), colour)
    ]


def flags(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    things: list[Thing] = []
    for _ in range(int(chance.integers(1, 4))):
        size = float(chance.uniform(15, 60))
        count = int(chance.integers(1, 4))
        colours = tuple(ORANGES[int(chance.integers(0, 4))] for _ in range(count))
        begins_s = starts_s if chance.random() < 0.3 else -1.0
        things.append(
            Cloth(float(chance.uniform(20, 240)), float(chance.uniform(10, 90)), size,
                  size * float(chance.uniform(0.5, 0.8)), colours, float(chance.uniform(4, 14)), begins_s,
                  float(chance.uniform(0.8, 1.6)))
        )  # fmt: skip
    return things


def autumn_trees(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    return [
        Foliage(float(chance.uniform(20, 300)), float(chance.uniform(30, 90)), float(chance.uniform(15, 40)),
                ORANGES[int(chance.integers(0, 3))], float(chance.uniform(0.5, 4)))
        for _ in range(int(chance.integers(1, 4)))
    ]  # fmt: skip


def sunset(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """The sky reddens, and a low sun comes into the picture and moves on behind a thin cloud."""
    column, row = float(chance.uniform(30, 290)), float(chance.uniform(15, place.horizon_px))

    def redden(place: Place, radiance: F32, at_s: float) -> F32:
        share = min(1.0, at_s / 40.0)
        tint = np.array([1 - 0.5 * share, 1 - 0.25 * share, 1 + 0.1 * share], np.float32)
        glow = np.exp(-(((ROWS - place.horizon_px) / 45) ** 2)) * (place.horizon_px > ROWS) * share * 0.5
        cloud = 1 + 0.4 * sampled(place.noise, COLUMNS + at_s * 1.5, ROWS * 3)
        return radiance * tint + (glow * cloud)[..., None] * place.ambient * np.array([0.3, 0.7, 1.4], np.float32)

    cloudy = lambda at_s: 8.0 * float(place.ambient.mean()) * (1 + 0.4 * np.sin(at_s * 0.9) * np.sin(at_s * 0.37))  # noqa: E731
    sun = Lamp(line((column, row), (0.02, 0.05), -1.0), cloudy, (0.25, 0.65, 1.0), float(chance.uniform(5, 12)))
    return [Everywhere(redden), sun]


def glints(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """Sun, or lamps at night, on moving water or a wet ground."""
    warm = np.array(AMBER if chance.random() < 0.5 else COLD, np.float32)
    column, spread = float(chance.uniform(60, 260)), float(chance.uniform(10, 40))
    power, speed = float(chance.uniform(2, 10)) * float(place.ambient.mean()), float(chance.uniform(20, 80))

    def sparkle(place: Place, radiance: F32, at_s: float) -> F32:
        wave = sampled(place.noise, COLUMNS * 5 + at_s * speed, ROWS * 11 - at_s * speed * 1.7)
        other = sampled(place.noise, COLUMNS * 4 - at_s * speed * 0.8, ROWS * 9 + 40)
        bright = np.clip((wave * other) * 6 - 0.6, 0, 1) * np.exp(-(((COLUMNS - column) / spread) ** 2))
        ground = (place.horizon_px + 5 < ROWS) & (at_s > starts_s - 6)
        return radiance + (bright * ground * power)[..., None] * warm

    return [Everywhere(sparkle)]


def lamps_switch(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """Lamps and windows go on and off, some flicker before they burn."""
    things: list[Thing] = []
    level = max(float(place.ambient.mean()) * 15, 0.05)
    for _ in range(int(chance.integers(2, 7))):
        begins_s, size = starts_s + float(chance.uniform(-4, 8)), float(chance.uniform(1.5, 6))
        power = steady(level * float(chance.uniform(0.3, 3)), begins_s)
        if chance.random() < 0.3:
            power = blinking(level, float(chance.uniform(0.5, 6)), float(chance.uniform(0.3, 0.9)), 0.1, begins_s)
        colour = [WARM, (0.08, 0.5, 1.0), COLD][int(chance.integers(0, 3))]
        things.append(Lamp(still(float(chance.uniform(10, 310)), float(chance.uniform(8, 100))), power, colour, size))
    return things


def screen(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """An advertising screen whose pictures change, also red and orange ones."""
    left, top = float(chance.uniform(20, 230)), float(chance.uniform(10, 60))
    wide, high = float(chance.uniform(20, 70)), float(chance.uniform(15, 45))
    period_s, level = float(chance.uniform(2, 8)), max(float(place.ambient.mean()) * 2, 0.05)
    palette = chance.uniform(0, 1, (7, 2, 3)).astype(np.float32) ** 2
    palette[::2, 0] = np.array(ORANGES, np.float32)[chance.integers(0, 4, 4)] * 1.2

    def show(place: Place, radiance: F32, at_s: float) -> F32:
        inside = (left < COLUMNS) & (left + wide > COLUMNS) & (top < ROWS) & (top + high > ROWS)
        page = palette[int(at_s / period_s) % 7]
        share = np.clip(0.5 + sampled(place.noise, COLUMNS * 2 + 50 * int(at_s / period_s), ROWS * 2), 0, 1)[..., None]
        light = (page[0] * share + page[1] * (1 - share)) * level
        return np.where(inside[..., None], light, radiance).astype(np.float32)

    return [Everywhere(show)]


def orange_vehicles(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    return [
        thing
        for at in range(int(chance.integers(1, 4)))
        for thing in vehicle(
            chance, place, starts_s + 5 * at, ORANGES[at % 3], float(chance.uniform(0.8, 1.6)), at == 0
        )
    ]


def netting(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    column, row, scale = ground_point(chance, place)
    return [Cloth(column - 30, row - scale, float(chance.uniform(40, 120)), scale, (ORANGES[1],),
                  float(chance.uniform(3, 9)), -1.0, 1.2)]  # fmt: skip


def fog(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """It comes within half a minute to some minutes, thicker with distance, in drifting banks."""
    final, grows_s = float(chance.uniform(0.6, 3)), float(chance.uniform(20, 120))
    patchy = float(chance.uniform(0.1, 0.5))

    def thicken(place: Place, radiance: F32, at_s: float) -> F32:
        share = np.clip((at_s - starts_s) / grows_s, 0, 1)
        far = np.clip(1.3 - (ROWS - place.horizon_px) / (HEIGHT - place.horizon_px), 0.25, 1.1)
        banks = 1 + patchy * sampled(place.noise, COLUMNS * 0.5 + at_s * 3, ROWS * 0.7)
        return veiled(place, radiance, (final * share * far * banks).astype(np.float32), 0.8, (1.0, 0.98, 0.96))

    return [Everywhere(thicken)]


def steam(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """From a drain, a kitchen or a heating: white, and gone after some metres."""
    column, row, scale = ground_point(chance, place)
    begins_s = starts_s if chance.random() < 0.5 else -30.0
    return [
        Plume(column, row, scale * float(chance.uniform(0.15, 0.35)), float(chance.uniform(10, 35)),
              float(chance.normal(0, 0.5)), float(chance.uniform(0.1, 0.2)), float(chance.uniform(0.8, 2.5)), begins_s,
              1.5, float(chance.uniform(0.85, 1.05)), fades_px=scale * float(chance.uniform(0.6, 1.2)))
    ]  # fmt: skip


def exhaust(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    column, row, scale = ground_point(chance, place)
    puff = Plume(column, row, scale * 0.3, 12.0, float(chance.normal(0, 1)), 0.3, float(chance.uniform(0.6, 2)),
                 starts_s, 1.0, float(chance.uniform(0.3, 0.9)), fades_px=scale * 0.8,
                 ends_s=starts_s + float(chance.uniform(2, 5)))  # fmt: skip
    car = Body(still(column + scale, row), ((-scale, -0.8 * scale, 2 * scale, 0.7 * scale, (0.3, 0.3, 0.3)),))
    return [car, puff]


def dust(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """Brown, low, behind a vehicle or a gust, and settled or gone soon."""
    column, row, scale = ground_point(chance, place)
    cloud = Plume(column, row, scale * float(chance.uniform(0.8, 2.5)), 9.0, float(chance.normal(0, 1.5)), 0.5,
                  float(chance.uniform(0.5, 1.8)), starts_s, 1.5, 0.55, fades_px=scale * 1.2, hue=(0.55, 0.8, 1.05),
                  ends_s=starts_s + float(chance.uniform(2, 6)))  # fmt: skip
    return [*vehicle(chance, place, starts_s, (0.4, 0.4, 0.4), 1.3), cloud]


def rain(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    slant, heavy = float(chance.normal(0, 0.25)), int(chance.integers(80, 500))
    drops = np.random.default_rng(int(chance.integers(0, 2**31)))
    bright = place.ambient * float(chance.uniform(0.15, 0.5))

    def fall(place: Place, radiance: F32, at_s: float) -> F32:
        if at_s < starts_s - 5:
            return radiance
        canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
        for column, row, length in zip(
            drops.uniform(0, WIDTH, heavy), drops.uniform(0, HEIGHT, heavy), drops.uniform(4, 16, heavy), strict=True
        ):
            end = (int(column + slant * length), int(row + length))
            cv2.line(canvas, (int(column), int(row)), end, 200, 1, cv2.LINE_AA)
        wet = radiance * np.float32(0.85) + np.float32(0.06) * place.ambient
        return np.asarray(wet + (canvas.astype(np.float32) / 255)[..., None] * bright, np.float32)

    return [Everywhere(fall)]


def snow(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    flakes = np.random.default_rng(int(chance.integers(0, 2**31)))
    count = int(chance.integers(60, 400))

    def fall(place: Place, radiance: F32, at_s: float) -> F32:
        if at_s < starts_s - 5:
            return radiance
        result = radiance.copy()
        for column, row, size in zip(
            flakes.uniform(0, WIDTH, count),
            flakes.uniform(0, HEIGHT, count),
            flakes.exponential(0.9, count),
            strict=True,
        ):
            cv2.circle(result, (int(column), int(row)), int(min(size, 5)), [float(v) for v in place.ambient * 0.9], -1)
        return result

    return [Everywhere(fall)]


def lens_drops(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """Drops on the lens: round patches out of focus, which come at once and run down slowly."""
    drops = [
        (float(chance.uniform(10, 310)), float(chance.uniform(10, 150)), float(chance.uniform(6, 22)),
         starts_s + float(chance.uniform(-4, 12)), float(chance.choice([0.0, 1.0]) * chance.uniform(0, 3)))
        for _ in range(int(chance.integers(2, 8)))
    ]  # fmt: skip

    def wet(place: Place, radiance: F32, at_s: float) -> F32:
        soft = cv2.GaussianBlur(radiance, (0, 0), 5)
        mask = np.zeros((HEIGHT, WIDTH), np.float32)
        for column, row, size, begins_s, runs in drops:
            if at_s >= begins_s:
                centre = (int(column), int(row + runs * (at_s - begins_s)))
                cv2.circle(mask, centre, int(size), 1.0, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), 1.5)[..., None]
        return np.asarray(radiance * (1 - mask) + soft * 1.05 * mask, np.float32)

    return [Everywhere(wet)]


def misted_lens(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    final, grows_s = float(chance.uniform(1, 4)), float(chance.uniform(5, 60))

    def mist(place: Place, radiance: F32, at_s: float) -> F32:
        share = float(np.clip((at_s - starts_s) / grows_s, 0, 1))
        if share == 0:
            return radiance
        soft = cv2.GaussianBlur(radiance, (0, 0), 0.3 + final * share)
        return np.asarray(soft * (1 - 0.3 * share) + 0.3 * share * radiance.mean(axis=(0, 1)), np.float32)

    return [Everywhere(mist)]


def cloud_shadows(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    speed, deep = float(chance.uniform(2, 30)), float(chance.uniform(0.4, 0.8))

    def dim(place: Place, radiance: F32, at_s: float) -> F32:
        cover = np.clip(2 * sampled(place.noise, COLUMNS * 0.4 - (at_s - starts_s) * speed * 0.4, ROWS * 0.3), 0, 1)
        return np.asarray(radiance * (1 - deep * cover)[..., None], np.float32)

    return [Everywhere(dim)]


def moving_shadow(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """The sharp shadow of something outside the picture, that comes, sways and stays."""
    column, width = float(chance.uniform(40, 260)), float(chance.uniform(20, 90))
    sways, deep, slope = (
        float(chance.uniform(0, 15)),
        float(chance.uniform(0.35, 0.7)),
        float(chance.uniform(-0.6, 0.6)),
    )

    def dim(place: Place, radiance: F32, at_s: float) -> F32:
        if at_s < starts_s:
            return radiance
        middle = column + min(at_s - starts_s, 6) * 6 + sways * np.sin(at_s * 1.3) + slope * (ROWS - 90)
        leaf = 0.3 * width * sampled(place.noise, ROWS * 3 + at_s * 15, np.full_like(ROWS, at_s * 7))
        inside = np.clip((width / 2 + leaf - np.abs(COLUMNS - middle)) / 2, 0, 1)
        return np.asarray(radiance * (1 - deep * inside)[..., None], np.float32)

    return [Everywhere(dim)]


def lorry(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """A large plain grey or white side that comes, stands, and hides what is behind it."""
    grey = float(chance.uniform(0.15, 0.85))
    return [
        *vehicle(chance, place, starts_s, (grey, grey, grey), float(chance.uniform(1.5, 2.6)), True),
        *vehicle(chance, place, starts_s + 9, (grey * 0.7, grey * 0.7, grey * 0.7), 1.4, bool(chance.random() < 0.5)),
    ]


def traffic(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    things: list[Thing] = []
    for at in range(8):
        paint = tuple(float(v) for v in np.full(3, chance.uniform(0.03, 0.8)) * (1 + chance.uniform(-0.1, 0.1, 3)))
        things += vehicle(chance, place, starts_s - 8 + 4 * at, paint, 1.0, bool(chance.random() < 0.3))  # type: ignore[arg-type]
    return things


def grey_crowd(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    return [
        thing
        for _ in range(25)
        for grey in [float(chance.uniform(0.05, 0.5))]
        for thing in walker(chance, place, starts_s + float(chance.uniform(-4, 15)), (grey, grey, grey))
    ]


def exposure(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """The light jumps, or the camera's own control hunts."""
    factor, hunts = float(np.exp(chance.normal(0, 0.6))), float(chance.choice([0.0, 0.25]))

    def change(place: Place, radiance: F32, at_s: float) -> F32:
        step = factor if at_s >= starts_s else 1.0
        return np.asarray(radiance * np.float32(step * (1 + hunts * np.sin(at_s * 1.9))), np.float32)

    return [Everywhere(change)]


def poor_line(chance: np.random.Generator, place: Place, starts_s: float) -> list[Thing]:
    """The encoder gets less to spend: detail goes in blocks, in some parts more than in others."""
    size = int(chance.choice([4, 8]))

    def coarse(place: Place, radiance: F32, at_s: float) -> F32:
        if at_s < starts_s or int(at_s * 0.4) % 3 == 2:
            return radiance
        small = cv2.resize(radiance, (WIDTH // size, HEIGHT // size), interpolation=cv2.INTER_AREA)
        blocks = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        where = np.clip(sampled(place.noise, COLUMNS, ROWS + int(at_s * 0.4) * 31) + 0.5, 0, 0.9)[..., None]
        return np.asarray(radiance * (1 - where) + blocks * where, np.float32)

    return [Everywhere(coarse)]


_DAY: tuple[Light, ...] = ("day", "dusk")
_NIGHT: tuple[Light, ...] = ("dusk", "night", "night")
_ANY: tuple[Light, ...] = ("day", "dusk", "night")
NEGATIVES: dict[str, tuple[Kind, tuple[Light, ...]]] = {
    "quiet": (quiet, _ANY),
    "headlights": (headlights, _NIGHT),
    "brake_lights": (brake_lights, _NIGHT),
    "indicator": (indicator, _ANY),
    "amber_beacon": (amber_beacon, _ANY),
    "light_bar": (light_bar, _ANY),
    "red_coats": (red_coats, _ANY),
    "vests": (vests, _ANY),
    "flags": (flags, _DAY),
    "autumn_trees": (autumn_trees, _DAY),
    "sunset": (sunset, _DAY),
    "glints": (glints, _ANY),
    "lamps_switch": (lamps_switch, _NIGHT),
    "screen": (screen, _ANY),
    "orange_vehicles": (orange_vehicles, _ANY),
    "netting": (netting, _DAY),
    "fog": (fog, _ANY),
    "steam": (steam, _ANY),
    "exhaust": (exhaust, _ANY),
    "dust": (dust, _DAY),
    "rain": (rain, _ANY),
    "snow": (snow, _ANY),
    "lens_drops": (lens_drops, _ANY),
    "misted_lens": (misted_lens, _ANY),
    "cloud_shadows": (cloud_shadows, _DAY),
    "moving_shadow": (moving_shadow, _DAY),
    "lorry": (lorry, _ANY),
    "traffic": (traffic, _ANY),
    "grey_crowd": (grey_crowd, _ANY),
    "exposure": (exposure, _ANY),
    "poor_line": (poor_line, _ANY),
}
