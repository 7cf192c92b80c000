from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.geometry.plane import SitePlane, site_plane
from ingest.errors import SettingsError
from ingest.registry.district import Camera, Zone, ZoneClass, district_of

planes = st.builds(SitePlane, lon=st.floats(-180.0, 179.999), lat=st.floats(-75.0, 75.0))
within_2_km = arrays(np.float64, (5, 2), elements=st.floats(-2_000.0, 2_000.0))


@settings(deadline=None)
@given(plane=planes, metres=within_2_km)
def test_metres_to_lon_lat_and_back_is_true_to_a_millimetre(plane, metres):
    np.testing.assert_allclose(plane.to_metres(plane.to_lon_lat(metres)), metres, atol=1e-3)


@pytest.mark.parametrize(
    ("lat", "degree_lon_m", "degree_lat_m"),
    [(0.0, 111_319.491, 110_574.276), (45.0, 78_846.806, 111_131.778), (60.0, 55_800.0, 111_412.0)],
)
def test_a_degree_is_as_long_as_the_ellipsoid_says(lat, degree_lon_m, degree_lat_m):
    # Source: lengths of a degree on WGS 84, https://en.wikipedia.org/wiki/Geographic_coordinate_system; 1e-4
    plane = SitePlane(10.0, lat)
    east, north = plane.to_metres(np.array([(10.01, lat), (10.0, lat + 0.01)]))
    np.testing.assert_allclose(east, (degree_lon_m / 100, 0.0), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(north, (0.0, degree_lat_m / 100), rtol=1e-4, atol=1e-9)


def camera(lon: float, lat: float, number: int = 0) -> Camera:
    return Camera(
        id=f"c{number}",
        number=number,
        name="",
        site="pier",
        partition=0,
        lon=lon,
        lat=lat,
        source="rtsp",
        url="rtsp://a",
    )


def zone(*polygon: tuple[float, float]) -> Zone:
    return Zone(id="z", name="", site="pier", partition=0, zone_class=ZoneClass.OPEN, polygon=polygon)


def test_the_plane_of_a_site_touches_the_middle_of_its_zones():
    district = district_of([camera(5.0, 5.0)], [zone((10.0, 50.0), (10.2, 50.0), (10.1, 50.3))])
    plane = site_plane(district, "pier")
    assert (plane.lon, plane.lat) == pytest.approx((10.1, 50.1))


def test_a_site_without_zones_has_its_plane_at_its_cameras():
    plane = site_plane(district_of([camera(5.0, 5.0), camera(7.0, 6.0, 1)], []), "pier")
    assert (plane.lon, plane.lat) == pytest.approx((6.0, 5.5))


def test_a_site_across_the_antimeridian_has_its_plane_there_and_not_on_the_other_side_of_the_earth():
    plane = site_plane(district_of([camera(179.9, 0.0), camera(-179.9, 0.0, 1)], []), "pier")
    assert abs(plane.lon) == pytest.approx(180.0)


def test_a_site_that_nobody_knows_is_refused():
    with pytest.raises(SettingsError, match=r"site quay: expected a zone or a camera, got none"):
        site_plane(district_of([camera(5.0, 5.0)], []), "quay")
