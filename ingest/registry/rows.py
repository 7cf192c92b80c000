"""Cameras, zones and points as files give them: checked one by one, not yet placed in a district."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

from ingest.registry.district import Exit, Source, ZoneClass

Row = TypeVar("Row")


class Rows(list[Row]):
    """The rows of a file; `warnings` says what was passed over."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CameraRow:
    at: str  # `cameras.csv line 4`
    id: str
    name: str
    site: str
    source: Source
    url: str  # without credentials
    other_urls: tuple[str, ...] = ()
    lon: float
    lat: float
    sampling_period_s: float
    width_px: int | None = None
    height_px: int | None = None
    user: str | None
    password_file: str | None
    password_env: str | None
    password_key: str | None = None
    calibration: str | None  # a file of point pairs, as written: relative to the file of the cameras
    enabled: bool
    switch: str | None = None
    recorder: str | None = None
    power: str | None = None


@dataclass(frozen=True, kw_only=True)
class ZoneRow:
    at: str
    id: str
    name: str
    site: str
    zone_class: ZoneClass
    polygon: tuple[tuple[float, float], ...]  # lon, lat; an open ring, counter-clockwise
    safe_capacity: int | None
    exits: tuple[Exit, ...]
    one_way_bearing: float | None
    cameras: tuple[str, ...]
    exits_way: Literal["in", "out"] | None = None
    closed: str = ""
    closed_calendar: str = ""  # the text of the file
