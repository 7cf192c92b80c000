"""Rows into the district: numbers and partitions of what is known stay, what is new gets the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import cos, hypot, radians
from typing import TypeVar

import msgspec

from ingest.errors import SettingsError, SettingsFaults
from ingest.registry.district import Calibration, Camera, District, Zone, district_of, partition_of_site
from ingest.registry.fields import quoted
from ingest.registry.rows import CameraRow, ZoneRow

REACH_M_MAX = 2_000.0  # from a zone's nearest corner to its site's nearest camera
_METRES_PER_DEGREE = 111_320.0

Entry = TypeVar("Entry", Camera, Zone)


def merge(
    rows: Sequence[CameraRow],
    zone_rows: Sequence[ZoneRow],
    previous: District,
    partitions: int,
    calibrations: Mapping[str, Calibration],
) -> tuple[District, list[str]]:
    """
    The district that these rows make of the previous one, and what changes, a line each.

    Rows are the whole truth about their kind: a camera or zone without a row is removed. No rows at all of a kind keep
    the previous ones, since a file without rows is refused when it is read. A camera keeps its number for as long as it
    stays; a new one gets the number after the highest. A calibration of the same points and lens keeps its date.

    Args:
        partitions: of the topics of the bus.
        calibrations: by camera id; a camera that is not in it has none.

    Raises:
        SettingsFaults: a zone names a site or camera that is not there, or lies far from its site's cameras; a site
            has a partition that the bus does not have.
    """
    placement = _Placement(previous, partitions)
    cameras = _cameras(rows, previous, placement, calibrations) if rows else list(previous.cameras)
    zones = [_zone(row, placement) for row in zone_rows] if zone_rows else list(previous.zones)
    at = {row.id: row.at for row in zone_rows}
    faults = [fault for zone in zones for fault in _zone_faults(zone, at.get(zone.id, f"registry: {zone.id}"), cameras)]
    faults += placement.faults()
    if faults:
        raise SettingsFaults(faults)
    district = district_of(cameras, zones)
    before, after = previous.camera_by_id, district.camera_by_id
    changes = _changes("camera", before, after)
    changes += _changes("zone", {zone.id: zone for zone in previous.zones}, {zone.id: zone for zone in district.zones})
    return district, changes


@dataclass
class _Placement:
    """A site stays on its partition, whatever the rule would say today."""

    previous: District
    partitions: int

    def __post_init__(self) -> None:
        entries: Iterable[Camera | Zone] = (*self.previous.zones, *self.previous.cameras)
        self.known = {entry.site: entry.partition for entry in entries}

    def of(self, site: str) -> int:
        return self.known.setdefault(site, partition_of_site(site, self.partitions))

    def faults(self) -> list[SettingsError]:
        return [
            SettingsError(
                f"site {site}",
                expected=f"a partition below {self.partitions}",
                got=str(partition),
                mend="The bus has fewer partitions than before: give it as many again.",
            )
            for site, partition in sorted(self.known.items())
            if partition >= self.partitions
        ]


def _cameras(
    rows: Sequence[CameraRow], previous: District, placement: _Placement, calibrations: Mapping[str, Calibration]
) -> list[Camera]:
    known = previous.camera_by_id
    free = max((camera.number for camera in previous.cameras), default=-1) + 1
    cameras = []
    for row in rows:
        former = known.get(row.id)
        calibration = calibrations.get(row.id)
        if former and former.calibration and calibration and former.calibration.id == calibration.id:
            calibration = former.calibration
        number = former.number if former else free
        free += not former
        facts = {name: getattr(row, name) for name in Camera.__struct_fields__ if hasattr(row, name)}
        placed = {"number": number, "partition": placement.of(row.site), "calibration": calibration}
        learned = {"relearned_at_ns": former.relearned_at_ns if former else 0}
        cameras.append(Camera(**(facts | placed | learned)))
    return cameras


def _zone(row: ZoneRow, placement: _Placement) -> Zone:
    facts = {name: getattr(row, name) for name in Zone.__struct_fields__ if hasattr(row, name)}
    return Zone(**facts, partition=placement.of(row.site))


def _zone_faults(zone: Zone, at: str, cameras: Sequence[Camera]) -> list[SettingsError]:
    there = [camera for camera in cameras if camera.site == zone.site]
    if not there:
        sites = ", ".join(sorted({camera.site for camera in cameras})[:8]) or "no cameras at all"
        return [
            SettingsError(
                f"{at}: site",
                expected=f"a site of a camera ({sites})",
                got=quoted(zone.site),
                mend="Mend the name, or add the site's cameras first.",
            )
        ]
    ids = {camera.id for camera in there}
    faults = [
        SettingsError(
            f"{at}: cameras",
            expected=f"cameras of site {zone.site}",
            got=quoted(name),
            mend="Mend the id, or add the camera to the site.",
        )
        for name in zone.cameras
        if name not in ids
    ]
    places = [(camera.lon, camera.lat) for camera in there]
    away_m = min(_apart_m(corner, place) for corner in zone.polygon for place in places)
    if away_m > REACH_M_MAX:
        turned_m = min(_apart_m((lat, lon), place) for lon, lat in zone.polygon for place in places)
        mend = (
            "lon and lat look exchanged; lon comes first." if turned_m <= REACH_M_MAX else "Mend the site or the place."
        )
        faults.append(
            SettingsError(
                f"{at}: geometry",
                expected=f"a place within {REACH_M_MAX:,.0f} m of a camera of site {zone.site}",
                got=f"{away_m:,.0f} m",
                mend=mend,
            )
        )
    return faults


def _apart_m(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Good to a few per cent near by; far away, it is enough that it is far."""
    turn = (here[0] - there[0] + 180.0) % 360.0 - 180.0
    return hypot(turn * cos(radians(there[1])), here[1] - there[1]) * _METRES_PER_DEGREE


def _changes(kind: str, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> list[str]:
    lines = [f"{kind} {id_}: removed" for id_ in sorted(before.keys() - after.keys())]
    lines += [f"{kind} {id_}: added" for id_ in sorted(after.keys() - before.keys())]
    for id_ in sorted(before.keys() & after.keys()):
        old, new = msgspec.structs.asdict(before[id_]), msgspec.structs.asdict(after[id_])
        differ = [name for name in old if old[name] != new[name]]
        if differ:
            lines.append(f"{kind} {id_}: changed {', '.join(differ)}")
    return lines
