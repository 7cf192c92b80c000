"""
What one body does, from one box to the next; compiled. `fall` says the rules, `following` calls this.

A body is a row `b` of `bodies` with its times `t`; both are written to. `new` is its box: middle, bottom, width and
height, in picture heights. Who changes this module removes `__pycache__/following*.nbi` beside it: compiled code is
kept by the file that calls, not by the one that is called.
"""

from __future__ import annotations

import numba

from detectors.anomaly.bodies import (
    BOTTOM,
    COLLAPSE,
    CUT,
    DESCENT_S,
    DOWN,
    DOWN_NS,
    DROP,
    FIRST_NS,
    FLIP,
    HIGH,
    LOW,
    LOWEST,
    LOWISH,
    OVER_NS,
    PHASE,
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
    SPOT_X,
    SPOT_Y,
    STILL_NS,
    STOOD,
    SURE,
    TOPPLE,
    UP,
    UP_BOTTOM,
    UP_HIGH,
    UP_NS,
    UP_WIDE,
    UP_X,
    UPRIGHT,
    WIDE,
    WIDEST,
    X,
)  # fmt: skip
from detectors.geometry.homography import Bools, Ints
from detectors.newest import NOT_YET
from ingest.schema.tick import F32, U8

NS = 1e9
# Postures, of height to the height as it stood, and of width to height.
UPRIGHT_ASPECT, UPRIGHT_SHARE = 0.85, 0.75
FLAT_ASPECT, FLAT_SHARE = 1.5, 0.75
LOW_SHARE, LOWISH_SHARE, DOWN_SHARE = 0.34, 0.66, 0.72  # who kneels, or ties his shoes, is between them
SQUAT_ASPECT, SQUAT_SHARE = 1.35, 0.45
# Towards the camera: the lower edge falls by so much of the height, more than he can have walked.
TOPPLES, SURE_TOPPLES, TOPPLED_SHARE, WALKED_S = 0.35, 0.45, 0.8, 0.5
KNEELS_ASPECT = 1.0  # who kneels, ties his shoes or sits is narrower
LYING_ASPECT = 1.2  # of who was never seen upright
RISES = 0.25  # of the height: a lower edge that rises by so much is legs that are hidden, not a body that is down
DROP_SHARE = 0.22  # of the length of who lay: so much lower within the time of a fall
RECEDES_SHARE = 0.4  # from one picture to the next
NEARER = 0.29  # so much taller, for each height that the feet are lower, is who walks towards a camera 6 m up
STANDS_NEARER = 0.85
# Linking: as far as people run between two pictures.
SAMPLE_S = 0.15
EDGE = 0.015
FALLS_S, SETTLES_S = 1.5, 4.0
SLOW_S = 0.5
LATE_S, UNSEEN_S = 2.5, 1.0
# Foreground of who is lost: share of that of who stood that is left; how far its middle sinks, as a share of the way
# from who stands to who lies, and in own heights; by how many own heights, and what share, it changes if it moves.
LEFT_MIN, SINKS, SINKS_MIN, MOVES, CHANGES = 0.25, 0.5, 0.1, 0.18, 0.4
LIES_HIGH = 0.25  # of who lies, own heights
NOISE = 15  # of 255: a cell of less is empty
NEAR, MARGIN = 0.8, 0.01  # own heights from where it stood; picture heights around boxes


@numba.njit(cache=True, nogil=True)
def covered(ax: float, ab: float, aw: float, ah: float, bx: float, bb: float, bw: float, bh: float) -> float:
    """Share of the smaller of two boxes (middle, bottom, width, height) that the other covers."""
    wide = min(ax + aw / 2, bx + bw / 2) - max(ax - aw / 2, bx - bw / 2)
    high = min(ab, bb) - max(ab - ah, bb - bh)
    if wide <= 0.0 or high <= 0.0:
        return 0.0
    return wide * high / max(min(aw * ah, bw * bh), 1e-9)


@numba.njit(cache=True, nogil=True)
def foreground(grid: U8, aspect: float, left: float, top: float, right: float, bottom: float) -> float:
    """Area of the foreground in a rectangle, all in picture heights."""
    area = 0.0
    wide, high = aspect / 16.0, 1.0 / 9.0
    for row in range(max(0, int(top / high)), min(8, int(bottom / high)) + 1):
        for column in range(max(0, int(left / wide)), min(15, int(right / wide)) + 1):
            w = min(right, (column + 1) * wide) - max(left, column * wide)
            h = min(bottom, (row + 1) * high) - max(top, row * high)
            if w > 0.0 and h > 0.0:
                area += w * h * grid[row, column] / 255.0
    return area


