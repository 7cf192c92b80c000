from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detectors.geometry.calibration import calibrate
from detectors.geometry.homography import Floats, project
from detectors.geometry.plane import SitePlane, site_plane
from detectors.geometry.upright import upright
from detectors.geometry.zones import ZoneView, area_m2, inside, zone_views
from ingest.errors import SettingsError
from ingest.registry.district import Camera, District, PointPair, Zone, ZoneClass, district_of
from tests.detectors.geometry.pinhole import Pinhole

PLANE = SitePlane(7.0, 50.0)

grid_points = st.tuples(st.integers(-6, 6), st.integers(-6, 6))


@st.composite
def polygons(draw: st.DrawFn) -> Floats:
    """Star-shaped rings on a coarse grid, so that points often fall on borders, corners and in line with edges."""
    corners = draw(st.lists(grid_points, min_size=3, max_size=9, unique=True))
    ring = np.array(corners, dtype=np.float64)
    centre = ring.mean(axis=0) + 0.01
    ring = ring[np.argsort(np.arctan2(*(ring - centre).T))]
    assume(shapely.Polygon(ring).is_valid and shapely.Polygon(ring).area > 0)
    return ring


@settings(deadline=None)
@given(ring=polygons(), points=st.lists(grid_points, min_size=1, max_size=40))
def test_inside_agrees_with_shapely_border_included(ring, points):
    place = np.array(points, dtype=np.float64) / 2.0
    expected = shapely.intersects_xy(shapely.Polygon(ring), place[:, 0], place[:, 1])
    assert (inside(ring, place) == expected).all()
    assert (inside(ring[::-1], place) == expected).all()


@settings(deadline=None)
@given(ring=polygons(), turn=st.integers(0, 8))
def test_the_area_does_not_depend_on_the_first_corner_or_the_sense(ring, turn):
    area = shapely.Polygon(ring).area
    assert area_m2(np.roll(ring, turn, axis=0)) == pytest.approx(area)
    assert area_m2(ring[::-1]) == pytest.approx(area)


def test_a_place_that_is_not_on_the_ground_is_in_no_zone():
    square = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    assert not inside(square, np.array([(np.nan, np.nan)]))[0]
    assert inside(square, np.empty((0, 2))).shape == (0,)


def rectangle(left: float, near: float, right: float, far: float) -> Floats:
    return np.array([(left, near), (right, near), (right, far), (left, far)])


def zone_of(name: str, ring: Floats, site: str = "square", cameras: tuple[str, ...] = ()) -> Zone:
    polygon = tuple(map(tuple, PLANE.to_lon_lat(ring).tolist()))
    return Zone(
        id=name, name=name, site=site, partition=0, zone_class=ZoneClass.OPEN, polygon=polygon, cameras=cameras
    )  # fmt: skip


def pairs(image: Floats, ground: Floats) -> list[PointPair]:
    return [PointPair(*place) for place in np.column_stack([image, PLANE.to_lon_lat(ground)]).tolist()]


def camera_of(pinhole: Pinhole | None, clicked: Floats | None = None, number: int = 3, enabled: bool = True) -> Camera:
    calibration = None
    if pinhole is not None and clicked is not None:
        image = pinhole.on_picture(clicked)
        calibration = calibrate("cam", pairs(image, clicked), PLANE, 0)
    return Camera(
        id=f"cam-{number}", number=number, name="", site="square", partition=0, lon=7.0, lat=50.0, source="rtsp",
        url="rtsp://a", calibration=calibration, enabled=enabled,
    )  # fmt: skip


def clicks(left: float, near: float, right: float, far: float) -> Floats:
    return np.array([(x, y) for x in np.linspace(left, right, 3) for y in np.linspace(near, far, 4)])


def in_own_plane(district: District, ring: Floats) -> Floats:
    return site_plane(district, "square").to_metres(PLANE.to_lon_lat(ring))


CAMERA = Pinhole(8.0, 30.0)
CLICKED = clicks(-5.0, 9.0, 5.0, 20.0)


def test_a_zone_within_the_clicked_points_is_seen_whole():
    district = district_of([camera_of(CAMERA, CLICKED)], [zone_of("a", rectangle(-4.0, 10.0, 4.0, 18.0))])
    (view,) = zone_views(district)
    assert (view.camera, view.zone) == (3, 0)
    assert view.area_m2 == pytest.approx(64.0, rel=1e-3)
    assert view.seen_area_m2 == pytest.approx(view.area_m2)
    spot = np.array([(1.0, 12.0)])
    np.testing.assert_allclose(
        project(view.homography, CAMERA.on_picture(spot)), in_own_plane(district, spot), atol=1e-3
    )  # fmt: skip


