"""
Rendered figures: bodies of joints that walk, sit, crouch and fall before a camera, and the boxes that a detector makes
of them. Lengths in metres; x to the right of a body, y before it, z up.

The noise is that of YOLOX-nano on clips: edges jitter by three per cent, boxes are missed singly and for seconds, of a
seated body more than of one that stands, of some half is found; two that overlap are one; of one that falls half of the
boxes are missed, and of one that lies a share that differs from fall to fall.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from detectors.geometry.homography import Bools, Floats

ASPECT = 16 / 9
RATE_HZ = 5
STATURE_M = 1.75
_RADIUS = np.array([0.12, 0.08, 0.08, 0.08, 0.06, 0.06, 0.05, 0.05, 0.16, 0.17, 0.08, 0.08, 0.06, 0.06])
# head, neck, shoulders, elbows, hands, chest, pelvis, knees, feet
STAND = np.array(
    [
        (0, 0.03, 1.63), (0, 0, 1.45), (-0.2, 0, 1.42), (0.2, 0, 1.42), (-0.25, 0, 1.13), (0.25, 0, 1.13),
        (-0.25, 0.05, 0.87), (0.25, 0.05, 0.87), (0, 0, 1.25), (0, 0, 0.95), (-0.1, 0.02, 0.5), (0.1, 0.02, 0.5),
        (-0.1, 0, 0.06), (0.1, 0, 0.06),
    ]
)  # fmt: skip
_GAIT = np.zeros((14, 3))
_GAIT[[6, 7, 10, 11, 12, 13], 1] = [-0.25, 0.25, 0.16, -0.16, 0.34, -0.34]


def _posed(**moved: tuple[float, float, float]) -> Floats:
    names = "head neck lsh rsh lel rel lha rha chest pelvis lkn rkn lft rft".split()
    pose = STAND.copy()
    for name, place in moved.items():
        pose[names.index(name)] = place
    return pose


def _bent(base: Floats, degrees: float, pelvis: tuple[float, float, float]) -> Floats:
    """The upper body turned forward about a pelvis at this place."""
    pose = base.copy()
    upper, turn = slice(0, 9), np.radians(degrees)
    above = STAND[upper] - STAND[9]
    forward = above[:, 1] * np.cos(turn) + above[:, 2] * np.sin(turn)
    up = -above[:, 1] * np.sin(turn) + above[:, 2] * np.cos(turn)
    pose[upper] = np.stack([above[:, 0], forward, up], axis=1) + np.array(pelvis)
    pose[9] = pelvis
    return pose


_LEGS_SEATED = _posed(lkn=(-0.12, 0.42, 0.5), rkn=(0.12, 0.42, 0.5), lft=(-0.12, 0.45, 0.06), rft=(0.12, 0.45, 0.06))
_LEGS_LOW = _posed(lkn=(-0.15, 0.3, 0.48), rkn=(0.15, 0.3, 0.42), lft=(-0.12, 0.05, 0.06), rft=(0.12, 0.0, 0.06))
_LEGS_OUT = _posed(lkn=(-0.12, 0.45, 0.25), rkn=(0.12, 0.45, 0.25), lft=(-0.12, 0.85, 0.06), rft=(0.12, 0.85, 0.06))
POSES = {
    "stand": STAND,
    "bend": _bent(STAND, 85.0, (0, -0.15, 0.9)),
    "sit": _bent(_LEGS_SEATED, 5.0, (0, 0, 0.5)),
    "crouch": _bent(_LEGS_LOW, 25.0, (0, -0.1, 0.3)),
    "tie": _bent(_LEGS_LOW, 55.0, (0, -0.15, 0.38)),
    "floor": _bent(_LEGS_OUT, 0.0, (0, 0, 0.14)),
    "push": _posed(lha=(-0.2, 0.5, 1.05), rha=(0.2, 0.5, 1.05), lel=(-0.22, 0.25, 1.1), rel=(0.22, 0.25, 1.1)),
    "ride": _bent(
        _posed(lkn=(-0.1, 0.3, 0.75), rkn=(0.1, 0.25, 0.6), lft=(-0.1, 0.1, 0.35), rft=(0.1, 0.2, 0.15)),
        30.0,
        (0, 0, 0.95),
    ),
}


@dataclass(frozen=True)
class View:
    """A camera above the ground at the origin, that looks north and down."""

    above_m: float
    tilt: float  # radians below the horizon
    roll: float  # radians
    focal: float  # picture heights

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """(..., 2) x in picture widths, y in picture heights, from the upper left corner, and (...) metres of depth."""
        east, north, up = points[..., 0], points[..., 1], points[..., 2] - self.above_m
        depth = north * np.cos(self.tilt) - up * np.sin(self.tilt)
        high = north * np.sin(self.tilt) + up * np.cos(self.tilt)
        depth = np.maximum(depth, 0.3)
        x, y = self.focal * east / depth, -self.focal * high / depth
        turned = np.stack(
            [x * np.cos(self.roll) - y * np.sin(self.roll), x * np.sin(self.roll) + y * np.cos(self.roll)]
        )
        return np.stack([turned[0] / ASPECT + 0.5, turned[1] + 0.5], axis=-1), depth

    def ground(self, x: float, y: float) -> Floats:
        """(2,) metres on the ground seen at a point of the picture; far away above the horizon."""
        right, down = (x - 0.5) * ASPECT, y - 0.5
        u = right * np.cos(self.roll) + down * np.sin(self.roll)
        v = -right * np.sin(self.roll) + down * np.cos(self.roll)
        ray = np.array([u, self.focal * np.cos(self.tilt) - v * np.sin(self.tilt)])
        falls = self.focal * np.sin(self.tilt) + v * np.cos(self.tilt)
        return ray * self.above_m / max(falls, 1e-2)


def view(chance: np.random.Generator, above_m: float | None = None, middle_m: float | None = None) -> View:
    """A camera on a wall or a mast, as they hang."""
    above_m = chance.uniform(2.5, 6.0) if above_m is None else above_m
    middle_m = chance.uniform(6.0, 16.0) if middle_m is None else middle_m
    tilt = np.arctan2(above_m - 0.9, middle_m)
    return View(above_m, float(tilt), float(np.radians(chance.uniform(-8, 8))), float(chance.uniform(0.9, 1.6)))


@dataclass(frozen=True)
class Figure:
    """One body over T samples of `RATE_HZ`."""

    joints: Floats  # (T, 14, 3)
    here: Bools  # (T,)
    miss: Floats  # (T,) how often its box is missed
    lies: Bools  # (T,)


def figure(
    place: Floats,
    heading: Floats,
    speed: Floats,
    poses: list[tuple[float, str]],
    *,
    stature_m: float = STATURE_M,
    here: Bools | None = None,
    falls_s: float | None = None,
    fall_takes_s: float = 0.8,
    fall_azimuth: float = 0.0,
    crumples: float = 0.0,
    lying_missed: float = 0.5,
) -> Figure:
    """
    Args:
        place: (T, 2) of the feet.
        heading: (T,) radians, 0 north, clockwise.
        speed: (T,) m/s.
        poses: (s, name) from when on it takes a pose; it takes 0.9 s to come into it (1.8 s down to the floor).
        falls_s: when it begins to fall, about its feet, towards `fall_azimuth`.
        crumples: in [0, 1]: how far the knees give way first.
    """
    count = len(place)
    at_s = np.arange(count) / RATE_HZ
    pose = np.repeat(POSES[poses[0][1]][None], count, axis=0)
    seated = np.zeros(count)
    for (since_s, name), (_, before) in zip(poses[1:], poses[:-1], strict=True):
        takes_s = 2.2 if "floor" in (name, before) else 1.1
        share = np.clip((at_s - since_s) / takes_s, 0, 1)
        share = (share * share * (3 - 2 * share))[:, None, None]
        pose = np.where(at_s[:, None, None] >= since_s, pose * (1 - share) + POSES[name] * share, pose)
        seated = np.where(at_s >= since_s, 1.0 if name not in ("stand", "push", "ride") else 0.0, seated)
    phase = np.cumsum(speed) / RATE_HZ / 1.45 * 2 * np.pi
    amount = np.clip(speed / 1.4, 0, 1.4) * (1 - seated)
    pose = pose + _GAIT * (np.sin(phase) * amount)[:, None, None]
    lies = np.zeros(count, np.bool_)
    miss = np.where(seated > 0, 0.12, 0.04)
    pose = pose * (stature_m / STATURE_M)
    if falls_s is not None:
        share = np.clip((at_s - falls_s) / fall_takes_s, 0, 1)
        low = crumples * np.clip(share * 2, 0, 1)[:, None, None]
        crouched = POSES["crouch"] * (stature_m / STATURE_M)
        # Limbs that end anywhere; knees straighten again on the ground.
        pose = pose * (1 - low * (1 - share[:, None, None])) + crouched * low * (1 - share[:, None, None])
        lies = at_s >= falls_s + 0.6 * fall_takes_s
        falling = (at_s >= falls_s) & ~lies
        miss = np.where(lies, lying_missed, np.where(falling, 0.5, miss))
    east = pose[..., 0] * np.cos(heading)[:, None] + pose[..., 1] * np.sin(heading)[:, None]
    north = -pose[..., 0] * np.sin(heading)[:, None] + pose[..., 1] * np.cos(heading)[:, None]
    up = pose[..., 2]
    if falls_s is not None:
        turn = (np.pi / 2 * share**2)[:, None]
        toward = np.array([np.sin(fall_azimuth), np.cos(fall_azimuth)])
        along, across = east * toward[0] + north * toward[1], east * toward[1] - north * toward[0]
        along, up = along * np.cos(turn) + up * np.sin(turn), np.abs(up * np.cos(turn) - along * np.sin(turn))
        east, north = along * toward[0] + across * toward[1], along * toward[1] - across * toward[0]
    joints = np.stack([east + place[:, :1], north + place[:, 1:], np.maximum(up, 0.06)], axis=-1)
    return Figure(joints, np.ones(count, np.bool_) if here is None else here, miss, lies)


def outline(camera: View, body: Figure) -> tuple[Floats, Floats, Floats]:
    """(T, 4) left, top, right, bottom, not cut at the border, (T, 14, 2) joints in the picture and (T, 14) radii."""
    points, depth = camera.project(body.joints)
    radius = camera.focal * _RADIUS / depth
    low = (points - np.stack([radius / ASPECT, radius], axis=-1)).min(axis=1)
    high = (points + np.stack([radius / ASPECT, radius], axis=-1)).max(axis=1)
    return np.concatenate([low, high], axis=1), points, radius


@dataclass(frozen=True)
class Seen:
    """What comes of a camera: boxes of each sample, and the foreground of each second."""

    boxes: list[Floats]  # T of (M, 4) left, top, width, height
    grids: list[npt.NDArray[np.uint8]]  # (9, 16) each


def seen(
    camera: View,
    bodies: list[Figure],
    chance: np.random.Generator,
    pillars: list[tuple[float, float, float]] = [],  # noqa: B006  (left, right, metres away)
    grids: bool = True,
    false_boxes: bool = True,
) -> Seen:
    """The boxes and the foreground that a detector makes of some bodies."""
    count = len(bodies[0].here)
    rows: list[list[Floats]] = [[] for _ in range(count)]
    masks = np.zeros((count // RATE_HZ + 1, 90, 160), np.uint8) if grids else None
    order = np.argsort([float(np.median(body.joints[..., 1])) for body in bodies])
    for index in order:
        body = bodies[index]
        box, points, radius = outline(camera, body)
        clipped = np.clip(box, 0, 1)
        size, cut = box[:, 2:] - box[:, :2], clipped[:, 2:] - clipped[:, :2]
        shown = cut.prod(axis=1) / np.maximum(size.prod(axis=1), 1e-9)
        visible = body.here & (shown > 0.3) & (cut.max(axis=1) > 0.035)
        away = body.joints[:, 9, 1]
        for left, right, pillar_m in pillars:
            behind = away > pillar_m
            cover_left = behind & (clipped[:, 0] < right) & (clipped[:, 2] > left)
            inside = cover_left & (clipped[:, 0] >= left) & (clipped[:, 2] <= right)
            visible &= ~inside
            part = cover_left & ~inside & (clipped[:, 0] >= left)
            clipped[:, 0] = np.where(part, np.minimum(right, clipped[:, 2] - 0.005), clipped[:, 0])
            part = cover_left & ~inside & ~part
            clipped[:, 2] = np.where(part, np.maximum(left, clipped[:, 0] + 0.005), clipped[:, 2])
        if masks is not None:
            for second in range(len(masks)):
                sample = second * RATE_HZ
                if sample < count and visible[sample]:
                    _draw(masks[second], points[sample], radius[sample], clipped[sample])
        small = np.clip((0.1 - cut.max(axis=1)) / 0.1, 0, 1) * 0.3
        missed = chance.random(count) < np.clip(body.miss + small, 0, 1)
        long = np.repeat(chance.random(count // RATE_HZ + 1) < 0.008, RATE_HZ)[:count]  # missed for some seconds
        for at in np.flatnonzero(long[::RATE_HZ]) * RATE_HZ:
            missed[at : at + int(chance.integers(5, 25))] = True
        slow = np.repeat(chance.normal(0, 0.02, (count // 3 + 1, 4)), 3, axis=0)[:count]
        jitter = (chance.normal(0, 0.02, (count, 4)) + slow) * np.tile(clipped[:, 2:] - clipped[:, :2], 2)
        noisy = np.clip(clipped + jitter, 0, 1)
        half = (chance.random(count) < 0.012) & ~body.lies
        noisy[half, 3] = noisy[half, 1] + 0.55 * (noisy[half, 3] - noisy[half, 1])
        sides = np.concatenate([noisy[:, :2], np.maximum(noisy[:, 2:] - noisy[:, :2], 0.004)], axis=1)
        for sample in np.flatnonzero(visible & ~missed):
            mine = sides[sample]
            if all(_overlap(mine, other) < 0.5 for other in rows[sample]):
                rows[sample].append(mine)
    if false_boxes and chance.random() < 0.3:
        ghost = np.array([chance.uniform(0, 0.9), chance.uniform(0.3, 0.7), 0.04, 0.16])
        for sample in np.flatnonzero(chance.random(count) < 0.2):
            rows[sample].append(ghost + chance.normal(0, 0.003, 4))
    boxes = [np.array(row).reshape(-1, 4) for row in rows]
    if masks is None:
        return Seen(boxes, [])
    shares = [cv2.resize(mask, (16, 9), interpolation=cv2.INTER_AREA).astype(np.float64) for mask in masks]
    noise = chance.random((len(shares), 9, 16))
    return Seen(
        boxes,
        [np.clip(each * 0.9 + (n > 0.98) * 12, 0, 255).astype(np.uint8) for each, n in zip(shares, noise, strict=True)],
    )


def _draw(mask: npt.NDArray[np.uint8], points: Floats, radius: Floats, shown: Floats) -> None:
    scale = np.array([160.0, 90.0])
    ring = np.array([(1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7), (-1, 0), (-0.7, -0.7), (0, -1), (0.7, -0.7)])
    for limb in ((0, 1, 2, 3, 8, 9), (2, 4, 6), (3, 5, 7), (9, 10, 12), (9, 11, 13)):
        around = points[list(limb), None] * [ASPECT, 1] + radius[list(limb), None, None] * ring
        around = np.clip(around / [ASPECT, 1], shown[:2], shown[2:]) * scale
        cv2.fillConvexPoly(mask, cv2.convexHull(around.reshape(-1, 2).astype(np.float32)).astype(np.int32), 255)


def _overlap(a: Floats, b: Floats) -> float:
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(wide, 0.0) * max(high, 0.0)
    return float(shared / (a[2] * a[3] + b[2] * b[3] - shared))