@numba.njit(cache=True, nogil=True)
def touched(x: float, bottom: float, w: float, h: float, left: float, top: float, wide: float, high: float) -> bool:
    """Whether a box (middle, bottom, width, height) touches a cell."""
    beside = x + w / 2 + MARGIN < left or x - w / 2 - MARGIN > left + wide
    return not (beside or bottom + MARGIN < top or bottom - h - MARGIN > top + high)


@numba.njit(cache=True, nogil=True)
def left_of(b: F32, grid: U8, aspect: float, boxes: F32, others: F32, known: Bools) -> int:
    """
    What the foreground has of a body that is lost: 0 nothing; 1 it stands or moves; 2 it is low, and still.

    Args:
        boxes: (N, 4) of the picture: what is foreground in the cells that they touch is theirs.
        others: (B, COLUMNS) the bodies of the camera, so far as they are `known` (B,) to be somewhere else.
    """
    own, x, bottom = b[UP_HIGH], b[UP_X], b[UP_BOTTOM]
    left, right, top, low = x - 1.1 * own, x + 1.1 * own, bottom - own, bottom + 0.7 * own
    half = max(0.5 * b[UP_WIDE], 0.12 * own)
    wide, high = aspect / 16.0, 1.0 / 9.0
    amount, at_x, at_y, stood, stood_y, lies, lies_y = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for row in range(max(0, int(top / high)), min(8, int(low / high)) + 1):
        for column in range(max(0, int(left / wide)), min(15, int(right / wide)) + 1):
            x0, x1 = max(left, column * wide), min(right, (column + 1) * wide)
            y0, y1 = max(top, row * high), min(low, (row + 1) * high)
            if x1 <= x0 or y1 <= y0:
                continue
            theirs = False
            for n in boxes:
                theirs |= touched(n[0], n[1], n[2], n[3], column * wide, row * high, wide, high)
            for k in range(len(others)):
                if known[k]:
                    n = others[k]
                    theirs |= touched(n[X], n[BOTTOM], n[WIDE], n[HIGH], column * wide, row * high, wide, high)
            if theirs:
                continue
            area = (x1 - x0) * (y1 - y0) * (grid[row, column] if grid[row, column] >= NOISE else 0) / 255.0
            amount += area
            at_x += area * (x0 + x1) / 2
            at_y += area * (y0 + y1) / 2
            # Who stands, and who lies, as they would be seen in cells as coarse.
            w = min(x + half, (column + 1) * wide) - max(x - half, column * wide)
            if w > 0.0:
                h = max(0.0, min(bottom, (row + 1) * high) - max(top, row * high))
                area = (x1 - x0) * (y1 - y0) * w * h
                stood += area
                stood_y += area * (y0 + y1) / 2
                h = max(0.0, min(bottom, (row + 1) * high) - max(bottom - LIES_HIGH * own, row * high))
                area = (x1 - x0) * (y1 - y0) * w * h
                lies += area
                lies_y += area * (y0 + y1) / 2
    if amount < LEFT_MIN * b[STOOD] * own * own or stood <= 0.0 or lies <= 0.0:
        b[SPOT] = 0.0
        return 0
    at_x, at_y = at_x / amount, at_y / amount
    moves = b[SPOT] > 0.0 and (
        abs(at_x - b[SPOT_X]) + abs(at_y - b[SPOT_Y]) > MOVES * own or abs(amount - b[SPOT]) > CHANGES * b[SPOT]
    )
    pace = 0.3 if b[SPOT] > 0.0 and not moves else 1.0
    b[SPOT_X] += (at_x - b[SPOT_X]) * pace
    b[SPOT_Y] += (at_y - b[SPOT_Y]) * pace
    b[SPOT] += (amount - b[SPOT]) * pace
    stood_y, lies_y = stood_y / stood, lies_y / lies
    sinks = at_y - stood_y >= max(SINKS_MIN * own, SINKS * (lies_y - stood_y))
    return 2 if sinks and not moves and abs(at_x - x) <= NEAR * own else 1


@numba.njit(cache=True, nogil=True)
def _expected(table: F32, aspect: float, x: float, bottom: float) -> float:
    """Height of an upright body that stands there, picture heights; NaN where it is not known."""
    u = min(max(x / aspect, 0.0), 1.0) * 16.0
    v = min(max(bottom, 0.0), 1.0) * 9.0
    i, j = min(int(v), 8), min(int(u), 15)
    fv, fu = v - i, u - j
    above = table[i, j] * (1 - fu) + table[i, j + 1] * fu
    below = table[i + 1, j] * (1 - fu) + table[i + 1, j + 1] * fu
    return float(above * (1 - fv) + below * fv)


