"""The merge of tracks with the next sample, compiled; `tracks` says what it is for."""

from __future__ import annotations

import numpy as np
from numba import types

from detectors.crowd.loops.compiled import INTS, compiled
from detectors.crowd.measures.velocity import RUN_M_S_MAX
from detectors.crowd.motion.tracks import ABSENT, I16, I32, MEMORY_S, SLOTS
from detectors.geometry.homography import Ints
from detectors.newest import NOT_YET

INTS32 = types.Array(types.int32, 1, "C", readonly=True)
INTS_2D = types.Array(types.int64, 2, "C", readonly=True)
PLACES_2D = types.Array(types.int16, 2, "C", readonly=True)
PLACES_3D = types.Array(types.int16, 3, "C", readonly=True)


@compiled(
    types.Tuple((types.int64[::1], types.int32[::1], types.int16[:, :, ::1], types.int64[:, ::1], types.int64[:, ::1])),  # type: ignore[no-untyped-call]
    INTS, INTS32, PLACES_3D, INTS_2D, INTS, INTS, INTS, INTS32, PLACES_2D, INTS,
)  # fmt: skip
def merge(
    start: Ints,
    id: I32,
    place_cm: I16,
    sampled_ns: Ints,
    camera: Ints,
    captured_ns: Ints,
    first: Ints,
    new_id: I32,
    new_cm: I16,
    gap_ns: Ints,
) -> tuple[Ints, I32, I16, Ints, Ints]:
    """
    The tracks with a new sample of some cameras: each step takes the next of two lists that are sorted by id. Last,
    (N, 2) of each sampled camera, how many ids went on, and how many of these jumped faster than a person runs.
    """
    cameras = len(start) - 1
    room = len(id) + len(new_id)
    to_start = np.zeros(cameras + 1, np.int64)
    to_id = np.empty(room, np.int32)
    to_cm = np.empty((room, SLOTS, 2), np.int16)
    to_ns = sampled_ns.copy()
    went_on = np.zeros((len(camera), 2), np.int64)
    count, sample = 0, 0
    for c in range(cameras):
        at, end = start[c], start[c + 1]
        if sample == len(camera) or camera[sample] != c:
            for row in range(at, end):
                to_id[count] = id[row]
                to_cm[count] = place_cm[row]
                count += 1
            to_start[c + 1] = count
            continue
        now_ns = captured_ns[sample]
        silent_ns = now_ns - sampled_ns[c, 0]
        afresh = silent_ns > gap_ns[c] or silent_ns < 0
        for slot in range(SLOTS - 1, 0, -1):
            old_ns = sampled_ns[c, slot - 1]
            to_ns[c, slot] = NOT_YET if afresh or now_ns - old_ns > MEMORY_S * 1e9 else old_ns
        to_ns[c, 0] = now_ns
        if afresh:
            at = end
        new, new_end = first[sample], first[sample + 1]
        while at < end or new < new_end:
            old_only = new == new_end or (at < end and id[at] < new_id[new])
            new_only = not old_only and (at == end or new_id[new] < id[at])
            to_id[count] = id[at] if old_only else new_id[new]
            known = not old_only
            to_cm[count, 0, 0] = ABSENT
            to_cm[count, 0, 1] = ABSENT
            if not old_only:
                to_cm[count, 0] = new_cm[new]
            last = 0
            for slot in range(1, SLOTS):
                gone = new_only or to_ns[c, slot] == NOT_YET or place_cm[at, slot - 1, 0] == ABSENT
                to_cm[count, slot, 0] = ABSENT if gone else place_cm[at, slot - 1, 0]
                to_cm[count, slot, 1] = ABSENT if gone else place_cm[at, slot - 1, 1]
                if not gone:
                    known = True
                    if last == 0:
                        last = slot
            if not old_only and last > 0:  # the id may have been given to somebody else
                east = (to_cm[count, 0, 0] - to_cm[count, last, 0]) / 100.0
                north = (to_cm[count, 0, 1] - to_cm[count, last, 1]) / 100.0
                reach_m = RUN_M_S_MAX * (now_ns - to_ns[c, last]) / 1e9
                went_on[sample, 0] += 1
                if east * east + north * north > reach_m * reach_m:
                    to_cm[count, 1:] = ABSENT
                    went_on[sample, 1] += 1
            if known:
                count += 1
            if not new_only:
                at += 1
            if not old_only:
                new += 1
        sample += 1
        to_start[c + 1] = count
    return to_start, to_id[:count].copy(), to_cm[:count].copy(), to_ns, went_on
