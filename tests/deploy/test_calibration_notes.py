"""What `drumtower check` says of cameras that are calibrated and see nothing that can be measured."""

from __future__ import annotations

import json

import numpy as np

from deploy.calibration_notes import calibration_notes
from ingest.registry.district import Calibration, District, PointPair, district_of
from tests.deploy.command import drumtower
from tests.detectors.geometry.pinhole import Pinhole
from tests.detectors.plaza import PLANE, camera, square, zone


def seen_by(pinhole: Pinhole, nearest_m: float, farthest_m: float, zone_at_m: tuple[float, float]) -> District:
    """A camera in the middle of the site that looks north, with points and a zone at these ranges."""
    depths = np.linspace(nearest_m, farthest_m, 3)
    ground = np.array([(x, y) for x in (-6.0, 0.0, 6.0) for y in depths])
    near, far = zone_at_m
    pairs = np.concatenate([pinhole.on_picture(ground), PLANE.to_lon_lat(ground)], axis=1).tolist()
    made = Calibration(points=tuple(PointPair(*each) for each in pairs), error_m=0.1, measured_at_ns=0)
    # A second zone, so that the site's origin stays where the camera is.
    zones = [
        zone("plaza", None, polygon=square(-5, near, 5, far)),
        zone("behind", None, polygon=square(-5, -far, 5, -near)),
    ]
    return district_of([camera(7, "gate-7", calibration=made)], zones)


def test_a_camera_that_sees_its_zone_well_needs_no_note():
    assert calibration_notes(seen_by(Pinhole(6.0, 22.0), 8.0, 22.0, (9.0, 20.0))) == []


def test_a_camera_along_the_horizon_is_said_to_be_too_unsure_with_the_number():
    (note,) = calibration_notes(seen_by(Pinhole(2.5, 2.0), 20.0, 90.0, (50.0, 85.0)))
    assert note.startswith("camera gate-7: a place in zone plaza is uncertain by ")
    assert float(note.split("uncertain by ")[1].split(" m")[0]) > 1.5


def test_a_camera_whose_points_are_elsewhere_counts_for_no_zone_and_says_so():
    (note,) = calibration_notes(seen_by(Pinhole(6.0, 22.0), 8.0, 20.0, (60.0, 80.0)))
    assert note.startswith("camera gate-7: its calibration shows no ground of any zone of its site")


def test_a_site_without_zones_has_no_zone_to_miss():
    district = seen_by(Pinhole(6.0, 22.0), 8.0, 22.0, (9.0, 20.0))
    assert calibration_notes(district_of(district.cameras, [])) == []


def test_check_says_that_a_zone_without_capacity_has_density_levels_only(tmp_path):
    ring = [[13.0, 52.0], [13.001, 52.0], [13.001, 52.001], [13.0, 52.001], [13.0, 52.0]]
    feature = {
        "type": "Feature",
        "properties": {"id": "plaza", "name": "Plaza", "site": "square", "class": "open"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    zones = tmp_path / "zones.geojson"
    zones.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    cameras = tmp_path / "cameras.csv"
    cameras.write_text(
        "id,name,site,source,url,lon,lat,calibration\ngate-1,Gate 1,square,rtsp,rtsp://10.0.0.1/a,13.0005,52.0005,\n"
    )
    for kind, file in (("cameras", cameras), ("zones", zones)):
        taken = drumtower(kind, "import", file, "--data", tmp_path / "data")
        assert taken.code == 0, taken.err
    said = drumtower("check", "--data", tmp_path / "data")
    assert said.code == 0 and "zone plaza: no safe_capacity, so density levels only." in said.out + said.err
