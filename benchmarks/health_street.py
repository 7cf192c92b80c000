"""
A street as a fixed camera shows it, through a day: sun and shadows, dusk, lamps, night, people, cars, rain, a lorry.

Rendered at 320 x 180 in relative linear light, with the camera's exposure, noise and compression. Seeded: the same
street, second and seed give the same picture. No real footage: what is said of these pictures is said of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT, MARGIN = 320, 180, 110
F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
_CANVAS = (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN)
_RELIT_S = 20.0  # light is computed anew after so long
_LEVEL = 0.17  # mean radiance that the exposure aims at: its square root is the grey level
_GAIN_MAX = 14.0
_RAIN_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Weather:
    """What the day is like at one street."""

    sunrise_h: float = 6.2
    sunset_h: float = 18.3
    rain_h: tuple[float, float] = (13.0, 14.0)
    lamps_h: tuple[float, float] = (18.1, 6.3)  # switched on, switched off
    some_off_h: float = 1.0  # every second lamp is switched off
    grey_by_night: bool = True  # the camera's night mode
    lorry_every_s: float = 400.0
    people: float = 9.0


@dataclass(frozen=True, slots=True, eq=False)
class Static:
    """What does not move, as the camera sees it."""

    reflectance: F32  # (180, 320, 3)
    sky: F32  # (180, 320)
    lamps: F32  # (L, 180, 320) light of each lamp on the ground and walls
    windows: F32  # (180, 320) lit at night
    shadow: F32  # (540, 640) of what stands between sun and street; it moves with the hour


class Street:
    """
    Attributes:
        seed: of all that is in it.
        weather: of its day.
    """

    def __init__(self, seed: int, weather: Weather | None = None) -> None:
        self.seed = seed
        chance = np.random.default_rng(seed)
        self.weather = weather or _weather(chance)
        self._canvas = _canvas(chance)
        self._noise = chance.normal(0.0, 1.0, (HEIGHT * 2, WIDTH * 2)).astype(np.float32)
        self._streaks = _streaks(chance)
        self._drops = chance.uniform([20, 20, 6], [WIDTH - 20, HEIGHT - 20, 14], (5, 3))
        self.quality = int(chance.integers(45, 85))
        self.noise = float(chance.uniform(0.8, 1.6))
        self._sway_px = max(0.0, float(chance.uniform(-0.8, 0.5)))
        self._walkers = _walkers(chance, 60)
        self._cars = chance.uniform(0.0, 1.0, (64, 4))
        self._sun_x = float(chance.uniform(0.1, 0.9) * WIDTH)
        self.static = self.seen()
        self._lit: tuple[float, Static, F32] | None = None
        self._gain = 0.0

    def seen(self, right_px: float = 0.0, down_px: float = 0.0, turn_deg: float = 0.0, zoom: float = 1.0) -> Static:
        """What a camera sees that is turned away by so much."""
        middle = (_CANVAS[1] / 2.0, _CANVAS[0] / 2.0)
        how = cv2.getRotationMatrix2D(middle, turn_deg, zoom)
        how = how - np.array([[0.0, 0.0, right_px + MARGIN], [0.0, 0.0, down_px + MARGIN]])
        reflectance, sky, lamps, windows, shadow = self._canvas

        def warped(each: F32) -> F32:
            return np.asarray(cv2.warpAffine(each, how, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.float32)

        lit = np.stack([warped(each) for each in lamps])
        return Static(warped(reflectance), warped(sky), lit, warped(windows), shadow)

    def colour_at(self, hour: float) -> bool:
        """Whether the camera is in its day mode."""
        dusk, dawn = self.weather.sunset_h + 0.1, self.weather.sunrise_h - 0.1
        return not (self.weather.grey_by_night and (hour > dusk or hour < dawn))

    def radiance(self, at_s: float, static: Static | None = None, crowd: float = 1.0) -> F32:
        """(180, 320, 3) linear light at a second of the day."""
        static = static or self.static
        hour = at_s / 3_600.0 % 24.0
        light = self._light(at_s, hour, static).copy()
        day = _sun(hour, self.weather)
        self._draw_cars(light, at_s, day)
        self._draw_people(light, at_s, day, crowd * _busy(hour))
        self._draw_lorry(light, at_s, day)
        self._glare(light, hour)
        raining = self._rain(hour)
        if raining:
            mean = float(light.mean())
            streak = self._streaks[int(at_s) % len(self._streaks)]
            light += (streak * (0.25 * mean * raining))[..., None]
            light *= 1.0 - 0.2 * raining
            light += 0.12 * mean * raining
            for x, y, radius in self._drops:
                patch = np.s_[int(y - radius) : int(y + radius), int(x - radius) : int(x + radius)]
                light[patch] = cv2.GaussianBlur(light[patch], (0, 0), 4.0)
        return light

    def picture(self, light: F32, at_s: float, *, gain: float | None = None, noise: float = 1.0) -> U8:
        """(180, 320, 3) what the camera makes of light: exposure, noise, compression; blue, green, red."""
        if gain is None:
            wanted = min(_GAIN_MAX, _LEVEL / max(float(light[::4, ::4].mean()), 1e-5))
            self._gain = wanted if self._gain == 0.0 else self._gain + 0.5 * (wanted - self._gain)
            gain = self._gain
        levels = cv2.sqrt(np.clip(light * gain, 0.0, 1.0)) * 255.0
        chance = np.random.default_rng((self.seed, int(at_s * 10)))
        top, left = int(chance.integers(0, HEIGHT)), int(chance.integers(0, WIDTH))
        amount = self.noise * noise * (1.0 + 0.22 * gain)
        levels += (self._noise[top : top + HEIGHT, left : left + WIDTH] * amount)[..., None]
        sway = chance.normal(0.0, self._sway_px, 2)
        if self._sway_px > 0.1:
            how = np.array([[1.0, 0.0, sway[0]], [0.0, 1.0, sway[1]]])
            # Cubic: what is interpolated more roughly is a blurred picture.
            levels = cv2.warpAffine(
                levels, how, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )
        seen = np.clip(levels, 0, 255).astype(np.uint8)
        if not self.colour_at(at_s / 3_600.0 % 24.0):
            seen = grey_of(seen)
        return self.compressed(seen)

    def compressed(self, picture: U8) -> U8:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    def at(self, at_s: float, crowd: float = 1.0) -> U8:
        """The picture of a second of the day."""
        return self.picture(self.radiance(at_s, crowd=crowd), at_s)

    def _light(self, at_s: float, hour: float, static: Static) -> F32:
        if self._lit is not None and self._lit[1] is static and 0 <= at_s - self._lit[0] < _RELIT_S:
            return self._lit[2]
        sun = _sun(hour, self.weather)
        ambient = 0.004 + 0.45 * sun**0.8
        tint = np.array([1.0, 0.97, 0.95 + 0.25 * (1.0 - sun) * (sun > 0.01)], np.float32)
        shade = int((hour - 6.0) / 12.0 * 300.0) % 300
        direct = static.shadow[100 : 100 + HEIGHT, shade : shade + WIDTH] * (0.55 * max(sun - 0.15, 0.0))
        light = static.reflectance * ((ambient + direct)[..., None] * tint)
        light += (static.sky * (0.02 + 0.9 * sun))[..., None] * np.array([1.1, 1.0, 0.95], np.float32)
        on = self._lamps(hour, len(static.lamps))
        if on.any():
            lamps = np.tensordot(on.astype(np.float32), static.lamps, 1)
            light += (static.reflectance + 0.02) * (lamps * 0.09)[..., None] * np.array([0.6, 0.9, 1.1], np.float32)
            light += (static.windows * 0.10)[..., None] * np.array([0.5, 0.85, 1.0], np.float32)
        self._lit = (at_s, static, light.astype(np.float32))
        return self._lit[2]

    def _lamps(self, hour: float, lamps: int) -> npt.NDArray[np.bool_]:
        on_h, off_h = self.weather.lamps_h
        burning = np.full(lamps, hour >= on_h or hour < off_h)
        if self.weather.some_off_h <= hour < off_h:
            burning[1::2] = False
        return burning

    def _rain(self, hour: float) -> float:
        begin, end = self.weather.rain_h
        return float(np.clip(min(hour - begin, end - hour) * 8.0, 0.0, 1.0))

    def _glare(self, light: F32, hour: float) -> None:
        """The low sun in the picture, before it sets."""
        low = 1.0 - abs(hour - (self.weather.sunset_h - 0.7)) / 0.5
        if low <= 0.0:
            return
        y, x = np.ogrid[:HEIGHT, :WIDTH]
        away = np.hypot(x - self._sun_x, y - HEIGHT * 0.28) / 26.0
        light += (low * (1.6 * np.exp(-(away**2)) + 0.16 / (1.0 + away)))[..., None].astype(np.float32)

    def _draw_people(self, light: F32, at_s: float, day: float, crowd: float) -> None:
        wanted = min(len(self._walkers), round(self.weather.people * crowd))
        for row, speed, phase, height, shade, hue in self._walkers[:wanted].tolist():
            x = (phase * (WIDTH + 80) + speed * at_s) % (WIDTH + 80) - 40
            y = HEIGHT * (0.5 + 0.48 * row)
            size = (0.25 + 0.75 * row) * 46 * height
            here = light[min(HEIGHT - 1, int(y)), int(np.clip(x, 0, WIDTH - 1))]
            base = float(here.mean()) * 2.2
            cloth = (base * shade * (0.6 + 0.8 * hue), base * shade, base * shade * (1.4 - 0.8 * hue))
            centre = (int(x), int(y - size * 0.45))
            cv2.ellipse(light, centre, (max(2, int(size * 0.16)), max(3, int(size * 0.42))), 0, 0, 360, cloth, -1)
            head = (int(x), int(y - size * 0.93))
            cv2.circle(light, head, max(1, int(size * 0.09)), (base * 0.35, base * 0.42, base * 0.5), -1)

    def _draw_cars(self, light: F32, at_s: float, day: float) -> None:
        """A car each 25 s in the mean; at night with headlights that light the road."""
        for slot in (int(at_s // 25) - 1, int(at_s // 25)):
            which = self._cars[slot % len(self._cars)].tolist()
            begun = at_s - slot * 25 - which[0] * 15
            if which[3] > 0.75 or begun < 0:
                continue
            x = -90 + begun * (45 + 70 * which[1])
            if x > WIDTH + 90:
                continue
            y, length = int(HEIGHT * 0.66), 74
            base = float(light[y, int(np.clip(x, 0, WIDTH - 1))].mean()) * 2.0
            body = (base * which[2], base * (1 - which[2]) + 0.01, base * which[3])
            cv2.rectangle(light, (int(x), y - 12), (int(x) + length, y + 14), body, -1)
            cv2.rectangle(light, (int(x) + 14, y - 26), (int(x) + length - 16, y - 10), (base * 0.3,) * 3, -1)
            if day < 0.2:
                glow = np.zeros((HEIGHT, WIDTH), np.float32)
                cv2.ellipse(glow, (int(x) + length + 70, y + 18), (75, 18), 0, 0, 360, 0.12, -1)
                cv2.circle(glow, (int(x) + length, y + 4), 9, 1.2, -1)
                light += cv2.blur(glow, (13, 9))[..., None]

    def _draw_lorry(self, light: F32, at_s: float, day: float) -> None:
        """Close by, it fills the picture for some seconds."""
        every = self.weather.lorry_every_s
        if not every:
            return
        slot = int(at_s // every)
        chance = np.random.default_rng((self.seed, 77, slot))
        speed, length = chance.uniform(170.0, 450.0), chance.uniform(500.0, 800.0)
        x = WIDTH - (at_s - slot * every - 60.0) * speed
        if not -length < x < WIDTH:
            return
        top, bottom = int(chance.uniform(-20, 25)), int(chance.uniform(150, 185))
        base = float(light.mean()) * 2.5
        paint = tuple(float(v) * base for v in chance.uniform(0.15, 0.9, 3))
        cv2.rectangle(light, (int(x), top), (int(x + length), bottom), paint, -1)
        for part in np.arange(0.0, length, 52.0):
            cv2.line(light, (int(x + part), top), (int(x + part), bottom), tuple(v * 0.75 for v in paint), 1)
        dark = tuple(v * 0.2 for v in paint)
        letters = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.putText(letters, "CARGO", (int(x + length * 0.3), 100), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 255, 5)
        light[letters > 0] = dark
        cv2.rectangle(light, (int(x + length * 0.18), top), (int(x + length * 0.2), bottom), dark, -1)


def grey_of(picture: U8) -> U8:
    """(180, 320, 3) without its colours."""
    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2).astype(np.uint8, copy=False)


def _sun(hour: float, weather: Weather) -> float:
    """Share of full daylight; dusk lasts about half an hour."""
    length = weather.sunset_h - weather.sunrise_h
    elevation = (
        np.sin(np.pi * (hour - weather.sunrise_h) / length) if -2 < hour - weather.sunrise_h < length + 2 else -1.0
    )
    return float(np.clip((elevation + 0.06) / 0.7, 0.0, 1.0))


def _busy(hour: float) -> float:
    """How many people are about, 1 at noon; nobody in the small hours."""
    return float(np.clip(np.sin(np.pi * (hour - 5.0) / 19.0) * 1.4, 0.0, 1.4)) if 5.0 < hour < 24.0 else 0.0


def _weather(chance: np.random.Generator) -> Weather:
    sunset = float(chance.uniform(16.5, 21.0))
    sunrise = float(chance.uniform(5.0, 8.0))
    rain = float(chance.uniform(9.0, 22.0))
    return Weather(
        sunrise_h=sunrise,
        sunset_h=sunset,
        rain_h=(rain, rain + 1.0),
        lamps_h=(sunset - 0.1, sunrise + 0.1),
        grey_by_night=bool(chance.random() < 0.6),
        lorry_every_s=float(chance.uniform(300, 700)),
        people=float(chance.uniform(2, 30)),
    )


def _walkers(chance: np.random.Generator, count: int) -> F32:
    """(count, 6) depth, px/s, phase, height, shade, hue."""
    walkers = np.stack(
        [
            np.sort(chance.uniform(0.05, 1.0, count)),
            chance.uniform(4.0, 22.0, count) * chance.choice([-1.0, 1.0], count),
            chance.uniform(0.0, 1.0, count),
            chance.uniform(0.85, 1.15, count),
            chance.uniform(0.15, 1.1, count),
            chance.uniform(0.0, 1.0, count),
        ],
        axis=1,
    )
    return chance.permutation(walkers).astype(np.float32)


def _streaks(chance: np.random.Generator) -> F32:
    """(8, 180, 320) rain."""
    result = np.zeros((8, HEIGHT, WIDTH), np.float32)
    for layer in result:
        for x, y, length in chance.uniform([0, 0, 4], [WIDTH, HEIGHT, 14], (90, 3)):
            cv2.line(layer, (int(x), int(y)), (int(x - length * 0.15), int(y + length)), 1.0, 1)
    return result


def _canvas(chance: np.random.Generator) -> tuple[F32, F32, F32, F32, F32]:
    """Reflectance, sky, lamps, windows over more than the camera sees; and shadows."""
    rows, columns = _CANVAS
    horizon = int(MARGIN + chance.uniform(0.1, 0.35) * HEIGHT)
    reflectance = np.zeros((rows, columns, 3), np.float32)
    sky = np.zeros((rows, columns), np.float32)
    windows = np.zeros((rows, columns), np.float32)
    sky[:horizon] = np.linspace(0.7, 1.0, horizon, dtype=np.float32)[:, None]
    ground = int(MARGIN + chance.uniform(0.42, 0.55) * HEIGHT)
    reflectance[ground:] = chance.uniform(0.12, 0.3)
    x = 0
    while x < columns:  # houses
        wide, high = int(chance.uniform(40, 110)), int(chance.uniform(20, horizon - 8))
        wall = chance.uniform(0.12, 0.65) * chance.uniform(0.75, 1.0, 3)
        reflectance[ground - high - (ground - horizon) : ground, x : x + wide] = wall
        sky[max(0, horizon - high) : ground, x : x + wide] = 0.0
        step_x, step_y = int(chance.uniform(11, 20)), int(chance.uniform(13, 22))
        for wx in range(x + 5, min(x + wide - 7, columns), step_x):
            for wy in range(horizon - high + 6, ground - 12, step_y):
                reflectance[wy : wy + step_y // 2, wx : wx + step_x // 2] = wall * chance.uniform(0.1, 0.45)
                if chance.random() < 0.2:
                    windows[wy : wy + step_y // 2, wx : wx + step_x // 2] = 1.0
        x += wide + int(chance.uniform(0, 25))
    kerb = int(MARGIN + chance.uniform(0.62, 0.8) * HEIGHT)
    reflectance[kerb:] *= chance.uniform(0.5, 0.8)
    cv2.line(reflectance, (0, kerb), (columns, kerb), (0.5, 0.5, 0.5), 2)
    for dash in range(0, columns, 46):
        cv2.line(reflectance, (dash, kerb + 26), (dash + 22, kerb + 26), (0.7, 0.7, 0.7), 2)
    stone = int(chance.uniform(8, 18))
    for joint in range(0, columns, stone):
        cv2.line(reflectance, (joint, ground), (joint - 40, kerb), (0.1, 0.1, 0.1), 1)
    for joint in range(ground, kerb, max(4, stone // 2)):
        cv2.line(reflectance, (0, joint), (columns, joint), (0.12, 0.12, 0.12), 1)
    for _ in range(int(chance.integers(3, 8))):  # trees, poles, signs, parked cars
        px, py = int(chance.uniform(0, columns)), int(chance.uniform(ground, rows - 40))
        colour = tuple(float(v) for v in chance.uniform(0.05, 0.7, 3))
        kind = chance.integers(0, 3)
        if kind == 0:
            cv2.line(reflectance, (px, py), (px, py - 120), (0.08, 0.08, 0.08), 4)
            cv2.rectangle(reflectance, (px - 10, py - 120), (px + 10, py - 100), colour, -1)
        elif kind == 1:
            leaves = cv2.GaussianBlur(chance.uniform(0.02, 0.6, (70, 70)).astype(np.float32), (0, 0), 1.2)
            top = max(0, py - 130)
            spot = reflectance[top : top + 70, max(0, px - 35) : max(0, px - 35) + 70]
            green = leaves[: spot.shape[0], : spot.shape[1], None] * np.array([0.5, 0.9, 0.55], np.float32)
            spot[:] = green
        else:
            cv2.rectangle(reflectance, (px, py - 18), (px + 80, py + 8), colour, -1)
            cv2.rectangle(reflectance, (px + 12, py - 30), (px + 64, py - 16), (0.06, 0.06, 0.06), -1)
    grain = cv2.GaussianBlur(chance.normal(0.0, 1.0, (rows, columns)).astype(np.float32), (0, 0), 0.8)
    reflectance = np.clip(reflectance * (1.0 + 0.12 * grain[..., None]), 0.02, 0.95) * (sky == 0.0)[..., None]
    cv2.GaussianBlur(reflectance, (0, 0), 0.6, dst=reflectance)
    spots = []
    y_grid, x_grid = np.mgrid[:rows, :columns].astype(np.float32)
    for at in range(-40, columns + 40, int(chance.uniform(80, 130))):
        away = np.hypot((x_grid - at) / 70.0, (y_grid - ground - 8) / 52.0)
        spots.append(np.exp(-(away**2)).astype(np.float32))
    shadow = np.ones((480, 640), np.float32)
    for _ in range(9):
        corner = chance.uniform([0, 0], [640, 480], 2)
        shape = (corner + chance.uniform(-110, 110, (4, 2))).astype(np.int32)
        cv2.fillConvexPoly(shadow, cv2.convexHull(shape), 0.0)
    soft = np.asarray(cv2.blur(shadow, (5, 5)), np.float32)
    return np.asarray(reflectance, np.float32), sky, np.stack(spots), np.asarray(windows, np.float32), soft
