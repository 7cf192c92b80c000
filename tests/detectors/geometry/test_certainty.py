from __future__ import annotations

import numpy as np
import pytest
import shapely

from deploy.http.field_of_view import field_of_view_geojson
from detectors.geometry.certainty import certainty
from ingest.registry.district import Calibration, PointPair, district_of
from tests.detectors.geometry.pinhole import Pinhole
from tests.detectors.plaza import PLANE, camera

GROUND = np.array([(x, y) for x in (-4.0, 0.0, 4.0) for y in (8.0, 13.0, 20.0)])


def calibration() -> Calibration:
    pairs = np.concatenate([Pinhole(6.0, 22.0).on_picture(GROUND), PLANE.to_lon_lat(GROUND)], axis=1).tolist()
    return Calibration(points=tuple(PointPair(*each) for each in pairs), error_m=0.05, measured_at_ns=0)


def test_places_lie_in_what_is_seen_and_are_the_less_sure_the_farther_they_are():
    seen = certainty(calibration(), PLANE)
    assert shapely.contains_xy(shapely.Polygon(seen.outline_m), seen.place_m).all() and len(seen.place_m) >= 10
    near, far = seen.place_m[:, 1] < 11.0, seen.place_m[:, 1] > 17.0
    assert seen.ellipse[near, 0].max() < seen.ellipse[far, 0].min()
    # Along the line of sight, which is north, a picture says least.
    assert np.abs((seen.ellipse[far, 2] + 90.0) % 180.0 - 90.0).max() < 35.0


def test_the_api_shows_the_ground_and_the_ellipses_as_geojson():
    one = camera(7, "gate-7", calibration=calibration())
    shown = field_of_view_geojson(district_of([one], []), one)
    polygon, *points = shown["features"]
    assert polygon["geometry"]["type"] == "Polygon" and polygon["properties"]["camera"] == "gate-7"
    assert all(each["properties"]["long_m"] >= each["properties"]["short_m"] > 0.0 for each in points)
    lon, lat = points[0]["geometry"]["coordinates"]
    assert (lon, lat) == pytest.approx((PLANE.lon, PLANE.lat), abs=0.001)
    bare = camera(8, "gate-8")
    assert field_of_view_geojson(district_of([bare], []), bare)["features"] == []
