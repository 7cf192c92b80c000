"""`GET /api/cameras/{id}/field-of-view`: the ground that a camera speaks of, and how sure its places are (GeoJSON)."""

from __future__ import annotations

from typing import Any

from detectors.geometry.certainty import certainty
from detectors.geometry.plane import site_plane
from ingest.registry.district import Camera, District


def field_of_view_geojson(district: District, camera: Camera) -> dict[str, Any]:
    """
    A FeatureCollection (RFC 7946): one Polygon, and a Point for each place with `long_m`, `short_m` (half axes) and
    `bearing` (degrees from north) of the ellipse that holds 95 % of true places. Empty without a calibration.
    """
    features: list[dict[str, Any]] = []
    if camera.calibration is not None:
        plane = site_plane(district, camera.site)
        seen = certainty(camera.calibration, plane)
        ring = [[round(lon, 7), round(lat, 7)] for lon, lat in plane.to_lon_lat(seen.outline_m).tolist()]
        if ring:
            properties = {"camera": camera.id, "calibration": camera.calibration.id}
            geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
            features.append({"type": "Feature", "properties": properties, "geometry": geometry})
        places = plane.to_lon_lat(seen.place_m).tolist()
        for (lon, lat), (long_m, short_m, bearing) in zip(places, seen.ellipse.tolist(), strict=True):
            properties = {"long_m": round(long_m, 2), "short_m": round(short_m, 2), "bearing": round(bearing, 1)}
            geometry = {"type": "Point", "coordinates": [round(lon, 7), round(lat, 7)]}
            features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    return {"type": "FeatureCollection", "features": features}