def test_a_zone_is_cut_to_the_hull_of_the_clicked_points_grown_by_a_tenth():
    district = district_of([camera_of(CAMERA, CLICKED)], [zone_of("a", rectangle(-50.0, -50.0, 50.0, 80.0))])
    (view,) = zone_views(district)
    assert view.seen_area_m2 == pytest.approx(1.1**2 * 10.0 * 11.0, rel=0.02)
    assert view.area_m2 == pytest.approx(13_000.0, rel=1e-3)


def test_a_zone_is_cut_to_the_picture():
    tele = Pinhole(8.0, 30.0, focal_px=6000.0)
    district = district_of([camera_of(tele, CLICKED)], [zone_of("a", rectangle(-4.0, 10.0, 4.0, 18.0))])
    (view,) = zone_views(district)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=float)
    frame = shapely.Polygon(project(view.homography, corners))
    zone = shapely.Polygon(in_own_plane(district, rectangle(-4.0, 10.0, 4.0, 18.0)))
    assert view.seen_area_m2 == pytest.approx(frame.intersection(zone).area, rel=1e-6)
    assert view.seen_area_m2 < view.area_m2


def test_a_zone_that_reaches_the_horizon_is_cut_below_it():
    low = Pinhole(6.0, 10.0)  # its horizon is in the picture
    wide = clicks(-5.0, 15.0, 5.0, 60.0)
    district = district_of([camera_of(low, wide)], [zone_of("a", rectangle(-20.0, -30.0, 20.0, 2_000.0))])
    (view,) = zone_views(district)
    far = np.concatenate(view.seen)[:, 1].max() - in_own_plane(district, np.zeros((1, 2)))[0, 1]
    assert 60.0 < far < 66.0
    assert np.isfinite(view.cell_person_share).all()
    assert (view.cell_person_share[0] == 0.0).all()


def test_zones_behind_beside_and_of_another_site_are_not_seen():
    zones = [
        zone_of("behind", rectangle(-4.0, -18.0, 4.0, -10.0)),
        zone_of("beside", rectangle(30.0, 10.0, 34.0, 18.0)),
        zone_of("elsewhere", rectangle(-4.0, 10.0, 4.0, 18.0), site="pier"),
    ]
    assert zone_views(district_of([camera_of(CAMERA, CLICKED)], zones)) == ()


def test_a_camera_without_a_calibration_sees_the_zones_that_name_it_and_no_place_in_them():
    zones = [zone_of("a", rectangle(0, 0, 5, 4)), zone_of("b", rectangle(0, 0, 10, 4), cameras=("cam-3",))]
    (view,) = zone_views(district_of([camera_of(None)], zones))
    assert (view.zone, view.homography, view.noise_m) == (1, None, np.inf)
    assert view.seen_area_m2 == view.area_m2 == pytest.approx(40.0, rel=1e-3)
    assert view.cell_person_share.sum() == pytest.approx(40.0 / 0.85, rel=1e-3)


def test_a_camera_that_is_off_sees_nothing():
    zones = [zone_of("a", rectangle(-4.0, 10.0, 4.0, 18.0), cameras=("cam-3",))]
    assert zone_views(district_of([camera_of(None, enabled=False)], zones)) == ()


def test_views_come_by_camera_and_zone():
    zones = [zone_of("b", rectangle(-4.0, 10.0, 0.0, 18.0)), zone_of("a", rectangle(0.0, 10.0, 4.0, 18.0))]
    cameras = [camera_of(CAMERA, CLICKED, number=9), camera_of(CAMERA, CLICKED, number=2)]
    views = zone_views(district_of(cameras, zones))
    assert [(view.camera, view.zone) for view in views] == [(2, 0), (2, 1), (9, 0), (9, 1)]


def test_a_zone_that_crosses_itself_is_refused():
    bow = np.array([(-4.0, 10.0), (4.0, 18.0), (4.0, 10.0), (-4.0, 18.0)])
    with pytest.raises(SettingsError, match=r"zone a: polygon: expected a ring that does not cross itself"):
        zone_views(district_of([camera_of(CAMERA, CLICKED)], [zone_of("a", bow)]))


def test_noise_grows_with_distance_as_the_foot_point_does():
    # Source: sigma_r = 4 px (r^2 + h^2) / (h f) along the line of sight, r h / (r f) across; exact calibration.
    zones = [zone_of("far", rectangle(-1.0, 24.0, 1.0, 26.0)), zone_of("near", rectangle(-1.0, 9.0, 1.0, 11.0))]
    pinhole = Pinhole(8.0, 25.0)
    far, near = zone_views(district_of([camera_of(pinhole, clicks(-5.0, 8.0, 5.0, 30.0))], zones))
    for view, range_m in ((far, 25.0), (near, 10.0)):
        along_m = 4.0 * (range_m**2 + 8.0**2) / (8.0 * 1100.0)
        across_m = 4.0 * np.hypot(range_m, 8.0) / 1100.0
        assert view.noise_m == pytest.approx(np.sqrt((along_m**2 + across_m**2) / 2.0), rel=0.15)


