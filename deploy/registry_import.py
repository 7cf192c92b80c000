"""From files to the registry: rows are read, cameras calibrated, numbers kept, and only what changed is appended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.parts import open_registry_bus
from deploy.settings import Settings
from detectors.geometry.placed import calibration_of
from detectors.geometry.plane import site_plane
from ingest.clock import SystemClock
from ingest.errors import SettingsError, SettingsFaults
from ingest.registry.calibration.page import read_calibration
from ingest.registry.change import change_registry, with_cameras
from ingest.registry.district import Calibration, District
from ingest.registry.files import CameraRow, Rows, ZoneRow, merge, read_cameras, read_zones
from ingest.registry.topics import read_district


@dataclass(frozen=True)
class ImportReport:
    changes: list[str]
    warnings: list[str]


def import_files(
    settings: Settings,
    cameras_file: Path | None,
    zones_file: Path | None,
    *,
    dry_run: bool = False,
    beside: bool = False,
) -> ImportReport:
    """
    Take the cameras and zones of these files into the registry.

    Args:
        beside: cameras that the file does not name stay; else they are removed.

    Raises:
        SettingsFaults: something in a file is wrong; all of it is listed, and nothing was changed.
        StoreConflict: someone else changed the registry meanwhile; nothing was changed.
    """
    rows = read_cameras(cameras_file) if cameras_file else Rows[CameraRow]()
    zone_rows = read_zones(zones_file) if zones_file else Rows[ZoneRow]()

    def decide(previous: District, partitions: int) -> tuple[District, list[str]]:
        merged = with_cameras if beside else _instead
        # Zones first: the plane of a site, in which its cameras are calibrated, lies by its zones.
        placed, _ = merged(previous, rows, partitions, {}, zone_rows)
        return merged(previous, rows, partitions, _calibrated(rows, cameras_file, placed), zone_rows)

    with open_registry_bus(settings) as bus:
        changes = change_registry(bus, decide, dry_run=dry_run)
    return ImportReport(changes, _warnings(rows, zone_rows))


def registry(settings: Settings) -> District:
    with open_registry_bus(settings) as bus:
        return read_district(bus)


def _instead(
    previous: District,
    rows: Rows[CameraRow],
    partitions: int,
    calibrations: Mapping[str, Calibration],
    zone_rows: Rows[ZoneRow],
) -> tuple[District, list[str]]:
    return merge(rows, zone_rows, previous, partitions, calibrations)


def _calibrated(rows: Rows[CameraRow], file: Path | None, district: District) -> Mapping[str, Calibration]:
    calibrations: dict[str, Calibration] = {}
    faults: list[SettingsError] = []
    now_ns = SystemClock().now_ns()
    for row in rows:
        if row.calibration is None or file is None:
            continue
        try:
            source = read_calibration(file.parent / row.calibration)
            calibrations[row.id] = calibration_of(row.id, source, site_plane(district, row.site), now_ns)
        except SettingsFaults as error:
            faults += error.faults
        except SettingsError as error:
            faults.append(error)
    if faults:
        raise SettingsFaults(faults)
    return calibrations


def _warnings(rows: Rows[CameraRow], zone_rows: Rows[ZoneRow]) -> list[str]:
    without = [row.name for row in zone_rows if row.safe_capacity is None]
    return [
        *rows.warnings,
        *zone_rows.warnings,
        *(f"zone {name}: no safe_capacity, so density levels only." for name in without),
    ]
