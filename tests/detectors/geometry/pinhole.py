"""A pinhole camera over a level ground, as an independent source of points and of pictures of upright boxes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectors.geometry.homography import Bools, Floats


@dataclass(frozen=True)
class Pinhole:
    """At (0, 0, height_m), looking north and down; pixels are square."""

    height_m: float
    pitch_degrees: float  # below the horizon
    focal_px: float = 1100.0
    width: int = 1920
    height: int = 1080
    roll_degrees: float = 0.0

    def see(self, points: Floats) -> Floats:
        """(K, 2) pixels of (K, 3) metres east, north, up; behind the camera: NaN."""
        pitch, roll = np.radians(self.pitch_degrees), np.radians(self.roll_degrees)
        forward = np.array([0.0, np.cos(pitch), -np.sin(pitch)])
        right, down = np.array([1.0, 0.0, 0.0]), np.array([0.0, -np.sin(pitch), -np.cos(pitch)])
        right, down = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
        ray = (points - np.array([0.0, 0.0, self.height_m])) @ np.stack([right, down, forward]).T
        depth = np.where(ray[:, 2:] > 0.0, ray[:, 2:], np.nan)
        return ray[:, :2] / depth * self.focal_px + np.array([self.width, self.height]) / 2.0

    def on_picture(self, ground: Floats) -> Floats:
        """(K, 2) in [0, 1] of (K, 2) metres on the ground."""
        return self.see(np.column_stack([ground, np.zeros(len(ground))])) / np.array([self.width, self.height])

    def foreground(self, feet: Floats, turns: Floats) -> Bools:
        """(height, width) pixels covered by boxes of 0.5 x 0.3 x 1.7 m that stand at (K, 2), turned by (K,) radians."""
        picture = np.zeros((self.height, self.width), np.uint8)
        corner = np.array([(x, y, z) for x in (-0.25, 0.25) for y in (-0.15, 0.15) for z in (0.0, 1.7)])
        for foot, turn in zip(feet, turns, strict=True):
            cos, sin = np.cos(turn), np.sin(turn)
            box = corner @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]) + np.append(foot, 0.0)
            seen = self.see(box)
            if np.isfinite(seen).all():
                cv2.fillConvexPoly(picture, cv2.convexHull(np.rint(seen).astype(np.int32)), 1)
        return picture > 0
