"""
Rendered scenes of a square: things that are left and taken, and all that looks like it and is not.

Drawn at 640 x 360 and scaled to 320 x 180 as cameras' pictures are, then changing light, noise and JPEG; a picture a
second. People are the figures of the falls, in clothes; things are boxes of some colours with a handle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.anomaly_fall_figures import ASPECT, RATE_HZ, Figure, View, figure, outline, view
from detectors.geometry.homography import Floats

WIDE, HIGH = 640, 360
LEARNS_S, SCENE_S = 20, 110
LEFT = ("left", "left_in_crowd", "taken")
SILENT = (
    "passing", "crowd", "stands", "sits", "group_stands", "attended", "put_and_taken", "cloud", "sunset", "lamp",
    "shade_comes", "shade_moves", "car_parks", "car_leaves", "tree", "shake",
)  # fmt: skip
Picture = npt.NDArray[np.uint8]
_LIMBS = ((9, 10, 12), (9, 11, 13), (2, 4, 6), (3, 5, 7), (2, 3, 8, 9), (0, 1))


@dataclass(frozen=True)
class Thing:
    """A box on the ground, or a car."""

    place: Floats  # (2,) m
    size_m: tuple[float, float, float]  # wide, deep, high
    colours: Floats  # (3, 3) front, side, top
    from_s: float
    until_s: float


@dataclass(frozen=True)
class Scene:
    kind: str
    camera: View
    pictures: list[Picture]  # (180, 320, 3) one a second
    thing: Thing | None
    area_px: float  # of the thing, of 320 x 180


def scene(kind: str, seed: int) -> Scene:
    """A scene of `LEFT` or `SILENT`."""
    chance = np.random.default_rng([seed, hash_of(kind)])
    camera = view(chance)
    ground = _place(camera, chance)
    thing, people, light = None, [], np.ones(SCENE_S)
    sure_s = LEARNS_S + float(chance.uniform(4, 12))
    if kind in ("left", "left_in_crowd", "attended", "put_and_taken", "taken"):
        size = float(chance.uniform(0.35, 0.85))
        until_s = sure_s + 25.0 if kind == "put_and_taken" else 1e9
        thing = Thing(ground, (size, size * 0.5, size * chance.uniform(0.6, 1.1)), _colours(chance), sure_s, until_s)
        people.append(_bringer(camera, chance, ground, sure_s, stays=kind == "attended"))
        if kind == "put_and_taken":
            people.append(_bringer(camera, chance, ground, until_s, stays=False))
        if kind == "taken":
            thing = Thing(ground, thing.size_m, thing.colours, -1.0, sure_s)
    if kind.startswith("car"):
        size_m = (4.2, 1.8, 1.5) if chance.random() < 0.5 else (1.8, 4.2, 1.5)
        far = camera.ground(chance.uniform(0.2, 0.8), chance.uniform(0.35, 0.6))
        comes = kind == "car_parks"
        thing = Thing(far, size_m, _colours(chance), sure_s if comes else -1.0, 1e9 if comes else sure_s)
    if kind in ("stands", "sits", "group_stands"):
        for _ in range(3 if kind == "group_stands" else 1):
            spot = ground + chance.normal(0, 0.6, 2) * (kind == "group_stands")
            people.append(_stander(camera, chance, spot, sure_s, "sit" if kind == "sits" else "stand"))
    busy = {"left_in_crowd": 14, "crowd": 25, "passing": 6, "taken": 3, "left": 3}.get(kind, int(chance.integers(0, 4)))
    people += [_walker(camera, chance) for _ in range(busy)]
    at_s = np.arange(SCENE_S)
    light *= 1 + 0.05 * np.sin(at_s / chance.uniform(15, 60) + chance.uniform(0, 6))
    if kind == "cloud":
        light *= np.interp(at_s, [0, sure_s, sure_s + chance.uniform(1, 8)], [1, 1, chance.uniform(0.55, 1.35)])
    if kind == "sunset":
        light *= np.interp(at_s, [0, SCENE_S], [1, 0.5])
    pictures, area_px = _rendered(kind, camera, chance, thing, people, light, sure_s)
    return Scene(kind, camera, pictures, thing, area_px)


def hash_of(kind: str) -> int:
    """A number of a kind that is the same in each run."""
    return sum(ord(letter) * 31**n for n, letter in enumerate(kind)) % 2**31


def _place(camera: View, chance: np.random.Generator) -> Floats:
    for _ in range(1_000):
        place = camera.ground(chance.uniform(0.12, 0.88), chance.uniform(0.4, 0.92))
        if np.hypot(*place) <= 16.0:
            return place
    return camera.ground(0.5, 0.8)


def _colours(chance: np.random.Generator) -> Floats:
    base = chance.uniform(15, 230, 3)
    return np.clip(np.stack([base, base * 0.75, base * 1.2]) + chance.normal(0, 6, (3, 3)), 5, 250)


def _walked(camera: View, chance: np.random.Generator, times: Floats, stops: list[tuple[float, Floats]]) -> Floats:
    """(T, 2) the way through some places at some times."""
    known = np.array([at for at, _ in stops])
    places = np.array([place for _, place in stops])
    return np.stack([np.interp(times, known, places[:, axis]) for axis in (0, 1)], axis=1)


def _edge_place(camera: View, chance: np.random.Generator) -> Floats:
    return camera.ground(chance.choice([-0.12, 1.12]), chance.uniform(0.45, 0.9))


def _person(camera: View, path: Floats, poses: list[tuple[float, str]], chance: np.random.Generator) -> Figure:
    step = np.diff(path, axis=0, prepend=path[:1]) * RATE_HZ
    speed = np.linalg.norm(step, axis=1)
    heading = np.where(speed > 0.1, np.arctan2(step[:, 0], step[:, 1]), np.pi)
    return figure(path, heading, speed, poses, stature_m=float(np.clip(chance.normal(1.72, 0.1), 1.45, 1.95)))


_TIMES = np.arange(SCENE_S * RATE_HZ) / RATE_HZ


def _sways(chance: np.random.Generator) -> Floats:
    """Nobody stands as a thing does: a slow sway, and a step aside every half minute or so."""
    count = len(_TIMES)
    sway = np.cumsum(chance.normal(0, 0.012, (count, 2)), axis=0)
    sway -= np.apply_along_axis(lambda one: np.convolve(one, np.ones(50) / 50, "same"), 0, sway)
    steps = np.zeros((count, 2))
    for at in np.cumsum(chance.exponential(18.0 * RATE_HZ, 30)).astype(int):
        if at < count:
            steps[at:] += chance.normal(0, 0.12, 2)
    return sway + np.clip(steps, -0.3, 0.3)


def _bringer(camera: View, chance: np.random.Generator, place: Floats, at_s: float, stays: bool) -> Figure:
    a, b = _edge_place(camera, chance), _edge_place(camera, chance)
    speed = chance.uniform(1.0, 1.6)
    beside = place + np.array([0.45 * chance.choice([-1, 1]), -0.1])
    comes_s = at_s - 2.0 - float(np.linalg.norm(beside - a)) / speed
    leaves_s = 1e6 if stays else at_s + chance.uniform(1.0, 5.0)
    gone_s = leaves_s + float(np.linalg.norm(b - beside)) / speed
    path = _walked(camera, chance, _TIMES, [(comes_s, a), (at_s - 2.0, beside), (leaves_s, beside), (gone_s, b)])
    still = ((at_s - 2.0 < _TIMES) & (leaves_s > _TIMES))[:, None]
    path = path + _sways(chance) * still * stays
    return _person(camera, path, [(0.0, "stand"), (at_s - 1.0, "bend"), (at_s + 0.6, "stand")], chance)


def _stander(camera: View, chance: np.random.Generator, place: Floats, at_s: float, pose: str) -> Figure:
    a = _edge_place(camera, chance)
    comes_s = at_s - float(np.linalg.norm(place - a)) / 1.3
    path = _walked(camera, chance, _TIMES, [(comes_s, a), (at_s, place), (1e6, place)])
    still = (at_s < _TIMES)[:, None]
    return _person(camera, path + _sways(chance) * still, [(0.0, "stand"), (at_s, pose)], chance)


def _walker(camera: View, chance: np.random.Generator) -> Figure:
    a = camera.ground(-0.12, chance.uniform(0.42, 0.95))
    b = camera.ground(1.12, chance.uniform(0.42, 0.95))
    if chance.random() < 0.5:
        a, b = b, a
    starts_s = chance.uniform(-10, SCENE_S)
    path = _walked(
        camera, chance, _TIMES, [(starts_s, a), (starts_s + float(np.linalg.norm(b - a)) / chance.uniform(0.9, 1.7), b)]
    )
    return _person(camera, path, [(0.0, "stand")], chance)


def _background(camera: View, chance: np.random.Generator) -> Floats:
    """(360, 640, 3) a paved square before a wall with windows."""
    rows, columns = np.mgrid[0:HIGH, 0:WIDE]
    horizon = int(np.clip((0.5 - camera.focal * np.tan(camera.tilt)) * HIGH, 0, HIGH * 0.45)) + int(
        chance.integers(15, 60)
    )
    base = chance.uniform(70, 170) * np.array([1.0, 1.0, 1.0]) + chance.normal(0, 8, 3)
    picture = np.tile(base, (HIGH, WIDE, 1)) * (0.85 + 0.3 * rows / HIGH)[..., None]
    grain = cv2.GaussianBlur(chance.normal(0, 1, (HIGH, WIDE)), (0, 0), 1.2)
    picture += (grain / grain.std() * chance.uniform(1, 5))[..., None]
    tile = chance.uniform(0.5, 1.5)
    away = camera.above_m * camera.focal / np.maximum((rows - horizon) / HIGH, 0.02)
    across = (columns / WIDE - 0.5) * ASPECT * away / camera.focal
    joints = (np.mod(away, tile) < 0.06 * tile) | (np.mod(across, tile) < 0.06 * tile)
    picture -= (joints & (rows > horizon + 20))[..., None] * chance.uniform(0, 22)
    wall = rows < horizon
    picture[wall] = chance.uniform(60, 190, 3)
    for _ in range(int(chance.integers(3, 10))):
        x, y = int(chance.integers(0, WIDE)), int(chance.integers(0, max(horizon - 20, 1)))
        cv2.rectangle(picture, (x, y), (x + 30, y + 24), tuple(chance.uniform(20, 230, 3)), -1)
    for _ in range(int(chance.integers(0, 4))):  # posts and benches
        x, y = int(chance.integers(0, WIDE)), int(chance.integers(horizon + 20, HIGH))
        cv2.rectangle(
            picture,
            (x, y - int(chance.integers(20, 60))),
            (x + int(chance.integers(6, 60)), y),
            tuple(chance.uniform(20, 200, 3)),
            -1,
        )
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 0.8), 0, 255)


def _rendered(
    kind: str, camera: View, chance: np.random.Generator, thing: Thing | None, people: list[Figure], light: Floats,
    sure_s: float,
) -> tuple[list[Picture], float]:  # fmt: skip
    base = _background(camera, chance).astype(np.uint8)
    sigma, quality = chance.uniform(1.0, 3.5), int(chance.integers(50, 90))
    bank = [chance.normal(0, sigma, (180, 320, 3)).astype(np.float32) for _ in range(6)]
    bodies = []
    for each in people:
        box, points, radius = outline(camera, each)
        clothes = [chance.uniform(15, 220, 3), chance.uniform(15, 220, 3), np.array([120, 150, 190.0])]
        bodies.append((box[::RATE_HZ], points[::RATE_HZ], radius[::RATE_HZ], each.joints[::RATE_HZ, 9, 1], clothes))
    shade = 0.1 * (
        cv2.resize(cv2.GaussianBlur((chance.random((9, 16)) > 0.5).astype(np.float32), (0, 0), 1.0), (320, 180)) - 0.5
    )
    edge_x, lamp = chance.uniform(0.2, 0.8), (chance.integers(40, 280), chance.integers(60, 160))
    lamp_size, strength = chance.uniform(10, 35, 2), chance.uniform(0.5, 0.75)
    y, x = np.mgrid[0:180, 0:320]
    inside = ((x - lamp[0]) / lamp_size[0]) ** 2 + ((y - lamp[1]) / lamp_size[1]) ** 2 < 1
    lit = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.5) * np.float32(strength)
    tree = (int(chance.integers(60, WIDE - 60)), int(chance.integers(40, 140)), int(chance.integers(25, 70)))
    pictures, area_px = [], 0.0
    columns = np.arange(320)[None, :] / 320 + np.arange(180)[:, None] / 180 * 0.3
    for second in range(SCENE_S):
        picture = base.copy()
        if kind == "tree":
            _leaves(picture, tree, chance)
        shown = thing if thing is not None and thing.from_s <= second < thing.until_s else None
        if shown is not None:
            area_px = _draw_thing(picture, camera, shown)
        for box, points, radius, away, clothes in sorted(bodies, key=lambda body: -body[3][min(second, SCENE_S - 1)]):
            if box[second, 2] > 0 and box[second, 0] < 1:
                _draw_person(picture, points[second], radius[second], clothes)
            if shown is not None and away[second] > shown.place[1] + 0.2:
                _draw_thing(picture, camera, shown)
        factor = np.full((180, 320), light[second], np.float32)
        if kind == "lamp" and second >= sure_s:
            factor += lit
        if kind == "shade_comes" and second >= sure_s:
            factor *= 1 - (1 - strength) * (np.abs(columns - edge_x) < 0.09)
        if kind == "shade_moves":
            factor *= 1 - (1 - strength) * (columns < edge_x + second * 0.0006)
        if kind == "cloud":
            factor *= 1 + shade * (second >= sure_s)
        if kind == "shake":
            shift = np.array([[1, 0, chance.normal(0, 0.7)], [0, 1, chance.normal(0, 0.7)]], np.float32)
            picture = cv2.warpAffine(picture, shift, (WIDE, HIGH), borderMode=cv2.BORDER_REPLICATE)
        small = cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA).astype(np.float32)
        small = small * factor[..., None] + bank[int(chance.integers(0, len(bank)))]
        coded = cv2.imencode(".jpg", np.clip(small, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        pictures.append(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8))
    return pictures, area_px / 4.0


def _draw_person(picture: Floats, points: Floats, radius: Floats, clothes: list[Floats]) -> None:
    scale = np.array([WIDE, HIGH])
    ring = np.array([(1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7), (-1, 0), (-0.7, -0.7), (0, -1), (0.7, -0.7)])
    for limb, colour in zip(_LIMBS, (0, 0, 1, 1, 1, 2), strict=True):
        around = points[list(limb), None] + radius[list(limb), None, None] * ring / [ASPECT, 1]
        hull = cv2.convexHull((around * scale).reshape(-1, 2).astype(np.float32)).astype(np.int32)
        cv2.fillConvexPoly(picture, hull, tuple(float(value) for value in clothes[colour]))


def _draw_thing(picture: Floats, camera: View, thing: Thing) -> float:
    """Draws it; the area that it covers, px."""
    wide, deep, high = thing.size_m
    x, y = thing.place
    corners = np.array(
        [(x + i * wide / 2, y + j * deep / 2, k * high) for k in (0, 1) for j in (-1, 1) for i in (-1, 1)]
    )
    points, _ = camera.project(corners)
    points = (points * [WIDE, HIGH]).astype(np.float32)
    side = (1, 3, 7, 5) if x < 0 else (0, 2, 6, 4)
    for face, colour in (((4, 5, 7, 6), 2), (side, 1), ((0, 1, 5, 4), 0)):
        cv2.fillConvexPoly(picture, points[list(face)].astype(np.int32), tuple(float(v) for v in thing.colours[colour]))
    front = points[[0, 1, 5, 4]]
    middle = front.mean(axis=0)
    band = ((front - middle) * [0.95, 0.18] + middle).astype(np.int32)
    cv2.fillConvexPoly(picture, band, tuple(float(v) for v in 255 - thing.colours[0]))
    hull = cv2.convexHull(points)
    inside = np.clip(hull.reshape(-1, 2), 0, [WIDE, HIGH]).astype(np.float32)
    return float(cv2.contourArea(inside))


def _leaves(picture: Floats, tree: tuple[int, int, int], chance: np.random.Generator) -> None:
    x, y, size = tree
    for _ in range(60):
        at = (int(x + chance.normal(0, size * 0.5)), int(y + chance.normal(0, size * 0.5)))
        cv2.circle(picture, at, int(chance.integers(2, 6)), (30, float(chance.uniform(60, 130)), 40), -1)


def kinds(positives: int, negatives: int) -> Iterator[str]:
    """So many of each, kinds in turn."""
    for count, of in ((positives, LEFT), (negatives, SILENT)):
        for n in range(count):
            yield of[n % len(of)]
