"""
Where the demo district lies: a made-up square, in metres around an origin, and the same on the globe.

x grows to the east, y to the north, height is above the paving. Every camera, zone and walker of the demo is placed in
these metres; only the files that the product reads carry longitude and latitude.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
ZoneClass = Literal["open", "queue", "exit_route", "platform", "carriageway"]

ORIGIN_LON, ORIGIN_LAT = 0.0, 51.5
HALF_WIDTH_M, HALF_DEPTH_M = 24.0, 18.0  # the open square, from facade to facade

_E2: Final = 6.694379990141e-3  # first eccentricity squared of WGS 84
_A_M: Final = 6_378_137.0


def metres_per_degree(lat: float) -> tuple[float, float]:
    """Metres per degree of longitude and of latitude at `lat`, on WGS 84. Source: Snyder, USGS PP 1395 (1987), 4-18."""
    sin2 = np.sin(np.radians(lat)) ** 2
    east = np.radians(_A_M * np.cos(np.radians(lat)) / np.sqrt(1 - _E2 * sin2))
    north = np.radians(_A_M * (1 - _E2) / (1 - _E2 * sin2) ** 1.5)
    return float(east), float(north)


def to_lon_lat(xy: Floats) -> Floats:
    """(N, 2) longitude and latitude of (N, 2) metres; flat earth, good to 1 mm over a kilometre of square."""
    east, north = metres_per_degree(ORIGIN_LAT)
    return np.array([ORIGIN_LON, ORIGIN_LAT]) + np.asarray(xy, float) / (east, north)


@dataclass(frozen=True, slots=True)
class Area:
    """A zone, an upright rectangle in metres."""

    id: str
    name: str
    site: str
    zone_class: ZoneClass
    safe_capacity: int
    west: float
    south: float
    east: float
    north: float
    cameras: tuple[str, ...] = ()  # cameras without calibration that see the whole zone

    def corners(self) -> Floats:
        """(4, 2) metres, counter-clockwise."""
        w, s, e, n = self.west, self.south, self.east, self.north
        return np.array([(w, s), (e, s), (e, n), (w, n)])

    def contains(self, xy: Floats) -> Bools:
        """(N,) whether each of (N, 2) points lies in the zone."""
        x, y = xy[:, 0], xy[:, 1]
        return (x >= self.west) & (x <= self.east) & (y >= self.south) & (y <= self.north)


SQUARE_AREAS = (
    Area("north-square", "North square", "square", "open", 45, -9.0, 2.0, 9.0, 13.0),
    Area("south-square", "South square", "square", "open", 120, -11.0, -13.0, 11.0, -3.0),
    Area("exit-west", "West exit", "square", "exit_route", 50, -24.0, -3.0, -14.0, 3.0),
    Area("exit-east", "East exit", "square", "exit_route", 50, 14.0, -3.0, 24.0, 3.0),
)


@dataclass(frozen=True, slots=True)
class Mast:
    """A video camera of the square: where it hangs, and the point of the ground in the middle of its picture."""

    id: str
    name: str
    x: float
    y: float
    height_m: float
    aim_x: float
    aim_y: float


SQUARE_MASTS = (
    Mast("square-1", "Square, clock mast", 0.0, -7.0, 10.0, 0.0, 7.2),
    Mast("square-2", "Square, town hall", 6.0, 17.6, 10.0, 0.0, 5.5),
    Mast("square-3", "Square, west arcade", -23.6, 9.0, 9.0, -5.5, 2.5),
    Mast("square-4", "Square, east arcade", 23.6, -7.0, 9.0, 5.5, -3.5),
)

# Facades as (x0, y0, x1, y1, height); the gaps between them are the streets that people come and go by.
FACADES = (
    (-24.0, 18.0, -4.0, 18.0, 11.0),
    (4.0, 18.0, 24.0, 18.0, 12.0),
    (24.0, 18.0, 24.0, 3.0, 10.0),
    (24.0, -3.0, 24.0, -18.0, 11.0),
    (24.0, -18.0, 4.0, -18.0, 12.0),
    (-4.0, -18.0, -24.0, -18.0, 10.0),
    (-24.0, -18.0, -24.0, -3.0, 12.0),
    (-24.0, 3.0, -24.0, 18.0, 11.0),
)
# The streets from north clockwise, (x, y): where each opens on the square, and a point out of sight.
MOUTHS = ((0.0, 15.5), (17.0, 0.0), (0.0, -16.0), (-17.0, 0.0))
STREETS = ((0.0, 30.0), (36.0, 0.0), (0.0, -30.0), (-36.0, 0.0))
