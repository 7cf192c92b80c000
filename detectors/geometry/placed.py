"""A calibration from what its files say: points of any plane to lon and lat, and points made from matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.geometry.calibration import calibrate
from detectors.geometry.homography import Floats, project
from detectors.geometry.lens import straighten
from detectors.geometry.plane import SitePlane
from ingest.errors import SettingsError
from ingest.registry.calibration.lens_files import Pose
from ingest.registry.calibration.page import CalibrationSource, Ground
from ingest.registry.district import Calibration, Lens, PointPair

_GRID = 7  # points a side of the picture that stand for a matrix


def calibration_of(
    camera_id: str, source: CalibrationSource, plane: SitePlane, measured_at_ns: int, error_m_max: float = 1.0
) -> Calibration:
    """
    Raises:
        SettingsError: as `calibrate`; or a matrix under which the lower part of the picture shows no ground.
    """
    if source.points:
        pairs = tuple(
            PointPair(point.image_x, point.image_y, *_on_earth((point.first, point.second), point.is_on_earth, source))
            for point in source.points
        )
        return calibrate(camera_id, pairs, plane, measured_at_ns, error_m_max, source.lens, source.error_m)
    pairs = points_of_matrix(camera_id, source)
    return calibrate(camera_id, pairs, plane, measured_at_ns, error_m_max, source.lens, source.error_m)


def points_of_matrix(camera_id: str, source: CalibrationSource) -> tuple[PointPair, ...]:
    """
    Points of the picture whose ground is within the source's reach of what its lower edge shows.

    Raises:
        SettingsError: fewer than six.
    """
    assert source.ground is not None
    side = (np.arange(_GRID) + 0.5) / _GRID
    picture = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    low = np.array([[0.5, 1.0 - 0.5 / _GRID]])
    straight, low = (each if source.lens is None else straighten(source.lens, each) for each in (picture, low))
    homography = _from_picture(source)
    if not float(homography[2] @ np.append(low[0], 1.0)) > 0.0:
        homography = -homography  # a matrix and its negative are one; the ground is below
    ground = project(homography, straight) * source.ground.unit_m
    near = project(homography, low)[0] * source.ground.unit_m
    with np.errstate(invalid="ignore"):
        kept = np.linalg.norm(ground - near, axis=1) <= source.reach_m
    if kept.sum() < 6:
        raise SettingsError(
            f"camera {camera_id}: calibration",
            expected=f"ground within {source.reach_m:g} m in the lower part of the picture",
            got=f"{int(kept.sum())} of {len(picture)} points of it",
            mend="Look whether the matrix leads from pixels to ground, and whether unit_m and picture_px are right.",
        )
    lon_lat = _lon_lat(ground[kept], source.ground)
    return tuple(
        PointPair(float(x), float(y), float(lon), float(lat))
        for (x, y), (lon, lat) in zip(picture[kept], lon_lat, strict=True)
    )


def pose_homography(lens: Lens, pose: Pose) -> Floats:
    """(3, 3) from the straight picture to the plane z = 0 of the ground's coordinates."""
    across = np.array([[lens.focal_x, 0.0, lens.centre_x], [0.0, lens.focal_y, lens.centre_y], [0.0, 0.0, 1.0]])
    turned = rotation(np.array(pose.rotation))
    to_picture = across @ np.column_stack([turned[:, 0], turned[:, 1], np.array(pose.shift)])
    result: Floats = np.linalg.inv(to_picture).astype(np.float64)
    return result


def rotation(axis_angle: Floats) -> Floats:
    """(3, 3) of a rotation vector (3,), by Rodrigues' formula."""
    angle = float(np.linalg.norm(axis_angle))
    if angle == 0.0:
        return np.eye(3)
    x, y, z = axis_angle / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    result: Floats = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return result


def _from_picture(source: CalibrationSource) -> Floats:
    if source.pose is not None:
        assert source.lens is not None
        return pose_homography(source.lens, source.pose)
    return np.array(source.homography, np.float64)


def _on_earth(place: tuple[float, float], is_on_earth: bool, source: CalibrationSource) -> Sequence[float]:
    if is_on_earth:
        return place
    assert source.ground is not None
    lon, lat = _lon_lat(np.array([place]) * source.ground.unit_m, source.ground)[0]
    return float(lon), float(lat)


def _lon_lat(ground_m: Floats, ground: Ground) -> Floats:
    turn = np.radians(ground.bearing_deg)
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    # The second axis points to the bearing, the first a quarter turn to its right.
    east = ground_m[:, 0] * cos + ground_m[:, 1] * sin
    north = -ground_m[:, 0] * sin + ground_m[:, 1] * cos
    return SitePlane(*ground.origin).to_lon_lat(np.stack([east, north], axis=1))
