"""A pinhole camera over the ground: where a point of the world falls in the picture, and the ground's homography."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deploy.demo.place import FACADES, HALF_DEPTH_M, HALF_WIDTH_M, Bools, Floats, Mast

WIDTH, HEIGHT = 640, 360
FOCAL_PX = 430.0  # about 73 degrees from left to right
NEAR_M = 0.5


@dataclass(frozen=True)
class Pinhole:
    """
    A level camera without distortion.

    Pixels are continuous: (0, 0) is the upper left corner of the picture, (0.5, 0.5) the middle of its first pixel.
    """

    mast: Mast

    @cached_property
    def matrix(self) -> Floats:
        """(3, 4) projection of homogeneous metres to homogeneous pixels. Source: Hartley and Zisserman (2004), 6.1."""
        mast = self.mast
        forward = np.array([mast.aim_x - mast.x, mast.aim_y - mast.y, -mast.height_m])
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        inner = np.array([(FOCAL_PX, 0.0, WIDTH / 2), (0.0, FOCAL_PX, HEIGHT / 2), (0.0, 0.0, 1.0)])
        centre = np.array([mast.x, mast.y, mast.height_m])
        return np.asarray(inner @ np.column_stack([rotation, -rotation @ centre]), float)

    @cached_property
    def homography(self) -> Floats:
        """(3, 3) from metres on the ground to pixels."""
        return self.matrix[:, [0, 1, 3]]

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """(N, 2) pixels and (N,) depth in metres of (N, 3) points; pixels are void where the depth is below NEAR_M."""
        image = points @ self.matrix[:, :3].T + self.matrix[:, 3]
        depth_m = image[:, 2]
        return image[:, :2] / np.where(depth_m < NEAR_M, NEAR_M, depth_m)[:, None], depth_m

    def hides(self, xy: Floats) -> Bools:
        """(N,) whether a facade stands between the camera and each of (N, 2) points on the ground."""
        hidden = np.zeros(len(xy), dtype=bool)
        beyond = (np.abs(xy[:, 0]) > HALF_WIDTH_M) | (np.abs(xy[:, 1]) > HALF_DEPTH_M)
        if not beyond.any():  # facades stand around the square: nobody inside is behind one
            return hidden
        far, eye = xy[beyond], np.array([self.mast.x, self.mast.y])
        walls = np.array(FACADES)[:, :4]
        start, along = walls[:, :2], walls[:, 2:] - walls[:, :2]
        sight = far - eye
        # Solve eye + s * sight = start + r * along for each pair of person and wall.
        cross = sight[:, None, 0] * along[None, :, 1] - sight[:, None, 1] * along[None, :, 0]
        cross = np.where(np.abs(cross) < 1e-12, 1e-12, cross)
        gap = start[None] - eye
        s = (gap[..., 0] * along[:, 1] - gap[..., 1] * along[:, 0]) / cross
        r = (gap[..., 0] * sight[:, None, 1] - gap[..., 1] * sight[:, None, 0]) / cross
        hidden[beyond] = ((s > 0) & (s < 1) & (r >= 0) & (r <= 1)).any(axis=1)
        return hidden


def ground_points(view: Pinhole, count: int = 12) -> tuple[Floats, Floats]:
    """
    Marks on the ground that the camera sees well, spread over its picture.

    Returns:
        (count, 2) positions in the picture, in [0, 1] with y down, and (count, 2) metres.
    """
    east, north = np.meshgrid(np.arange(-22.0, 23.0, 2.0), np.arange(-16.0, 17.0, 2.0))
    ground = np.column_stack([east.ravel(), north.ravel()])
    pixels, depth_m = view.project(np.column_stack([ground, np.zeros(len(ground))]))
    image = pixels / (WIDTH, HEIGHT)
    seen = (depth_m > NEAR_M) & (image > 0.03).all(axis=1) & (image < 0.97).all(axis=1)
    ground, image = ground[seen], image[seen]
    chosen = [int(np.argmin(np.abs(image - 0.5).sum(axis=1)))]
    while len(chosen) < min(count, len(image)):  # farthest point first: the next is the one farthest from all chosen
        gap = image[:, None] - image[chosen][None]
        chosen.append(int(np.argmax(np.hypot(gap[..., 0], gap[..., 1]).min(axis=1))))
    return image[chosen], ground[chosen]
