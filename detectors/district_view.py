"""A partition of the district as the detectors see it: rows for its zones and cameras, and who sees what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from detectors.calendar import Calendar, CalendarSettings
from detectors.geometry.heights import upright_heights
from detectors.geometry.homography import Bools, Floats, Ints, project
from detectors.geometry.plane import SitePlane, site_plane
from detectors.geometry.zones import ZoneView, area_m2, zone_views
from ingest.registry.district import Camera, District, Zone
from ingest.schema.finding import Place
from ingest.schema.tick import F32, U32

CAMERA_RADIUS_M = 25.0  # the place of a finding about a camera itself


@dataclass(frozen=True, eq=False)
class DistrictView:
    """
    Z zones, C enabled cameras and V views, each view one camera on one zone. Rows follow the ids of zones and the
    numbers of cameras; views are sorted by camera and zone, so that those of camera c are
    `view_start[c]:view_start[c + 1]`.
    """

    partition: int
    zones: tuple[Zone, ...]
    cameras: tuple[Camera, ...]
    views: tuple[ZoneView, ...]
    camera_number: Ints  # (C,) ascending
    view_camera: Ints  # (V,) row of the camera
    view_zone: Ints  # (V,) row of the zone
    view_start: Ints  # (C + 1,)
    area_m2: Floats  # (Z,)
    planes: Mapping[str, SitePlane]  # of each site with zones
    zone_places: tuple[Place, ...]
    camera_places: tuple[Place, ...]
    calendar: Calendar  # of all sites
    zones_in_district: int  # with those of the other partitions

    @cached_property
    def zone_ids(self) -> tuple[str, ...]:
        return tuple(zone.id for zone in self.zones)

    @cached_property
    def camera_ids(self) -> tuple[str, ...]:
        return tuple(camera.id for camera in self.cameras)

    @cached_property
    def view_ids(self) -> tuple[str, ...]:
        """(V,) zone and camera; `/` is in neither id."""
        pairs = zip(self.view_zone, self.view_camera, strict=True)
        return tuple(f"{self.zones[zone].id}/{self.cameras[camera].id}" for zone, camera in pairs)

    @cached_property
    def homography(self) -> Floats:
        """(C, 3, 3) from the picture to the metres of the site's plane; NaN for a camera that is not calibrated."""
        result = np.full((len(self.cameras), 3, 3), np.nan)
        for camera, view in zip(self.view_camera, self.views, strict=True):  # once for a district
            if view.homography is not None:
                result[camera] = view.homography
        return result

    @cached_property
    def upright_heights(self) -> F32:
        """(C, 10, 17) of `heights.upright_heights`: made once, for all detectors that ask."""
        return upright_heights(self.homography)

    def ground_place(self, camera: int, x: float, y: float, radius_m: float) -> Place:
        """Where on the ground a point of a camera's picture is; the camera's own place where nobody can know."""
        plane = self.planes.get(self.cameras[camera].site)
        ground = project(self.homography[camera], np.array([[x, y]]))
        if plane is None or not np.isfinite(ground).all():
            return self.camera_places[camera]
        lon, lat = plane.to_lon_lat(ground)[0]
        return Place(lon=round(float(lon), 7), lat=round(float(lat), 7), radius_m=radius_m)

    def camera_rows(self, number: U32) -> Ints:
        """(N,) rows of the cameras with these numbers (N,); -1 for one that is not of this partition, or is off."""
        if not len(self.camera_number):
            return np.full(len(number), -1, np.int64)
        row = np.minimum(np.searchsorted(self.camera_number, number), len(self.camera_number) - 1)
        return np.where(self.camera_number[row] == number, row, -1)

    def cameras_of(self, zone: int, of_views: Bools | None = None) -> tuple[str, ...]:
        """Ids of the cameras that see a zone, or of those whose view is marked in `of_views` (V,)."""
        seen = self.view_zone == zone
        if of_views is not None:
            seen = seen & of_views
        return tuple(sorted(self.cameras[camera].id for camera in self.view_camera[seen]))


def district_view(
    district: District,
    partition: int,
    calendar: CalendarSettings = CalendarSettings(),  # noqa: B008 - frozen
) -> DistrictView:
    """
    Raises:
        SettingsError: a zone's polygon crosses itself, or a calibration fixes no homography.
    """
    own = district.of_partition(partition)
    cameras = tuple(camera for camera in own.cameras if camera.enabled)
    views = zone_views(own)
    number = np.array([camera.number for camera in cameras], np.int64)
    view_camera = np.searchsorted(number, np.array([view.camera for view in views], np.int64))
    planes = {site: site_plane(own, site) for site in sorted({zone.site for zone in own.zones})}
    rings = [planes[zone.site].to_metres(np.array(zone.polygon, np.float64)) for zone in own.zones]
    return DistrictView(
        partition=partition,
        zones=own.zones,
        cameras=cameras,
        views=views,
        camera_number=number,
        view_camera=view_camera,
        view_zone=np.array([view.zone for view in views], np.int64),
        view_start=np.searchsorted(view_camera, np.arange(len(cameras) + 1)),
        area_m2=np.array([area_m2(ring) for ring in rings], np.float64),
        planes=planes,
        zone_places=tuple(_around(planes[zone.site], ring) for zone, ring in zip(own.zones, rings, strict=True)),
        camera_places=tuple(Place(lon=camera.lon, lat=camera.lat, radius_m=CAMERA_RADIUS_M) for camera in cameras),
        calendar=Calendar(calendar),
        zones_in_district=len(district.zones),
    )


def _around(plane: SitePlane, ring: Floats) -> Place:
    """The circle around a ring (V, 2) in metres: its box's middle, and the way to the farthest corner."""
    middle = (ring.min(axis=0) + ring.max(axis=0)) / 2.0
    lon, lat = plane.to_lon_lat(middle[None])[0]
    radius_m = np.linalg.norm(ring - middle, axis=1).max()
    return Place(lon=round(float(lon), 7), lat=round(float(lat), 7), radius_m=round(float(radius_m), 1))
