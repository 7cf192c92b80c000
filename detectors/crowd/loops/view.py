"""Loops over the persons of one camera, and over pairs of them, compiled; `view_motion` says what they are for."""

from __future__ import annotations

import numpy as np
from numba import types

from detectors.crowd.loops.compiled import (
    BOOL,
    BOOLS,
    FLOAT,
    FLOATS,
    FLOATS_2D,
    INT,
    INTS,
    WRITTEN,
    WRITTEN_INTS,
    compiled,
)  # fmt: skip
from detectors.crowd.loops.track import INTS_2D, PLACES_3D
from detectors.crowd.measures.velocity import MOVING_M_S, SPEED_NOISE_M_S, WINDOW_S_MAX, WINDOW_S_MIN
from detectors.crowd.motion.tracks import ABSENT, I16, SLOTS
from detectors.crowd.motion.view_motion import (
    AGAINST,
    CAME_IN,
    CARRIED_S,
    CLUSTER,
    CONFLICT,
    CONFLICT_COSINE,
    CONFLICT_M,
    EAST,
    ENTERED,
    KERNEL_M,
    LEFT,
    LINK_M,
    MOVING,
    MOVING_SPEED,
    NOISE,
    NOISE_KEPT,
    NOISE_SAMPLES,
    NORTH,
    PACED,
    PER_M2,
    PRESSURE,
    PRESSURE_FROM_PER_M2,
    RUNNING,
    RUNNING_M_S,
    SEEN,
    SLOW_SPEED,
    SORTED_FROM,
    SPEED,
    SPEED_NOISE,
    STANDING,
    STANDING_M_S,
    STANDING_S,
    TIMED,
    WENT_OUT,
)  # fmt: skip
from detectors.geometry.homography import Bools, Floats, Ints

FLOATS_3D = types.Array(types.float64, 3, "C", readonly=True)


@compiled(FLOAT, PLACES_3D, INT, INT, INT, FLOAT)
def _speed(place: I16, i: int, newest: int, slot: int, back_s: float) -> float:
    """m/s from one slot to another."""
    east = (place[i, newest, 0] - place[i, slot, 0]) / 100.0
    north = (place[i, newest, 1] - place[i, slot, 1]) / 100.0
    return float(np.hypot(east, north) / back_s)


@compiled(BOOL, FLOATS_3D, INT, FLOAT, FLOAT)
def _is_in(edges: Floats, v: int, x: float, y: float) -> bool:
    """Whether a place is in the seen part of the zone of a view; as `counting` has it."""
    inside = False
    for e in range(edges.shape[1]):
        if edges[0, e, v] <= y < edges[1, e, v] and x < edges[2, e, v] + edges[3, e, v] * (y - edges[0, e, v]):
            inside = not inside
    return inside


@compiled(INT, FLOATS, FLOAT, FLOAT, FLOAT, FLOAT)
def _passes(line: Floats, was_x: float, was_y: float, x: float, y: float) -> int:
    """+1 from the left of a line to its right, -1 from right to left, 0 else; as `flow.signed_crossings` has it."""
    along_x, along_y = line[2] - line[0], line[3] - line[1]
    before = along_x * (was_y - line[1]) - along_y * (was_x - line[0])
    after = along_x * (y - line[1]) - along_y * (x - line[0])
    if (before >= 0.0) == (after >= 0.0):
        return 0
    share = before / (before - after)
    place = (was_x + share * (x - was_x) - line[0]) * along_x + (was_y + share * (y - was_y) - line[1]) * along_y
    if place < 0.0 or place > along_x * along_x + along_y * along_y:
        return 0
    return 1 if before >= 0.0 else -1


@compiled(FLOAT, PLACES_3D, FLOATS, FLOAT)
def _noise_m(place: I16, age_s: Floats, known: float) -> float:
    """sigma-hat of the places of one camera, blended with what was known; NaN before there are enough."""
    beside = np.empty(NOISE_SAMPLES)
    count = 0
    if not (0.0 < age_s[1] < age_s[2] <= 3.0):
        return known
    ahead = age_s[1] / age_s[2]  # where on the way from slot 0 to slot 2 slot 1 lies in time
    scale = 100.0 * np.sqrt(1.0 + ahead * ahead + (1.0 - ahead) * (1.0 - ahead))
    for i in range(len(place)):
        if place[i, 0, 0] == ABSENT or place[i, 1, 0] == ABSENT or place[i, 2, 0] == ABSENT:
            continue
        for axis in range(2):
            between = (1.0 - ahead) * place[i, 0, axis] + ahead * place[i, 2, axis]
            beside[count] = abs(place[i, 1, axis] - between) / scale
            count += 1
        if count == NOISE_SAMPLES:
            break
    if count < 6:
        return known
    now = float(1.4826 * np.median(beside[:count]))
    return now if np.isnan(known) else NOISE_KEPT * known + (1.0 - NOISE_KEPT) * now


