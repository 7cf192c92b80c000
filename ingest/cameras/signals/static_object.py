"""
Things that were left behind, and things that were taken away: what changed in the picture, stays changed and stands
alone.

    background   the scene, as the median of the first pictures; it follows the light, and takes up what stays for long
    settled      what each pixel shows for some pictures in a row; who passes before it does not change it
    age          since when it shows that

A place that differs from the background and has not changed for `STATIC_S` is a candidate. Of these are silent: what is
too small or as large as a vehicle; light and shade, under which the background's own texture goes on; what grew there
with nobody near; what still stirs, as people who stand do; what has somebody beside it who stays. What is left is
something brought if its outline is an edge of the present picture, and something taken away, whose ghost it is, if it
is an edge of the background.

Source: dual backgrounds after Porikli, Ivanov and Haga, EURASIP J. Adv. Signal Process. 2008, 197875; ghosts by edges
after Connell et al., ICME 2004. The limits are our own measurements on rendered scenes (docs/detectors/objects.md).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from ingest.cameras.observation import CameraEvent
from ingest.cameras.signals.part import Told
from ingest.cameras.signals.sample import HEIGHT, NS_PER_S, WIDTH, Sample
from ingest.schema.tick import F32, U8, EventKind, EventState, Picture

LOOK_S = 1.9  # at most one look in so long: what stays needs no more
STATIC_S = 10.0
ABSORB_S = 1_800.0  # so long something is told, then it belongs to the scene
AREA_MIN, AREA_MAX = 36, 1_600  # px of 57,600: 0.06 % and 2.8 % of the picture
OBJECTS_MAX = 8
_LEARNED = 12  # pictures
_SAMES = 3  # pictures in a row that show the same, and not what was there before
_LIMIT_MIN, _LIMIT_SIGMAS = 13.0, 5.0  # grey levels
_LIGHT_S = 90.0  # the background follows the light within this time
_JUMP_SHARE, _SETTLED_JUMP_SHARE = 0.4, 0.25  # of the picture: it is light, or the camera
_BEFORE_S = 14.0  # so long before something settled, somebody must have been there
_MOVED_MIN = 20.0  # px
_CELL = 8  # px of the cells in which movement is remembered
_SAME_TEXTURE = 0.55
_EDGE_RATIO, _EDGE_MIN = 1.3, 4.0
_HIDDEN_S, _COMES_S = 8.0, 9.0  # what settles later than the rest has stirred
_SETTLED_SHARE = 0.75
_STIRRED_SHARE = 0.12
_UNFIT = Picture.DARK | Picture.COVERED | Picture.CORRUPT | Picture.FROZEN | Picture.BLURRED
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """Something that stays; its mask is that of its box."""

    kind: EventKind
    box: tuple[int, int, int, int]  # left, top, right, bottom, px
    mask: Mask
    since_ns: int  # when it came to rest
    alone_ns: int  # since when nobody stays beside it, and it does not stir
    judged_ns: int  # when it was last seen whole
    seen: int  # how often it was judged, and how often as this
    agreed: int
    confidence: float


class StaticObject:
    """The memory of one camera: some pictures of 320 x 180, and a minute of movement in coarse cells."""

    def __init__(self) -> None:
        self._jumped = 0
        self._looked_ns: int | None = None
        self._forget()

    def read(self, picture: Sample, at_ns: int) -> Told:
        """What stays there now; nothing while the background is learned or the picture is blind."""
        if picture.flags & _UNFIT:
            return Told()
        if self._looked_ns is not None and 0 <= at_ns - self._looked_ns < LOOK_S * NS_PER_S:
            return Told(events=self._events(at_ns))
        elapsed_s = 0.0 if self._looked_ns is None else (at_ns - self._looked_ns) / NS_PER_S
        self._looked_ns = at_ns
        if picture.flags & Picture.MOVED:
            ended = self._ended(at_ns)
            self._forget()
            return Told(events=ended)
        now = _channels(picture)
        if self._background is None:
            self._learn(now)
            return Told()
        now = self._levelled(now)
        self._noise(now)
        limit = max(_LIMIT_MIN, _LIMIT_SIGMAS * self._sigma)
        differs = _apart(now, self._background) > limit
        if float(differs.mean()) > _JUMP_SHARE:
            self._jumped += 1
            if self._jumped > 5:
                ended = self._ended(at_ns)
                self._forget()
                return Told(events=ended)
            return Told(events=self._events(at_ns))
        self._jumped = 0
        settled = self._settle(now, differs, limit, at_ns)
        if float(settled.mean()) > _SETTLED_JUMP_SHARE:
            ended = self._ended(at_ns)
            self._forget()
            return Told(events=ended)
        gone = self._judge(settled, at_ns)
        self._follow_light(settled, elapsed_s, at_ns)
        return Told(events=(*self._events(at_ns), *gone))

    def _forget(self) -> None:
        self._first: list[npt.NDArray[np.int16]] = []
        self._background: F32 | None = None
        self._settled, self._next = (np.zeros((2, HEIGHT, WIDTH), np.float32) for _ in range(2))
        self._sames = np.zeros((HEIGHT, WIDTH), np.uint8)
        self._since_ns = np.zeros((HEIGHT, WIDTH), np.int64)
        self._before: F32 | None = None
        self._sigma = 2.0
        self._jumped = 0
        self._moves: deque[tuple[int, F32]] = deque(maxlen=90)
        self._objects: tuple[Object, ...] = ()

    def _learn(self, now: F32) -> None:
        self._first.append(now.astype(np.int16))
        if len(self._first) >= _LEARNED:
            self._background = np.median(np.stack(self._first), axis=0).astype(np.float32)
            self._settled, self._next = self._background.copy(), self._background.copy()
            self._sames = np.zeros((HEIGHT, WIDTH), np.uint8)
            self._since_ns = np.zeros((HEIGHT, WIDTH), np.int64)
            self._first = []

    def _levelled(self, now: F32) -> F32:
        """With the background's overall brightness: a cloud changes nothing."""
        assert self._background is not None
        some, usual = now[0, 2::5, 2::5], self._background[0, 2::5, 2::5]
        lit = (some > 12) & (some < 243) & (usual > 12)
        if int(lit.sum()) < 300:
            return now
        gain = float(np.clip(np.median(usual[lit] / some[lit]), 0.5, 2.0))
        levelled: F32 = np.minimum(now * np.float32(gain), np.float32(255.0))
        return levelled

    def _noise(self, now: F32) -> None:
        """Sigma of a smoothed pixel from picture to picture, from the still half of them."""
        if self._before is not None:
            change = np.abs(now[0, 1::3, 1::3] - self._before)
            self._sigma += 0.1 * (float(np.median(change)) * 1.05 - self._sigma)
        self._before = now[0, 1::3, 1::3].copy()

    def _settle(self, now: F32, differs: Mask, limit: float, at_ns: int) -> Mask:
        """(180, 320) where what is settled is not the background."""
        assert self._background is not None
        other = _apart(now, self._settled) > limit
        same_as_next = _apart(now, self._next) <= limit
        self._sames = np.where(same_as_next, np.minimum(self._sames, 250) + np.uint8(1), np.uint8(1)) * other
        _take(self._next, now, other & ~same_as_next)
        new = self._sames >= _SAMES
        # It came to rest when it was first seen so; it goes on being learned while it does.
        _take(self._settled, now, new)
        _draw(self._settled, now, 0.1, ~other)
        self._since_ns[new] = at_ns
        self._sames[new] = 0
        moving = (other & differs).astype(np.float32)
        cells = cv2.resize(moving, (WIDTH // _CELL, HEIGHT // _CELL), interpolation=cv2.INTER_AREA)
        self._moves.append((at_ns, cells.astype(np.float32)))
        result: Mask = _apart(self._settled, self._background) > limit
        return result

    def _judge(self, settled: Mask, at_ns: int) -> tuple[CameraEvent, ...]:
        """Candidates become objects, objects go on or end; the events of those that ended."""
        kept: list[Object] = []
        gone: list[Object] = []
        for each in self._objects:
            left, top, right, bottom = each.box
            there = float(settled[top:bottom, left:right][each.mask].mean())
            lasts = there >= 0.5 and at_ns - each.since_ns <= ABSORB_S * NS_PER_S
            (kept if lasts else gone).append(each)
        found = self._candidates(settled, at_ns)
        after = []
        for each in kept:
            again = [one for one in found if _overlap(one.box, each.box) >= 0.3]
            if again:
                found = [one for one in found if one is not again[0]]
                after.append(_joined(each, again[0]))
            else:
                # For a moment somebody passes before it; for longer, it is a part of something that stays there.
                hidden = at_ns - each.judged_ns > _HIDDEN_S * NS_PER_S
                after.append(replace(each, alone_ns=at_ns) if hidden else each)
        room = OBJECTS_MAX - len(after)
        found.sort(key=lambda one: (-one.confidence, one.box))
        self._objects = (*after, *found[:room])
        return tuple(self._event(each, EventState.OFF, at_ns) for each in gone if _is_told(each, at_ns))

    def _candidates(self, settled: Mask, at_ns: int) -> list[Object]:
        joined = cv2.morphologyEx(settled.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        # Labels of 16 bits take a quarter of the time of those of 32.
        _, labelled, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8, ltype=cv2.CV_16U)
        labels = np.asarray(labelled, np.uint16)
        result = []
        wide, high, size = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_AREA]
        fit = (size >= AREA_MIN) & (size <= AREA_MAX) & (size >= 0.35 * wide * high) & (np.maximum(wide, high) <= 90)
        fit[0] = False  # the background
        for label in np.flatnonzero(fit[:200]).tolist():  # a few blobs, each of its own shape
            left, top, width, height, area = (int(value) for value in stats[label])
            mask: Mask = labels[top : top + height, left : left + width] == label
            since_ns = self._since_ns[top : top + height, left : left + width][mask]
            rests_ns = int(np.median(since_ns))
            if at_ns - rests_ns < STATIC_S * NS_PER_S:
                continue
            stirred = float((since_ns > rests_ns + _COMES_S * NS_PER_S).mean())
            if float((at_ns - since_ns >= STATIC_S * NS_PER_S).mean()) < _SETTLED_SHARE:
                continue
            box = (left, top, left + width, top + height)
            judged = self._kind(box, mask)
            if judged is None or not self._was_brought(box, mask, rests_ns):
                continue
            kind, sure = judged
            alone = stirred <= _STIRRED_SHARE and not self._is_attended(settled, labels, label, box, area)
            alone_ns = rests_ns if alone else at_ns
            result.append(Object(kind, box, mask, rests_ns, alone_ns, at_ns, 1, 1, sure))
        return result

    def _kind(self, box: tuple[int, int, int, int], mask: Mask) -> tuple[EventKind, float] | None:
        """What a candidate is, and how sure that is; None where it is light, shade or nothing that can be told."""
        assert self._background is not None
        around, inside = _margin(box, 4), None
        left, top, right, bottom = around
        inside = np.zeros((bottom - top, right - left), np.uint8)
        inside[box[1] - top : box[3] - top, box[0] - left : box[2] - left] = mask
        now, before = self._settled[:, top:bottom, left:right], self._background[:, top:bottom, left:right]
        if _texture_goes_on(now[0], before[0], inside):
            return None
        kernel = np.ones((3, 3), np.uint8)
        ring = (cv2.dilate(inside, kernel) - cv2.erode(inside, kernel)) > 0
        edge_now, edge_before = _edge(now)[ring].mean(), _edge(before)[ring].mean()
        # The grain of the ground is an edge in both: only what is above it counts.
        outside = (cv2.dilate(inside, np.ones((7, 7), np.uint8)) == 0) | (cv2.dilate(inside, kernel) == 0)
        grain = float(np.median(_edge(before)[outside])) if outside.any() else 0.0
        a, b = max(float(edge_now) - grain, 0.0), max(float(edge_before) - grain, 0.0)
        if max(a, b) < _EDGE_MIN or max(a, b) < _EDGE_RATIO * min(a, b):
            return None
        kind = EventKind.LEFT_BEHIND if a > b else EventKind.TAKEN_AWAY
        return kind, float(np.clip(1.0 - min(a, b) / max(a, b), 0.0, 1.0))

    def _was_brought(self, box: tuple[int, int, int, int], mask: Mask, rests_ns: int) -> bool:
        """Whether anybody moved beside the place shortly before it came to rest."""
        left, top, right, bottom = _margin(box, 2 * _CELL)
        rows, columns = slice(top // _CELL, -(-bottom // _CELL)), slice(left // _CELL, -(-right // _CELL))
        own = np.zeros((HEIGHT // _CELL, WIDTH // _CELL), np.bool_)
        own[box[1] // _CELL : -(-box[3] // _CELL), box[0] // _CELL : -(-box[2] // _CELL)] = True
        beside = ~own[rows, columns]
        first_ns = rests_ns - int(_BEFORE_S * NS_PER_S)
        then = [cells[rows, columns] for at_ns, cells in self._moves if first_ns <= at_ns <= rests_ns]
        moved = [float(each[beside].sum()) for each in then]
        least_px = max(_MOVED_MIN, 0.4 * min(float(mask.sum()), 250.0))
        return bool(moved) and max(moved) * _CELL * _CELL >= least_px

    def _is_attended(
        self, settled: Mask, labels: npt.NDArray[np.uint16], label: int, box: tuple[int, int, int, int], area: int
    ) -> bool:
        """Whether something else that stays, as large, is beside it."""
        reach = round(0.8 * max(box[2] - box[0], box[3] - box[1])) + 6
        left, top, right, bottom = _margin(box, reach)
        others = settled[top:bottom, left:right] & (labels[top:bottom, left:right] != label)
        return float(others.sum()) >= 0.8 * area

    def _follow_light(self, settled: Mask, elapsed_s: float, at_ns: int) -> None:
        assert self._background is not None
        _draw(self._background, self._settled, min(1.0, elapsed_s / _LIGHT_S), ~settled)
        old = settled & (self._since_ns < at_ns - int(ABSORB_S * NS_PER_S))
        if old.any():
            _take(self._background, self._settled, old)

    def _events(self, at_ns: int) -> tuple[CameraEvent, ...]:
        return tuple(self._event(each, EventState.ON, at_ns) for each in self._objects if _is_told(each, at_ns))

    def _ended(self, at_ns: int) -> tuple[CameraEvent, ...]:
        return tuple(self._event(each, EventState.OFF, at_ns) for each in self._objects if _is_told(each, at_ns))

    def _event(self, each: Object, state: EventState, at_ns: int) -> CameraEvent:
        left, top, right, bottom = each.box
        box = (left / WIDTH, top / HEIGHT, (right - left) / WIDTH, (bottom - top) / HEIGHT)
        alone_s = (at_ns - each.alone_ns) / NS_PER_S
        return CameraEvent(each.kind, state, alone_s, round(each.confidence, 3), at_ns, box)


def _is_told(each: Object, at_ns: int) -> bool:
    alone = at_ns - each.alone_ns >= STATIC_S * NS_PER_S
    return alone and each.seen >= 3 and each.agreed >= 0.7 * each.seen


def _joined(each: Object, again: Object) -> Object:
    """An object that is seen again: its shape is the newest, its beginning the first."""
    alike = again.kind == each.kind
    return replace(
        each,
        box=again.box,
        mask=again.mask,
        alone_ns=max(each.alone_ns, again.alone_ns),
        judged_ns=again.judged_ns,
        seen=min(each.seen + 1, 100),
        agreed=min(each.agreed + alike, 100),
        confidence=each.confidence + 0.1 * ((again.confidence if alike else 0.0) - each.confidence),
    )


def _channels(picture: Sample) -> F32:
    """(2, 180, 320) smoothed: grey levels, and red less blue, 0 where there is no colour: a thing may be as bright
    as the ground."""
    grey = cv2.blur(picture.grey, (3, 3)).astype(np.float32)
    if picture.colour is None:
        return np.stack([grey, np.zeros_like(grey)])
    blue, _, red = cv2.split(cv2.blur(picture.colour, (3, 3)))
    return np.stack([grey, red.astype(np.float32) - blue.astype(np.float32)])


def _take(into: F32, values: F32, where: Mask) -> None:
    """Put both channels of `values` into `into` at `where` (180, 320)."""
    mask = where.view(np.uint8)
    for channel in range(2):
        cv2.copyTo(values[channel], mask, into[channel])


def _draw(into: F32, values: F32, pace: float, where: Mask) -> None:
    """Draw both channels of `into` towards `values` at `where` (180, 320)."""
    mask = where.view(np.uint8)
    for channel in range(2):
        cv2.accumulateWeighted(values[channel], into[channel], pace, mask)


def _apart(a: F32, b: F32) -> F32:
    """(180, 320) the larger difference of the two channels."""
    return np.asarray(cv2.max(cv2.absdiff(a[0], b[0]), cv2.absdiff(a[1], b[1])), np.float32)


def _edge(both: F32) -> F32:
    """(H, W) how steep the steeper of two channels is, grey levels a pixel."""
    steep = [cv2.magnitude(cv2.Sobel(each, cv2.CV_32F, 1, 0), cv2.Sobel(each, cv2.CV_32F, 0, 1)) for each in both]
    return np.asarray(cv2.max(*steep), np.float32) * np.float32(0.25)


def _texture_goes_on(now: F32, before: F32, inside: U8) -> bool:
    """Whether the background's own texture is seen in the place, under more or less light."""
    core = inside > 0
    for reach in (9, 7, 5, 3):  # the outline itself is no texture
        within = cv2.erode(inside, np.ones((reach, reach), np.uint8)) > 0
        if within.sum() >= 30:
            core = within
            break
    fine = [each - cv2.GaussianBlur(each, (0, 0), 2.5) for each in (now, before)]
    a, b = (each[core] - each[core].mean() for each in fine)
    strong = float(b.std())
    if strong < 1.0:
        return False
    alike = float((a * b).mean()) / max(float(a.std()) * strong, 1e-6)
    return alike > _SAME_TEXTURE


def _margin(box: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    return max(0, box[0] - by), max(0, box[1] - by), min(WIDTH, box[2] + by), min(HEIGHT, box[3] + by)


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
