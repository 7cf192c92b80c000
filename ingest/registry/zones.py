"""Zones from GeoJSON, as QGIS draws them: lists as text, whole numbers as 400.0, NULL for what is empty."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.polygon import orient

from ingest.errors import SettingsError, SettingsFaults
from ingest.registry.cameras import check_once
from ingest.registry.district import Exit, ZoneClass
from ingest.registry.fields import ID, Fields, check_columns, quoted
from ingest.registry.rows import Rows, ZoneRow
from ingest.registry.text import read_registry_text

CORNERS_MAX = 1_000
_REQUIRED = ("id", "site", "class")
_OPTIONAL = ("name", "safe_capacity", "exits", "one_way_bearing", "cameras", "fid")
_EXIT_MEND = 'Write [{"line": [[lon, lat], [lon, lat]], "width_m": 4.0}].'

Ring = tuple[tuple[float, float], ...]


def read_zones(path: Path) -> Rows[ZoneRow]:
    """
    The zones of a GeoJSON FeatureCollection of polygons in degrees.

    Raises:
        SettingsFaults: all that is wrong in the file, by feature and property.
        SettingsError: the file cannot be read at all.
    """
    text = read_registry_text(path)
    if not text.is_geojson:
        raise SettingsError(path.name, expected="GeoJSON", got="a table", mend="Export the layer of zones as GeoJSON.")
    faults, warnings = check_columns(text, (*_REQUIRED, *_OPTIONAL), _REQUIRED)
    rows: Rows[ZoneRow] = Rows()
    id_at: dict[str, str] = {}
    for record in () if faults else text.records:
        fields = Fields(record)
        row = _zone(fields)
        check_once(fields, row.id, id_at)
        faults += fields.faults
        rows.append(row)
    if faults:
        raise SettingsFaults(faults)
    rows.warnings = tuple(warnings)
    return rows


def ring_fault(ring: Sequence[tuple[float, float]]) -> str | None:
    """What keeps an open ring (lon, lat) from being a zone, or None."""
    if len(set(ring)) < 3:
        return f"{len(set(ring))} different corners"
    shape = shapely.Polygon(ring)
    if not shape.is_valid:
        reason = str(shapely.is_valid_reason(shape))
        place = re.search(r"\[(\S+) (\S+)\]", reason)
        where = f" at lon {float(place[1]):.7f}, lat {float(place[2]):.7f}" if place else ""
        return "a ring that crosses or touches itself" + where
    return "no area" if shape.area == 0.0 else None


def _zone(fields: Fields) -> ZoneRow:
    id_ = fields.identifier("id")
    capacity = fields.number("safe_capacity", 1, 10_000_000, default=0)
    if capacity is not None and capacity != int(capacity):
        fields.fault("safe_capacity", "a whole number of persons", f"{capacity:g}", "Round it down.")
    bearing = fields.number("one_way_bearing", 0, 360, default=-1.0)
    return ZoneRow(
        at=fields.record.at,
        id=id_,
        name=fields.text("name") or id_,
        site=fields.identifier("site"),
        zone_class=_zone_class(fields),
        polygon=_polygon(fields),
        safe_capacity=int(capacity) if capacity else None,
        exits=tuple(_exits(fields)),
        one_way_bearing=bearing % 360.0 if bearing is not None and bearing >= 0.0 else None,
        cameras=tuple(_cameras(fields)),
    )


def _zone_class(fields: Fields) -> ZoneClass:
    choice = fields.choice("class", tuple(ZoneClass))
    return ZoneClass(choice) if choice in tuple(ZoneClass) else ZoneClass.OPEN


def _polygon(fields: Fields) -> Ring:
    geometry = fields.record.geometry or {}
    kind, rings = geometry.get("type"), geometry.get("coordinates")
    if kind == "MultiPolygon" and isinstance(rings, list):
        if len(rings) != 1:
            mend = "Draw each part as a zone of its own."
            fields.fault("geometry", "one polygon", f"a MultiPolygon of {len(rings)} parts", mend)
            return ()
        rings = rings[0]
    if kind not in ("Polygon", "MultiPolygon") or not isinstance(rings, list) or not rings:
        fields.fault("geometry", "a Polygon", quoted(str(kind)), "Export a layer of polygons.")
        return ()
    if len(rings) > 1:
        fields.fault("geometry", "a polygon without holes", f"one with {len(rings) - 1}", "Draw the zone in two parts.")
        return ()
    if not isinstance(rings[0], list) or len(rings[0]) > CORNERS_MAX:
        got = f"{len(rings[0])} corners" if isinstance(rings[0], list) else quoted(rings[0])
        fields.fault("geometry", f"a ring of at most {CORNERS_MAX} corners", got, "Simplify the polygon.")
        return ()
    return _ring(fields, rings[0])


def _ring(fields: Fields, places: list[Any]) -> Ring:
    before = len(fields.faults)
    ring: list[tuple[float, float]] = []
    for place in places:
        corner = fields.position(
            "geometry", *(place[:2] if isinstance(place, list) and len(place) >= 2 else (None, None))
        )
        if len(fields.faults) > before:  # the first of them says it: the others are likely of the same kind
            return ()
        if not ring or corner != ring[-1]:
            ring.append(corner)
    if len(ring) > 1 and ring[0] == ring[-1]:
        ring.pop()
    fault = ring_fault(ring)
    if fault:
        mend = "Move its corners in the map." if "itself" in fault else "Draw at least three corners."
        fields.fault("geometry", "a ring of at least 3 corners that does not cross itself", fault, mend)
        return ()
    turned = orient(shapely.Polygon(ring), 1.0)
    return tuple((float(lon), float(lat)) for lon, lat in turned.exterior.coords[:-1])


def _exits(fields: Fields) -> list[Exit]:
    exits = []
    for number, item in enumerate(fields.items("exits"), 1):
        before, column = len(fields.faults), f"exits: number {number}"
        line = item.get("line") if isinstance(item, dict) else None
        width_m = item.get("width_m") if isinstance(item, dict) else None
        if not (
            isinstance(line, list) and len(line) == 2 and all(isinstance(end, list) and len(end) >= 2 for end in line)
        ):
            fields.fault(column, "a line of two places", quoted(item), _EXIT_MEND)
            continue
        start, end = (fields.position(column, *place[:2]) for place in line)
        if not isinstance(width_m, int | float) or isinstance(width_m, bool) or not 0.0 < width_m <= 1_000.0:
            fields.fault(column, "a width_m above 0", quoted(width_m), _EXIT_MEND)
        elif start == end:
            fields.fault(column, "two different ends", "the same twice", _EXIT_MEND)
        if len(fields.faults) == before and width_m is not None:
            exits.append(Exit(line=(start, end), width_m=float(width_m)))
    return exits


def _cameras(fields: Fields) -> list[str]:
    cameras = []
    for item in fields.items("cameras"):
        if isinstance(item, str) and ID.fullmatch(item):
            cameras.append(item)
        else:
            fields.fault("cameras", "ids of cameras", quoted(item), "Write gate-7;gate-8, with the ids of the cameras.")
    return list(dict.fromkeys(cameras))
