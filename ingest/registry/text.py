"""
Registry files as people write them: CSV from spreadsheets, GeoJSON from QGIS. Text to records, each with its line.

Byte-order marks, CRLF, semicolons, tabs, decimal commas (where the comma does not separate) and rows of empty cells are
taken; another encoding than UTF-8 is refused, since a guess would spoil names without a word.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.errors import SettingsError

BYTES_MAX = 64 * 1024 * 1024
_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class RegistryRecord:
    """One row of a CSV file, or one feature of a GeoJSON file."""

    at: str  # `cameras.csv line 4`
    values: dict[str, Any]  # by lower-case column; cells of CSV are text
    geometry: dict[str, Any] | None = None
    decimal_comma: bool = False


@dataclass(frozen=True)
class RegistryText:
    file: str
    columns: tuple[str, ...]  # lower case, in order
    records: tuple[RegistryRecord, ...]
    is_geojson: bool
    faults: tuple[SettingsError, ...] = ()  # of rows that are no rows; the others can still be read


def read_registry_text(path: Path) -> RegistryText:
    """
    The records of a registry file, CSV or GeoJSON by its content.

    Raises:
        SettingsError: not a file, empty, too large, not UTF-8, or neither a table nor a FeatureCollection in degrees.
    """
    text = _text(path)
    return _geojson(path.name, text) if text.lstrip()[:1] in ("{", "[") else _csv(path.name, text)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError(
            str(path), expected="a file that can be read", got=error.strerror or "an error", mend="Check the path."
        ) from error
    if not data.strip():
        raise SettingsError(path.name, expected="a registry", got="an empty file", mend="Export it again.")
    if len(data) > BYTES_MAX:
        raise SettingsError(
            path.name, expected=f"at most {BYTES_MAX:,} bytes", got="more", mend="Check that it is the right file."
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:64]:
        raise SettingsError(path.name, expected="UTF-8", got="UTF-16", mend="Save it again as CSV UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path.name} line {data[: error.start].count(10) + 1}",
            expected="UTF-8",
            got=f"the byte 0x{data[error.start]:02X}, as in Latin-1 or Windows-1252",
            mend="Save it again as CSV UTF-8.",
        ) from error


def _csv(file: str, text: str) -> RegistryText:
    skipped = 0
    if match := re.match(r"sep=(.)\r?\n", text, re.IGNORECASE):  # spreadsheets leave this note to themselves
        separator, text, skipped = match[1], text[match.end() :], 1
    else:
        head = text.split("\n", 1)[0]
        separator = max(_SEPARATORS, key=head.count)
    rows = _rows(file, csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), skipped)
    _, head_cells = next(rows, (0, []))
    columns = tuple(cell.strip().lower() for cell in head_cells)
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    if twice:
        raise SettingsError(
            f"{file} line 1: {twice[0]}", expected="a column once", got="it twice", mend="Remove or rename one."
        )
    records, faults = [], []
    for line, cells in rows:
        at = f"{file} line {line}"
        if any(cell.strip() for cell in cells[len(columns) :]):
            mend = f"Put cells that hold {separator!r} into double quotes."
            faults.append(SettingsError(at, expected=f"{len(columns)} cells", got=str(len(cells)), mend=mend))
            continue
        padded = [cell.strip() for cell in cells] + [""] * len(columns)
        values = {column: cell for column, cell in zip(columns, padded, strict=False) if column}
        records.append(RegistryRecord(at, values, decimal_comma=separator != ","))
    return RegistryText(file, tuple(column for column in columns if column), tuple(records), False, tuple(faults))


def _rows(file: str, reader: Any, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Rows with something in them, and the line that each starts on."""
    while True:
        line = reader.line_num + 1 + skipped
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SettingsError(
                f"{file} line {line}", expected="cells", got=str(error), mend="Close the double quotes of the row."
            ) from error
        if any(cell.strip() for cell in cells):
            yield line, cells


def _geojson(file: str, text: str) -> RegistryText:
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise SettingsError(
            f"{file} line {line}", expected="GeoJSON", got=str(error), mend="Export it again; do not edit it by hand."
        ) from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        raise SettingsError(
            file, expected="a FeatureCollection", got="other JSON", mend="Export the layer as GeoJSON."
        )  # fmt: skip
    _check_crs(file, document.get("crs"))
    if not features:
        raise SettingsError(file, expected="features", got="none", mend="Export the layer with all its features.")
    records = []
    for index, (line, feature) in enumerate(zip(_feature_lines(text, features), features, strict=True)):
        at = f"{file} line {line}: feature {index}" if line else f"{file}: feature {index}"
        properties = feature.get("properties") if isinstance(feature, dict) else None
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        named = properties.items() if isinstance(properties, dict) else ()
        values = {str(key).strip().lower(): value for key, value in named}
        records.append(RegistryRecord(at, values, geometry if isinstance(geometry, dict) else {}))
    columns = dict.fromkeys(column for record in records for column in record.values)
    return RegistryText(file, tuple(columns), tuple(records), True)


def _check_crs(file: str, crs: Any) -> None:
    if crs is None:
        return
    try:
        name = str(crs["properties"]["name"])
    except (KeyError, TypeError):
        name = json.dumps(crs)
    # Longitude first, whatever the name: this is what GDAL and QGIS write under both of them.
    if not re.search(r"(CRS:?84|EPSG:+(\d[\d.]*)?:?4326|EPSG/0/4326)$", name, re.IGNORECASE):
        raise SettingsError(
            f"{file}: crs",
            expected="CRS84 or EPSG:4326 (degrees)",
            got=name[:80],
            mend="Export again with the reference system EPSG:4326.",
        )


def _feature_lines(text: str, features: list[Any]) -> list[int]:
    """The line on which each feature starts; zeros where it cannot be told."""
    start = re.search(r'"features"\s*:\s*\[', text)
    decoder, lines, decoded = json.JSONDecoder(), [], []
    position = start.end() if start else len(text)
    line, counted = 1, 0
    try:
        for _ in features:
            between = re.compile(r"[\s,]*").match(text, position)
            position = between.end() if between else position
            line, counted = line + text.count("\n", counted, position), position
            feature, position = decoder.raw_decode(text, position)
            lines.append(line)
            decoded.append(feature)
    except json.JSONDecodeError:
        return [0] * len(features)
    return lines if repr(decoded) == repr(features) else [0] * len(features)
