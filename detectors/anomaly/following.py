"""
One picture after another: which box is which body, and whether who is down stays down; compiled. `fall` says the rules.

Loops, since each camera has its own few bodies and what one picture means depends on the one before.
"""

from __future__ import annotations

import numpy as np
from numba import types

from detectors.anomaly.bodies import (
    BOTTOM,
    COLUMNS,
    CUT,
    DESCENT_S,
    DOWN,
    DOWN_NS,
    HIGH,
    LOST,
    LOW,
    LOWISH,
    OVER_NS,
    PHASE,
    RAISED,
    REST_BOTTOM,
    REST_HIGH,
    REST_WIDE,
    REST_X,
    RISEN,
    SEEN,
    SEEN_NS,
    SIGN,
    SPEED_X,
    SPEED_Y,
    SPOT,
    STILL_NS,
    STOOD,
    TIMES,
    UP,
    UP_BOTTOM,
    UP_HIGH,
    UP_NS,
    UP_X,
    UPRIGHT,
    VANISHED,
    WIDE,
    X,
)  # fmt: skip
from detectors.anomaly.posture import (
    EDGE,
    NS,
    UPRIGHT_ASPECT,
    UPRIGHT_SHARE,
    begin,
    covered,
    follow_down,
    follow_up,
    foreground,
    left_of,
    lowness,
    stands,
)  # fmt: skip
from detectors.crowd.loops.compiled import FLOATS, INT, INTS, compiled
from detectors.geometry.homography import Floats, Ints
from detectors.newest import NOT_YET
from ingest.schema.tick import F32, U8

REACH, REACH_PER_S, REACH_MAX = 0.6, 2.0, 2.5
SIZE_LOG_MAX = 1.2
FOLLOWED_S = 2.5  # without a box; then who stood is forgotten
GAP_S = 6.0  # without a picture; then all who stand are
FOUND_SHARE = 0.3  # who is only as low as one that crouches must be found, and not only once
GRID_NS = 700_000_000
READ_NS = 250_000_000  # what stands, and walks, is where its foreground is for so long
LOST_S = 6.0  # so long not found who was only as low as one that crouches: it is lost
STOOD_MIN = 0.06  # foreground of who stood, in squares of the own height, where it is seen at all
AREA_MIN, GONE = 0.08, 0.03  # areas in squares of the own height
FORGET_NS = 120_000_000_000
ROWS_2D = types.Array(types.float32, 2, "C", readonly=True)
ROWS_1D = types.Array(types.float32, 1, "C", readonly=True)
TIMES_2D = types.Array(types.int64, 2, "C", readonly=True)
GRID_3D = types.Array(types.uint8, 3, "C", readonly=True)
TABLE_3D = types.Array(types.float32, 3, "C", readonly=True)