@numba.njit(cache=True, nogil=True)
def begin(b: F32, t: Ints, new: F32, sure: float, ns: int, table: F32, aspect: float) -> None:
    """A body at its first box."""
    b[:] = 0.0
    t[:] = NOT_YET
    b[X], b[BOTTOM], b[WIDE], b[HIGH], b[SURE] = new[0], new[1], new[2], new[3], sure
    t[FIRST_NS] = t[SEEN_NS] = ns
    if new[2] <= UPRIGHT_ASPECT * new[3]:
        stands(b, t, new, ns, 1.0, table, aspect)
    elif new[2] >= LYING_ASPECT * new[3]:
        _lies(b, t, new, ns, 1.0)


@numba.njit(cache=True, nogil=True)
def stands(b: F32, t: Ints, new: F32, ns: int, pace: float, table: F32, aspect: float) -> None:
    expected = _expected(table, aspect, new[0], new[1])
    if expected > 0.0 and not 0.5 <= new[3] / expected <= 1.6:
        return  # no person who stands on the ground
    b[UP_HIGH] += (new[3] - b[UP_HIGH]) * pace
    b[UP_WIDE] += (new[2] - b[UP_WIDE]) * pace
    b[UP_X], b[UP_BOTTOM] = new[0], new[1]
    b[UPRIGHT] = min(b[UPRIGHT] + 1, 100)
    t[UP_NS] = ns


@numba.njit(cache=True, nogil=True)
def _lies(b: F32, t: Ints, new: F32, ns: int, pace: float) -> None:
    """Who has not been seen upright: where he lies."""
    for column in range(4):
        b[REST_X + column] += (new[column] - b[REST_X + column]) * pace
    b[LOWISH] += 1
    t[STILL_NS] = ns


@numba.njit(cache=True, nogil=True)
def _rest(b: F32, t: Ints, new: F32, ns: int) -> None:
    for column in range(4):
        b[REST_X + column] = new[column]
    t[STILL_NS] = ns


@numba.njit(cache=True, nogil=True)
def goes_down(b: F32, t: Ints, new: F32, ns: int, sign: int, since_ns: int, share: float) -> None:
    b[PHASE], b[SIGN] = DOWN, sign
    b[LOW] = b[LOWISH] = b[SEEN] = b[RISEN] = 0.0
    b[DESCENT_S] = (ns - since_ns) / NS
    b[LOWEST], b[WIDEST] = share, new[2] / max(new[3], 1e-6)
    b[CUT] = 1.0 if new[1] > 1.0 - EDGE else 0.0
    t[DOWN_NS], t[OVER_NS] = ns, NOT_YET
    _rest(b, t, new, ns)


@numba.njit(cache=True, nogil=True)
def lowness(b: F32, new: F32, share: float) -> int:
    """2 where a box is low as one that lies, 1 where as one that kneels or crouches, else 0."""
    shape = new[2] / max(new[3], 1e-6)
    if b[UP_HIGH] <= 0.0:
        return 0
    if (shape >= FLAT_ASPECT and share <= FLAT_SHARE) or share <= LOW_SHARE:
        return 2
    if shape >= SQUAT_ASPECT and share <= SQUAT_SHARE:
        return 2
    if b[SIGN] == DROP and shape >= LYING_ASPECT:
        return 2
    if b[SIGN] == TOPPLE and (share < UPRIGHT_SHARE or (shape > UPRIGHT_ASPECT and share <= 0.9)):
        return 2
    if (share <= (LOWISH_SHARE if b[PHASE] == UP else DOWN_SHARE) and shape >= 0.5) or (
        shape >= LYING_ASPECT and share <= 0.8
    ):
        return 1
    return 0


@numba.njit(cache=True, nogil=True)
def _share(b: F32, new: F32, table: F32, aspect: float) -> float:
    """Height of a box as a share of the body's own when it stood, at the distance of the box."""
    if b[UP_HIGH] <= 0.0:
        return 1.0
    now, then = _expected(table, aspect, new[0], new[1]), _expected(table, aspect, b[UP_X], b[UP_BOTTOM])
    scale = now / then if now > 0.0 and then > 0.0 else 1.0
    return float(new[3] / (b[UP_HIGH] * min(max(scale, 0.5), 2.0)))


