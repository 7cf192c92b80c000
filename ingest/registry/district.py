"""
The district: cameras, sites and zones, as data. Records of the compacted topics `dt.cameras` and `dt.zones`.

A site is a place that some cameras look at together; it has one partition, so that all arithmetic on a zone stays on
one worker. Ids are ASCII and stable, for people and keys; numbers are stable too, for columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal

import msgspec

from ingest.schema.ids import derived_id

VERSION = 1
Source = Literal["rtsp", "file", "onvif", "axis", "frigate", "deepstream"]


class PointPair(msgspec.Struct, frozen=True):
    """A point of the picture, in [0, 1] with y down, and the same point on the ground, WGS 84."""

    image_x: float
    image_y: float
    lon: float
    lat: float


class Lens(msgspec.Struct, frozen=True, kw_only=True):
    """How the lens bends the picture, OpenCV's model; lengths in widths (x) and heights (y) of the picture."""

    focal_x: float
    focal_y: float
    centre_x: float
    centre_y: float
    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    points: tuple[PointPair, ...]  # at least 6; of the picture as it is, bent by the lens
    error_m: float  # leave-one-out error, root mean square; or as measured, where the points are made from a matrix
    measured_at_ns: int
    lens: Lens | None = None  # None: straight lines are straight

    @property
    def id(self) -> str:
        """Names these very points and lens: another set is another calibration."""
        points = msgspec.json.encode(self.points).decode()
        lens = () if self.lens is None else (msgspec.json.encode(self.lens).decode(),)
        return derived_id("calibration", points, *lens)[:12]


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    number: int
    name: str
    site: str
    partition: int
    lon: float
    lat: float
    source: Source
    url: str  # without credentials, ever
    other_urls: tuple[str, ...] = ()  # the camera's other streams of the same picture; the smallest fit one is read
    user: str | None = None
    password_file: str | None = None  # a secret is named, not held
    password_env: str | None = None
    password_key: str | None = None  # what the secret store knows it by; the settings name the store's command
    sampling_period_s: float = 1.0
    width_px: int | None = None  # of the frame that boxes are drawn in, where the source says it in pixels
    height_px: int | None = None
    calibration: Calibration | None = None
    enabled: bool = True
    relearned_at_ns: int = 0  # what its picture usually shows is learned anew from then on
    switch: str | None = None  # what it hangs on: cameras that are lost behind one of these are one incident
    recorder: str | None = None
    power: str | None = None


def labels_of(camera: Camera) -> tuple[str, ...]:
    """What a camera hangs on: `switch s1`, `recorder r2`, `power p3`."""
    pairs = ("switch", camera.switch), ("recorder", camera.recorder), ("power", camera.power)
    return tuple(f"{label} {name}" for label, name in pairs if name)


class ZoneClass(StrEnum):
    OPEN = "open"
    QUEUE = "queue"
    EXIT_ROUTE = "exit_route"
    PLATFORM = "platform"
    CARRIAGEWAY = "carriageway"
    TRACK = "track"  # of trains and trams: nobody is to be there


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """A segment of a zone's border that people can leave by."""

    line: tuple[tuple[float, float], tuple[float, float]]  # lon, lat
    width_m: float


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    site: str
    partition: int
    zone_class: ZoneClass
    polygon: tuple[tuple[float, float], ...]  # lon, lat; an open ring, counter-clockwise
    safe_capacity: int | None = None  # persons; None: density levels only
    exits: tuple[Exit, ...] = ()
    one_way_bearing: float | None = None  # degrees from north
    cameras: tuple[str, ...] = ()  # cameras without a calibration whose whole picture shows this zone
    exits_way: Literal["in", "out"] | None = None  # the only way through its exits; None: both
    closed: str = ""  # hours of the week when nobody is to be there, as `ingest.registry.closing` reads them
    closed_calendar: str = ""  # the text of an iCalendar file: nobody is to be there during its events


@dataclass(frozen=True)
class District:
    cameras: tuple[Camera, ...]  # by number
    zones: tuple[Zone, ...]  # by id

    @cached_property
    def version(self) -> str:
        """Names this very state of the registry."""
        body = msgspec.json.encode([list(self.cameras), list(self.zones)])
        return derived_id("district", body.decode())[:12]

    @cached_property
    def camera_by_number(self) -> dict[int, Camera]:
        return {camera.number: camera for camera in self.cameras}

    @cached_property
    def camera_by_id(self) -> dict[str, Camera]:
        return {camera.id: camera for camera in self.cameras}

    def of_partition(self, partition: int) -> District:
        return District(
            tuple(camera for camera in self.cameras if camera.partition == partition),
            tuple(zone for zone in self.zones if zone.partition == partition),
        )


def district_of(cameras: Iterable[Camera], zones: Iterable[Zone]) -> District:
    """The district of these records, in its canonical order."""
    return District(
        tuple(sorted(cameras, key=lambda camera: camera.number)), tuple(sorted(zones, key=lambda zone: zone.id))
    )


def partition_of_site(site: str, partitions: int) -> int:
    """The partition of a site that nobody has placed by hand: stable, and even over many sites."""
    return int(derived_id("site", site)[:8], 16) % partitions
