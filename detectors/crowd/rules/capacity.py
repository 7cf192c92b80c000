"""
`crowd.capacity`: a zone comes near its safe capacity, or its people stand too densely.

    notice    people hide one another, so that their number is a lower bound only, for 30 s
    amber     use >= 0.7 or >= 2.5 persons/m2 for 30 s, by the lower bound
    red       use >= 1.0 or >= 3.5 persons/m2 for 10 s, by the estimate
    critical              >= 5.0 persons/m2 for  5 s, by the estimate

off at 0.8 of the threshold. The density is that of the seen part, or where people stand most densely if that is more:
a crush in one corner of a large square is lost in its mean. A queue may be denser by 1 person/m2. A zone without a safe
capacity has the density only. Fewer than `persons_min` people are no crowd, except on an exit route or a carriageway.

Sources: Still, Introduction to Crowd Science (density classes); Green Guide, 6th ed. (capacity); Fruin 1971 (contact
at 3.57 persons/m2). Lower bound and estimate as the measurement is honest about itself: see `occupancy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np

from detectors import columns, onset
from detectors.crowd.measures.flow import time_to_clear_s
from detectors.crowd.occupancy import READS, Occupancy
from detectors.crowd.trust import measurement
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from ingest.registry.district import ZoneClass
from ingest.schema.finding import Level, Measurement, Phase
from ingest.schema.tick import Tick

LEVELS = (Level.NOTICE, Level.AMBER, Level.RED, Level.CRITICAL)
PERSONS_FLOOR = 15  # below it, rules about groups are noise, and a small peaceful group is no hazard
_UNBOUND = np.inf

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0)]


class CapacitySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    persons_min: Annotated[int, msgspec.Meta(ge=PERSONS_FLOOR)] = 20  # fewer are no crowd; not below 15
    notice_hold_s: Seconds = 30.0  # how long people must hide one another before it is told
    amber_use: Positive = 0.7  # share of the safe capacity
    amber_per_m2: Positive = 2.5  # persons/m2
    amber_hold_s: Seconds = 30.0  # how long amber must be exceeded
    red_use: Positive = 1.0  # share of the safe capacity
    red_per_m2: Positive = 3.5  # persons/m2
    red_hold_s: Seconds = 10.0  # how long red must be exceeded
    critical_per_m2: Positive = 5.0  # persons/m2
    critical_hold_s: Seconds = 5.0  # how long critical must be exceeded
    off_share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.8  # of a threshold, below which it is over
    queue_per_m2_more: Annotated[float, msgspec.Meta(ge=0.0)] = 1.0  # that a queue may be denser
    gap_s: Seconds = 3.0  # readings may drop below a threshold for so long without starting the hold anew
    release_s: Seconds = 5.0  # readings must be below the second threshold for so long

    def __post_init__(self) -> None:
        if not self.amber_use < self.red_use:
            raise ValueError("Expected amber_use < red_use")
        if not self.amber_per_m2 < self.red_per_m2 < self.critical_per_m2:
            raise ValueError("Expected amber_per_m2 < red_per_m2 < critical_per_m2")


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: CapacitySettings
    district: DistrictView
    rule: onset.Rule
    use: Floats  # (Z, 4) threshold of each level, infinite where there is none
    per_m2: Floats  # (Z, 4)
    persons_min: Floats  # (Z, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    level: Ints  # (Z,) index of the level last told; -1 where nothing is
    at_ns: Ints  # (Z,) when
    read_ns: Ints  # (Z,) time of the newest reading; it does not go back where boxes follow on newer foreground


@dataclass(frozen=True, slots=True, eq=False)
class State:
    onset: onset.State
    told: Told


class Capacity:
    name = "crowd.capacity"
    version = 1
    reads = READS
    settings = CapacitySettings

    def prepare(self, settings: CapacitySettings, district: DistrictView) -> Prepared:
        zones = district.zones
        queue = np.array([zone.zone_class is ZoneClass.QUEUE for zone in zones], np.float64)[:, None]
        passage = [zone.zone_class in (ZoneClass.EXIT_ROUTE, ZoneClass.CARRIAGEWAY, ZoneClass.TRACK) for zone in zones]
        use = np.array([_UNBOUND, settings.amber_use, settings.red_use, _UNBOUND])
        per_m2 = np.array([_UNBOUND, settings.amber_per_m2, settings.red_per_m2, settings.critical_per_m2])
        return Prepared(
            settings=settings,
            district=district,
            rule=onset.Rule(
                hold_ns=_ns(
                    settings.notice_hold_s, settings.amber_hold_s, settings.red_hold_s, settings.critical_hold_s
                ),
                release_ns=_ns(*[settings.release_s] * len(LEVELS)),
                gap_ns=int(settings.gap_s * 1e9),
            ),
            use=np.broadcast_to(use, (len(zones), len(LEVELS))),
            per_m2=per_m2 + queue * settings.queue_per_m2_more,
            persons_min=np.where(passage, 0.0, float(settings.persons_min)).reshape(-1, 1),
        )

    def initial(self, prepared: Prepared) -> State:
        zones = len(prepared.district.zones)
        return State(
            onset.blank(zones, len(LEVELS)), Told(np.full(zones, -1, np.int64), *[np.zeros(zones, np.int64)] * 2)
        )

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        seen = moment.occupancy
        # 1. What went silent ends as it was last seen; 2. what is seen now may start anew in the same tick.
        lost = seen.broken & (state.told.level >= 0)
        conditions = [
            self._ended(prepared, state, seen, int(zone), Phase.UNKNOWN, int(seen.before_ns[zone]))
            for zone in np.flatnonzero(lost)
        ]
        read_ns = np.maximum(state.told.read_ns, seen.observed_at_ns)
        risen, told = onset.forget(state.onset, seen.broken), np.where(lost, -1, state.told.level)
        risen = onset.step(prepared.rule, risen, read_ns[:, None], seen.known[:, None], *_levels(prepared, seen))
        level = onset.highest(risen.raised)
        due = (level != told) | ((level >= 0) & (moment.at_ns - state.told.at_ns >= moment.update_ns))
        after = State(risen, Told(level, np.where(due & (level >= 0), moment.at_ns, state.told.at_ns), read_ns))
        for zone in np.flatnonzero(due):
            if level[zone] >= 0:
                conditions.append(self._holding(prepared, after, seen, int(zone)))
            else:
                at_ns = int(seen.observed_at_ns[zone])
                conditions.append(self._ended(prepared, state, seen, int(zone), Phase.CLEARED, at_ns))
        return after, conditions

    def save(self, prepared: Prepared, state: State) -> bytes:
        ids = prepared.district.zone_ids
        return msgspec.msgpack.encode([columns.save(ids, state.onset), columns.save(ids, state.told)])

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        ids, blank = prepared.district.zone_ids, self.initial(prepared)
        risen, told = columns.parts(snapshot, 2)
        return State(columns.restore(ids, blank.onset, risen), columns.restore(ids, blank.told, told))

    def _holding(self, prepared: Prepared, state: State, seen: Occupancy, zone: int) -> Condition:
        onset_ns = int(onset.onset_ns(state.onset)[zone])
        level = int(state.told.level[zone])
        gaps = int(state.onset.gaps[zone].max())
        return self._condition(prepared, seen, zone, level, onset_ns, gaps, None, int(seen.observed_at_ns[zone]))

    def _ended(
        self, prepared: Prepared, state: State, seen: Occupancy, zone: int, phase: Phase, observed_at_ns: int
    ) -> Condition:
        """`state` is that of before the end."""
        onset_ns = int(onset.onset_ns(state.onset)[zone])
        level, gaps = int(state.told.level[zone]), int(state.onset.gaps[zone].max())
        return self._condition(prepared, seen, zone, level, onset_ns, gaps, phase, observed_at_ns)

    def _condition(
        self,
        prepared: Prepared,
        seen: Occupancy,
        zone: int,
        level: int,
        onset_ns: int,
        gaps: int,
        ends: Phase | None,
        observed_at_ns: int,
    ) -> Condition:
        district, record = prepared.district, prepared.district.zones[zone]
        measured = ends is not Phase.UNKNOWN
        by_capacity = record.safe_capacity is not None
        dense = _density(seen, zone)
        value, low, high = (seen.persons[zone], seen.low[zone], seen.high[zone]) if by_capacity else dense
        return Condition(
            subject=record.id,
            ends=ends,
            level=LEVELS[level],
            site=record.site,
            zone=record.id,
            cameras=district.cameras_of(zone, seen.views_used if measured else None),
            place=district.zone_places[zone],
            onset_at_ns=onset_ns,
            observed_at_ns=observed_at_ns,
            value=_number(value) if measured else None,
            unit="persons" if by_capacity else "persons/m2",
            low=_number(low) if measured else None,
            high=_number(high) if measured else None,
            measurement=_measurement(district, seen, zone) if measured else Measurement(),
            rule=f"{self.name}.{LEVELS[level]}",
            rule_version=self.version,
            thresholds=_thresholds(prepared, zone, level, float(seen.boxes_per_m2_max[zone])),
            detail=_detail(prepared, seen, zone, gaps) if measured else {"gaps": float(gaps)},
        )


def _levels(prepared: Prepared, seen: Occupancy) -> tuple[Bools, Bools]:
    """(Z, 4) which levels a reading is over, and which it is under the second threshold of."""
    use = np.stack([seen.use_low, seen.use_low, seen.use, seen.use], axis=1)
    low = np.fmax(seen.per_m2_low, seen.local.low)
    estimate = np.fmax(seen.per_m2, seen.local.per_m2)
    per_m2 = np.stack([low, low, estimate, estimate], axis=1)
    persons = seen.persons[:, None]
    over = (use >= prepared.use) | (per_m2 >= prepared.per_m2)
    off = prepared.settings.off_share
    still = (use >= off * prepared.use) | (per_m2 >= off * prepared.per_m2)
    # What cannot be counted is not silent: a count that stands still below a threshold may hide a crowd above it.
    over[:, 0] = seen.hidden
    still[:, 0] = seen.by_boxes & (seen.per_m2 >= off * seen.boxes_per_m2_max)
    return over & (persons >= prepared.persons_min), ~(still & (persons >= off * prepared.persons_min))


def _measurement(district: DistrictView, seen: Occupancy, zone: int) -> Measurement:
    """Degraded also where only the densest place is so dense that people hide one another."""
    said = measurement(district, seen, zone)
    lower_bound = bool(np.isinf(seen.local.high[zone]))
    return msgspec.structs.replace(said, degraded=said.degraded or lower_bound)


def _density(seen: Occupancy, zone: int) -> tuple[float, float, float]:
    """Density, low and high of the seen part, or where people stand most densely if that is more."""
    if seen.local.per_m2[zone] > seen.per_m2[zone]:
        return float(seen.local.per_m2[zone]), float(seen.local.low[zone]), float(seen.local.high[zone])
    return float(seen.per_m2[zone]), float(seen.per_m2_low[zone]), np.inf


def _thresholds(prepared: Prepared, zone: int, level: int, boxes_per_m2_max: float) -> dict[str, float]:
    settings = prepared.settings
    in_force: dict[str, float] = {}
    capacity = prepared.district.zones[zone].safe_capacity
    use = prepared.use[zone, level]
    if capacity is not None and np.isfinite(use):
        in_force = {"use": float(use), "safe_capacity": float(capacity)}
    per_m2 = boxes_per_m2_max if LEVELS[level] is Level.NOTICE else prepared.per_m2[zone, level]
    if np.isfinite(per_m2):
        in_force["per_m2"] = float(per_m2)
    return in_force | {
        "hold_s": float(prepared.rule.hold_ns[level] / 1e9),
        "off_share": settings.off_share,
        "gap_s": settings.gap_s,
        "release_s": settings.release_s,
        "persons_min": float(prepared.persons_min[zone, 0]),
    }


def _detail(prepared: Prepared, seen: Occupancy, zone: int, gaps: int) -> dict[str, float]:
    measures = {
        "use": seen.use[zone],
        "persons": seen.persons[zone],
        "per_m2": seen.per_m2[zone],
        "per_m2_low": seen.per_m2_low[zone],
        "local_per_m2": seen.local.per_m2[zone],
        "local_per_m2_low": seen.local.low[zone],
        "local_radius_m": seen.local.radius_m[zone],
        "seen_share": seen.seen_share[zone],
        "area_m2": prepared.district.area_m2[zone],
        "gaps": gaps,
    }
    width_m = sum(each.width_m for each in prepared.district.zones[zone].exits)
    if width_m > 0.0:
        persons = np.array([seen.persons[zone]])
        measures |= {"exit_width_m": width_m, "clear_s": time_to_clear_s(persons, np.array([width_m]))[0]}
    return {name: round(float(value), 4) for name, value in measures.items() if np.isfinite(value)}


def _number(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _ns(*seconds: float) -> Ints:
    return (np.array(seconds) * 1e9).astype(np.int64)


detector = Capacity()
