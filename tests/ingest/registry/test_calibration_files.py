"""Calibrations as other tools write them: each format is read, and what is wrong with it is said."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.errors import SettingsError, SettingsFaults
from ingest.registry.calibration.lens_files import read_lens, read_pose
from ingest.registry.calibration.matrices import read_matrix_3x3
from ingest.registry.calibration.page import read_calibration
from ingest.registry.calibration.points import GroundPoint, read_ground_points
from ingest.registry.district import Lens

K = np.array([[1100.5, 0.0, 961.25], [0.0, 1099.0, 538.0], [0.0, 0.0, 1.0]])
D = np.array([[-0.31, 0.12, 0.0011, -0.0007, -0.02]])
LENS = Lens(
    focal_x=1100.5 / 1920, focal_y=1099.0 / 1080, centre_x=961.25 / 1920, centre_y=538.0 / 1080,
    k1=-0.31, k2=0.12, p1=0.0011, p2=-0.0007, k3=-0.02,
)  # fmt: skip

ROS = """\
image_width: 1920
image_height: 1080
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [1100.5, 0., 961.25, 0., 1099.0, 538., 0., 0., 1.]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.31, 0.12, 0.0011, -0.0007, -0.02]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [1000, 0, 960, 0, 0, 1000, 540, 0, 0, 0, 1, 0]
"""
ROS_MESSAGE = """\
header: {seq: 1}
height: 1080
width: 1920
distortion_model: "plumb_bob"
D: [-0.31, 0.12, 0.0011, -0.0007, -0.02]
K: [1100.5, 0.0, 961.25, 0.0, 1099.0, 538.0, 0.0, 0.0, 1.0]
R: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
"""
ROS_BLOCKS = ROS.replace("[1100.5, 0., 961.25, 0., 1099.0, 538., 0., 0., 1.]", "[1100.5, 0., 961.25,\n    0., 1099.0, 538.,\n    0., 0., 1.]")  # noqa: E501 # fmt: skip


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("ending", [".yaml", ".xml", ".json"])
def test_a_lens_as_opencv_itself_writes_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"camera{ending}"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, value in {"image_width": 1920, "image_height": 1080}.items():
        storage.write(name, value)
    for name, matrix in {"camera_matrix": K, "distortion_coefficients": D}.items():
        storage.write(name, matrix)
    storage.release()
    found = read_lens(path)
    for name in Lens.__struct_fields__:
        assert getattr(found, name) == pytest.approx(getattr(LENS, name), abs=1e-12), name


@pytest.mark.parametrize("text", [ROS, ROS_MESSAGE, ROS_BLOCKS], ids=["file", "message", "lines"])
def test_a_lens_as_ros_writes_it(tmp_path: Path, text: str) -> None:
    assert read_lens(write(tmp_path / "ost.yaml", text)) == LENS


def test_a_lens_without_the_size_of_its_pictures_needs_the_page_to_say_it(tmp_path: Path) -> None:
    bare = write(tmp_path / "bare.yaml", "\n".join(ROS.splitlines()[2:]))
    with pytest.raises(SettingsError, match="image_width: expected 1 numbers, got nothing"):
        read_lens(bare)
    assert read_lens(bare, (1920, 1080)) == LENS


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("plumb_bob", "equidistant", "expected plumb_bob, OpenCV's k1, k2, p1, p2, k3, got equidistant"),
        ("[-0.31, 0.12, 0.0011, -0.0007, -0.02]", "[1, 2, 3]", "expected k1, k2, p1, p2 and perhaps k3, got 3 numbers"),
        ("[-0.31, 0.12, 0.0011, -0.0007, -0.02]", "[0,0,0,0,0,1,0,0]", "got 8 numbers. Calibrate with that model"),
        ("[-0.31, 0.12, 0.0011, -0.0007, -0.02]", "[.nan, 0, 0, 0, 0]", "distortion_coefficients: expected"),
        ("camera_matrix:\n", "other_matrix:\n", "camera_matrix: expected 9 numbers, got nothing"),
        ("[1100.5, 0.,", "[1100.5,", "camera_matrix: expected 9 numbers, got 8"),
        ("[1100.5, 0.,", "[1e9, 0.,", "expected a focal length of 0.1 to 100 picture sizes"),
        ("961.25", "96100", "expected an axis in the picture or near it"),
        ("-0.31", "-310", "expected coefficients within 10"),
        ("[1100.5, 0.,", "[1100.5, 90.,", "expected a camera matrix without skew"),
        ("image_width: 1920", "image_width: 3", "expected 16 to 65535 pixels, got 3"),
    ],
)  # fmt: skip
def test_a_lens_that_cannot_be_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in ROS
    with pytest.raises(SettingsError) as refused:
        read_lens(write(tmp_path / "ost.yaml", ROS.replace(old, new)))
    assert said in str(refused.value) and "ost.yaml" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected 1 to 1,048,576 bytes, got nothing"),
        ("<opencv_storage><camera_matrix>", "expected XML without entities, got ParseError"),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x><rvec>&a;</rvec></x>', "EntitiesForbidden"),
        ("<opencv_storage><rvec>1 2 three</rvec></opencv_storage>", "rvec: expected numbers"),
        ("<opencv_storage><rvec>1 2 3</rvec></opencv_storage>", "tvec: expected 3 numbers, got nothing"),
        ("<opencv_storage><rvec>1 2</rvec><tvec>1 2 3</tvec></opencv_storage>", "rvec: expected 3 numbers, got 2"),
    ],
)  # fmt: skip
def test_a_pose_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_pose(write(tmp_path / "extr.xml", text))
    assert said in str(refused.value)


def test_a_pose_as_wildtrack_writes_it(tmp_path: Path) -> None:
    text = """<?xml version="1.0"?><opencv_storage>
      <rvec>1.759099006652832 0.46710100769996643 -0.331699013710022</rvec>
      <tvec>-525.8941650390625 45.40763473510742 986.7235107421875</tvec></opencv_storage>"""
    pose = read_pose(write(tmp_path / "extr_CVLab1.xml", text))
    assert pose.rotation[0] == 1.759099006652832 and pose.shift[2] == 986.7235107421875


@pytest.mark.parametrize(
    "text", ["1 2 3\n4 5 6\n7 8 10", "1,2,3;4,5,6;7,8,10", "[[1,2,3],[4,5,6],[7,8,10]]", "[1,2,3,4,5,6,7,8,10]",
             '{"H": [[1,2,3],[4,5,6],[7,8,10]]}', '{"homography": [1,2,3,4,5,6,7,8,10]}'],
)  # fmt: skip
def test_a_plain_matrix_in_each_of_its_forms(tmp_path: Path, text: str) -> None:
    assert read_matrix_3x3(write(tmp_path / "H.txt", text)) == ((1, 2, 3), (4, 5, 6), (7, 8, 10))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2 3 4 5 6 7 8", "expected nine finite numbers, got 8"),
        ("1 2 3\n2 4 6\n7 8 9", "expected a matrix that can be inverted"),
        ("a b c", "expected nine numbers"),
        ("[[1,2,3],[4,5,6],[7,8]]", "expected nine numbers"),
        ("[" * 5000, "expected nine numbers"),
        ("1 2 3 4 5 6 7 8 nan", "expected nine finite numbers"),
    ],
)  # fmt: skip
def test_a_matrix_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_matrix_3x3(write(tmp_path / "H.txt", text))
    assert said in str(refused.value)


PAIRS = [(0.25, 0.5, 8.5, 47.1), (0.75, 0.25, 8.6, 47.2)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "image_x,image_y,lon,lat\n" + "\n".join(",".join(map(str, pair)) for pair in PAIRS)),
        ("p.json", json.dumps([dict(zip(("image_x", "image_y", "lon", "lat"), pair, strict=True)) for pair in PAIRS])),
        ("p.json", json.dumps({"points": [{"image": pair[:2], "lon_lat": pair[2:]} for pair in PAIRS]})),
        (
            "gcp.geojson",
            json.dumps({"type": "FeatureCollection", "features": [
                {"type": "Feature", "properties": {"image_x": x, "image_y": y},
                 "geometry": {"type": "Point", "coordinates": [lon, lat]}} for x, y, lon, lat in PAIRS]}),
        ),
    ],
)  # fmt: skip
def test_points_on_the_earth_in_each_of_their_forms(tmp_path: Path, name: str, text: str) -> None:
    assert read_ground_points(write(tmp_path / name, text)) == tuple(GroundPoint(*pair, True) for pair in PAIRS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "image_x,image_y,east_m,north_m\n480,540,1.5,9\n960,270,-2,20"),
        ("p.json", json.dumps([{"image": [480, 540], "world": [1.5, 9]}, {"image": [960, 270], "world": [-2, 20]}])),
        ("p.json", json.dumps({"image_points": [[480, 540], [960, 270]], "world_points": [[1.5, 9], [-2, 20]]})),
    ],
)  # fmt: skip
def test_points_of_a_plane_in_pixels_in_each_of_their_forms(tmp_path: Path, name: str, text: str) -> None:
    found = read_ground_points(write(tmp_path / name, text), (1920.0, 1080.0))
    assert found == (GroundPoint(0.25, 0.5, 1.5, 9.0, False), GroundPoint(0.5, 0.25, -2.0, 20.0, False))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.csv", "image_x,image_y,east_m,north_m\n0.5,0.5,1,2", "Name the file in a page (TOML) with origin"),
        ("p.csv", "image_x,image_y,lon,lat\n480,0.5,8.5,47", "or name the file in a page with picture_px"),
        ("p.json", "[]", "expected a list of points, got other JSON"),
        ("p.json", '[{"image": [0.1], "lon_lat": [8, 47]}]', "image_y"),
        ("p.json", '[1, 2]', "image_x"),
        ("p.json", '{"image_points": [[1, 2]], "world_points": []}', "expected a list of points"),
        ("g.geojson", '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"image_x": 0.1, '
         '"image_y": 0.2}, "geometry": {"type": "LineString", "coordinates": []}}]}', "geometry: expected a Point"),
    ],
)  # fmt: skip
def test_points_that_are_none_are_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises((SettingsError, SettingsFaults)) as refused:
        read_calibration(write(tmp_path / name, text))
    assert said in str(refused.value)


MATRIX = "homography = [[0.01, 0, -10], [0, -0.01, 20], [0, 0.0001, 1]]"
GOOD_PAGE = MATRIX + "\npicture_px = [1920, 1080]\norigin = [8.5, 47.1]\nerror_m = 0.2\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("homography", "homografy", "expected one of bearing_deg, error_m, homography"),
        (MATRIX, "", "points: expected one of points, homography and pose, got none"),
        ("homography", 'pose = "e.xml"\nhomography', "got homography and pose. Leave one of them"),
        ("picture_px = [1920, 1080]", "", "picture_px: expected width and height, got nothing"),
        ("origin = [8.5, 47.1]", "", "origin: expected lon and lat of the ground's (0, 0)"),
        ("error_m = 0.2", "", "A matrix has no residual: measure some points"),
        ("error_m = 0.2", "error_m = -1", "error_m: expected"),
        ("[0, 0.0001, 1]", "[0, 0.0001]", "homography: expected nine finite numbers, got 8"),
        (MATRIX, 'homography = "nowhere.txt"', "nowhere.txt: expected a file that can be read"),
        (MATRIX, 'pose = "e.xml"', "lens: expected the file of the lens"),
        ("origin = [", "origin = ", "expected TOML in UTF-8"),
    ],
)  # fmt: skip
def test_a_page_that_lacks_something_says_what(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD_PAGE and read_calibration(write(tmp_path / "good.toml", GOOD_PAGE)).homography is not None
    with pytest.raises(SettingsError) as refused:
        read_calibration(write(tmp_path / "gate.toml", GOOD_PAGE.replace(old, new)))
    assert said in str(refused.value), refused.value


@given(st.text(max_size=300), st.sampled_from([".yaml", ".xml", ".json", ".txt", ".toml", ".csv"]))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_text_at_all_ends_in_anything_but_a_clear_refusal(tmp_path: Path, text: str, ending: str) -> None:
    path = write(tmp_path / f"any{ending}", text.encode("utf-8", "replace").decode())
    for read in (read_lens, read_pose, read_matrix_3x3, read_calibration):
        try:
            read(path)
        except (SettingsError, SettingsFaults) as error:
            assert "any" in str(error)