# People from foreground. The people stand at least 2 m apart, so that few hide others.


def estimate(pinhole: Pinhole, view: ZoneView, district: District, seed: int) -> tuple[int, float]:
    """People in the seen part, and the estimate of them from the foreground of rendered boxes; some stand outside."""
    rng = np.random.default_rng(seed)
    ring = np.concatenate(view.seen)
    low, high = ring.min(axis=0) - 4.0, ring.max(axis=0) + 4.0
    feet: list[Floats] = []
    for _ in range(400):
        place = rng.uniform(low, high)
        if len(feet) < 12 and all(np.hypot(*(place - other)) > 2.0 for other in feet):
            feet.append(place)
    standing = np.array(feet)
    count = int(np.any([inside(part, standing) for part in view.seen], axis=0).sum())
    back = PLANE.to_metres(site_plane(district, "square").to_lon_lat(standing))
    foreground = pinhole.foreground(back, rng.uniform(0.0, np.pi, len(standing)))
    cells = foreground.reshape(9, pinhole.height // 9, 16, pinhole.width // 16).mean(axis=(1, 3))
    return count, float((cells * view.cell_person_share).sum())


@pytest.mark.parametrize("click_px", [0.0, 3.0])
@pytest.mark.parametrize(
    "pinhole",
    [
        Pinhole(6.0, 25.0),
        Pinhole(6.0, 40.0, 800.0),
        Pinhole(8.0, 30.0),
        Pinhole(10.0, 25.0),
        Pinhole(10.0, 50.0, 800.0),
    ],
    ids=lambda pinhole: f"{pinhole.height_m:g} m, {pinhole.pitch_degrees:g} deg, {pinhole.focal_px:g} px",
)
def test_the_foreground_of_people_who_do_not_hide_one_another_says_how_many_they_are(pinhole, click_px):
    middle_m = pinhole.height_m / np.tan(np.radians(pinhole.pitch_degrees))
    clicked = clicks(-0.4 * middle_m, 0.65 * middle_m, 0.4 * middle_m, 1.5 * middle_m)
    noise = np.random.default_rng(1).normal(0.0, click_px, clicked.shape) / np.array([1920, 1080])
    image = pinhole.on_picture(clicked) + noise
    ring = rectangle(-0.4 * middle_m, 0.65 * middle_m, 0.4 * middle_m, 1.5 * middle_m)
    camera = Camera(
        id="cam", number=0, name="", site="square", partition=0, lon=7.0, lat=50.0, source="rtsp", url="rtsp://a",
        calibration=calibrate("cam", pairs(image, clicked), PLANE, 0, error_m_max=2.0),
    )  # fmt: skip
    district = district_of([camera], [zone_of("a", ring)])
    (view,) = zone_views(district)
    runs = np.array([estimate(pinhole, view, district, seed) for seed in range(16)])
    true, estimated = runs.sum(axis=0)
    assert true >= 25
    # Seen: 0.90 to 1.20 of the truth, highest on the smallest zone over these cameras.
    assert 0.75 * true <= estimated <= 1.25 * true


@pytest.mark.parametrize("roll_degrees", [0.0, 8.0])
def test_the_head_is_found_over_the_foot_from_the_ground_alone(roll_degrees):
    pinhole = Pinhole(7.0, 35.0, roll_degrees=roll_degrees)
    view_of = camera_of(pinhole, clicks(-4.0, 6.0, 4.0, 14.0))
    district = district_of([view_of], [zone_of("a", rectangle(-4.0, 6.0, 4.0, 14.0))])
    (view,) = zone_views(district)
    feet = np.array([(-3.0, 7.0), (0.0, 10.0), (3.0, 13.0)])
    heads = pinhole.see(np.column_stack([feet, np.full(3, 1.7)])) / np.array([1920, 1080])
    body = upright(view.homography)
    np.testing.assert_allclose(body.body_top(pinhole.on_picture(feet)), heads, atol=1e-3)
    middle = (heads + pinhole.on_picture(feet)) / 2.0
    np.testing.assert_allclose(body.foot_under(middle), pinhole.on_picture(feet), atol=2e-3)
    assert body.focal == pytest.approx(1100.0 / 1080.0, rel=0.01)