@numba.njit(cache=True, nogil=True)
def follow_up(
    b: F32,
    t: Ints,
    new: F32,
    sure: float,
    ns: int,
    period_s: float,
    flip_s: float,
    table: F32,
    aspect: float,
    beside: bool,
) -> None:
    """A body that was up, at its next box; `beside` somebody else its box may be the other's."""
    elapsed_s = max((ns - t[SEEN_NS]) / NS, 1e-3)
    own = max(b[UP_HIGH], b[HIGH], 1e-3)
    pace = min(1.0, elapsed_s / 0.6)
    shape = new[2] / max(new[3], 1e-6)
    share = _share(b, new, table, aspect)
    if b[UPRIGHT] == 0.0 or (shape <= UPRIGHT_ASPECT and share >= UPRIGHT_SHARE):
        b[SPEED_X] += ((new[0] - b[X]) / own / elapsed_s - b[SPEED_X]) * pace
        b[SPEED_Y] += ((new[1] - b[BOTTOM]) / own / elapsed_s - b[SPEED_Y]) * pace
    b[SURE] += (sure - b[SURE]) * 0.3
    within_ns = (flip_s + 0.6 * min(period_s, 1.0)) * NS
    # Who walks away grows smaller from below; who falls, from above.
    smaller, sinks = b[UP_HIGH] - new[3], (new[1] - new[3]) - (b[UP_BOTTOM] - b[UP_HIGH])
    walks_off = smaller > 0.0 and sinks <= 0.3 * smaller and abs(new[1] - b[BOTTOM]) <= 0.3 * own
    if b[UPRIGHT] == 0.0:
        if shape <= UPRIGHT_ASPECT:
            stands(b, t, new, ns, 1.0, table, aspect)
        elif shape >= LYING_ASPECT and b[LOWISH] == 0.0:
            _lies(b, t, new, ns, 1.0)
        elif b[LOWISH] > 0.0:
            length = max(b[REST_WIDE], 1e-3)
            lower = (new[1] - b[REST_BOTTOM]) / length
            top = (new[1] - new[3] - b[REST_BOTTOM] + b[REST_HIGH]) / length
            if lower >= DROP_SHARE and top >= 0.5 * DROP_SHARE and shape >= LYING_ASPECT:
                if b[LOWISH] >= 2.0 and ns - t[STILL_NS] <= within_ns:
                    b[UP_HIGH], b[UP_WIDE] = length, b[REST_HIGH]
                    b[UP_X], b[UP_BOTTOM] = b[REST_X], b[REST_BOTTOM]
                    goes_down(b, t, new, ns, DROP, t[STILL_NS], new[3] / length)
            elif shape >= LYING_ASPECT and abs(lower) < 0.5 * DROP_SHARE:
                _lies(b, t, new, ns, 0.3)
            elif ns - t[STILL_NS] > within_ns:
                b[LOWISH] = 0.0
    elif shape <= UPRIGHT_ASPECT and (share >= UPRIGHT_SHARE or (walks_off and share >= RECEDES_SHARE)):
        # As it falls it grows lower: what it was before must not be forgotten as fast.
        falls = new[3] < b[UP_HIGH] and not walks_off
        stands(b, t, new, ns, min(1.0, elapsed_s / 5.0) if falls else pace, table, aspect)
    else:
        hidden = new[1] < b[UP_BOTTOM] - RISES * b[UP_HIGH]
        b[SIGN] = FLIP
        low = lowness(b, new, share)
        # He may have walked towards the camera, but not while he fell.
        lower = (new[1] - b[UP_BOTTOM]) / b[UP_HIGH] - max(b[SPEED_Y], 0.0) * min((ns - t[UP_NS]) / NS, WALKED_S)
        shift = (new[0] - b[UP_X]) / b[UP_HIGH] - b[SPEED_X] * min((ns - t[UP_NS]) / NS, WALKED_S)
        far = shift * shift + lower * lower > 1.2
        slow = period_s > SLOW_S  # so much can happen between two pictures that only what is sure counts
        late = ns - t[SEEN_NS] > LATE_S * NS
        # After a while a small box that is narrow, or stands higher, may be somebody else, further away.
        elsewhere = ns - t[SEEN_NS] > UNSEEN_S * NS and (shape <= UPRIGHT_ASPECT or lower < -0.5 * RISES)
        if beside or far or elsewhere or (low == 1 and (slow or (late and shape < KNEELS_ASPECT))):
            low = 0
        elif (
            not late
            and lower >= (SURE_TOPPLES if slow else TOPPLES)
            and share <= (TOPPLED_SHARE if lower < SURE_TOPPLES else 0.9)
        ):
            low = 3
        # What happened between two boxes may have happened at once.
        if b[UPRIGHT] >= 2.0 and not hidden and low > 0 and t[SEEN_NS] - t[UP_NS] <= within_ns:
            flat = shape >= FLAT_ASPECT and share <= FLAT_SHARE
            goes_down(b, t, new, ns, TOPPLE if low == 3 else (FLIP if flat else COLLAPSE), t[UP_NS], share)
            b[LOW] = 1.0 if low >= 2 else 0.0
            b[LOWISH] = b[SEEN] = 1.0
        elif ns - t[UP_NS] > 8 * within_ns:  # he sits, or is half hidden, for long: this is how he is now
            b[UPRIGHT] = b[LOWISH] = 0.0
            if shape <= UPRIGHT_ASPECT:
                stands(b, t, new, ns, 1.0, table, aspect)
    b[X], b[BOTTOM], b[WIDE], b[HIGH] = new[0], new[1], new[2], new[3]
    t[SEEN_NS] = ns


