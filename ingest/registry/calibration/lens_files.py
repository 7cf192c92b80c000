"""A lens from OpenCV's FileStorage (YAML or XML) or from ROS' camera_info, and a pose from rvec and tvec."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest.errors import SettingsError
from ingest.registry.calibration.matrices import CalibrationText
from ingest.registry.district import Lens

_MODELS = ("plumb_bob", "rational_polynomial", "opencv", "brown", "radial")
FOCAL_MIN, FOCAL_MAX = 0.1, 100.0  # in widths or heights of the picture
_BEND_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Pose:
    """From the ground's coordinates to the camera's: x_camera = R(rotation) x_ground + shift."""

    rotation: tuple[float, float, float]  # Rodrigues
    shift: tuple[float, float, float]  # in units of the ground


def read_lens(path: Path, picture_px: tuple[float, float] | None = None) -> Lens:
    """
    Args:
        picture_px: width and height of the pictures that the lens was calibrated with; None: the file says it.

    Raises:
        SettingsError: no camera matrix, no size of the picture, a model that is not OpenCV's of five coefficients, or
            values that no lens has.
    """
    text = CalibrationText(path)
    model = text.word("distortion_model")
    if model is not None and model not in _MODELS:
        raise SettingsError(
            f"{path.name}: distortion_model", expected="plumb_bob, OpenCV's k1, k2, p1, p2, k3", got=model,
            mend="Calibrate with that model; for a fisheye lens straighten the stream in the camera.",
        )  # fmt: skip
    matrix = text.required((9,), "camera_matrix", "K", "k", "Camera_Matrix", "intrinsics")
    bends = text.numbers("distortion_coefficients", "D", "d", "Distortion_Coefficients", "dist_coeffs") or ()
    if len(bends) not in (0, 4, 5, 8, 12, 14) or any(bends[5:]):
        raise SettingsError(
            f"{path.name}: distortion_coefficients",
            expected="k1, k2, p1, p2 and perhaps k3", got=f"{len(bends)} numbers",
            mend="Calibrate with that model: without CALIB_RATIONAL_MODEL, CALIB_THIN_PRISM_MODEL, CALIB_TILTED_MODEL.",
        )  # fmt: skip
    width, height = picture_px or (_size(text, "image_width", "width"), _size(text, "image_height", "height"))
    k1, k2, p1, p2, k3 = (*bends[:5], *[0.0] * 5)[:5]
    lens = Lens(
        focal_x=matrix[0] / width, focal_y=matrix[4] / height, centre_x=matrix[2] / width, centre_y=matrix[5] / height,
        k1=k1, k2=k2, p1=p1, p2=p2, k3=k3,
    )  # fmt: skip
    _check(path.name, lens, matrix)
    return lens


def read_pose(path: Path) -> Pose:
    """
    The pose of EPFL's and WILDTRACK's extrinsics: rvec (or a 3 x 3 matrix R) and tvec.

    Raises:
        SettingsError: one of them is missing, or not three numbers.
    """
    text = CalibrationText(path)
    first, second, third = text.required((3,), "rvec", "rotation_vector", "R_vec")
    x, y, z = text.required((3,), "tvec", "translation_vector", "T", "t")
    return Pose((first, second, third), (x, y, z))


def _size(text: CalibrationText, *names: str) -> float:
    (length,) = text.required((1,), *names)
    if not 16 <= length <= 65_535:
        raise SettingsError(
            f"{text.file}: {names[0]}", expected="16 to 65535 pixels", got=f"{length:g}", mend="Mend the number."
        )
    return length


def _check(file: str, lens: Lens, matrix: tuple[float, ...]) -> None:
    fault = None
    if not (FOCAL_MIN <= lens.focal_x <= FOCAL_MAX and FOCAL_MIN <= lens.focal_y <= FOCAL_MAX):
        fault = "a focal length of 0.1 to 100 picture sizes", f"{lens.focal_x:.3g} x {lens.focal_y:.3g}"
    elif not (-0.5 <= lens.centre_x <= 1.5 and -0.5 <= lens.centre_y <= 1.5):
        fault = "an axis in the picture or near it", f"{lens.centre_x:.3g}, {lens.centre_y:.3g}"
    elif max(map(abs, (lens.k1, lens.k2, lens.p1, lens.p2, lens.k3))) > _BEND_MAX:
        fault = f"coefficients within {_BEND_MAX:g}", "larger ones"
    elif abs(matrix[1]) > 1e-3 * abs(matrix[0]) or any(matrix[6:8]) or matrix[3]:
        fault = "a camera matrix without skew", "one with it"
    if fault is not None:
        raise SettingsError(
            f"{file}: camera_matrix", expected=fault[0], got=fault[1],
            mend="Look whether picture_px is the size that the lens was calibrated with, and calibrate again.",
        )  # fmt: skip
