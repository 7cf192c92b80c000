"""
The page of a camera's calibration: what files it consists of, and where its ground lies. A table of points needs none.

    points = "gate-7.csv"       # image_x, image_y, and lon, lat or east_m, north_m
    lens = "ost.yaml"           # OpenCV FileStorage or ROS camera_info
    homography = "H.txt"        # instead of points: 3 x 3, from pixels to the ground
    pose = "extrinsics.xml"     # instead of points: rvec and tvec, with a lens
    picture_px = [1920, 1080]
    origin = [8.5417, 47.3769]  # lon, lat of the ground's (0, 0)
    bearing_deg = 0.0           # of the ground's second axis, clockwise from north
    unit_m = 1.0                # of the ground
    error_m = 0.2               # as measured in the field, where there are no points to tell it
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec

from ingest.errors import SettingsError
from ingest.registry.calibration.lens_files import Pose, read_lens, read_pose
from ingest.registry.calibration.matrices import checked_3x3, read_matrix_3x3
from ingest.registry.calibration.points import GroundPoint, read_ground_points, read_points
from ingest.registry.district import Lens
from ingest.settings import converted

Matrix = tuple[tuple[float, float, float], ...]
_Length = Annotated[float, msgspec.Meta(ge=16, le=65_535)]


class CalibrationPage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    points: str | None = None
    lens: str | None = None
    homography: str | list[list[float]] | None = None
    pose: str | None = None
    picture_px: tuple[_Length, _Length] | None = None
    origin: (
        tuple[Annotated[float, msgspec.Meta(ge=-180, le=180)], Annotated[float, msgspec.Meta(ge=-90, le=90)]] | None
    ) = None
    bearing_deg: Annotated[float, msgspec.Meta(ge=-360, le=360)] = 0.0
    unit_m: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 1.0
    error_m: Annotated[float, msgspec.Meta(gt=0, le=10)] | None = None
    reach_m: Annotated[float, msgspec.Meta(gt=1, le=500)] = 40.0


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the plane of a calibration lies on the earth."""

    origin: tuple[float, float]  # lon, lat of (0, 0)
    bearing_deg: float = 0.0  # of the second axis, clockwise from north
    unit_m: float = 1.0


@dataclass(frozen=True, slots=True)
class CalibrationSource:
    """What the files of a calibration say; one of `points`, `homography` and `pose` is there."""

    points: tuple[GroundPoint, ...] = ()
    lens: Lens | None = None
    homography: Matrix | None = None  # from the straight picture in [0, 1] to units of the ground
    pose: Pose | None = None
    ground: Ground | None = None  # None: the points know their lon and lat
    error_m: float | None = None
    reach_m: float = 40.0


def read_calibration(path: Path) -> CalibrationSource:
    """
    A table of points (CSV, GeoJSON or JSON), or a page in TOML that names the files of a calibration.

    Raises:
        SettingsFaults, SettingsError: what is wrong with it, by file and line or key.
    """
    if path.suffix.lower() != ".toml":
        pairs = read_points(path)
        return CalibrationSource(
            points=tuple(GroundPoint(pair.image_x, pair.image_y, pair.lon, pair.lat, True) for pair in pairs)
        )
    page = _page(path)
    ways = [name for name in ("points", "homography", "pose") if getattr(page, name) is not None]
    if len(ways) != 1:
        raise _fault(
            path, "points", "one of points, homography and pose", " and ".join(ways) or "none", "Leave one of them."
        )
    lens = None if page.lens is None else read_lens(path.parent / page.lens, page.picture_px)
    source = CalibrationSource(lens=lens, error_m=page.error_m, reach_m=page.reach_m, ground=_ground(page))
    if page.points is not None:
        points = read_ground_points(path.parent / page.points, page.picture_px)
        if source.ground is None and not all(point.is_on_earth for point in points):
            raise _fault(path, "origin", "lon and lat of the points' (0, 0)", "nothing", "Add origin = [lon, lat].")
        return replace(source, points=points)
    if source.ground is None:
        raise _fault(path, "origin", "lon and lat of the ground's (0, 0)", "nothing", "Add origin = [lon, lat].")
    if page.error_m is None:
        mend = "A matrix has no residual: measure some points in the field and write how far off they are."
        raise _fault(path, "error_m", "metres", "nothing", mend)
    if page.pose is not None:
        if lens is None:
            raise _fault(path, "lens", "the file of the lens that the pose belongs to", "nothing", "Name it.")
        return replace(source, pose=read_pose(path.parent / page.pose))
    return replace(source, homography=_homography(path, page))


def _homography(path: Path, page: CalibrationPage) -> Matrix:
    given = page.homography
    if isinstance(given, str):
        matrix = read_matrix_3x3(path.parent / given)
    else:
        matrix = checked_3x3(f"{path.name}: homography", [number for row in given or () for number in row])
    if page.picture_px is None:
        raise _fault(
            path, "picture_px", "width and height", "nothing", "Add the size of the pictures it was made with."
        )
    width, height = page.picture_px
    return tuple((first * width, second * height, third) for first, second, third in matrix)


def _ground(page: CalibrationPage) -> Ground | None:
    return None if page.origin is None else Ground(page.origin, page.bearing_deg, page.unit_m)


def _page(path: Path) -> CalibrationPage:
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            str(path), expected="a file that can be read", got=error.strerror or "an error", mend="Check the path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(path.name, expected="TOML in UTF-8", got=str(error)[:120], mend="Mend the line.") from error
    return converted(f"{path.name}: ", raw, CalibrationPage)


def _fault(path: Path, key: str, expected: str, got: str, mend: str) -> SettingsError:
    return SettingsError(f"{path.name}: {key}", expected=expected, got=got, mend=mend)
