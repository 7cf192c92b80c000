"""Zones from GeoJSON, as QGIS draws them: lists as text, whole numbers as 400.0, NULL for what is empty."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import shapely
from shapely.geometry.polygon import orient

from ingest.errors import SettingsError, SettingsFaults
from ingest.registry.cameras import check_once
from ingest.registry.closing import check_ical, closed_hours
from ingest.registry.district import Exit, ZoneClass
from ingest.registry.fields import ID, Fields, check_columns, quoted
from ingest.registry.rows import Rows, ZoneRow
from ingest.registry.text import read_registry_text

CORNERS_MAX = 1_000
_REQUIRED = ("id", "site", "class")
_OPTIONAL = (
    "name", "safe_capacity", "exits", "one_way_bearing", "cameras", "exits_way", "closed", "closed_calendar", "fid",
)  # fmt: skip
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
        row = _zone(fields, path.parent)
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


def _zone(fields: Fields, folder: Path) -> ZoneRow:
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
        exits_way=_exits_way(fields),
        closed=_closed(fields),
        closed_calendar=_closed_calendar(fields, folder),
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


def _exits_way(fields: Fields) -> Literal["in", "out"] | None:
    if fields.given("exits_way") is None:
        return None
    way = fields.choice("exits_way", ("in", "out", "both"))
    if way in ("in", "out") and fields.given("exits") is None:
        fields.fault("exits_way", "a zone with exits", "none", "Draw its exits, or remove exits_way.")
    return cast(Literal["in", "out"], way) if way in ("in", "out") else None


def _closed(fields: Fields) -> str:
    text = fields.text("closed", length_max=500) or ""
    if text:
        try:
            closed_hours(text)
        except ValueError as error:
            fields.fault("closed", "hours such as Mo-Fr 22:00-05:00; Sa,Su,PH 00:00-24:00", str(error), "Mend them.")
    return text


def _closed_calendar(fields: Fields, folder: Path) -> str:
    """The text of the calendar file that is named, relative to the file of the zones."""
    name = fields.text("closed_calendar")
    if not name:
        return ""
    try:
        text = (folder / name).read_text("utf-8")
        check_ical(text)
    except OSError as error:
        mend = "Put it beside the file of the zones, or mend its name."
        fields.fault("closed_calendar", "an iCalendar file", f"{name[:60]}: {error.strerror}", mend)
        return ""
    except ValueError as error:  # also one that is not UTF-8
        fields.fault(
            "closed_calendar", f"events in {name[:60]}", str(error)[:200], "Export the calendar again as .ics."
        )
        return ""
    return text


def _cameras(fields: Fields) -> list[str]:
    cameras = []
    for item in fields.items("cameras"):
        if isinstance(item, str) and ID.fullmatch(item):
            cameras.append(item)
        else:
            fields.fault("cameras", "ids of cameras", quoted(item), "Write gate-7;gate-8, with the ids of the cameras.")
    return list(dict.fromkeys(cameras))
