"""
Flames, by how they look and how they move, against a learned background.

A flame is brighter than what is usually there, with a core that is far too bright for the camera and an edge of orange
around it; it stays at its foot while its tongues change shape, and more at the top than at the foot. Lamps keep their
shape, beacons only swell and shrink, cloth and coats have no core, vehicles and walkers move on, glints have no place
that is bright most of the time. What burns, shines or waves at a place from the start is usual there.

Source of the signs: Celik and Demirel, Fire Safety J. 44 (2009) 147 (colour); Toereyin et al., Pattern Recogn. Lett.
27 (2006) 49 (flicker of the edge); Borges and Izquierdo, IEEE Trans. CSVT 20 (2010) 721 (change of area and skew).
Thresholds are of our own, tuned on rendered scenes.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ingest.cameras.signals.part import Told
from ingest.cameras.signals.sample import HEIGHT, NS_PER_S, WIDTH, Sample
from ingest.schema.tick import F32, U8, Picture

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

BLIND = Picture.CORRUPT | Picture.FROZEN | Picture.DARK | Picture.COVERED | Picture.MOVED
_LEARNING_PICTURES = 8
_USUAL_S = 90.0  # what is usual follows within this time
_REMEMBERED_S, _REMEMBERED_MAX, _REMEMBERED_MIN = 8.0, 14, 5
_SPACING_S = 0.35  # of the pictures that are remembered: enough of them in the time that a flame needs to show itself
_CHROMA_MIN = 2.0  # mean difference of red and blue, grey levels; below it the camera is in its night mode
# Least red and green of a core, grey levels: by day; and at dusk and by night, amid its own glow.
_CORES = ((225, 140), (250, 215), (253, 245))
_BRIGHTER = 55  # than usual, grey levels
_USUALLY = 0.25  # share of the time that a place has been as bright as a core
_CORE_MARKS, _ORANGE, _STEEP = (1, 2, 4), 8, 16  # bits of what a place of a picture is
_NOTHING = np.zeros((HEIGHT, WIDTH), np.uint8)
_STEEP_LEVELS = 50  # green, grey levels
_AREA_PX_MIN = 12  # of a core
_NEAR = np.ones((3, 3), np.uint8)
_PRESENT_MIN, _STAYS_MIN, _DRIFT_MAX, _CHURN_MIN = 0.7, 0.25, 0.8, 0.07
_TOP_PX_MIN, _TOP_FOOT_MIN, _WHITE_MIN = 1.5, 1.15, 0.1
_PLACES_MAX = 4  # places with a core that are looked at, the largest first


@dataclass(frozen=True, slots=True)
class Signs:
    """Of one place where something is as bright as a core."""

    area_px: float  # median
    present: float  # share of the pictures in which it is there
    white: float  # share of it that is too bright for the camera's colours, as cloth in the light of a place is not
    stays: float  # px that are core in most pictures, beside the area
    edge: float  # share of its surroundings that is orange
    steep: float  # share of its outline at which it gets much darker within 3 px
    churn: float  # change of shape from picture to picture beyond a change of place or size, beside the area
    top_px: float  # how much its top edge moves
    foot_px: float  # how much its lower edge moves
    drift: float  # how far its middle went from the first pictures to the last, in roots of its area


NO_SIGNS = Signs(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Flame:
    """The memory of one camera."""

    def __init__(self) -> None:
        self._usual: F32 | None = None  # (180, 320) mean of red and green, grey levels
        self._often: F32 = np.zeros((HEIGHT, WIDTH), np.float32)  # (180, 320) share of the time it was core
        self._seen = 0
        self._cores: deque[tuple[int, U8]] = deque(maxlen=_REMEMBERED_MAX)  # when, and the marks then

    def read(self, picture: Sample, at_ns: int) -> Told:
        colour = picture.colour
        if colour is None or picture.flags & BLIND or not _has_colour(colour):
            self._cores.clear()
            return Told()
        blue, green, red = (np.ascontiguousarray(colour[..., at]) for at in range(3))
        bright = np.asarray(cv2.addWeighted(red, 0.5, green, 0.5, 0), np.uint8)
        core = _core(blue, green, red, *_CORES[0])
        if self._usual is None or self._seen < _LEARNING_PICTURES:
            self._learn(bright, core, 1.0 / (self._seen + 1), None)
            self._seen += 1
            return Told()
        brighter = cv2.subtract(bright, self._usual.astype(np.uint8)) >= _BRIGHTER
        known = cv2.dilate((self._often > _USUALLY).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        core = ((core > 0) & brighter & ~known).astype(np.uint8)
        if not self._cores or at_ns - self._cores[-1][0] >= _SPACING_S * NS_PER_S:
            self._cores.append((at_ns, _marks(core, blue, green, red) if core.any() else _NOTHING))
        while at_ns - self._cores[0][0] > _REMEMBERED_S * NS_PER_S:
            self._cores.popleft()
        burning = self._burning()
        pace = min(1.0, picture.elapsed_s / _USUAL_S)
        self._learn(bright, core, pace, burning)
        if len(self._cores) < _REMEMBERED_MIN:
            return Told(flame=0.0)
        share = float(np.count_nonzero(core[burning])) / core.size if burning is not None else 0.0
        return Told(flame=max(share, 1 / core.size) if burning is not None else 0.0)

    def _learn(self, bright: U8, core: U8, pace: float, but: Bools | None) -> None:
        """What burns is not learned, or it would become usual."""
        now = bright.astype(np.float32)
        if self._usual is None:
            self._usual, self._often = now, core.astype(np.float32)
            return
        mask = None if but is None else (~but).view(np.uint8)
        cv2.accumulateWeighted(now, self._usual, pace, mask)
        cv2.accumulateWeighted(core.astype(np.float32), self._often, pace, mask)

    def _burning(self) -> Bools | None:
        """(180, 320) where flames are; None where none are."""
        if len(self._cores) < _REMEMBERED_MIN or not self._cores[-1][1].any():
            return None
        marks = np.stack([marks for _, marks in self._cores])
        for mark in _CORE_MARKS:  # the others are looked at only where the first does not tell
            places = [where for where, signs in places_of(marks, mark) if is_flame(signs)]
            if places:
                burning = np.zeros((HEIGHT, WIDTH), np.bool_)
                for where in places:
                    burning[where] = True
                return burning
        return None


def places_of(marks: U8, mark: int) -> list[tuple[tuple[slice, slice], Signs]]:
    """The largest places where something was as bright as a core in one of (K, 180, 320) pictures, and their signs."""
    core = np.asarray(((marks & mark) > 0).any(axis=0), np.uint8)
    union = cv2.dilate(core, np.ones((5, 5), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(union, ltype=cv2.CV_16U)
    found = []
    for label in 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:_PLACES_MAX]:
        left, top, width, height = (int(value) for value in stats[label, :4])
        where = slice(top, top + height), slice(left, left + width)
        if int(stats[label, cv2.CC_STAT_AREA]) >= _AREA_PX_MIN:
            found.append((where, signs_of(marks[:, where[0], where[1]], mark)))
    return found


def signs_of(marks: U8, mark: int) -> Signs:
    """
    The signs of a place; `NO_SIGNS` as soon as one of the cheap ones is none of a flame, as it nearly always is.

    Args:
        marks: (K, h, w) of a place, picture by picture.
        mark: which of them is a core.
    """
    core = (marks & mark) > 0
    area = core.sum(axis=(1, 2)).astype(np.float64)
    middle = float(np.median(area))
    there = area > 0.2 * middle
    white = float(((marks & _CORE_MARKS[1]) > 0).sum()) / max(float(area.sum()), 1.0)
    if middle < _AREA_PX_MIN or there.mean() < _PRESENT_MIN or white < _WHITE_MIN:
        return NO_SIGNS
    last, around = core[there], marks[there]
    drift = float(np.hypot(*(_middle(last[-3:]) - _middle(last[:3])))) / middle**0.5
    # Pictures as channels of one, so that each is dilated at once.
    shapes = np.ascontiguousarray(last.transpose(1, 2, 0), np.uint8)
    wide = cv2.dilate(shapes, _NEAR).reshape(shapes.shape)
    stays = float((wide.sum(axis=2) >= 0.75 * len(marks)).sum()) / middle
    top_px, foot_px = _restless_ends(last)
    if drift > _DRIFT_MAX or stays < _STAYS_MIN or top_px < max(_TOP_PX_MIN, _TOP_FOOT_MIN * foot_px):
        return NO_SIGNS
    rim = (cv2.dilate(wide, _NEAR).reshape(shapes.shape) > 0) & (shapes == 0)
    skin = (shapes > 0) & (cv2.erode(shapes, _NEAR).reshape(shapes.shape) == 0)
    channels = around.transpose(1, 2, 0)
    return Signs(
        area_px=middle,
        present=float(there.mean()),
        white=white,
        stays=stays,
        edge=float(((channels & _ORANGE) > 0)[rim].mean()) if rim.any() else 0.0,
        steep=float(((channels & _STEEP) > 0)[skin].mean()) if skin.any() else 0.0,
        churn=_churn(last),
        top_px=top_px,
        foot_px=foot_px,
        drift=drift,
    )


def is_flame(signs: Signs) -> bool:
    """Whether the signs of a place are those of a flame."""
    return (
        signs.area_px >= _AREA_PX_MIN
        and signs.present >= _PRESENT_MIN
        and signs.white >= _WHITE_MIN
        and signs.stays >= _STAYS_MIN
        and signs.drift <= _DRIFT_MAX
        and signs.edge >= 0.08
        and signs.steep >= 0.35
        and _CHURN_MIN <= signs.churn <= 0.9
        and signs.top_px >= max(_TOP_PX_MIN, _TOP_FOOT_MIN * signs.foot_px)
    )


def _has_colour(colour: U8) -> bool:
    blue, _, red = cv2.split(cv2.resize(colour, (40, 22), interpolation=cv2.INTER_AREA))
    return float(cv2.mean(cv2.absdiff(red, blue))[0]) >= _CHROMA_MIN


def _core(blue: U8, green: U8, red: U8, red_min: int, green_min: int) -> U8:
    """(180, 320) 1 where it is as bright as the core of a flame: red is full, then green follows, then blue."""
    return np.asarray(
        (red >= red_min) & (green >= green_min) & (red >= green) & (cv2.subtract(blue, green) <= 8), np.uint8
    )


def _marks(core: U8, blue: U8, green: U8, red: U8) -> U8:
    """(180, 320) what each place of a picture is."""
    orange = (red >= 120) & (cv2.subtract(red, green) >= 20) & (cv2.subtract(red, blue) >= 45)
    steep = cv2.subtract(green, cv2.erode(green, np.ones((7, 7), np.uint8))) >= _STEEP_LEVELS
    marks = orange * np.uint8(_ORANGE) + steep * np.uint8(_STEEP)
    for mark, least in zip(_CORE_MARKS, _CORES, strict=True):
        marks += core * _core(blue, green, red, *least) * np.uint8(mark)
    return np.asarray(marks, np.uint8)


def _middle(shapes: Bools) -> Floats:
    """(2,) the mean row and column of some pictures' shapes."""
    _, rows, columns = np.nonzero(shapes)
    return np.array([rows.mean(), columns.mean()])


