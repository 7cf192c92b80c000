"""How far the occupancy of a zone can be trusted, in the words of a finding."""

from __future__ import annotations

import numpy as np

from detectors.crowd.occupancy import Occupancy
from detectors.district_view import DistrictView
from detectors.geometry.zones import ZoneView
from ingest.schema.finding import Measurement


def measurement(district: DistrictView, seen: Occupancy, zone: int) -> Measurement:
    """Of the worst of the views that were used: the greatest noise, the oldest calibration."""
    used = np.flatnonzero(seen.views_used & (district.view_zone == zone))
    by_boxes = bool(seen.by_boxes[zone])
    noise_m = max((_noise_m(district.views[view], float(seen.head_share[zone])) for view in used), default=np.inf)
    made = [district.cameras[district.view_camera[view]].calibration for view in used]
    oldest = min((each for each in made if each is not None), key=lambda each: each.measured_at_ns, default=None)
    return Measurement(
        noise_m=round(noise_m, 3) if np.isfinite(noise_m) else None,
        recall=round(float(seen.recall[zone]), 4) if by_boxes else None,
        calibration=None if oldest is None else oldest.id,
        calibration_age_s=(
            None if oldest is None else round((int(seen.observed_at_ns[zone]) - oldest.measured_at_ns) / 1e9, 1)
        ),
        degraded=bool(seen.degraded[zone]),
        method="boxes" if by_boxes else "foreground",
    )


def _noise_m(view: ZoneView, head_share: float) -> float:
    """1 sigma of a place, of which a share was told by heads."""
    by_head = head_share * view.head_noise_m**2 if head_share > 0.0 else 0.0
    return float(np.sqrt((1.0 - head_share) * view.noise_m**2 + by_head))
