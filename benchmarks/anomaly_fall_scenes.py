"""Scenes of rendered figures: one fall each, or an hour of ordinary life."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.anomaly_fall_figures import RATE_HZ, Figure, Seen, View, figure, seen, view
from detectors.geometry.homography import Bools, Floats

# How often a detector misses a body that lies, from fall to fall: on the clips 0.1 to 0.7, and one lost for good.
LYING_MISSED = np.array([1.0, 0.65, 0.5, 0.3, 0.1])
_LYING_OFTEN = np.array([0.15, 0.2, 0.2, 0.2, 0.25])
FALL_S, SCENE_S = 14.0, 120.0


@dataclass(frozen=True)
class FallScene:
    seen: Seen
    falls_s: float
    down_degrees: float  # how steeply the camera looks at the place
    aside_degrees: float  # between the direction of the fall and that of the look: 0 along it, 90 across
    far_m: float
    high: float  # of the standing body, picture heights
    lying_missed: float


def fall_scene(
    seed: int, *, above_m: float | None = None, middle_m: float | None = None, lying_missed: float | None = None
) -> FallScene:
    """Somebody walks or stands, falls, and lies; others walk by."""
    chance = np.random.default_rng(seed)
    camera = view(chance, above_m, middle_m)
    stature_m = float(np.clip(chance.normal(1.72, 0.1), 1.45, 1.95))
    for _ in range(1_000):
        place = camera.ground(chance.uniform(0.18, 0.82), chance.uniform(0.4, 0.93))
        head, _ = camera.project(np.array([place[0], place[1], stature_m]))
        foot, _ = camera.project(np.array([place[0], place[1], 0.0]))
        far_m = float(np.hypot(*place))
        if far_m <= 20.0 and head[1] > 0.02 and foot[1] - head[1] > 0.09:
            break
    count = round(SCENE_S * RATE_HZ)
    at_s = np.arange(count) / RATE_HZ
    walks = chance.random() < 0.7
    speed_m_s = chance.uniform(0.6, 1.5) if walks else 0.0
    course = chance.uniform(0, 2 * np.pi)
    before_s = np.minimum(at_s - FALL_S, 0.0)
    before_s = np.maximum(before_s, -6.0)  # it stands, then walks, so that it has not come from behind the camera
    way = np.array([np.sin(course), np.cos(course)])
    path = place + before_s[:, None] * speed_m_s * way
    moving = np.where((at_s > FALL_S - 6.0) & (at_s < FALL_S), speed_m_s, 0.0)
    missed = float(chance.choice(LYING_MISSED, p=_LYING_OFTEN)) if lying_missed is None else lying_missed
    azimuth = course + chance.choice([0.0, np.pi]) + chance.normal(0, 0.5) if walks else chance.uniform(0, 2 * np.pi)
    fallen = figure(
        path, np.full(count, course), moving, [(0.0, "stand")],
        stature_m=stature_m, falls_s=FALL_S, fall_takes_s=float(chance.uniform(0.5, 1.2)), fall_azimuth=float(azimuth),
        crumples=float(chance.choice([0.0, 0.6, 1.0])), lying_missed=missed,
    )  # fmt: skip
    others = [_passer_by(camera, chance, count, avoid=place) for _ in range(int(chance.integers(0, 3)))]
    look = np.arctan2(place[0], place[1])
    aside = np.degrees(np.arccos(min(1.0, abs(np.cos(azimuth - look)))))
    return FallScene(
        seen(camera, [fallen, *others], chance),
        FALL_S,
        float(np.degrees(np.arctan2(camera.above_m - 0.9, far_m))),
        float(aside),
        far_m,
        float(foot[1] - head[1]),
        missed,
    )


def _passer_by(camera: View, chance: np.random.Generator, count: int, avoid: Floats | None = None) -> Figure:
    """Somebody who crosses the picture at some time."""
    for _ in range(100):
        a = camera.ground(-0.1, chance.uniform(0.45, 0.95))
        b = camera.ground(1.1, chance.uniform(0.45, 0.95))
        if avoid is None or abs(np.cross(b - a, avoid - a)) / np.linalg.norm(b - a) > 1.5:
            break
    if chance.random() < 0.5:
        a, b = b, a
    speed_m_s = chance.uniform(0.9, 1.7)
    way = (b - a) / np.linalg.norm(b - a)
    begins_s = chance.uniform(-20.0, count / RATE_HZ)
    gone_m = (np.arange(count) / RATE_HZ - begins_s) * speed_m_s
    path = a + np.clip(gone_m, 0, np.linalg.norm(b - a))[:, None] * way
    here = (gone_m >= 0) & (gone_m <= np.linalg.norm(b - a))
    return figure(path, np.full(count, np.arctan2(*way)), np.full(count, speed_m_s), [(0.0, "stand")], here=here)


# What people do at a place, how often, and how long (s).
_ACTS = (
    ("through", 0.34, 0, 0), ("stand", 0.12, 20, 240), ("sit", 0.12, 60, 600), ("bend", 0.08, 2, 6),
    ("tie", 0.06, 8, 25), ("crouch", 0.06, 15, 60), ("push", 0.05, 0, 0), ("ride", 0.06, 0, 0), ("run", 0.06, 0, 0),
    ("door", 0.05, 0, 0),
)  # fmt: skip
_SPEED_M_S = {"run": (2.8, 4.0), "ride": (3.5, 6.0), "push": (0.8, 1.3)}


def ordinary_hour(seed: int, hour_s: int = 3_600, arrivals_per_min: float | None = None) -> Seen:
    """People who walk, sit, bend, tie shoes, crouch with a child, push, ride, run, leave by a door; nobody falls."""
    chance = np.random.default_rng(seed)
    camera = view(chance)
    per_min = chance.uniform(0.3, 3.0) if arrivals_per_min is None else arrivals_per_min
    pillars = []
    if chance.random() < 0.5:
        x = chance.uniform(0.2, 0.8)
        pillars = [(x, x + chance.uniform(0.03, 0.08), chance.uniform(5.0, 12.0))]
    door = camera.ground(chance.uniform(0.2, 0.8), chance.uniform(0.4, 0.6))
    bench = camera.ground(chance.uniform(0.15, 0.85), chance.uniform(0.5, 0.85))
    bodies: list[Figure] = []
    count = hour_s * RATE_HZ
    for begins_s in np.sort(chance.uniform(0, hour_s, chance.poisson(per_min * hour_s / 60))):
        act, _, short_s, long_s = _ACTS[chance.choice(len(_ACTS), p=[each[1] for each in _ACTS])]
        group = int(chance.choice([1, 1, 1, 2, 2, 3, 4])) if act in ("through", "stand") else 1
        leader = _visit(camera, chance, count, begins_s, act, chance.uniform(short_s, max(long_s, 1e-3)), door, bench)
        bodies += leader
        for _ in range(group - 1):
            shift = chance.normal(0, 0.7, 2)
            joints = leader[0].joints + np.append(shift, 0.0)
            bodies.append(Figure(joints, leader[0].here, leader[0].miss, leader[0].lies))
    if not bodies:
        bodies = [_passer_by(camera, chance, count)]
    return seen(camera, bodies, chance, pillars)


def _visit(
    camera: View, chance: np.random.Generator, count: int, begins_s: float, act: str, stays_s: float, door: Floats,
    bench: Floats,
) -> list[Figure]:  # fmt: skip
    side = chance.choice([-0.15, 1.15])
    a = camera.ground(side, chance.uniform(0.45, 0.98))
    b = camera.ground(1.0 - side, chance.uniform(0.45, 0.98))
    middle = camera.ground(chance.uniform(0.2, 0.8), chance.uniform(0.42, 0.92))
    if act == "sit":
        middle = bench + chance.normal(0, 0.5, 2) * [1, 0.1]
    if act == "door":
        middle = door
    speed_m_s = chance.uniform(*_SPEED_M_S.get(act, (0.9, 1.7)))
    first_m, second_m = float(np.linalg.norm(middle - a)), float(np.linalg.norm(b - middle))
    if max(first_m, second_m) > 80.0:
        return _visit(camera, chance, count, begins_s, act, stays_s, door, bench)
    at_s = np.arange(count) / RATE_HZ - begins_s
    there_s, leaves_s = first_m / speed_m_s, first_m / speed_m_s + stays_s
    ends_s = there_s if act == "door" else leaves_s + second_m / speed_m_s
    here = (at_s >= 0) & (at_s < ends_s)
    rows = np.flatnonzero(here)
    if not len(rows):
        rows = np.arange(1)
    own_s = at_s[rows]
    to = np.clip(own_s * speed_m_s / max(first_m, 1e-6), 0, 1)[:, None]
    on = np.clip((own_s - leaves_s) * speed_m_s / max(second_m, 1e-6), 0, 1)[:, None]
    path = a + to * (middle - a) + on * (b - middle)
    still = (own_s >= there_s) & (own_s < leaves_s)
    speed = np.where(still, 0.0, speed_m_s)
    heading = np.where(own_s < there_s, np.arctan2(*(middle - a)), np.arctan2(*(b - middle)))
    if act == "sit":
        heading = np.where(still, np.pi, heading)
    # Nobody is a statue: who stays shifts now and then.
    shifts = np.repeat(chance.normal(0, 0.06, (len(rows) // 40 + 1, 2)), 40, axis=0)[: len(rows)] * still[:, None]
    poses: list[tuple[float, str]] = [(0.0, act if act in ("push", "ride") else "stand")]
    if act in ("sit", "bend", "tie", "crouch", "floor"):
        poses += [(there_s, act), (max(leaves_s - 1.0, there_s + 1.1), "stand")]
    own = figure(path + shifts, heading, speed, poses, stature_m=float(np.clip(chance.normal(1.72, 0.1), 1.45, 1.95)))
    made = [_spread(own, rows, count, here)]
    if act == "crouch":  # before a child
        way = np.array([np.sin(heading[0]), np.cos(heading[0])])
        child = figure(path + 0.6 * way + shifts * 3, heading, speed, [(0.0, "stand")], stature_m=1.05)
        made.append(_spread(child, rows, count, here))
    return made


def _spread(own: Figure, rows: np.ndarray, count: int, here: Bools) -> Figure:
    joints = np.tile(np.array([0.0, -50.0, 0.0]), (count, 14, 1)).astype(np.float32)
    joints[rows] = own.joints
    miss = np.zeros(count)
    miss[rows] = own.miss
    return Figure(joints, here, miss, np.zeros(count, np.bool_))
