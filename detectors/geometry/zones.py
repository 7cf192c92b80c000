"""What each camera sees of each zone: its part of the ground, and what a full picture of people there would mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from detectors.geometry.calibration import ground_homography
from detectors.geometry.field_of_view import field_of_view
from detectors.geometry.head import head_noise_m, shows_heads
from detectors.geometry.homography import Bools, Floats, project
from detectors.geometry.lens import bend_slope, straight_points, straighten
from detectors.geometry.plane import SitePlane, site_plane
from detectors.geometry.uncertainty import area_error, homography_covariance, noise_m, position_covariance_m2
from detectors.geometry.upright import BODY_HEIGHT_M, BODY_WIDTH_M, Upright, upright
from ingest.errors import SettingsError
from ingest.registry.district import Camera, District, Zone
from ingest.schema.tick import GRID_COLUMNS, GRID_ROWS

SEEN_SHARE_MIN, SEEN_M2_MIN = 0.01, 20.0  # of a zone; less than both is the corner of an eye, not a view
_SAMPLES = 3  # a cell side
_BOUNDARY_M = 1e-9


@dataclass(frozen=True, eq=False)
class ZoneView:
    """
    What one camera sees of one zone.

    `cell_person_share` is for estimates of people from foreground: the sum over the cells of (share of the cell that is
    foreground) x (this) is the number of people standing in the seen part, if they do not hide one another; people who
    do make it too low. It takes each body for an upright cylinder of 1.7 m x 0.5 m whose whole outline, and no shadow,
    is foreground. Children, crouching people, luggage and shadows err by their areas.
    """

    camera: int  # its number
    zone: int  # its index in `district.zones`
    homography: Floats | None  # (3, 3) straight picture to metres of the site's plane; None: sees the whole zone
    seen_area_m2: float
    area_m2: float  # of the whole zone
    cell_person_share: Floats  # (9, 16) persons that a cell stands for when all of it is foreground
    noise_m: float  # 1 sigma of a ground position along each axis; infinite without a calibration
    head_noise_m: float  # the same where the head says it; infinite where the camera shows no heads
    area_error: float  # relative, 1 sigma, of the area of the ground, from the calibration; 0 without one
    seen: tuple[Floats, ...]  # rings (V, 2) in metres: the parts of the zone that are seen


def zone_views(district: District) -> tuple[ZoneView, ...]:
    """
    The views of all enabled cameras on the zones of their own sites, by camera and zone. A zone is cut to the picture,
    to what lies below the horizon, and to the hull of the calibration's points grown by a tenth; a view of less than
    one per cent of the zone and less than 20 m2 is none.

    Raises:
        SettingsError: the points of a calibration fix no homography, or a zone's polygon crosses itself.
    """
    own: dict[str, list[int]] = {}  # zones of each site
    for index, zone in enumerate(district.zones):
        own.setdefault(zone.site, []).append(index)
    planes = {
        site: site_plane(District((), tuple(district.zones[index] for index in there)), site)
        for site, there in own.items()
    }
    rings = [planes[zone.site].to_metres(np.array(zone.polygon, dtype=np.float64)) for zone in district.zones]
    shapes = [_shape(zone, ring) for zone, ring in zip(district.zones, rings, strict=True)]
    views: list[ZoneView] = []
    for camera in district.cameras:
        there = own.get(camera.site)
        if not camera.enabled or not there:
            continue
        if camera.calibration is None:
            named = [index for index in there if camera.id in district.zones[index].cameras]
            views += [_whole_view(camera.number, index, rings[index]) for index in named]
        else:
            views += _calibrated_views(camera, planes[camera.site], {index: shapes[index] for index in there})
    return tuple(sorted(views, key=lambda view: (view.camera, view.zone)))


def inside(polygon: Floats, points: Floats) -> Bools:
    """
    Whether each point lies in the polygon, by the even-odd rule; its border belongs to it. NaN is outside.

    Args:
        polygon: (V, 2) open ring.
        points: (K, 2)

    Returns:
        (K,)
    """
    start, end = polygon, np.roll(polygon, -1, axis=0)
    edge = end - start
    x, y = points[:, :1] - start[:, 0], points[:, 1:] - start[:, 1]  # (K, V) from the start of each edge
    cross = edge[:, 0] * y - edge[:, 1] * x
    upward, downward = (y >= 0) & (y < edge[:, 1]), (y < 0) & (y >= edge[:, 1])
    crossed = (upward & (cross > 0)) | (downward & (cross < 0))
    # On the border: as far along an edge as its end at most, and no distance beside it.
    length = np.maximum(np.hypot(edge[:, 0], edge[:, 1]), 1e-300)
    along = np.clip((edge[:, 0] * x + edge[:, 1] * y) / length**2, 0.0, 1.0)
    beside = np.hypot(x - along * edge[:, 0], y - along * edge[:, 1])
    result: Bools = (crossed.sum(axis=1) % 2 == 1) | (beside <= _BOUNDARY_M).any(axis=1)
    return result


def area_m2(polygon: Floats) -> float:
    """The area of a (V, 2) open ring in metres that does not cross itself, whichever way it turns."""
    x, y = (polygon - polygon[0]).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2.0)


def _shape(zone: Zone, ring: Floats) -> shapely.Polygon:
    shape = shapely.Polygon(ring)
    if not shape.is_valid or shape.area == 0.0:
        raise SettingsError(
            f"zone {zone.id}: polygon",
            expected="a ring that does not cross itself",
            got=shapely.is_valid_reason(shape),
            mend="Draw the zone again and import it.",
        )
    return shape


def _whole_view(camera: int, zone: int, ring: Floats) -> ZoneView:
    """
    Without a calibration the scale is only known on the whole: the picture shows the zone's area. Seen from 45 degrees
    bodies and ground are foreshortened alike, so that body area over zone area is a body's share of the picture; at 30
    or 60 degrees it is wrong by a factor of 1.7 either way.
    """
    area = area_m2(ring)
    persons = area / (BODY_WIDTH_M * BODY_HEIGHT_M)
    share = np.full((GRID_ROWS, GRID_COLUMNS), persons / (GRID_ROWS * GRID_COLUMNS))
    return ZoneView(camera, zone, None, area, area, share, np.inf, np.inf, 0.0, (ring,))


def _calibrated_views(camera: Camera, plane: SitePlane, shapes: dict[int, shapely.Polygon]) -> list[ZoneView]:
    assert camera.calibration is not None
    points, lens = camera.calibration.points, camera.calibration.lens
    try:
        homography = ground_homography(points, plane, lens)
        ground = plane.to_metres(np.array([(point.lon, point.lat) for point in points]))
    except ValueError as error:
        raise SettingsError(
            f"camera {camera.id}: calibration", expected="points that fix a homography", got=str(error),
            mend="Click its points again and import them.",
        ) from error  # fmt: skip
    image = straight_points(camera.calibration)
    view_shape = field_of_view(homography, image, lens)
    cut = {index: _parts(shape.intersection(view_shape)) for index, shape in shapes.items()}
    seen = {
        index: parts
        for index, parts in cut.items()
        if sum(part.area for part in parts) >= min(SEEN_SHARE_MIN * shapes[index].area, SEEN_M2_MIN)
    }
    if not seen:
        return []
    covariance = homography_covariance(image, ground, homography)
    body = upright(homography)
    middle = _samples() if lens is None else straighten(lens, _samples())
    foot = body.foot_under(middle)
    foot_ground = project(homography, foot)
    body_share = body.body_share(foot)
    if lens is not None:  # what is so large in the straight picture is larger or smaller in the lens' own
        body_share = body_share * np.abs(np.linalg.det(bend_slope(lens, middle)))
    persons = np.nan_to_num(1.0 / body_share)  # that fill the picture
    result = []
    for index, parts in seen.items():
        rings = tuple(np.array(part.exterior.coords)[:-1] for part in parts)
        standing = np.any([inside(ring, foot_ground) for ring in rings], axis=0)
        shape = (GRID_ROWS, _SAMPLES, GRID_COLUMNS, _SAMPLES)
        share = (standing * persons).reshape(shape).mean(axis=(1, 3)) / (GRID_ROWS * GRID_COLUMNS)
        at = _places_in_picture(homography, parts)
        noise_m = _root_mean(position_covariance_m2(homography, covariance, at))
        # Points that were made from a matrix lie on it, and points that overlook a fold fit well: the error that was
        # measured is never undercut. Half of a squared distance belongs to each axis.
        noise_m = max(noise_m, camera.calibration.error_m / np.sqrt(2.0))
        area = float(sum(part.area for part in parts))
        result.append(
            ZoneView(
                camera.number, index, homography, area, float(shapes[index].area), share, noise_m,
                _head_noise_m(body, homography, covariance, at) if shows_heads(body, image) else np.inf,
                area_error(homography, covariance, at), rings,
            )
        )  # fmt: skip
    return result


def _samples() -> Floats:
    """(9 * 3 * 16 * 3, 2) points of the picture, row by row, evenly in each cell."""
    y = (np.arange(GRID_ROWS * _SAMPLES) + 0.5) / (GRID_ROWS * _SAMPLES)
    x = (np.arange(GRID_COLUMNS * _SAMPLES) + 0.5) / (GRID_COLUMNS * _SAMPLES)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _parts(shape: shapely.Geometry) -> Sequence[shapely.Polygon]:
    parts = [part for part in shapely.get_parts(shape) if isinstance(part, shapely.Polygon) and part.area > 0.0]
    return sorted(parts, key=lambda part: part.bounds)


def _places_in_picture(homography: Floats, parts: Sequence[shapely.Polygon]) -> Floats:
    """(K, 2) where corners and middles of the seen parts are in the picture."""
    places = [place for part in parts for place in (*part.exterior.coords[:-1], *part.representative_point().coords)]
    return project(np.linalg.inv(homography).astype(np.float64), np.array(places, dtype=np.float64))


def _head_noise_m(body: Upright, homography: Floats, covariance: Floats, at: Floats) -> float:
    heads = head_noise_m(body, body.body_top(at))
    return _root_mean(heads + position_covariance_m2(homography, covariance, at, (0.0, 0.0)))


def _root_mean(covariance_m2: Floats) -> float:
    """Root mean square over places; half of a squared distance belongs to each axis."""
    return float(np.sqrt(np.nanmean(noise_m(covariance_m2) ** 2)))
