"""Circles on the ground: how far apart they are, which may meet, and the circle around many."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import asin, ceil, cos, floor, hypot, radians, sin, sqrt

from ingest.schema.finding import Place

EARTH_RADIUS_M = 6_371_008.8
METRES_PER_DEGREE = EARTH_RADIUS_M * radians(1.0)
RASTER_DEGREES = 5e-5  # places are kept to 5 m, so that a moving condition leaves few of them
CELL_DEGREES = 0.01
_CELLS_MAX = 64
_COLUMNS = round(360 / CELL_DEGREES)


@lru_cache(maxsize=65_536)
def rastered(place: Place) -> Place:
    """The place on the raster, its radius in whole metres rounded up."""
    return Place(
        lon=round(round(place.lon / RASTER_DEGREES) * RASTER_DEGREES, 6),
        lat=round(round(place.lat / RASTER_DEGREES) * RASTER_DEGREES, 6),
        radius_m=float(ceil(place.radius_m)),
    )


def between_m(one: Place, other: Place) -> float:
    """
    Metres between two circles, 0 where they overlap.

    Source: haversine on the mean sphere; R. W. Sinnott, Sky and Telescope 68 (1984) 159.
    """
    lat, other_lat = radians(one.lat), radians(other.lat)
    chord = sin((other_lat - lat) / 2) ** 2 + cos(lat) * cos(other_lat) * sin(radians(other.lon - one.lon) / 2) ** 2
    return max(0.0, 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(chord))) - one.radius_m - other.radius_m)


@lru_cache(maxsize=65_536)
def cells(place: Place, margin_m: float) -> frozenset[tuple[int, int]] | None:
    """
    Cells that a circle with `margin_m` around it covers; None where they are too many to list.

    Two circles no further apart than twice the margin share a cell.
    """
    reach_m = place.radius_m + margin_m + 1.0
    d_lat = reach_m / METRES_PER_DEGREE
    narrow = cos(radians(min(89.9, abs(place.lat) + d_lat)))
    d_lon = reach_m / (METRES_PER_DEGREE * narrow)
    south, north = floor((place.lat - d_lat) / CELL_DEGREES), floor((place.lat + d_lat) / CELL_DEGREES)
    west, east = floor((place.lon - d_lon) / CELL_DEGREES), floor((place.lon + d_lon) / CELL_DEGREES)
    if (north - south + 1) * (east - west + 1) > _CELLS_MAX:
        return None
    return frozenset((row, column % _COLUMNS) for row in range(south, north + 1) for column in range(west, east + 1))


def around(places: Iterable[Place]) -> Place:
    """A circle that holds all `places` (at least one); the middle of their box, not the smallest such circle."""
    circles = sorted(set(places), key=lambda place: (place.lon, place.lat, place.radius_m))
    first = circles[0]
    if len(circles) == 1:
        return first
    # Longitudes relative to the first, so that a place on the date line stays in one piece.
    lons = [(circle.lon - first.lon + 180) % 360 - 180 for circle in circles]
    lats = [circle.lat for circle in circles]
    lon, lat = first.lon + (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
    narrow = cos(radians(lat))
    reach_m = max(
        hypot((first.lon + d_lon - lon) * narrow, circle.lat - lat) * METRES_PER_DEGREE + circle.radius_m
        for d_lon, circle in zip(lons, circles, strict=True)
    )
    return Place(lon=round((lon + 180) % 360 - 180, 6), lat=round(lat, 6), radius_m=round(reach_m, 1))
