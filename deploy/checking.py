"""`drumtower check`: load all, touch nothing, list every fault that can be found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from correlator.routing.fault import route_faults
from deploy.settings import Settings, correlate_settings, read_secret
from detectors.registry import prepared_settings
from ingest.counted import counted
from ingest.errors import SettingsError, SettingsFaults


def check_all(load: Callable[[], Settings]) -> tuple[list[str], list[SettingsError]]:
    """(what a person should know, what a person must mend)."""
    notes: list[str] = []
    faults: list[SettingsError] = []

    def attempt(act: Callable[[], object]) -> object:
        try:
            return act()
        except SettingsFaults as error:
            faults.extend(error.faults)
        except SettingsError as error:
            faults.append(error)
        return None

    settings = attempt(load)
    if not isinstance(settings, Settings):
        return notes, faults
    attempt(lambda: prepared_settings(settings.detect))
    faults += route_faults(
        settings.correlate.routes, settings.correlate.route_expectations, correlate_settings(settings).time_zone
    )
    attempt(lambda: read_secret(settings.live.password_file))
    attempt(lambda: read_secret(settings.casebook.password_file))
    if settings.bus.kind == "kafka":
        kafka = settings.bus.kafka
        attempt(lambda: read_secret(kafka.sasl_password_file, kafka.sasl_password_env))
    if settings.bus.kind == "embedded" and (Path(settings.data) / "bus.sqlite").exists():
        notes += _registry_notes(settings, attempt)
    return notes, faults


def _registry_notes(settings: Settings, attempt: Callable[[Callable[[], object]], object]) -> list[str]:
    from deploy.calibration_notes import calibration_notes
    from deploy.registry_import import registry
    from ingest.registry.closing import check_closing
    from ingest.registry.district import District

    district = attempt(lambda: registry(settings))
    if not isinstance(district, District):
        return []
    for camera in district.cameras:
        attempt(lambda camera=camera: read_secret(camera.password_file, camera.password_env))  # type: ignore[misc]
    for zone in district.zones:
        attempt(lambda zone=zone: check_closing(zone))  # type: ignore[misc]
    notes = [f"{counted(len(district.cameras), 'camera')}, {counted(len(district.zones), 'zone')}."]
    notes += [
        f"zone {zone.id}: no safe_capacity, so density levels only."
        for zone in district.zones
        if zone.safe_capacity is None
    ]
    if any(zone.closed or zone.closed_calendar for zone in district.zones) and settings.time_zone == "UTC":
        notes.append("time_zone is UTC: closed hours are read so. Set it to that of the clocks on the walls.")
    about_calibrations = attempt(lambda: calibration_notes(district))
    notes += about_calibrations if isinstance(about_calibrations, list) else []
    uncovered = {name for zone in district.zones for name in zone.cameras}
    notes += [
        f"camera {camera.id}: no calibration and no zone names it, so it counts for no zone."
        for camera in district.cameras
        if camera.calibration is None and camera.id not in uncovered
    ]
    return notes