@numba.njit(cache=True, nogil=True)
def follow_down(b: F32, t: Ints, new: F32, sure: float, ns: int, table: F32, aspect: float, beside: bool) -> int:
    """A body that went down, at its next box; 1 where it is up again, 2 where it is no fall."""
    shape, share = new[2] / max(new[3], 1e-6), _share(b, new, table, aspect)
    low = lowness(b, new, share)
    if low > 1 and b[LOW] == 0.0 and b[SIGN] <= COLLAPSE and t[SEEN_NS] - t[UP_NS] > LATE_S * NS:
        low = 0  # it crouched first, and then lay down
    own = max(b[UP_HIGH], 1e-3)
    b[SEEN] += 1
    t[SEEN_NS] = ns
    b[SURE] += (sure - b[SURE]) * 0.3
    b[X], b[BOTTOM], b[WIDE], b[HIGH] = new[0], new[1], new[2], new[3]
    middle_x = new[0] - b[REST_X]
    middle_y = (new[1] - new[3] / 2) - (b[REST_BOTTOM] - b[REST_HIGH] / 2)
    apart = covered(new[0], new[1], new[2], new[3], b[REST_X], b[REST_BOTTOM], b[REST_WIDE], b[REST_HIGH])
    is_up = shape <= UPRIGHT_ASPECT and share >= UPRIGHT_SHARE
    lower = (new[1] - b[UP_BOTTOM]) / own
    if is_up and b[SIGN] == TOPPLE and lower >= TOPPLES and share <= STANDS_NEARER * (1.0 + NEARER * lower):
        is_up, low = False, 2  # too small for one who stands so near: he lies towards the camera
    if is_up:
        b[RISEN] += 1
        if t[OVER_NS] == NOT_YET:
            t[OVER_NS] = ns
        return 1
    if ns - t[DOWN_NS] <= FALLS_S * NS:
        _rest(b, t, new, ns)  # it is still falling
        if not beside and b[SIGN] <= COLLAPSE and (new[1] - b[UP_BOTTOM]) / own >= SURE_TOPPLES:
            b[SIGN] = TOPPLE
            low = lowness(b, new, share)
    elif apart < 0.4 and (middle_x * middle_x + middle_y * middle_y) > (0.3 * own) ** 2:
        if b[PHASE] == DOWN and ns - t[DOWN_NS] <= SETTLES_S * NS:
            _rest(b, t, new, ns)  # the next of a few parts that are found
        else:
            if t[OVER_NS] == NOT_YET:
                t[OVER_NS] = ns
            if b[PHASE] == DOWN:
                return 2
            return 1
    elif low > 0:
        t[OVER_NS] = NOT_YET
        b[RISEN] = 0.0
        # At first a part of who lies is found, later all: rest is the larger.
        if ns - t[DOWN_NS] <= SETTLES_S * NS and new[2] * new[3] > b[REST_WIDE] * b[REST_HIGH]:
            still_ns = t[STILL_NS]
            _rest(b, t, new, ns)
            t[STILL_NS] = still_ns
    if low > 1:
        b[LOW] += 1
        b[LOWEST], b[WIDEST] = min(b[LOWEST], share), max(b[WIDEST], shape)
    if low > 0:
        b[LOWISH] += 1
    return 0
