"""What an operator should know of calibrations before the district runs: which see no zone, and which see one badly."""

from __future__ import annotations

from detectors.crowd.measures.local_density import RADIUS_M_MAX
from detectors.geometry.zones import zone_views
from ingest.registry.district import District

NOISE_M_MAX = RADIUS_M_MAX / 2.0  # above it, where somebody stands is not measurable


def calibration_notes(district: District) -> list[str]:
    """
    Notes by camera and zone.

    Raises:
        SettingsError: a zone's polygon crosses itself, or points of a calibration fix no homography.
    """
    views = zone_views(district)
    seeing = {view.camera for view in views}
    with_zones = {zone.site for zone in district.zones}
    notes = [
        f"camera {camera.id}: its calibration shows no ground of any zone of its site, so it counts for no zone. "
        "Does it look along the horizon, or are its points elsewhere? Calibrate it again with points in the zones."
        for camera in district.cameras
        if camera.enabled and camera.calibration and camera.site in with_zones and camera.number not in seeing
    ]
    for view in views:
        if view.homography is not None and view.noise_m > NOISE_M_MAX:
            camera, zone = district.camera_by_number[view.camera], district.zones[view.zone]
            notes.append(
                f"camera {camera.id}: a place in zone {zone.id} is uncertain by {view.noise_m:.1f} m, expected at most "
                f"{NOISE_M_MAX:.1f} m, so local density is not measurable there. Hang it higher, or cut the zone."
            )
    return notes
