"""Cameras and zones as the console shows them: the registry, joined with the live picture."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from detectors.geometry.plane import site_plane
from detectors.geometry.zones import area_m2
from ingest.cameras.state import CameraState, ZoneState
from ingest.clock import NS_PER_S, Clock
from ingest.errors import DrumtowerError, StoreRetryable
from ingest.live.contract import LiveStore
from ingest.registry.district import Camera, District, Zone

RELOAD_PERIOD_NS = 3 * NS_PER_S


class CameraView(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    number: int
    name: str
    site: str
    lon: float
    lat: float
    source: str
    calibrated: bool
    state: str
    cause: str
    since: datetime | None
    last_frame_at: datetime | None
    picture: tuple[str, ...]


class DistrictView:
    """
    Args:
        read_district: the registry as it is now; called at most every few seconds.
    """

    def __init__(self, read_district: Callable[[], District], live: LiveStore, clock: Clock) -> None:
        self._read, self._live, self._clock = read_district, live, clock
        self._district = District((), ())
        self._read_at_ns: int | None = None
        self._areas: tuple[str, dict[str, float]] = ("", {})

    def district(self) -> District:
        now_ns = self._clock.monotonic_ns()
        if self._read_at_ns is None or now_ns - self._read_at_ns > RELOAD_PERIOD_NS:
            try:
                self._district = self._read()
            except DrumtowerError:
                # A registry that cannot be read just now is shown as it was; the bus has its own alarm.
                if self._read_at_ns is None:
                    raise
            self._read_at_ns = now_ns
        return self._district

    def cameras(self) -> list[CameraView]:
        states = self._states("camera", CameraState)
        return [_camera_view(camera, states.get(camera.id)) for camera in self.district().cameras]

    def zone_states(self) -> list[ZoneState]:
        states = self._states("zone", ZoneState)
        return [states.get(zone.id) or _unknown(zone) for zone in self.district().zones]

    def zones(self) -> dict[str, Any]:
        """A GeoJSON FeatureCollection (RFC 7946)."""
        states = {state.id: state for state in self.zone_states()}
        return {
            "type": "FeatureCollection",
            "features": [self._feature(zone, states[zone.id]) for zone in self.district().zones if zone.id in states],
        }

    def _feature(self, zone: Zone, state: ZoneState) -> dict[str, Any]:
        properties = msgspec.to_builtins(state) | {
            "name": zone.name,
            "site": zone.site,
            "zone_class": zone.zone_class,
            "safe_capacity": zone.safe_capacity,
            "area_m2": round(self._areas_m2()[zone.id], 1),
        }
        ring = [*map(list, zone.polygon), list(zone.polygon[0])]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        return {"type": "Feature", "id": zone.id, "geometry": geometry, "properties": properties}

    def _areas_m2(self) -> dict[str, float]:
        """Area of each zone, computed once for a state of the registry."""
        district = self._district
        if self._areas[0] != district.version:
            planes = {site: site_plane(district, site) for site in {zone.site for zone in district.zones}}
            areas = {zone.id: area_m2(planes[zone.site].to_metres(np.array(zone.polygon))) for zone in district.zones}
            self._areas = (district.version, areas)
        return self._areas[1]

    def _states(self, kind: str, struct: type[Any]) -> dict[str, Any]:
        try:
            found = self._live.states(kind)
        except StoreRetryable:
            return {}  # shown as unknown: nothing here is the truth
        return {name: msgspec.json.decode(state, type=struct) for name, state in found.items()}


def _camera_view(camera: Camera, state: CameraState | None) -> CameraView:
    return CameraView(
        id=camera.id,
        number=camera.number,
        name=camera.name,
        site=camera.site,
        lon=camera.lon,
        lat=camera.lat,
        source=camera.source,
        calibrated=camera.calibration is not None,
        state=state.state if state else "off",
        cause=state.cause if state else "" if not camera.enabled else "No worker reports this camera.",
        since=state.since if state else None,
        last_frame_at=state.last_frame_at if state else None,
        picture=state.picture if state else (),
    )


def _unknown(zone: Zone) -> ZoneState:
    return ZoneState(
        id=zone.id,
        level="unknown",
        occupancy=None,
        low=None,
        high=None,
        density_per_m2=None,
        capacity_use=None,
        degraded=True,
        observed_at=None,
    )
