"""Walkers: itineraries laid down once, and where everybody is at any time, as a pure function of the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from deploy.demo.place import Floats, Ints

SHUFFLE_M = 0.14  # how far a standing person sways and steps; a standing crowd is never a still picture


@dataclass(frozen=True, slots=True)
class Walkers:
    """N itineraries: come in through a gate, walk to a place, stay there, walk out through a gate."""

    times_s: Floats  # (N, 6) at each point; growing
    points: Floats  # (N, 6, 2) metres: first, gate, place, place once more, gate, last
    height_m: Floats  # (N,)
    look: Ints  # (N,) which clothes; a number of the palette, nothing more
    rhythm: Floats  # (N, 4) phases of the shuffle and the gait, radians

    def __len__(self) -> int:
        return len(self.look)


@dataclass(frozen=True, slots=True)
class Moment:
    """Who is there at one time: P of the N walkers."""

    xy: Floats  # (P, 2) metres
    heading: Floats  # (P,) radians from east; where the body points
    stride: Floats  # (P,) phase of the gait in turns; NaN where the person stands
    height_m: Floats  # (P,)
    look: Ints  # (P,)


def moment(walkers: Walkers, time_s: float) -> Moment:
    """Everybody who is in the scene at `time_s`, seconds from the start of the story."""
    present = (time_s >= walkers.times_s[:, 0]) & (time_s < walkers.times_s[:, -1])
    times, points, rhythm = walkers.times_s[present], walkers.points[present], walkers.rhythm[present]
    leg = (time_s >= times).sum(axis=1) - 1
    rows = np.arange(len(leg))
    begun, ended = times[rows, leg], times[rows, leg + 1]
    share = ((time_s - begun) / np.maximum(ended - begun, 1e-9))[:, None]
    start, end = points[rows, leg], points[rows, leg + 1]
    step = end - start
    length_m = np.hypot(step[:, 0], step[:, 1])
    stands = leg == 2
    sway, turn = _shuffle(rhythm, time_s)
    # The shuffle fades in and out with the stay, or walkers would jump when they arrive.
    ease = np.clip(np.minimum(time_s - begun, ended - time_s), 0.0, 1.0)[:, None]
    xy = start + share * step + np.where(stands[:, None], ease * sway, 0.0)
    walked_turns = share[:, 0] * length_m / 1.5 + rhythm[:, 3]
    return Moment(
        xy=xy,
        heading=np.where(stands, rhythm[:, 2] + turn, np.arctan2(step[:, 1], step[:, 0])),
        stride=np.where(stands, np.nan, walked_turns % 1.0),
        height_m=walkers.height_m[present],
        look=walkers.look[present],
    )


def _shuffle(rhythm: Floats, time_s: float) -> tuple[Floats, Floats]:
    slow = np.sin(0.43 * time_s + rhythm[:, :2] * 3.0) + 0.6 * np.sin(1.13 * time_s + rhythm[:, 1::-1] * 2.0)
    return SHUFFLE_M * slow, 0.5 * np.sin(0.21 * time_s + rhythm[:, 3])


def itineraries(
    random: np.random.Generator, enter_s: Floats, leave_s: Floats, way_in: Floats, place: Floats, way_out: Floats
) -> Walkers:
    """
    Walkers who come in at `enter_s`, walk at their own pace to `place`, stay until `leave_s` and walk out.

    Args:
        enter_s, leave_s: (N,) seconds; one who arrives later than it should leave goes on at once.
        way_in: (N, 2, 2) metres, the first point and the gate.
        place: (N, 2) metres.
        way_out: (N, 2, 2) metres, the gate and the last point.
    """
    count = len(enter_s)
    points = np.concatenate([way_in, place[:, None], place[:, None], way_out], axis=1)
    pace_m_s = np.clip(random.normal(1.45, 0.15, count), 1.1, 1.9)
    walk_s = np.linalg.norm(np.diff(points, axis=1), axis=2) / pace_m_s[:, None]
    arrive_s = enter_s + walk_s[:, 0] + walk_s[:, 1]
    walk_s[:, 2] = np.maximum(0.0, leave_s - arrive_s)
    return Walkers(
        times_s=enter_s[:, None] + np.concatenate([np.zeros((count, 1)), np.cumsum(walk_s, axis=1)], axis=1),
        points=points,
        height_m=np.clip(random.normal(1.72, 0.09, count), 1.5, 1.95),
        look=random.integers(0, 1 << 30, count),
        rhythm=random.uniform(0.0, 2 * np.pi, (count, 4)),
    )


def together(parts: list[Walkers]) -> Walkers:
    """One crowd out of several."""
    return Walkers(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("times_s", "points", "height_m", "look", "rhythm")
        )
    )