def _churn(shapes: Bools) -> float:
    """How much (K, h, w) shapes change from picture to picture, in place or once their middles are laid together."""
    in_place = [_change(a, b) for a, b in itertools.pairwise(shapes)]
    if np.median(in_place) < _CHURN_MIN:
        return float(np.median(in_place))
    centred = [_centred(each) for each in shapes]
    together = [_change(a, b) for a, b in itertools.pairwise(centred)]
    return float(np.median(np.minimum(in_place, together)))


def _centred(core: Bools) -> Bools:
    """(2h, 2w) the shape with its centre in the middle: what only moves does not change."""
    height, width = core.shape
    rows, columns = np.nonzero(core)
    down, right = height - round(float(rows.mean())), width - round(float(columns.mean()))
    result = np.zeros((2 * height + 1, 2 * width + 1), np.bool_)
    result[down : down + height, right : right + width] = core
    return result


def _change(a: Bools, b: Bools) -> float:
    """Share of two shapes that is in one of them only, beyond what one is larger and their edges are noisy."""
    apart, together = float((a ^ b).sum()), float((a | b).sum())
    larger = abs(float(a.sum()) - float(b.sum()))
    return max(0.0, apart - larger - float(np.sqrt(together))) / together


def _restless_ends(shapes: Bools) -> tuple[float, float]:
    """Mean step of the row above which, and of that below which, a twentieth of each of (K, h, w) shapes is, px."""
    below = np.cumsum(shapes.sum(axis=2), axis=1)
    ends = [(below < share * below[:, -1:]).sum(axis=1) for share in (0.05, 0.95)]
    top, foot = (float(np.abs(np.diff(end)).mean()) for end in ends)
    return top, foot
