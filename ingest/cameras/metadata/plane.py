"""
ONVIF's planes: whatever a camera draws its boxes in, they come out in [0, 1] with y down.

Source: ONVIF Analytics Service Specification, 5.1.2.2 (coordinate transformation).
"""

from __future__ import annotations

from dataclasses import dataclass

Edges = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Plane:
    """x' = x * scale + shift, for both axes."""

    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)

    def map(self, x: float, y: float) -> tuple[float, float]:
        return x * self.scale[0] + self.shift[0], y * self.scale[1] + self.shift[1]


def picture_edges(edges: Edges, own: Plane | None, frame: Plane | None) -> Edges:
    """
    1. The object's own plane. 2. The frame's plane, [-1, 1] with y up. 3. Ours, [0, 1] with y down. The edges may come
    out exchanged or beyond the picture.
    """
    first, second = edges[:2], edges[2:]
    for plane in (own, frame):
        if plane is not None:
            first, second = plane.map(*first), plane.map(*second)
    return (first[0] + 1) / 2, (1 - first[1]) / 2, (second[0] + 1) / 2, (1 - second[1]) / 2
