"""Calibrations of other tools lead to the same places on the earth, whichever way they are written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.geometry.calibration import ground_homography
from detectors.geometry.homography import Floats, project
from detectors.geometry.lens import straighten
from detectors.geometry.placed import calibration_of, rotation
from ingest.errors import SettingsError
from ingest.registry.calibration.page import read_calibration
from ingest.registry.district import Calibration
from tests.detectors.plaza import PLANE

K = np.array([[900.0, 0.0, 970.0], [0.0, 905.0, 530.0], [0.0, 0.0, 1.0]])
D = np.array([-0.25, 0.06, 0.0008, -0.0005, -0.005])
BEARING_DEG = 30.0
# 8 m above the ground, looking along its second axis, 30 degrees down; in centimetres, as WILDTRACK has it.
TILT = np.radians(30.0)
TURN = np.array([[1.0, 0.0, 0.0], [0.0, -np.sin(TILT), -np.cos(TILT)], [0.0, np.cos(TILT), -np.sin(TILT)]])
RVEC = cv2.Rodrigues(TURN)[0].reshape(3)
TVEC = -TURN @ np.array([0.0, 0.0, 800.0])
SPOTS = np.array([(x, y) for x in (-4.0, 0.0, 5.0) for y in (8.0, 13.0, 19.0)])  # metres of the ground's own plane


def pixels(bent: bool) -> Floats:
    centimetres = np.column_stack([SPOTS * 100.0, np.zeros(len(SPOTS))])
    return cv2.projectPoints(centimetres, RVEC, TVEC, K, D if bent else np.zeros(5))[0][:, 0]


def on_site() -> Floats:
    """(K, 2) metres east and north of the spots."""
    turn = np.radians(BEARING_DEG)
    east = SPOTS[:, 0] * np.cos(turn) + SPOTS[:, 1] * np.sin(turn)
    return np.stack([east, -SPOTS[:, 0] * np.sin(turn) + SPOTS[:, 1] * np.cos(turn)], axis=1)


def lens_file(folder: Path, bent: bool) -> None:
    storage = cv2.FileStorage(str(folder / "intr.xml"), cv2.FILE_STORAGE_WRITE)
    storage.write("camera_matrix", K)
    storage.write("distortion_coefficients", D if bent else np.zeros(5))
    storage.release()


def page(folder: Path, lines: str, unit_m: float = 0.01, error_m: str = "error_m = 0.1") -> Calibration:
    text = (
        f"{lines}\npicture_px = [1920, 1080]\norigin = [{PLANE.lon}, {PLANE.lat}]\nbearing_deg = {BEARING_DEG}\n"
        f"unit_m = {unit_m}\n{error_m}\n"
    )
    (folder / "page.toml").write_text(text)
    return calibration_of("gate-7", read_calibration(folder / "page.toml"), PLANE, 0)


def placed(calibration: Calibration, bent: bool) -> Floats:
    shares = pixels(bent) / np.array([1920.0, 1080.0])
    straight = shares if calibration.lens is None else straighten(calibration.lens, shares)
    return project(ground_homography(calibration.points, PLANE, calibration.lens), straight)


@pytest.mark.parametrize("bent", [False, True])
def test_a_pose_with_its_lens_puts_people_where_they_stand(tmp_path: Path, bent: bool) -> None:
    lens_file(tmp_path, bent)
    (tmp_path / "extr.xml").write_text(
        f"<opencv_storage><rvec>{' '.join(map(repr, map(float, RVEC)))}</rvec>"
        f"<tvec>{' '.join(map(repr, map(float, TVEC)))}</tvec></opencv_storage>"
    )
    found = page(tmp_path, 'pose = "extr.xml"\nlens = "intr.xml"')
    np.testing.assert_allclose(placed(found, bent), on_site(), atol=2e-3)
    assert found.error_m == 0.1 and len(found.points) >= 6


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_homography_from_pixels_in_either_sign_puts_people_where_they_stand(tmp_path: Path, sign: float) -> None:
    matrix = sign * np.linalg.inv(K @ np.column_stack([TURN[:, 0], TURN[:, 1], TVEC]))
    np.savetxt(tmp_path / "H.txt", matrix)
    found = page(tmp_path, 'homography = "H.txt"')
    np.testing.assert_allclose(placed(found, False), on_site(), atol=2e-3)


@pytest.mark.parametrize("bent", [False, True])
def test_pixel_points_of_a_plane_put_people_where_they_stand(tmp_path: Path, bent: bool) -> None:
    lens_file(tmp_path, bent)
    rows = [f"{x},{y},{east},{north}" for (x, y), (east, north) in zip(pixels(bent), SPOTS, strict=True)]
    (tmp_path / "p.csv").write_text("image_x,image_y,east_m,north_m\n" + "\n".join(rows))
    found = page(tmp_path, 'points = "p.csv"\nlens = "intr.xml"', unit_m=1.0, error_m="")
    np.testing.assert_allclose(placed(found, bent), on_site(), atol=2e-3)
    assert found.error_m < 0.01, "it is the leave-one-out error"


def test_a_unit_that_is_a_hundred_times_too_large_is_refused(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "H.txt", np.linalg.inv(K @ np.column_stack([TURN[:, 0], TURN[:, 1], TVEC])))
    with pytest.raises(SettingsError, match=r"ground within 40 m in the lower part of the picture.*unit_m"):
        page(tmp_path, 'homography = "H.txt"', unit_m=1.0)


@given(arrays(np.float64, 3, elements=st.floats(-3.0, 3.0)))
def test_a_rotation_vector_turns_as_opencv_has_it(axis_angle: Floats) -> None:
    np.testing.assert_allclose(rotation(axis_angle), cv2.Rodrigues(axis_angle)[0], atol=1e-9)
