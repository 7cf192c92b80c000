"""What one camera shows at one time: backdrop, shadows, people from far to near, and the sensor's noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from deploy.demo.backdrop import SHADE, SUN_SHADOW, Picture, backdrop
from deploy.demo.figures import ASPECT, FRONT, LEFT, RIGHT, STEPS, lay, sprite
from deploy.demo.view import FOCAL_PX, HEIGHT, NEAR_M, WIDTH, Pinhole

if TYPE_CHECKING:
    from deploy.demo.place import Floats, Ints
    from deploy.demo.scene import Moment

NOISE = 2.2  # standard deviation of the sensor's noise, grey levels
_NOISE_FRAMES, _NOISE_MARGIN = 4, 64


class Painter:
    """
    Paints the pictures of one camera.

    Args:
        view: where the camera hangs.
        ground: from `ground_texture`.
        seed: of the noise.
    """

    def __init__(self, view: Pinhole, ground: Picture, seed: int) -> None:
        self.view = view
        self._empty = backdrop(view, ground)
        self._shaded = np.asarray(cv2.convertScaleAbs(self._empty, alpha=SHADE), np.uint8)
        self._random = np.random.default_rng(seed)
        size = (_NOISE_FRAMES, HEIGHT + _NOISE_MARGIN, WIDTH + _NOISE_MARGIN, 3)
        self._noise = np.clip(np.round(self._random.normal(128.0, NOISE, size)), 0, 255).astype(np.uint8)

    def paint(self, moment: Moment, covered: float = 0.0) -> Picture:
        """(HEIGHT, WIDTH, 3) BGR; `covered` is the share of the picture behind a cloth, from above."""
        picture = self._empty.copy()
        if covered < 1.0:
            self._draw_people(picture, moment)
        if covered > 0.0:
            rows = round(covered * HEIGHT)
            picture[:rows] = np.linspace((22, 24, 30), (34, 36, 46), HEIGHT)[:rows, None]
        frame, top, left = self._random.integers(0, (_NOISE_FRAMES, _NOISE_MARGIN, _NOISE_MARGIN))
        noise = self._noise[frame, top : top + HEIGHT, left : left + WIDTH]
        # Noise is kept around 128, so that one saturating call adds it to bytes.
        return np.asarray(cv2.addWeighted(picture, 1.0, noise, 1.0, -128.0), np.uint8)

    def _draw_people(self, picture: Picture, moment: Moment) -> None:
        seen, foot, head, depth_m = self._visible(moment)
        if len(seen) == 0:
            return
        self._draw_shadows(picture, moment.xy[seen], moment.height_m[seen], foot, depth_m)
        wide_px = np.maximum(4, np.round(FOCAL_PX * ASPECT * moment.height_m[seen] / depth_m)).astype(int)
        tall_px = np.maximum(6, np.round(foot[:, 1] - head[:, 1])).astype(int)
        side, step = self._side(moment, seen), _step(moment.stride[seen])
        left, top = np.round(foot[:, 0] - wide_px / 2).astype(int), np.round(foot[:, 1] - tall_px).astype(int)
        look = moment.look[seen] % 20
        # One by one and in this order: the nearer stands before the farther.
        for n in np.argsort(-depth_m).tolist():
            tall, wide = _size(int(tall_px[n])), _size(int(wide_px[n]))
            lay(picture, sprite(int(look[n]), int(side[n]), int(step[n]), tall, wide), int(left[n]), int(top[n]))

    def _visible(self, moment: Moment) -> tuple[Ints, Floats, Floats, Floats]:
        count = len(moment.xy)
        foot, depth_m = self.view.project(np.column_stack([moment.xy, np.zeros(count)]))
        head, _ = self.view.project(np.column_stack([moment.xy, moment.height_m]))
        near = np.all((foot > (-80, 0)) & (foot < (WIDTH + 80, HEIGHT + 200)), axis=1)
        seen = np.flatnonzero(near & (depth_m > 2 * NEAR_M) & ~self.view.hides(moment.xy))
        return seen, foot[seen], head[seen], depth_m[seen]

    def _draw_shadows(self, picture: Picture, xy: Floats, height_m: Floats, foot: Floats, depth_m: Floats) -> None:
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        tips = np.column_stack([xy + SUN_SHADOW * height_m[:, None], np.zeros(len(xy))])
        tip, _ = self.view.project(tips)
        thick_px = np.maximum(1, np.round(FOCAL_PX * 0.28 / depth_m)).astype(int).tolist()
        starts, ends = np.round(foot * 16).astype(int).tolist(), np.round(tip * 16).astype(int).tolist()
        for start, end, thick in zip(starts, ends, thick_px, strict=True):
            cv2.line(mask, start, end, 255, thick, cv2.LINE_8, 4)
        cv2.copyTo(self._shaded, mask, picture)

    def _side(self, moment: Moment, seen: Ints) -> Ints:
        """Which side of the body the camera sees: by the heading against the line of sight."""
        sight = moment.xy[seen] - (self.view.mast.x, self.view.mast.y)
        across = np.sin(moment.heading[seen] - np.arctan2(sight[:, 1], sight[:, 0]))
        return np.where(np.abs(across) < 0.6, FRONT, np.where(across < 0, RIGHT, LEFT))


def _step(stride: Floats) -> Ints:
    stands = np.isnan(stride)
    return np.where(stands, STEPS, (np.where(stands, 0.0, stride) * STEPS).astype(int) % STEPS)


def _size(px: int) -> int:
    """Large sizes in steps of two, so that few sprites serve all distances."""
    return px if px < 40 else px & ~1
