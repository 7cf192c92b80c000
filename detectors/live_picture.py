"""What the live store shows of each zone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from detectors.crowd.occupancy import Occupancy
from detectors.district_view import DistrictView
from detectors.newest import NOT_YET
from ingest.cameras.state import ZoneState
from ingest.clock import utc
from ingest.schema.finding import FindingData, Level

UNKNOWN, NORMAL = "unknown", "normal"


def zone_states(
    district: DistrictView,
    seen: Occupancy,
    opened: Iterable[FindingData],
    learning: Mapping[str, Mapping[str, str]],
) -> list[ZoneState]:
    """
    The state of each zone: its level is the highest of what is open there, as last told.

    Args:
        learning: what each detector still learns, by its name and zone.
    """
    levels: dict[str, Level] = {}
    for data in opened:
        if data.zone is not None and data.level.rank > (levels[data.zone].rank if data.zone in levels else 0):
            levels[data.zone] = data.level
    shown = []
    for zone, record in enumerate(district.zones):
        observed_ns = int(seen.observed_at_ns[zone])
        quiet = NORMAL if seen.known[zone] else UNKNOWN
        shown.append(
            ZoneState(
                id=record.id,
                level=levels.get(record.id, quiet),
                occupancy=_number(seen.persons[zone]),
                low=_number(seen.low[zone]),
                high=_number(seen.high[zone]),
                density_per_m2=_number(seen.per_m2[zone]),
                capacity_use=_number(seen.use[zone]),
                degraded=bool(seen.degraded[zone]),
                observed_at=None if observed_ns == NOT_YET else utc(observed_ns),
                local_per_m2=_number(seen.local.per_m2[zone]),
                learning={name: of[record.id] for name, of in learning.items() if record.id in of},
            )
        )
    return shown


def _number(value: np.float64) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
