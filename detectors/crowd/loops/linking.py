"""Who is nearest to whom in two frames of a camera, compiled; `linking` says what it is for."""

from __future__ import annotations

import numpy as np
from numba import types

from detectors.crowd.loops.compiled import INTS, compiled
from detectors.crowd.loops.track import INTS32, PLACES_2D
from detectors.crowd.motion.linking import CLEARLY, FIRST, JITTER_M, LINKED_S_MAX, WALK_M_S_MAX
from detectors.crowd.motion.tracks import I16, I32
from detectors.geometry.homography import Ints


@compiled(
    types.Tuple((  # type: ignore[no-untyped-call]
        types.int64[::1], types.int32[::1], types.int16[:, ::1], types.int64[::1], types.int32[::1], types.int32[::1],
    )),
    INTS, INTS32, PLACES_2D, INTS, INTS32, INTS, INTS, INTS, PLACES_2D,
)  # fmt: skip
def nearest(
    start: Ints,
    id: I32,
    place_cm: I16,
    seen_ns: Ints,
    next_id: I32,
    camera: Ints,
    captured_ns: Ints,
    first: Ints,
    new_cm: I16,
) -> tuple[Ints, I32, I16, Ints, I32, I32]:
    """The last frames of all cameras, with new ones of some, and the numbers given to the persons of these."""
    cameras = len(start) - 1
    room = len(id) + len(new_cm)
    to_start = np.zeros(cameras + 1, np.int64)
    to_id = np.empty(room, np.int32)
    to_cm = np.empty((room, 2), np.int16)
    to_ns, to_next = seen_ns.copy(), next_id.copy()
    given = np.full(len(new_cm), -1, np.int32)
    count, sample = 0, 0
    for c in range(cameras):
        at, end = start[c], start[c + 1]
        if sample == len(camera) or camera[sample] != c or captured_ns[sample] <= seen_ns[c]:
            if sample < len(camera) and camera[sample] == c:
                sample += 1
            for row in range(at, end):
                to_id[count] = id[row]
                to_cm[count] = place_cm[row]
                count += 1
            to_start[c + 1] = count
            continue
        elapsed_s = (captured_ns[sample] - seen_ns[c]) / 1e9
        new, new_end = first[sample], first[sample + 1]
        if elapsed_s <= LINKED_S_MAX and at < end and new < new_end:
            reach = 100.0 * (WALK_M_S_MAX * elapsed_s + JITTER_M)
            olds, news = end - at, new_end - new
            best_new = np.full(news, -1, np.int64)
            d_new, d_new2 = np.full(news, np.inf), np.full(news, np.inf)
            best_old = np.full(olds, -1, np.int64)
            d_old, d_old2 = np.full(olds, np.inf), np.full(olds, np.inf)
            for i in range(news):
                for j in range(olds):
                    east = float(new_cm[new + i, 0]) - float(place_cm[at + j, 0])
                    north = float(new_cm[new + i, 1]) - float(place_cm[at + j, 1])
                    d = np.sqrt(east * east + north * north)
                    if d < d_new[i]:
                        d_new2[i], d_new[i], best_new[i] = d_new[i], d, j
                    elif d < d_new2[i]:
                        d_new2[i] = d
                    if d < d_old[j]:
                        d_old2[j], d_old[j], best_old[j] = d_old[j], d, i
                    elif d < d_old2[j]:
                        d_old2[j] = d
            for i in range(news):
                j = best_new[i]
                if j < 0 or best_old[j] != i or d_new[i] > reach:
                    continue
                if d_new2[i] >= CLEARLY * d_new[i] and d_old2[j] >= CLEARLY * d_old[j]:
                    given[new + i] = id[at + j]
        for i in range(new, new_end):
            if given[i] == -1:
                given[i] = to_next[c]
                to_next[c] = to_next[c] - 1 if to_next[c] > -2_000_000_000 else FIRST
            to_id[count] = given[i]
            to_cm[count] = new_cm[i]
            count += 1
        to_ns[c] = captured_ns[sample]
        sample += 1
        to_start[c + 1] = count
    return to_start, to_id[:count].copy(), to_cm[:count].copy(), to_ns, to_next, given
