"""
Drawn figures of walking people, as sprites. They have clothes and no faces.

A figure is painted once, large, for each look, side and step, and kept in every size that is asked for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

FRONT, RIGHT, LEFT = 0, 1, 2
STEPS = 6  # pictures of one gait; step STEPS is standing
ASPECT = 0.56  # width of a sprite over the height of the person

_TALL, _WIDE = 224, 126
_LOOKS = 20
_JACKETS = (
    (60, 58, 62),
    (110, 72, 44),
    (52, 60, 140),
    (84, 100, 70),
    (150, 150, 150),
    (46, 92, 150),
    (122, 104, 92),
    (70, 140, 186),
    (92, 60, 96),
    (190, 196, 200),
    (140, 110, 60),
    (58, 40, 96),
    (64, 118, 72),
)
_TROUSERS = ((58, 50, 46), (96, 76, 56), (44, 44, 48), (92, 100, 112), (120, 96, 70))
_HATS = ((34, 38, 44), (50, 72, 98), (86, 128, 150), (60, 60, 66), (150, 158, 164), (40, 54, 72))
_SKIN = (140, 168, 204)  # one tone for all: a figure describes nobody


class Sprite(NamedTuple):
    """A figure ready to be laid over a picture."""

    colour: npt.NDArray[np.uint16]  # (H, W, 3) times its opacity, 0 to 255 * 256
    rest: npt.NDArray[np.uint16]  # (H, W, 1) 256 less the opacity


@lru_cache(maxsize=16_384)
def sprite(look: int, side: int, step: int, tall_px: int, wide_px: int) -> Sprite:
    """The figure of a look, seen from a side, at a step of its gait, in a size."""
    figure = _figure(look % _LOOKS, side, step)
    small = np.asarray(cv2.resize(figure, (wide_px, tall_px), interpolation=cv2.INTER_AREA))
    return Sprite((small[..., :3] * 256).astype(np.uint16), np.round(256 - small[..., 3:] * 256).astype(np.uint16))


def lay(picture: npt.NDArray[np.uint8], figure: Sprite, left: int, top: int) -> None:
    """Lay a sprite over a picture in place; what reaches beyond the border is cut."""
    height, width = figure.rest.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, picture.shape[1]), min(top + height, picture.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    under = picture[y0:y1, x0:x1]
    mixed = under * figure.rest[part]
    mixed += figure.colour[part]
    mixed >>= 8
    under[...] = mixed


@lru_cache(maxsize=512)
def _figure(look: int, side: int, step: int) -> npt.NDArray[np.float32]:
    """(_TALL, _WIDE, 4) colours times opacity in 0 to 255, and opacity in 0 to 1."""
    if side == LEFT:
        return np.ascontiguousarray(_figure(look, RIGHT, step)[:, ::-1])
    canvas = np.zeros((_TALL, _WIDE, 4), np.uint8)
    jacket, trousers, hat = _JACKETS[look % len(_JACKETS)], _TROUSERS[look * 7 % 5], _HATS[look * 5 % 6]
    swing = 0.0 if step == STEPS else float(np.sin(2 * np.pi * step / STEPS))
    if side == RIGHT:
        _draw_from_the_side(canvas, jacket, trousers, swing)
    else:
        _draw_from_the_front(canvas, jacket, trousers, swing)
    _oval(canvas, 0.02 * (side == RIGHT), 0.925, 0.068, 0.078, hat)
    _oval(canvas, 0.045 * (side == RIGHT), 0.895, 0.042, 0.045, _SKIN if side == RIGHT else tuple(c * 0.8 for c in hat))
    light = _light()
    opacity = canvas[..., 3:].astype(np.float32) / 255
    colour = np.clip(canvas[..., :3].astype(np.float32) * light, 0, 255) * opacity
    soft = cv2.GaussianBlur(np.concatenate([colour, opacity], axis=2), (0, 0), 1.6)
    return np.clip(np.asarray(soft, np.float32), 0, 255)


def _draw_from_the_side(canvas: npt.NDArray[np.uint8], jacket: Colour, trousers: Colour, swing: float) -> None:
    for way, tone in ((-1.0, 0.75), (1.0, 1.0)):  # the far limbs first, darker
        foot = 0.17 * swing * way
        knee = 0.5 * foot + 0.02
        cloth = tuple(c * tone for c in trousers)
        _limb(canvas, (0.0, 0.5), (knee, 0.27), 0.085, cloth)
        _limb(canvas, (knee, 0.27), (foot, 0.04), 0.065, cloth)
        _limb(canvas, (foot, 0.025), (foot + 0.06, 0.02), 0.045, (36, 36, 40))
        if way < 0:
            _limb(canvas, (0.0, 0.78), (0.13 * swing, 0.5), 0.055, tuple(c * tone for c in jacket))
    _body(canvas, ((-0.075, 0.83), (0.07, 0.83), (0.085, 0.66), (0.075, 0.46), (-0.08, 0.46), (-0.09, 0.66)), jacket)
    _limb(canvas, (0.0, 0.78), (-0.13 * swing, 0.5), 0.06, tuple(c * 0.88 for c in jacket))
    _oval(canvas, -0.13 * swing, 0.48, 0.026, 0.026, _SKIN)


def _draw_from_the_front(canvas: npt.NDArray[np.uint8], jacket: Colour, trousers: Colour, swing: float) -> None:
    for way in (-1.0, 1.0):
        lift = max(0.0, way * swing) * 0.05
        _limb(canvas, (0.055 * way, 0.5), (0.06 * way, 0.05 + lift), 0.08, trousers)
        _limb(canvas, (0.06 * way, 0.025 + lift), (0.075 * way, 0.02 + lift), 0.05, (36, 36, 40))
        hand = 0.47 + 0.03 * way * swing
        _limb(canvas, (0.112 * way, 0.79), (0.15 * way, hand), 0.058, tuple(c * 0.86 for c in jacket))
        _oval(canvas, 0.15 * way, hand - 0.02, 0.026, 0.026, _SKIN)
    _body(canvas, ((-0.125, 0.82), (-0.05, 0.85), (0.05, 0.85), (0.125, 0.82), (0.105, 0.46), (-0.105, 0.46)), jacket)


@lru_cache(maxsize=1)
def _light() -> npt.NDArray[np.float32]:
    """Light from above and from one side: shoulders bright, legs dim."""
    down = np.linspace(1.28, 0.74, _TALL, dtype=np.float32)[:, None]
    across = np.linspace(1.14, 0.86, _WIDE, dtype=np.float32)[None]
    return (down * across)[..., None]


Colour = tuple[float, ...]


def _at(x: float, y: float) -> tuple[int, int]:
    """Canvas position of a point of the body: x from its middle, y from the ground, in body heights."""
    return round((_WIDE / 2 + x * _TALL) * 16), round((1.0 - y) * _TALL * 16)


def _ink(colour: Colour) -> Colour:
    return (*colour[:3], 255)


def _limb(
    canvas: npt.NDArray[np.uint8], start: tuple[float, float], end: tuple[float, float], thick: float, colour: Colour
) -> None:
    cv2.line(canvas, _at(*start), _at(*end), _ink(colour), max(1, round(thick * _TALL)), cv2.LINE_AA, 4)


def _oval(canvas: npt.NDArray[np.uint8], x: float, y: float, wide: float, tall: float, colour: Colour) -> None:
    axes = round(wide * _TALL * 16), round(tall * _TALL * 16)
    cv2.ellipse(canvas, _at(x, y), axes, 0, 0, 360, _ink(colour), -1, cv2.LINE_AA, 4)


def _body(canvas: npt.NDArray[np.uint8], corners: tuple[tuple[float, float], ...], colour: Colour) -> None:
    outline = np.array([_at(*corner) for corner in corners], np.int32)
    cv2.fillConvexPoly(canvas, outline, _ink(colour), cv2.LINE_AA, 4)
