"""What was last known of the zones that a camera looks at: one that goes blind over a crowd is amber by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from detectors.crowd.occupancy import Occupancy
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Seconds = Positive


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """What was last known of each of Z zones; NaN before the first time."""

    use: Floats  # (Z,)
    per_m2: Floats  # (Z,)


def nobody(district: DistrictView) -> Crowd:
    """Nothing known yet."""
    zones = len(district.zones)
    return Crowd(np.full(zones, np.nan), np.full(zones, np.nan))


def with_counts(crowd: Crowd, occupancy: Occupancy) -> Crowd:
    """What is known after a count."""
    known = occupancy.known
    return Crowd(np.where(known, occupancy.use, crowd.use), np.where(known, occupancy.per_m2, crowd.per_m2))


def over_crowd(district: DistrictView, crowd: Crowd, use: float, per_m2: float) -> Bools:
    """(C,) whether a camera looks at a zone in which there is, or was last, a crowd of so much of its capacity."""
    with np.errstate(invalid="ignore"):
        crowded = (crowd.use >= use) | (crowd.per_m2 >= per_m2)
    return np.bincount(district.view_camera[crowded[district.view_zone]], minlength=len(district.cameras)) > 0


def crowd_detail(district: DistrictView, crowd: Crowd, camera: int) -> Mapping[str, float]:
    """The greatest use and density of the zones that a camera sees, where they are known."""
    zones = district.view_zone[district.view_camera == camera]
    measures = (("use", crowd.use[zones]), ("per_m2", crowd.per_m2[zones]))
    return {name: round(float(np.nanmax(measure)), 4) for name, measure in measures if not np.isnan(measure).all()}
