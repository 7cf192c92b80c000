"""
The minutes of all zones of a partition, from a reading a second. Pure, and the same however ticks are cut.

A minute ends with the first tick after it. A minute without any tick has no row at all, which a report shows as a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detectors.crowd.occupancy import Occupancy
from detectors.geometry.homography import Bools, Floats, Ints
from ingest.clock import utc
from ingest.schema.zone_minute import ZoneMinute, ZoneMinutes

MINUTE_NS = 60_000_000_000
NONE_YET = -1


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Of Z zones, over the readings of one minute in which the zone was known."""

    readings: Ints  # (Z,)
    persons: Floats  # (Z,)
    persons_max: Floats  # (Z,)
    low: Floats  # (Z,)
    high: Floats  # (Z,) infinite once a reading was a lower bound
    per_m2: Floats  # (Z,)
    local_max: Floats  # (Z,) NaN while not measurable
    degraded: Bools  # (Z,)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    minute: int  # since 1970; NONE_YET before the first reading
    sums: Sums


def blank(zones: int) -> Sums:
    def zero() -> Floats:
        return np.zeros(zones)

    return Sums(
        np.zeros(zones, np.int64), zero(), zero(), zero(), zero(), zero(), np.full(zones, np.nan),
        np.zeros(zones, np.bool_),
    )  # fmt: skip


def read(
    state: State, at_ns: int, seen: Occupancy, zones: Sequence[str], partition: int, synthetic: bool
) -> tuple[State, ZoneMinutes | None]:
    """The state after the reading of a second, and the minute that is over with it."""
    minute = at_ns // MINUTE_NS
    over = None
    if minute > state.minute:
        if state.minute != NONE_YET:
            over = _told(state, zones, partition, synthetic)
        state = State(minute, blank(len(zones)))
    return replace(state, sums=_added(state.sums, seen)), over


def _added(sums: Sums, seen: Occupancy) -> Sums:
    known = seen.known

    def more(so_far: Floats, value: Floats) -> Floats:
        return so_far + np.where(known, value, 0.0)

    return Sums(
        readings=sums.readings + known,
        persons=more(sums.persons, seen.persons),
        persons_max=np.where(known, np.fmax(sums.persons_max, seen.persons), sums.persons_max),
        low=more(sums.low, seen.low),
        high=more(sums.high, seen.high),
        per_m2=more(sums.per_m2, seen.per_m2),
        local_max=np.where(known, np.fmax(sums.local_max, seen.local.per_m2), sums.local_max),
        degraded=sums.degraded | (known & seen.degraded),
    )


def _told(state: State, zones: Sequence[str], partition: int, synthetic: bool) -> ZoneMinutes:
    sums = state.sums
    minutes = []
    for zone, id_ in enumerate(zones):  # once a minute
        readings = int(sums.readings[zone])
        if not readings:
            minutes.append(ZoneMinute(id=id_))
            continue
        minutes.append(
            ZoneMinute(
                id=id_,
                readings=readings,
                persons=_rounded(sums.persons[zone] / readings),
                persons_max=_rounded(sums.persons_max[zone]),
                low=_rounded(sums.low[zone] / readings),
                high=_rounded(sums.high[zone] / readings),
                per_m2=_rounded(sums.per_m2[zone] / readings),
                local_per_m2_max=_rounded(sums.local_max[zone]),
                lower_bound=bool(np.isinf(sums.high[zone])),
                degraded=bool(sums.degraded[zone]),
            )
        )
    return ZoneMinutes(
        partition=partition, starts_at=utc(state.minute * MINUTE_NS), zones=tuple(minutes), synthetic=synthetic
    )


def _rounded(value: np.float64) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
