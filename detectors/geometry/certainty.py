"""What a calibrated camera sees of the ground, and how sure a place is in each part of it: for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from detectors.geometry.calibration import point_arrays
from detectors.geometry.field_of_view import field_of_view
from detectors.geometry.homography import Floats, fit_homography, project
from detectors.geometry.plane import SitePlane
from detectors.geometry.uncertainty import ellipses, homography_covariance, position_covariance_m2
from ingest.registry.district import Calibration

ACROSS = 6  # places on the longer side of what is seen


@dataclass(frozen=True, slots=True, eq=False)
class Certainty:
    """Of one camera; metres of the site's plane."""

    outline_m: Floats  # (V, 2) ring around the ground that it speaks of; V = 0 where it sees none
    place_m: Floats  # (K, 2) places evenly over it
    ellipse: Floats  # (K, 3) as `uncertainty.ellipses`: 95 % of foot points that are said to be there


def certainty(calibration: Calibration, plane: SitePlane) -> Certainty:
    """
    Raises:
        ValueError: the points fix no homography, or are fewer than 5.
    """
    image, ground = point_arrays(calibration.points, plane, calibration.lens)
    homography = fit_homography(image, ground)
    seen = field_of_view(homography, image, calibration.lens)
    if seen.is_empty:
        return Certainty(np.empty((0, 2)), np.empty((0, 2)), np.empty((0, 3)))
    west, south, east, north = seen.bounds
    step_m = max(east - west, north - south) / ACROSS
    x, y = np.meshgrid(np.arange(west + step_m / 2.0, east, step_m), np.arange(south + step_m / 2.0, north, step_m))
    place_m = np.column_stack([x.reshape(-1), y.reshape(-1)])
    place_m = place_m[shapely.contains_xy(seen, place_m)]
    return Certainty(np.array(seen.exterior.coords)[:-1], place_m, point_ellipses(calibration, plane, place_m))


def point_ellipses(calibration: Calibration, plane: SitePlane, place_m: Floats) -> Floats:
    """
    (K, 3) the ellipse of a foot point at each place (K, 2) in metres; NaN beyond the horizon.

    Raises:
        ValueError: as `certainty`.
    """
    image, ground = point_arrays(calibration.points, plane, calibration.lens)
    homography = fit_homography(image, ground)
    covariance = homography_covariance(image, ground, homography)
    at = project(np.linalg.inv(homography).astype(np.float64), place_m)
    return ellipses(position_covariance_m2(homography, covariance, at))