@compiled(
    types.Tuple((types.int64[::1], types.float32[:, ::1], types.int64[:, ::1])),  # type: ignore[no-untyped-call]
    INTS, ROWS_2D, TIMES_2D, INTS, GRID_3D, INTS, ROWS_1D, TABLE_3D,
    INTS, INTS, ROWS_1D, INTS, ROWS_2D, ROWS_1D, FLOATS, INT,
)  # fmt: skip
def follow(
    start: Ints,
    body: F32,
    at_ns: Ints,
    sampled_ns: Ints,
    grid: U8,
    grid_ns: Ints,
    period_s: F32,
    tables: F32,
    camera: Ints,
    captured_ns: Ints,
    aspects: F32,
    first: Ints,
    boxes: F32,
    confidence: F32,
    limits: Floats,
    persons_max: int,
) -> tuple[Ints, F32, Ints]:
    """
    The bodies of all cameras after one picture of some.

    Args:
        camera: (N,) rows of cameras, ascending, each once.
        aspects: (N,) width to height of each picture.
        first: (N + 1,) its boxes.
        boxes: (M, 4) middle, bottom, width, height, in picture heights, those of a picture sorted.
        limits: (4,) flip_s, still_s, lowish_still_s, vanished_still_s.
    """
    flip_s, still_s, lowish_still_s, vanished_still_s = limits[0], limits[1], limits[2], limits[3]
    cameras = len(start) - 1
    room = len(body) + len(boxes)
    to_start = np.zeros(cameras + 1, np.int64)
    to_body = np.zeros((room, COLUMNS), np.float32)
    to_at = np.zeros((room, TIMES), np.int64)
    count, sample = 0, 0
    for c in range(cameras):
        old, end = start[c], start[c + 1]
        if sample == len(camera) or camera[sample] != c:
            for row in range(old, end):
                to_body[count] = body[row]
                to_at[count] = at_ns[row]
                count += 1
            to_start[c + 1] = count
            continue
        ns, aspect = captured_ns[sample], aspects[sample]
        new, new_end = first[sample], first[sample + 1]
        sample += 1
        table, usual_s = tables[c], period_s[c]
        gap_s = (ns - sampled_ns[c]) / NS if sampled_ns[c] != NOT_YET else 1e9
        bodies, found = end - old, new_end - new
        crowded = found > persons_max
        # 1. Who is who: the nearest pairs first.
        body_of = np.full(found, -1, np.int64)
        box_of = np.full(bodies, -1, np.int64)
        if bodies and found and not crowded:
            cost = np.full(bodies * found, np.inf)
            for i in range(bodies):
                b, t = body[old + i], at_ns[old + i]
                phase = b[PHASE]
                elapsed_s = (ns - t[SEEN_NS]) / NS
                own = max(b[UP_HIGH], b[HIGH], 1e-3)
                for j in range(found):
                    n = boxes[new + j]
                    # Of the longer sides: a body that lies is as long as it was high.
                    log_size = abs(np.log(max(n[2], n[3], 1e-3) / max(b[WIDE], b[HIGH], 1e-3)))
                    if phase == UP or (phase == LOST and elapsed_s <= FOLLOWED_S):
                        if gap_s > GAP_S or log_size > SIZE_LOG_MAX:
                            continue
                        ahead_s = min(elapsed_s, 1.2)
                        dx = n[0] - b[X] - b[SPEED_X] * own * ahead_s
                        dy = n[1] - b[BOTTOM] - b[SPEED_Y] * own * ahead_s
                        here_x, here_y = n[0] - b[X], n[1] - b[BOTTOM]
                        far = np.sqrt(min(dx * dx + dy * dy, here_x * here_x + here_y * here_y)) / own
                        if far <= min(REACH + REACH_PER_S * elapsed_s, REACH_MAX):
                            cost[i * found + j] = far + 0.3 * log_size
                    else:
                        # Who was lost is found again as one who lies, or who stands there.
                        again = n[2] <= UPRIGHT_ASPECT * n[3] and n[3] >= UPRIGHT_SHARE * own
                        low_now = lowness(b, n, n[3] / own)
                        if phase == LOST and not again and (low_now == 0 or (low_now == 1 and n[2] < n[3])):
                            continue
                        dx, dy = n[0] - b[REST_X], n[1] - b[REST_BOTTOM]
                        far = np.sqrt(dx * dx + dy * dy) / own
                        lies = n[2] > UPRIGHT_ASPECT * n[3]
                        over = covered(n[0], n[1], n[2], n[3], b[REST_X], b[REST_BOTTOM], b[REST_WIDE], b[REST_HIGH])
                        if (lies and over > 0.3) or far <= (0.9 if lies else 0.5):
                            cost[i * found + j] = (0.2 if lies and over > 0.3 else 0.4) + 0.5 * far
            order = np.argsort(cost, kind="mergesort")
            for k in order:
                if cost[k] == np.inf:
                    break
                i, j = k // found, k % found
                if box_of[i] < 0 and body_of[j] < 0:
                    box_of[i], body_of[j] = j, i
        seen_grid = grid_ns[c] != NOT_YET and abs(ns - grid_ns[c]) <= GRID_NS
        # 2. What each does.
        for i in range(bodies):
            b, t = to_body[count], to_at[count]
            b[:] = body[old + i]
            t[:] = at_ns[old + i]
            kept = True
            j = box_of[i]
            blocked = False  # somebody else is before or over the place
            read = seen_grid and b[UP_HIGH] > 0.0
            area = 0.0
            place_x = b[UP_X] if b[PHASE] == UP or b[PHASE] == LOST else b[REST_X]
            place_y = b[UP_BOTTOM] if b[PHASE] == UP or b[PHASE] == LOST else b[REST_BOTTOM]
            if j >= 0 and b[PHASE] == UP:
                place_x, place_y = boxes[new + j, 0], boxes[new + j, 1]
            own = max(b[UP_HIGH], 1e-3)
            for other in range(found):
                if other == j:
                    continue
                n = boxes[new + other]
                if covered(n[0], n[1], n[2], n[3], place_x, place_y + 0.2 * own, 1.8 * own, 1.2 * own) > 0.1:
                    blocked = True
            if read and not blocked:
                area = foreground(
                    grid[c], aspect, place_x - 0.9 * own, place_y - own, place_x + 0.9 * own, place_y + 0.2 * own
                ) / (own * own)
            if b[PHASE] == UP:
                if j >= 0:
                    follow_up(b, t, boxes[new + j], confidence[new + j], ns, usual_s, flip_s, table, aspect, blocked)
                    if b[PHASE] == UP and t[UP_NS] == ns and read and not blocked and ns - grid_ns[c] <= READ_NS:
                        b[STOOD] += (area - b[STOOD]) * (0.3 if b[STOOD] > 0.0 else 1.0)
                else:
                    gone_s = (ns - t[SEEN_NS]) / NS
                    inside = b[X] - b[WIDE] / 2 > EDGE and b[X] + b[WIDE] / 2 < aspect - EDGE
                    inside = inside and b[BOTTOM] < 1.0 - EDGE
                    at_place = t[SEEN_NS] - t[UP_NS] <= 2.0 * NS and b[UPRIGHT] >= 3
                    if gone_s > max(1.0, 1.5 * usual_s) and inside and at_place and b[STOOD] >= STOOD_MIN:
                        b[PHASE], b[SIGN] = LOST, VANISHED
                        b[RISEN] = b[LOWISH] = b[SPOT] = 0.0
                        b[REST_X], b[REST_BOTTOM] = b[UP_X], b[UP_BOTTOM]
                        b[REST_WIDE], b[REST_HIGH] = own, 0.3 * own
                        t[DOWN_NS], t[STILL_NS], t[OVER_NS] = t[SEEN_NS], NOT_YET, NOT_YET
                    kept = gone_s <= max(FOLLOWED_S, 2.6 * usual_s) and gap_s <= GAP_S and not crowded
            elif b[PHASE] == LOST:
                away_s = (ns - t[DOWN_NS]) / NS
                if j >= 0:
                    b[PHASE] = UP
                    follow_up(b, t, boxes[new + j], confidence[new + j], ns, usual_s, flip_s, table, aspect, blocked)
                elif read and not blocked and grid_ns[c] > sampled_ns[c]:
                    known = at_ns[old:end, SEEN_NS] > ns - int(GAP_S * NS)
                    known[i] = False
                    left = left_of(b, grid[c], aspect, boxes[new:new_end], body[old:end], known)
                    if left == 0:
                        b[RISEN] += 1
                        t[STILL_NS] = NOT_YET
                        kept = b[RISEN] < 3
                    elif left == 2:
                        b[RISEN] = b[LOWISH] = 0.0
                        if t[STILL_NS] == NOT_YET:
                            t[STILL_NS] = ns
                        elif ns - t[STILL_NS] >= vanished_still_s * NS:
                            b[PHASE] = RAISED
                            b[DESCENT_S] = (t[DOWN_NS] - t[UP_NS]) / NS
                    else:
                        b[LOWISH] += 1  # once may be somebody's shadow
                        if b[LOWISH] >= 2.0:
                            t[STILL_NS] = NOT_YET
                        kept = away_s <= 20.0
                kept = (kept and away_s <= 60.0) or b[PHASE] == RAISED
            else:
                up = 0
                if j >= 0:
                    up = follow_down(b, t, boxes[new + j], confidence[new + j], ns, table, aspect, blocked)
                if b[PHASE] == DOWN:
                    if up == 2 or (up == 1 and b[RISEN] >= 2.0):
                        b[PHASE] = UP  # up again, or it walks away bent
                        b[UPRIGHT] = min(b[UPRIGHT], 2.0)
                        b[LOWISH] = 0.0
                        if up == 1:
                            stands(b, t, boxes[new + j], ns, 0.0, table, aspect)
                    else:
                        rests_s = (ns - t[STILL_NS]) / NS
                        seen_s = (t[SEEN_NS] - t[DOWN_NS]) / NS
                        # One box may be a mistake, and who walks out below the picture is cut, then gone.
                        enough = b[LOW] >= (2.0 if usual_s < 0.7 else 1.0)
                        if b[CUT] > 0.0:
                            enough = enough and seen_s >= 0.5 * still_s and b[LOW] >= 4.0
                        there = read and not blocked and area >= AREA_MIN
                        enough = enough or (there and b[LOW] >= 1.0 and b[CUT] == 0.0)
                        low = enough and b[LOW] >= 0.6 * b[SEEN] and rests_s >= still_s
                        lowish = b[LOWISH] >= 0.85 * b[SEEN] and rests_s >= lowish_still_s
                        lowish = lowish and b[SEEN] * usual_s >= (0.5 if there else 1.0) * FOUND_SHARE * rests_s
                        unseen = b[LOW] < 1.0 and ns - t[SEEN_NS] > vanished_still_s * NS
                        if read and not blocked and j < 0 and area < GONE:
                            b[RISEN] += 1  # nothing is there any more
                            kept = b[RISEN] < 4
                        elif b[LOW] < 1.0 and ns - t[SEEN_NS] > LOST_S * NS and b[STOOD] >= STOOD_MIN and seen_grid:
                            b[PHASE], b[SIGN] = LOST, VANISHED  # it began to fall, and is not found any more
                            b[RISEN] = b[LOWISH] = b[SPOT] = 0.0
                            t[STILL_NS], t[OVER_NS] = NOT_YET, NOT_YET
                        elif low or lowish:
                            b[PHASE] = RAISED
                            t[OVER_NS] = NOT_YET
                            b[RISEN] = 0.0
                        kept = kept and (
                            (
                                rests_s <= 2 * lowish_still_s
                                and not (unseen and ns - t[SEEN_NS] > 2 * vanished_still_s * NS)
                            )
                            or b[PHASE] == RAISED
                        )
                else:
                    if up == 0 and j < 0 and read and not blocked:
                        if area < GONE:
                            if t[OVER_NS] == NOT_YET:
                                t[OVER_NS] = ns
                        else:
                            t[OVER_NS] = NOT_YET
                            t[SEEN_NS] = ns  # as foreground
                    over_s = (ns - t[OVER_NS]) / NS if t[OVER_NS] != NOT_YET else 0.0
                    kept = over_s < 2.0 and ns - t[SEEN_NS] <= FORGET_NS
            if kept:
                count += 1
        # 3. Who is new.
        if not crowded:
            for j in range(found):
                if body_of[j] < 0:
                    begin(to_body[count], to_at[count], boxes[new + j], confidence[new + j], ns, table, aspect)
                    count += 1
        to_start[c + 1] = count
    return to_start, to_body[:count].copy(), to_at[:count].copy()