@compiled(
    FLOATS, WRITTEN_INTS, FLOATS, FLOATS, FLOATS_2D, BOOLS, BOOLS, WRITTEN
)  # fmt: skip
def _neighbours(own: Ints, x: Floats, y: Floats, slow: Floats, moving: Bools, standing: Bools, out: Floats) -> Floats:
    """(K,) density at each of the persons `own` (K,); densities, clusters and conflicts of the view go into `out`."""
    count = len(own)
    density = np.full(count, 1.0 / (np.pi * KERNEL_M**2))
    root = np.arange(count)
    conflicts = 0.0
    reach = 2.0 * KERNEL_M
    for a in range(count):
        i = own[a]
        for b in range(a + 1, count):
            j = own[b]
            east = x[j] - x[i]
            if east > reach and count > SORTED_FROM:
                break
            north = y[j] - y[i]
            d2 = east * east + north * north
            if d2 > reach * reach:
                continue
            weight = np.exp(-d2 / KERNEL_M**2) / (np.pi * KERNEL_M**2)
            density[a] += weight
            density[b] += weight
            if standing[i] and standing[j] and d2 <= LINK_M * LINK_M:
                ra, rb = a, b
                while root[ra] != ra:
                    ra = root[ra]
                while root[rb] != rb:
                    rb = root[rb]
                root[max(ra, rb)] = min(ra, rb)
            if moving[i] and moving[j] and d2 <= CONFLICT_M * CONFLICT_M:
                dot = slow[i, 0] * slow[j, 0] + slow[i, 1] * slow[j, 1]
                size = np.hypot(slow[i, 0], slow[i, 1]) * np.hypot(slow[j, 0], slow[j, 1])
                closing = east * (slow[j, 0] - slow[i, 0]) + north * (slow[j, 1] - slow[i, 1])
                if dot < CONFLICT_COSINE * size and closing < 0.0:
                    conflicts += 1.0
    out[CONFLICT] = conflicts
    sizes = np.zeros(count, np.int64)
    for a in range(count):
        out[PER_M2] = max(out[PER_M2], density[a])
        if standing[own[a]]:
            ra = a
            while root[ra] != ra:
                ra = root[ra]
            sizes[ra] += 1
            out[CLUSTER] = max(out[CLUSTER], float(sizes[ra]))
    return density


@compiled(FLOAT, WRITTEN_INTS, FLOATS, FLOATS, FLOATS_2D, FLOATS, FLOAT)
def _pressure(own: Ints, x: Floats, y: Floats, fast: Floats, density: Floats, sigma_v: float) -> float:
    """Highest crowd pressure at one of the persons `own` (K,)."""
    count, reach = len(own), 2.0 * KERNEL_M
    weights, squares = np.zeros(count), np.zeros(count)
    means = np.zeros((count, 2))
    for a in range(count):
        i = own[a]
        for b in range(a, count):
            j = own[b]
            east = x[j] - x[i]
            if east > reach and count > SORTED_FROM:
                break
            north = y[j] - y[i]
            d2 = east * east + north * north
            if d2 > reach * reach:
                continue
            weight = np.exp(-d2 / KERNEL_M**2)
            if not np.isnan(fast[j, 0]):
                weights[a] += weight
                means[a, 0] += weight * fast[j, 0]
                means[a, 1] += weight * fast[j, 1]
                squares[a] += weight * (fast[j, 0] ** 2 + fast[j, 1] ** 2)
            if a != b and not np.isnan(fast[i, 0]):
                weights[b] += weight
                means[b, 0] += weight * fast[i, 0]
                means[b, 1] += weight * fast[i, 1]
                squares[b] += weight * (fast[i, 0] ** 2 + fast[i, 1] ** 2)
    highest = 0.0
    for a in range(count):
        if weights[a] >= 2.0:
            mean2 = (means[a, 0] ** 2 + means[a, 1] ** 2) / weights[a] ** 2
            variance = max(0.0, squares[a] / weights[a] - mean2 - 2.0 * sigma_v * sigma_v)
            highest = max(highest, density[a] * variance)
    return highest


