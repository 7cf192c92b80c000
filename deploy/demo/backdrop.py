"""The empty square as one camera sees it: painted ground, facades with windows, trees, and the shadow of the houses."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import numpy.typing as npt

from deploy.demo.place import FACADES, HALF_DEPTH_M, HALF_WIDTH_M, Floats
from deploy.demo.view import HEIGHT, NEAR_M, WIDTH, Pinhole

Picture = npt.NDArray[np.uint8]

FINE = 2  # drawn this many times larger, then reduced: distant paving would flicker otherwise
SUN_SHADOW = np.array([0.55, 0.45])  # shadow of one metre of height on the ground, metres east and north
SHADE = 0.62  # brightness in the shadow

_PER_M = 24
_SPAN_M = np.array([44.0, 36.0])  # the texture covers this far from the origin
_PANEL_M, _PANEL_PER_M = 2.5, 40
_PLASTER = ((148, 178, 201), (170, 190, 196), (134, 158, 190), (178, 186, 182), (150, 170, 176), (140, 172, 206))
# What closes the view down each street; nobody is ever hidden by these alone.
_STREET_WALLS = (
    (-4.0, 18.0, -4.0, 34.0, 11.0),
    (4.0, 34.0, 4.0, 18.0, 12.0),
    (-4.0, 34.0, 4.0, 34.0, 14.0),
    (24.0, 3.0, 42.0, 3.0, 10.0),
    (42.0, -3.0, 24.0, -3.0, 11.0),
    (42.0, 3.0, 42.0, -3.0, 13.0),
    (4.0, -18.0, 4.0, -34.0, 12.0),
    (-4.0, -34.0, -4.0, -18.0, 10.0),
    (4.0, -34.0, -4.0, -34.0, 13.0),
    (-24.0, -3.0, -42.0, -3.0, 12.0),
    (-42.0, 3.0, -24.0, 3.0, 11.0),
    (-42.0, -3.0, -42.0, 3.0, 14.0),
)
_TREES = ((-21.3, 15.2), (21.3, 15.4), (-21.2, -15.3), (21.0, -15.2), (-12.5, -16.2), (12.8, -16.2))


def backdrop(view: Pinhole, ground: Picture) -> Picture:
    """(HEIGHT, WIDTH, 3) the square without people, from `ground_texture`."""
    to_fine = np.diag([FINE, FINE, 1.0])
    to_fine[:2, 2] = -0.5
    metres = np.array([(1 / _PER_M, 0, -_SPAN_M[0]), (0, -1 / _PER_M, _SPAN_M[1]), (0, 0, 1)])
    size = (WIDTH * FINE, HEIGHT * FINE)
    picture = np.full((size[1], size[0], 3), (205, 190, 170), np.uint8)
    # The ground ends at the horizon: behind it, the same homography would show the ground upside down.
    inverse = np.linalg.inv(view.homography)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]] / FINE
    is_ground = (inverse[2, 0] * columns + inverse[2, 1] * rows + inverse[2, 2]) * np.sign(
        inverse[2] @ (WIDTH / 2, HEIGHT, 1)
    ) > 0
    laid = cv2.warpPerspective(ground, to_fine @ view.homography @ metres, size, borderMode=cv2.BORDER_REPLICATE)
    picture[is_ground] = laid[is_ground]
    _draw_facades(picture, view, to_fine)
    for tree in sorted(_TREES, key=lambda at: -_distance_m(view, at)):
        _draw_tree(picture, view, tree)
    return _bytes(cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))


def ground_texture(seed: int) -> Picture:
    """The painted ground from above, north up, _PER_M pixels a metre."""
    random = np.random.default_rng(seed)
    width, height = (2 * _SPAN_M * _PER_M).astype(int)
    texture = np.full((height, width, 3), (98, 98, 96), np.float32)
    rows, columns = (np.arange(n, dtype=np.float32) for n in (height, width))
    x, y = columns / _PER_M - _SPAN_M[0], _SPAN_M[1] - rows / _PER_M
    square = np.ix_(np.abs(y) < HALF_DEPTH_M, np.abs(x) < HALF_WIDTH_M)
    slabs = random.normal(0.0, 5.0, (73, 89)).astype(np.float32)
    tone = slabs[np.floor(y + _SPAN_M[1]).astype(int)[:, None], np.floor(x + _SPAN_M[0]).astype(int)[None]]
    texture[square] = np.array((150, 163, 170)) + tone[square][..., None]
    joint = (np.abs(y - np.round(y)) < 0.03)[:, None] | (np.abs(x - np.round(x)) < 0.03)[None]
    band = (np.abs((y + 3) % 6 - 3) < 0.25)[:, None] | (np.abs((x + 3) % 6 - 3) < 0.25)[None]
    texture[square] *= np.where(joint, 0.86, np.where(band, 0.82, 1.0))[square][..., None]
    walk = (np.abs(y) > HALF_DEPTH_M - 2)[:, None] | (np.abs(x) > HALF_WIDTH_M - 2)[None]
    texture[square] *= np.where(walk, 0.9, 1.0)[square][..., None]
    for radius_m, colour in (
        (3.6, (122, 132, 150)),
        (3.2, (165, 172, 176)),
        (2.2, (120, 128, 150)),
        (1.9, (172, 180, 182)),
    ):
        cv2.circle(texture, _texel(0.0, -8.0), round(radius_m * _PER_M), colour, -1, cv2.LINE_AA)
    for side in (-1, 1):  # the kerb lines of the exits
        for edge in (-3.0, 3.0):
            ends = _texel(side * 14.0, edge), _texel(side * 24.0, edge)
            cv2.line(texture, ends[0], ends[1], (196, 204, 206), 3, cv2.LINE_AA)
    texture *= 1 - (1 - SHADE) * _house_shadow((height, width))[..., None]
    # Stains and wear: noise of two sizes.
    wear = cv2.resize(random.normal(0, 1, (height // 60, width // 60)).astype(np.float32), (width, height))
    texture += 3.5 * wear[..., None] + random.normal(0, 2.5, (height, width, 1)).astype(np.float32)
    return np.clip(texture, 0, 255).astype(np.uint8)


def _house_shadow(size: tuple[int, int]) -> npt.NDArray[np.float32]:
    shadow = np.zeros(size, np.float32)
    for x0, y0, x1, y1, height_m in FACADES:
        reach = SUN_SHADOW * height_m * 0.55
        corners = [(x0, y0), (x1, y1), (x1 + reach[0], y1 + reach[1]), (x0 + reach[0], y0 + reach[1])]
        cv2.fillConvexPoly(shadow, np.array([_texel(*corner) for corner in corners]), 1.0)
    for x, y in _TREES:
        middle = _texel(x + 3.2 * SUN_SHADOW[0], y + 3.2 * SUN_SHADOW[1])
        cv2.ellipse(shadow, middle, (round(1.7 * _PER_M), round(1.3 * _PER_M)), -40, 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(shadow, (0, 0), 0.15 * _PER_M), np.float32)


def _texel(x: float, y: float) -> tuple[int, int]:
    return round((x + _SPAN_M[0]) * _PER_M), round((_SPAN_M[1] - y) * _PER_M)


def _draw_facades(picture: Picture, view: Pinhole, to_fine: Floats) -> None:
    panels = []
    for n, (x0, y0, x1, y1, height_m) in enumerate(FACADES + _STREET_WALLS):
        count = max(1, round(np.hypot(x1 - x0, y1 - y0) / _PANEL_M))
        texture = _panel(height_m, _PLASTER[n % len(_PLASTER)])
        marks = np.linspace((x0, y0), (x1, y1), count + 1)
        panels += [(a, b, height_m, texture) for a, b in itertools.pairwise(marks)]
    panels.sort(key=lambda panel: -_distance_m(view, tuple((panel[0] + panel[1]) / 2)))
    for left, right, height_m, texture in panels:
        corners = np.array([(*left, height_m), (*right, height_m), (*right, 0.0), (*left, 0.0)])
        pixels, depth_m = view.project(corners)
        if depth_m.min() < NEAR_M or np.abs(pixels).max() > 20_000:
            continue
        target = (np.column_stack([pixels, np.ones(4)]) @ to_fine.T)[:, :2].astype(np.float32)
        h, w = texture.shape[:2]
        source = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
        low = np.maximum(np.floor(target.min(axis=0)), 0).astype(int)
        high = np.minimum(np.ceil(target.max(axis=0)) + 1, picture.shape[1::-1]).astype(int)
        if (low >= high).any():
            continue
        target -= low.astype(np.float32)  # only the part of the picture that the panel covers is worked on
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        warp = cv2.getPerspectiveTransform(source, target)
        laid = cv2.warpPerspective(texture, warp, size, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(mask, np.round(target * 16).astype(np.int32), 255, shift=4)
        cv2.copyTo(laid, mask, picture[low[1] : high[1], low[0] : high[0]])


def _panel(height_m: float, plaster: tuple[int, int, int]) -> Picture:
    """One bay of a facade: an arch below, windows above, a cornice."""
    width, height = round(_PANEL_M * _PANEL_PER_M), round(height_m * _PANEL_PER_M)
    panel = np.full((height, width, 3), plaster, np.uint8)
    fall = np.linspace(1.05, 0.86, height)[:, None, None]
    panel = np.clip(panel * fall, 0, 255).astype(np.uint8)
    floor = height - round(3.6 * _PANEL_PER_M)
    panel[floor - 6 : floor] = np.multiply(plaster, 0.75)
    middle, half, spring = width // 2, round(0.85 * _PANEL_PER_M), height - round(2.2 * _PANEL_PER_M)
    cv2.ellipse(panel, (middle, spring), (half, half), 0, 180, 360, (52, 56, 60), -1, cv2.LINE_AA)
    cv2.rectangle(panel, (middle - half, spring), (middle + half, height), (52, 56, 60), -1)
    for top in range(round(0.9 * _PANEL_PER_M), floor - round(1.9 * _PANEL_PER_M), round(2.7 * _PANEL_PER_M)):
        left, right, bottom = middle - 20, middle + 20, top + round(1.6 * _PANEL_PER_M)
        cv2.rectangle(panel, (left - 5, top - 5), (right + 5, bottom + 7), (214, 220, 222), -1)
        cv2.rectangle(panel, (left, top), (right, bottom), (108, 96, 84), -1)
        cv2.line(panel, (middle, top), (middle, bottom), (206, 212, 214), 3)
        cv2.line(panel, (left, top + 24), (right, top + 24), (206, 212, 214), 3)
    panel[: round(0.35 * _PANEL_PER_M)] = np.multiply(plaster, 0.7)
    return panel


def _draw_tree(picture: Picture, view: Pinhole, at: tuple[float, float]) -> None:
    pixels, depth_m = view.project(np.array([(*at, 0.0), (*at, 2.6), (*at, 4.4)]))
    if depth_m.min() < 4.0 or np.abs(pixels).max() > 3000:
        return
    scale = FINE * 430.0 / depth_m[2]  # pixels a metre
    foot, fork, crown = ((round(u * FINE), round(v * FINE)) for u, v in pixels)
    cv2.ellipse(picture, foot, (round(0.9 * scale), round(0.4 * scale)), 0, 0, 360, (86, 96, 104), -1, cv2.LINE_AA)
    cv2.line(picture, foot, fork, (52, 66, 82), max(2, round(0.28 * scale)), cv2.LINE_AA)
    random = np.random.default_rng(round(abs(at[0] * 97 + at[1])))
    for tone in (0.62, 0.8, 1.0, 1.18):  # from the shaded inside to the lit leaves above
        for du, dv in random.normal(0.0, 0.75, (26, 2)):
            middle = (
                round(crown[0] + (du - 0.25 * tone) * scale),
                round(crown[1] + (0.8 * dv - 0.7 * tone + 0.4) * scale),
            )
            colour = tuple(float(min(255, c * tone)) for c in (58, 104, 82))
            cv2.circle(picture, middle, max(1, round(random.uniform(0.22, 0.5) * scale)), colour, -1, cv2.LINE_AA)


def _distance_m(view: Pinhole, at: tuple[float, ...]) -> float:
    return float(np.hypot(at[0] - view.mast.x, at[1] - view.mast.y))


def _bytes(picture: object) -> Picture:
    return np.asarray(picture, np.uint8)
