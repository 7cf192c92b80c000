"""
Smoke, by what it does to what is behind it, against a learned background.

A veil lets a share of the background's detail through and adds grey light of its own: in a cell of the picture the
fine detail is the usual one times a factor below 1, with nothing foreign in it, and less of it is left than of the
brightness. A shadow takes as much of both, a lamp adds without taking, what stands before the background brings edges
of its own. Smoke is grey, local, restless, and grows for a while; fog, rain, a misted lens and a poor line are
everywhere; dust is brown and settles; steam is as large as it gets within seconds.

Source of the signs: Toereyin et al., EUSIPCO 2005 (loss of high frequencies against the background, grey colours);
Koschmieder, Beitr. Phys. freien Atm. 12 (1924) 33 (a veil: transmission and light of its own). Thresholds are of our
own, tuned on rendered scenes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ingest.cameras.signals.part import Told
from ingest.cameras.signals.sample import HEIGHT, NS_PER_S, WIDTH, Sample
from ingest.schema.tick import F32, Picture

Bools = npt.NDArray[np.bool_]

BLIND = Picture.CORRUPT | Picture.FROZEN | Picture.DARK | Picture.COVERED | Picture.MOVED
CELL_PX = 10
ROWS, COLUMNS = HEIGHT // CELL_PX, WIDTH // CELL_PX
_LEARNING_PICTURES = 8
_USUAL_S = 60.0  # what is usual follows within this time: fog and dusk come slower than smoke
_DETAIL_MIN = 2.5  # standard deviation of a cell's fine detail, grey levels; below it no loss can be seen
_GLARE = 248.0  # grey level; around what is newly so bright, the lens veils the picture
_SHIFT_MIN = 6.0  # change of a cell's mean, grey levels
_REMEMBERED_S, _REMEMBERED_MAX, _REMEMBERED_MIN = 12.0, 24, 5
_SPACING_S = 0.5
_GROWN_MIN = 1.4  # beside its size 4 s and more ago
_RESTLESS_MIN, _RESTLESS_ON = 1.0, 0.5
_SHARE_MIN, _WHITE_SHARE_MIN = 0.025, 0.06  # of the picture; as white as steam, it must be more than steam


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """What is usual in each cell."""

    grey: F32  # (180, 320)
    colour: F32  # (18, 32, 3) mean of each cell


@dataclass(frozen=True, slots=True)
class Signs:
    """Of the largest veil."""

    share: float  # of the picture
    detailed: float  # share of it that has lost detail, beside what is flat and has changed with it
    everywhere: float  # share of all cells with detail that lose some
    restless: float  # mean change of its cells between pictures beyond the others', grey levels or percent
    grown: float  # its share now beside that of some seconds ago
    lasts_s: float  # how long some of it has been there
    hard: float  # share of its border at which there are edges of something else
    pale: float  # its own light beside the brightest that is usual in the picture


NO_SIGNS = Signs(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """What has become of each cell (18, 32) of the background in one picture."""

    veiled: Bools
    lost: Bools  # some of its detail is gone, for whatever cause
    detailed: Bools  # it has detail that could be lost
    foreign: Bools  # it shows edges that the background does not have
    mean: F32  # grey level, with the gain of the picture taken out
    light: F32  # of the veil's own light, grey levels, NaN where there is no veil


class Smoke:
    """The memory of one camera."""

    def __init__(self) -> None:
        self._usual: Usual | None = None
        self._seen = 0
        self._grown: Bools | None = None  # (18, 32) the smoke that was last told
        self._lately: deque[tuple[int, Cells]] = deque(maxlen=_REMEMBERED_MAX)

    def read(self, picture: Sample, at_ns: int) -> Told:
        if picture.colour is None or picture.flags & BLIND:
            self._lately.clear()
            return Told()
        grey = picture.grey.astype(np.float32)
        colour = _coarse(picture.colour.astype(np.float32))
        if self._usual is None or self._seen < _LEARNING_PICTURES:
            self._learn(grey, colour, 1.0 / (self._seen + 1), None)
            self._seen += 1
            return Told()
        if not self._lately or at_ns - self._lately[-1][0] >= _SPACING_S * NS_PER_S:
            self._lately.append((at_ns, cells_of(grey, colour, self._usual)))
        while at_ns - self._lately[0][0] > _REMEMBERED_S * NS_PER_S:
            self._lately.popleft()
        veil = self.veil()
        self._learn(grey, colour, min(1.0, picture.elapsed_s / _USUAL_S), veil)
        if len(self._lately) < _REMEMBERED_MIN:
            return Told(smoke=0.0)
        if veil is None:
            self._grown = None
            return Told(smoke=0.0)
        if veil.mean() < _SHARE_MIN:  # nearly always; the other signs cost more
            return Told(smoke=0.0)
        # It has grown once, and was restless; when it has filled its place it does and is so less.
        goes_on = self._grown is not None and bool((self._grown & veil).any())
        signs = self.signs(veil, at_ns)
        if not is_smoke(signs, goes_on) or not (goes_on or signs.grown >= _GROWN_MIN):
            return Told(smoke=0.0)
        self._grown = veil
        return Told(smoke=signs.share)

    def veil(self) -> Bools | None:
        """(18, 32) the largest connected veil of the last pictures; None where there is none."""
        if len(self._lately) < 3:
            return None
        lately = np.stack([cells.veiled for _, cells in list(self._lately)[-3:]])
        count, labels, stats, _ = cv2.connectedComponentsWithStats((lately.sum(axis=0) >= 2).astype(np.uint8))
        if count < 2:
            return None
        return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))

    def signs(self, veil: Bools, at_ns: int) -> Signs:
        times = np.array([at for at, _ in self._lately], np.int64)
        means = np.stack([cells.mean for _, cells in self._lately])
        veiled = np.stack([cells.veiled for _, cells in self._lately])
        last = self._lately[-1][1]
        # By the median, what came and stands is not restless; and a flicker of the light moves the bright the most.
        moved = np.abs(np.diff(means, axis=0))[-6:]
        levels, percent = (np.median(each, axis=0) for each in (moved, 100 * moved / np.maximum(means[-1], 20.0)))
        beyond = [float(each[veil].mean()) - float(np.median(each[~veil])) for each in (levels, percent)]
        near = cv2.dilate(veil.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        earlier = veiled[times <= at_ns - 4 * NS_PER_S]
        size = (veiled & near).sum(axis=(1, 2))
        thin = np.flatnonzero(size < np.maximum(0.1 * size[-1], 2))
        began_ns = int(times[min(thin[-1] + 1, len(times) - 1)] if len(thin) else times[0])
        before = float(np.median((earlier & near).sum(axis=(1, 2)))) if len(earlier) else float(veil.sum())
        grown = cv2.dilate(veil.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        border = grown & (cv2.erode(veil.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
        light = last.light[veil & ~np.isnan(last.light)]
        return Signs(
            share=float(veil.mean()),
            detailed=float(last.lost[veil].mean()),
            everywhere=float((last.lost & last.detailed).sum()) / max(float(last.detailed.sum()), 1.0),
            restless=min(beyond) if not veil.all() else 0.0,
            grown=float(veil.sum()) / max(before, 1.0),
            lasts_s=(at_ns - began_ns) / NS_PER_S,
            hard=float(last.foreign[border].mean()) if border.any() else 0.0,
            pale=float(np.median(light)) / max(float(np.percentile(last.mean, 95)), 1.0) if len(light) else 0.0,
        )

    def _learn(self, grey: F32, colour: F32, pace: float, but: Bools | None) -> None:
        """What is veiled is not learned, or smoke that stays would become usual."""
        if self._usual is None:
            self._usual = Usual(grey, colour)
            return
        slow = np.full((ROWS, COLUMNS), pace, np.float32)
        if but is not None:
            slow[but] = 0.0
        fine = np.repeat(np.repeat(slow, CELL_PX, axis=0), CELL_PX, axis=1)
        usual = self._usual
        self._usual = Usual(
            usual.grey + (grey - usual.grey) * fine, usual.colour + (colour - usual.colour) * slow[..., None]
        )


def cells_of(grey: F32, colour: F32, usual: Usual) -> Cells:
    """
    Args:
        grey: (180, 320) levels 0 to 255.
        colour: (18, 32, 3) means of cells, blue, green, red.
    """
    mean_usual = _coarse(usual.grey)
    mean = _coarse(grey)
    lit = (mean > 8) & (mean < 247) & (mean_usual > 8)
    gain = float(np.clip(np.median(mean_usual[lit] / mean[lit]), 0.4, 2.5)) if lit.sum() > 20 else 1.0
    mean = mean * np.float32(gain)
    fine, fine_usual = _fine(grey) * np.float32(gain), _fine(usual.grey)
    power, power_usual = _coarse(fine * fine), _coarse(fine_usual * fine_usual)
    through = _coarse(fine * fine_usual) / np.maximum(power_usual, 0.5)
    rest = power - through * through * power_usual
    noise = float(np.median(rest))
    kept = mean / np.maximum(mean_usual, 4.0)
    # Detail that a mere shadow would hide in the noise, or in what a coarse encoder leaves of the dark, tells nothing.
    shaded = np.minimum(kept, 1.0) ** 2 * power_usual
    detailed = shaded >= np.float32(max(_DETAIL_MIN**2, 0.5 * noise))
    lost = detailed & (through < 0.75) & (through < 0.8 * kept)
    pure = rest - noise <= 0.3 * power_usual + 0.5 * noise
    own = (colour * np.float32(gain) - through[..., None] * usual.colour) / np.maximum(1 - through, 0.2)[..., None]
    tint = usual.colour.mean(axis=(0, 1)) / max(float(usual.colour.mean()), 1.0)
    neutral = np.maximum(own / tint, 1.0)
    grey_enough = (neutral.max(axis=2) - neutral.min(axis=2)) <= 0.18 * neutral.max(axis=2) + 6
    glare = _coarse(((grey >= _GLARE) & (usual.grey < _GLARE - 20)).astype(np.float32)) > 0.02
    dazzled = cv2.dilate(glare.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    veiled = lost & pure & grey_enough & ~dazzled
    flat = ~detailed & (np.abs(mean - mean_usual) >= _SHIFT_MIN) & (power <= power_usual + 2 * noise)
    beside = cv2.dilate(veiled.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    light = np.where(veiled, own.mean(axis=2), np.nan).astype(np.float32)
    return Cells(veiled | (flat & beside), lost, detailed, rest - noise > 0.3 * power_usual + 12.0, mean, light)


def is_smoke(signs: Signs, goes_on: bool = False) -> bool:
    """
    Whether the signs of a veil are those of smoke.

    Args:
        goes_on: whether it was smoke before.
    """
    return (
        signs.share >= (_SHARE_MIN if signs.pale < 1.1 else _WHITE_SHARE_MIN)
        and signs.everywhere <= 0.75
        and signs.restless >= (_RESTLESS_ON if goes_on else _RESTLESS_MIN)
        and signs.hard <= 0.22
        and signs.detailed >= 0.3
        and signs.lasts_s >= 4.0
    )


def _fine(grey: F32) -> F32:
    """(180, 320) the detail that is finer than about 7 px."""
    return np.asarray(grey - cv2.blur(grey, (7, 7)), np.float32)


def _coarse(values: F32) -> F32:
    """(18, 32, ...) means of cells."""
    return np.asarray(cv2.resize(values, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA), np.float32)
