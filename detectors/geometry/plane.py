"""A site's own plane: metres to the east and to the north of its origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.geometry.homography import Floats
from ingest.errors import SettingsError
from ingest.registry.district import District

# WGS 84
_EQUATOR_M = 6_378_137.0
_ECCENTRICITY_2 = 6.694_379_990_14e-3


@dataclass(frozen=True)
class SitePlane:
    """
    The plane that touches the ellipsoid at (lon, lat). Distances are off by less than 0.1 % within 2 km of the origin
    at latitudes up to 70 degrees.

    Source: radii of curvature of the meridian and of the prime vertical, WGS 84 (NIMA TR8350.2).
    """

    lon: float
    lat: float

    def to_metres(self, lon_lat: Floats) -> Floats:
        """(N, 2) east and north in metres of (N, 2) lon, lat in degrees; the short way round the antimeridian."""
        turn = (lon_lat[:, 0] - self.lon + 180.0) % 360.0 - 180.0
        east_m, north_m = self._metres_per_degree()
        return np.stack([turn * east_m, (lon_lat[:, 1] - self.lat) * north_m], axis=1)

    def to_lon_lat(self, metres: Floats) -> Floats:
        """(N, 2) lon in [-180, 180) and lat of (N, 2) metres east and north."""
        east_m, north_m = self._metres_per_degree()
        lon = (metres[:, 0] / east_m + self.lon + 180.0) % 360.0 - 180.0
        return np.stack([lon, metres[:, 1] / north_m + self.lat], axis=1)

    def _metres_per_degree(self) -> tuple[float, float]:
        latitude = np.radians(self.lat)
        bulge = 1.0 - _ECCENTRICITY_2 * np.sin(latitude) ** 2
        prime_vertical_m = _EQUATOR_M / np.sqrt(bulge)
        meridian_m = prime_vertical_m * (1.0 - _ECCENTRICITY_2) / bulge
        return float(np.radians(prime_vertical_m * np.cos(latitude))), float(np.radians(meridian_m))


def site_plane(district: District, site: str) -> SitePlane:
    """
    The plane of a site; its origin is the mean of the corners of the site's zones, or else of its cameras' places.

    Raises:
        SettingsError: the district has neither a zone nor a camera at the site.
    """
    corners = [corner for zone in district.zones if zone.site == site for corner in zone.polygon]
    places = corners or [(camera.lon, camera.lat) for camera in district.cameras if camera.site == site]
    if not places:
        raise SettingsError(
            f"site {site}", expected="a zone or a camera", got="none", mend="Add one to the registry, or mend the name."
        )
    lon_lat = np.array(places, dtype=np.float64)
    # Turn to the first place before taking the mean: a site may lie across the antimeridian.
    turn = (lon_lat[:, 0] - lon_lat[0, 0] + 180.0) % 360.0 - 180.0
    lon = (lon_lat[0, 0] + turn.mean() + 180.0) % 360.0 - 180.0
    return SitePlane(float(lon), float(lon_lat[:, 1].mean()))
