"""
Point pairs of a calibration: CSV, GeoJSON of ground-control points, or JSON. Of the picture as shares or, where its
size is known, as pixels; of the ground as lon, lat or as metres of a plane.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.errors import SettingsError, SettingsFaults
from ingest.registry.district import PointPair
from ingest.registry.fields import Fields, check_columns
from ingest.registry.text import RegistryRecord, RegistryText, read_registry_text

_PICTURE = ("image_x", "image_y")
_EARTH, _PLANE = ("lon", "lat"), ("east_m", "north_m")
_METRES_MAX = 100_000.0


@dataclass(frozen=True, slots=True)
class GroundPoint:
    image_x: float  # in [0, 1], y down
    image_y: float
    first: float  # lon in degrees; or along the first axis of a plane
    second: float
    is_on_earth: bool  # lon and lat


def read_ground_points(path: Path, picture_px: tuple[float, float] | None = None) -> tuple[GroundPoint, ...]:
    """
    Args:
        picture_px: width and height where image_x and image_y are pixels; None: they are shares of the picture.

    Raises:
        SettingsFaults: all that is wrong in the file, by line and column.
        SettingsError: the file cannot be read at all.
    """
    text = _pairs_json(path) or read_registry_text(path)
    on_plane = not text.is_geojson and set(_PLANE) <= set(text.columns) and not set(_EARTH) & set(text.columns)
    columns = (*_PICTURE, *(() if text.is_geojson else _PLANE if on_plane else _EARTH))
    faults, _ = check_columns(text, columns, columns)
    points = []
    for record in () if faults else text.records:
        fields = Fields(record)
        x, y = (_place(fields, axis, picture_px) for axis in range(2))
        if on_plane:
            first, second = (fields.number(column, -_METRES_MAX, _METRES_MAX) or 0.0 for column in _PLANE)
        else:
            first, second = _point(fields) if text.is_geojson else fields.lon_lat()
        points.append(GroundPoint(x, y, first, second, not on_plane))
        faults += fields.faults
    faults += text.faults
    if not points and not faults:
        faults.append(SettingsError(path.name, expected="points", got="a heading only", mend="Add a row a point."))
    if faults:
        raise SettingsFaults(faults)
    return tuple(points)


def read_points(path: Path) -> tuple[PointPair, ...]:
    """
    Point pairs of shares of the picture and lon, lat: what needs no page.

    Raises:
        SettingsFaults, SettingsError: as `read_ground_points`; or points of a plane, of which nobody knows where it is.
    """
    points = read_ground_points(path)
    if not all(point.is_on_earth for point in points):
        raise SettingsError(
            f"{path.name}: east_m, north_m", expected="lon and lat", got="metres of a plane",
            mend="Name the file in a page (TOML) with origin = [lon, lat].",
        )  # fmt: skip
    return tuple(PointPair(point.image_x, point.image_y, point.first, point.second) for point in points)


def _place(fields: Fields, axis: int, picture_px: tuple[float, float] | None) -> float:
    column = _PICTURE[axis]
    length = 1.0 if picture_px is None else picture_px[axis]
    before = len(fields.faults)
    place = fields.number(column, 0.0, length)
    if picture_px is None and place is not None and place > 1.0 and len(fields.faults) > before:
        fields.faults.pop()
        side = ("width", "height")[axis]
        mend = f"Divide pixels by the picture's {side}, or name the file in a page with picture_px."
        fields.fault(column, "a share in [0, 1]", f"{place:g}", mend)
    return (place or 0.0) / length


def _point(fields: Fields) -> tuple[float, float]:
    geometry = fields.record.geometry or {}
    place = geometry.get("coordinates")
    if geometry.get("type") != "Point" or not isinstance(place, list) or len(place) < 2:
        fields.fault("geometry", "a Point", str(geometry.get("type"))[:40], "Export a layer of points.")
        return 0.0, 0.0
    return fields.position("geometry", place[0], place[1])


def _pairs_json(path: Path) -> RegistryText | None:
    """
    JSON that is no GeoJSON: a list of objects with the columns' names, or of `{"image": [x, y], "world": [e, n]}`; also
    under the key `points`, or as two lists under `image_points` and `world_points`. None where the file is another.
    """
    if path.suffix.lower() != ".json":
        return None
    try:
        given = json.loads(path.read_bytes()[: 16 * 1024 * 1024])
    except (OSError, ValueError, RecursionError):
        return None  # the reader of tables says what is wrong
    if isinstance(given, dict) and given.get("type") == "FeatureCollection":
        return None
    records = tuple(
        RegistryRecord(f"{path.name}: point {number}", values) for number, values in enumerate(_objects(given), start=1)
    )
    if not records:
        raise SettingsError(
            path.name, expected="a list of points", got="other JSON",
            mend='Write [{"image": [x, y], "world": [east, north]}, ...], or export a CSV file.',
        )  # fmt: skip
    columns = dict.fromkeys(column for record in records for column in record.values)
    return RegistryText(path.name, tuple(columns), records, is_geojson=False)


def _objects(given: Any) -> Iterator[dict[str, Any]]:
    if isinstance(given, dict) and {"image_points", "world_points"} <= given.keys():
        pairs = (given["image_points"], given["world_points"])
        if not all(isinstance(each, list) for each in pairs) or len(pairs[0]) != len(pairs[1]):
            return
        given = [{"image": image, "world": world} for image, world in zip(*pairs, strict=True)]
    elif isinstance(given, dict):
        given = given.get("points")
    for one in given if isinstance(given, list) else ():
        if not isinstance(one, dict):
            yield {}
            continue
        values = {str(name).strip().lower(): value for name, value in one.items()}
        for name, columns in (("image", _PICTURE), ("world", _PLANE), ("ground", _PLANE), ("lon_lat", _EARTH)):
            pair = values.pop(name, None)
            if isinstance(pair, list):
                values |= dict(zip(columns, pair, strict=False))
        yield values