# One pass over the persons of a camera, with what each of them does in arrays that live as long as the pass.
@compiled(
    types.Tuple((types.float64[::1], types.float64[:, ::1])),  # type: ignore[no-untyped-call]
    INTS, PLACES_3D, INTS_2D, FLOATS, INTS, INTS, FLOATS_3D, FLOATS_2D, FLOATS_2D, INTS, FLOATS_2D, FLOATS_2D,
)  # fmt: skip
def measure_views(
    start: Ints,
    place_cm: I16,
    sampled_ns: Ints,
    noise_m: Floats,
    camera: Ints,
    view_start: Ints,
    edges: Floats,
    middle_m: Floats,
    one_way: Floats,
    exit_start: Ints,
    exits: Floats,
    measures: Floats,
) -> tuple[Floats, Floats]:
    """
    New noise (C,) and new measures (V, COLUMNS); those of cameras that are not in `camera` are as they were.

    Args:
        start, place_cm, sampled_ns: of `tracks.Tracks`.
        noise_m: (C,) sigma-hat so far; NaN where it is not known.
        camera: (N,) rows of the cameras that were sampled.
        view_start: (C + 1,) views of each camera.
        edges: (4, E, V) of `counting.Outlines`.
        middle_m: (C, 2) of each camera.
        one_way: (V, 2) unit vector in which people should go; NaN where they may go as they like.
        exit_start, exits: the lines whose crossings view v counts are rows `exit_start[v]:exit_start[v + 1]` of (X, 4),
            east and north of both ends; the zone lies on the left.
        measures: (V, COLUMNS)
    """
    noise_m, measures = noise_m.copy(), measures.copy()
    for c in camera:
        rows = start[c + 1] - start[c]
        age_s = np.empty(SLOTS)
        for slot in range(SLOTS):
            age_s[slot] = (sampled_ns[c, 0] - sampled_ns[c, slot]) / 1e9
        place = place_cm[start[c] : start[c + 1]]
        noise_m[c] = _noise_m(place, age_s, noise_m[c])
        noise = noise_m[c] if not np.isnan(noise_m[c]) else 0.0
        window_s = min(max(np.sqrt(2.0) * noise / SPEED_NOISE_M_S, WINDOW_S_MIN), WINDOW_S_MAX)
        if np.isnan(noise_m[c]):
            window_s = WINDOW_S_MAX
        x, y = np.full(rows, np.nan), np.full(rows, np.nan)
        was_x, was_y = np.full(rows, np.nan), np.full(rows, np.nan)
        fast, slow = np.full((rows, 2), np.nan), np.full((rows, 2), np.nan)
        present, standing, moving = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
        fast_noise, fast_count = 0.0, 0
        running = np.zeros(rows, np.bool_)
        for i in range(rows):
            newest = -1
            for slot in range(SLOTS):
                if place[i, slot, 0] != ABSENT and age_s[slot] <= CARRIED_S:
                    newest = slot
                    break
            if newest < 0:
                continue
            present[i] = newest == 0
            x[i] = place[i, newest, 0] / 100.0 + middle_m[c, 0]
            y[i] = place[i, newest, 1] / 100.0 + middle_m[c, 1]
            one, wide, long = -1, -1, -1  # the slots that are nearest to 1 s, the window and 3 s ago
            for slot in range(newest + 1, SLOTS):
                if place[i, slot, 0] == ABSENT:
                    continue
                back_s = age_s[slot] - age_s[newest]
                if one < 0 and back_s <= 2.6:
                    one = slot
                    was_x[i] = place[i, slot, 0] / 100.0 + middle_m[c, 0]
                    was_y[i] = place[i, slot, 1] / 100.0 + middle_m[c, 1]
                if wide < 0 or abs(back_s - window_s) < abs(age_s[wide] - age_s[newest] - window_s):
                    wide = slot
                if long < 0 or abs(back_s - STANDING_S) < abs(age_s[long] - age_s[newest] - STANDING_S):
                    long = slot
            if long >= 0 and age_s[long] - age_s[newest] >= 1.4:
                back_s = age_s[long] - age_s[newest]
                speed = _speed(place, i, newest, long, back_s)
                standing[i] = speed < max(STANDING_M_S, 2.5 * np.sqrt(2.0) * noise / back_s)
            if not present[i]:
                continue
            if one >= 0:
                back_s = age_s[one]
                fast[i, 0] = (place[i, 0, 0] - place[i, one, 0]) / 100.0 / back_s
                fast[i, 1] = (place[i, 0, 1] - place[i, one, 1]) / 100.0 / back_s
                sigma = np.sqrt(2.0) * noise / back_s
                running[i] = np.hypot(fast[i, 0], fast[i, 1]) > max(RUNNING_M_S, 3.0 * sigma)
                fast_noise += sigma
                fast_count += 1
            if wide >= 0 and age_s[wide] >= min(0.75, window_s):
                back_s = age_s[wide]
                slow[i, 0] = (place[i, 0, 0] - place[i, wide, 0]) / 100.0 / back_s
                slow[i, 1] = (place[i, 0, 1] - place[i, wide, 1]) / 100.0 / back_s
                sigma = np.sqrt(2.0) * noise / back_s
                moving[i] = np.hypot(slow[i, 0], slow[i, 1]) > max(MOVING_M_S, 3.0 * sigma)
        sigma_v = fast_noise / fast_count if fast_count > 0 else np.nan
        for v in range(view_start[c], view_start[c + 1]):
            own = np.empty(rows, np.int64)
            count = 0
            out = measures[v]
            entered, left, came, went = out[ENTERED], out[LEFT], out[CAME_IN], out[WENT_OUT]  # these go on
            out[:] = 0.0
            out[ENTERED], out[LEFT], out[CAME_IN], out[WENT_OUT] = entered, left, came, went
            out[NOISE], out[SPEED_NOISE] = noise_m[c], sigma_v
            for i in range(rows):
                if np.isnan(x[i]):
                    continue
                here = _is_in(edges, v, x[i], y[i])
                if present[i] and not np.isnan(was_x[i]):
                    before = _is_in(edges, v, was_x[i], was_y[i])
                    out[ENTERED] += 1.0 if here and not before else 0.0
                    out[LEFT] += 1.0 if before and not here else 0.0
                    for line in range(exit_start[v], exit_start[v + 1]):
                        passed = _passes(exits[line], was_x[i], was_y[i], x[i], y[i])
                        out[CAME_IN] += 1.0 if passed < 0 else 0.0
                        out[WENT_OUT] += 1.0 if passed > 0 else 0.0
                if not here:
                    continue
                if present[i] or standing[i]:
                    own[count] = i
                    count += 1
                out[STANDING] += 1.0 if standing[i] else 0.0
                if not present[i]:
                    continue
                out[SEEN] += 1.0
                if not np.isnan(fast[i, 0]):
                    out[TIMED] += 1.0
                    out[EAST] += fast[i, 0]
                    out[NORTH] += fast[i, 1]
                    out[SPEED] += np.hypot(fast[i, 0], fast[i, 1])
                    out[RUNNING] += 1.0 if running[i] else 0.0
                if not np.isnan(slow[i, 0]):
                    out[PACED] += 1.0
                    out[SLOW_SPEED] += np.hypot(slow[i, 0], slow[i, 1])
                    out[MOVING] += 1.0 if moving[i] else 0.0
                    out[MOVING_SPEED] += np.hypot(slow[i, 0], slow[i, 1]) if moving[i] else 0.0
                    along = slow[i, 0] * one_way[v, 0] + slow[i, 1] * one_way[v, 1]
                    out[AGAINST] += 1.0 if moving[i] and along < -MOVING_M_S else 0.0
            near = own[:count].copy()
            if count > SORTED_FROM:  # from west to east, so that only neighbours are compared
                near = near[np.argsort(x[near])]
            density = _neighbours(near, x, y, slow, moving, standing, out)
            if out[PER_M2] >= PRESSURE_FROM_PER_M2 and not np.isnan(sigma_v):
                out[PRESSURE] = _pressure(near, x, y, fast, density, sigma_v)
    return noise_m, measures
