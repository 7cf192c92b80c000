"""
What happens in the square, in a loop of five minutes; a pure function of seed and time.

    0 s    almost nobody: a background model can learn the empty ground
    4 s    people stream to the north square; from about 20 s it holds more than it safely can
  150 s    the crowd leaves by the two exits
  180 s    somebody covers the camera of the town hall, for 30 s
  230 s    the stream of the east arcade dies, for 30 s
  300 s    from the start
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from deploy.demo.place import MOUTHS, SQUARE_AREAS, STREETS, Floats, Ints
from deploy.demo.scene import Moment, Walkers, itineraries, moment, together

LENGTH_S = 300.0
FILL_FROM_S, FILL_TO_S = 4.0, 17.0  # people of the crowd enter the scene
DRAIN_FROM_S, DRAIN_TO_S = 150.0, 175.0
CROWD = 100
COVERED_CAMERA, COVERED_FROM_S, COVERED_TO_S = "square-2", 180.0, 210.0
DEAD_CAMERA, DEAD_FROM_S, DEAD_TO_S = "square-4", 230.0, 260.0

_COVER_MOVES_S = 0.8
_HALLS = ((-12.0, 17.9), (12.0, 17.9), (-23.9, 10.0), (23.9, 10.0))  # doors that face the north square


def story_time_s(elapsed_s: float) -> float:
    """Where in the story a running demo is."""
    return elapsed_s % LENGTH_S


def covered_share(camera: str, time_s: float) -> float:
    """Share of a camera's picture that is covered, 0 to 1."""
    if camera != COVERED_CAMERA:
        return 0.0
    edge_s = min(time_s - COVERED_FROM_S, COVERED_TO_S - time_s)
    return min(max(edge_s / _COVER_MOVES_S, 0.0), 1.0)


def is_dead(camera: str, time_s: float) -> bool:
    """Whether a camera's stream is cut off."""
    return camera == DEAD_CAMERA and DEAD_FROM_S <= time_s < DEAD_TO_S


@lru_cache(maxsize=4)
def walkers(seed: int) -> Walkers:
    """Everybody of the story."""
    random = np.random.default_rng(seed)
    return together([_first_three(random), _passers_by(random), _idlers(random), _crowd(random)])


def scene_at(seed: int, time_s: float) -> Moment:
    """Who is where in the square."""
    return moment(walkers(seed), story_time_s(time_s))


def square_occupancy(seed: int, time_s: float) -> dict[str, int]:
    """Persons in each zone of the square: the truth."""
    xy = scene_at(seed, time_s).xy
    return {area.id: int(area.contains(xy).sum()) for area in SQUARE_AREAS}


def _first_three(random: np.random.Generator) -> Walkers:
    first = np.array([(-15.0, -9.0), (12.0, -16.0), (18.0, -1.0)])
    place = np.array([(0.0, -8.0), (6.0, -9.0), (21.0, 0.0)])
    return itineraries(
        random, np.full(3, -4.0), np.zeros(3), np.stack([first, first], 1), place, _ways(np.ones(3, int))
    )


def _passers_by(random: np.random.Generator) -> Walkers:
    """People who cross the square from street to street, about one in two seconds, around the north square."""
    count = 120
    enter_s = np.sort(random.uniform(3.0, LENGTH_S - 62.0, count))
    come = random.integers(0, 4, count)
    go = (come + random.integers(1, 4, count)) % 4
    place = np.stack([random.uniform(-12.0, 12.0, count), random.uniform(-6.0, 1.5, count)], axis=1)
    # Those of the north street bend around the crowd, not through it.
    north = (come == 0) | (go == 0)
    place[north] = np.stack([random.choice((-12.5, 12.5), north.sum()), random.uniform(3, 9, north.sum())], axis=1)
    spread = random.uniform(-1.6, 1.6, (2, count, 1, 2))
    return itineraries(random, enter_s, enter_s, _ways(come)[:, ::-1] + spread[0], place, _ways(go) + spread[1])


def _idlers(random: np.random.Generator) -> Walkers:
    """People who meet on the south square and stay for a while."""
    count = 40
    enter_s = np.sort(random.uniform(6.0, LENGTH_S - 130.0, count))
    centres = random.uniform((-9.0, -11.5), (9.0, -4.5), (10, 2))
    place = np.repeat(centres, 4, axis=0) + random.normal(0.0, 0.7, (count, 2))
    come, go = random.integers(1, 4, (2, count))
    leave_s = enter_s + random.uniform(30.0, 70.0, count)
    return itineraries(random, enter_s, leave_s, _ways(come)[:, ::-1], place, _ways(go))


def _crowd(random: np.random.Generator) -> Walkers:
    """The crowd of the north square: it comes by the doors and the north street, and leaves by the two exits."""
    place = _standing_places(random)
    enter_s = np.sort(random.uniform(FILL_FROM_S, FILL_TO_S, CROWD))
    leave_s = random.uniform(DRAIN_FROM_S, DRAIN_TO_S, CROWD)
    door = np.array([*_HALLS, (0.0, 24.0), (0.0, 26.0)])[random.integers(0, 6, CROWD)]
    first = door + random.uniform(-1.0, 1.0, (CROWD, 2)) * (1.5, 0.2)
    gate = np.stack([first[:, 0], np.minimum(first[:, 1], 17.0)], axis=1)
    way_out = _ways(np.where(place[:, 0] < 0, 3, 1)) + random.uniform(-1.8, 1.8, (CROWD, 1, 2))
    return itineraries(random, enter_s, leave_s, np.stack([first, gate], axis=1), place, way_out)


def _ways(street: Ints) -> Floats:
    """(N, 2, 2) the way out by each street: its mouth on the square, and a point far down the street."""
    return np.stack([np.array(MOUTHS)[street], np.array(STREETS)[street]], axis=1)


def _standing_places(random: np.random.Generator) -> Floats:
    """(CROWD, 2) places of the north square, no two closer than about an arm's length, in no visible order."""
    area = SQUARE_AREAS[0]
    low, high = np.array([area.west, area.south]) + 0.5, np.array([area.east, area.north]) - 0.5
    places = random.uniform(low, high, (CROWD, 2))
    for _ in range(60):  # push neighbours apart, as people do
        gap = places[:, None] - places[None]
        distance_m = np.hypot(gap[..., 0], gap[..., 1]) + np.eye(CROWD) * 1e9
        push = np.clip(1.1 - distance_m, 0.0, None) / np.maximum(distance_m, 1e-6)
        places = np.clip(places + 0.4 * (push[..., None] * gap).sum(axis=1), low, high)
    return places
