"""
`crowd.gathering`: many people stand together where that is a hazard: against the capacity, the density or a way out.

    amber  density     the group's local density is >= 2 persons/m2, for 30 s
    amber  capacity    the group alone takes >= 40 % of the safe capacity, for 1 s, and 0.8 of that for 5 s
    red    way_out     a group stands on an exit route or a carriageway, for 10 s

A group is a cluster of standing persons of one camera's view, linked over 1.5 m. Fewer than `persons_min` (20, never
below 15) are no gathering but on a way out. Nothing is kept of who stands there, and no two gatherings are linked.

The hold against the capacity counts from 0.8 of it on, so that a group that grows is told when it gets there; see
`nearing`.

Source: capacity and density as in `capacity`; the floor from false alerts on 17 h of uneventful recordings (docs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from detectors.crowd.motion.zone_motion import READS, Motion
from detectors.crowd.rules.floor import (
    PERSONS_DEFAULT,
    PassagePersonsMin,
    PersonsMin,
    is_passage,
    persons_at_least,
)  # fmt: skip
from detectors.crowd.rules.nearing import CONFIRM_S, Nearing, nearing, not_near, stays
from detectors.crowd.rules.zone_rule import Step, Verdict, ZoneDetector
from detectors.detector import Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats
from ingest.registry.district import ZoneClass
from ingest.schema.finding import Level

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0)]


class GatheringSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    persons_min: PersonsMin = PERSONS_DEFAULT  # fewer are no gathering; not below 15
    passage_persons_min: PassagePersonsMin = 6  # the same on an exit route or a carriageway
    use: Positive = 0.4  # share of the safe capacity that the group takes
    per_m2: Positive = 2.0  # persons/m2 within the group
    queue_per_m2_more: Annotated[float, msgspec.Meta(ge=0.0)] = 1.0  # that a queue may be denser
    density_hold_s: Seconds = 30.0  # how long it must be so dense
    capacity_hold_s: Seconds = 5.0  # how long it must take `off_share` of so much of the capacity
    capacity_confirm_s: Seconds = CONFIRM_S  # how long it must then take all of it
    way_out_hold_s: Seconds = 10.0  # how long it must stand in the way
    off_share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.8  # of a threshold, below which it is over
    gap_s: Seconds = 4.0  # readings may drop below a threshold for so long without starting the hold anew
    release_s: Seconds = 5.0  # readings must be below the second threshold for so long


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: GatheringSettings
    persons_min: Floats  # (Z,)
    use_persons: Floats  # (Z,) persons that take so much of the capacity; infinite without one
    per_m2: Floats  # (Z,)
    passage: Bools  # (Z,)


class Gathering:
    name = "crowd.gathering"
    version = 2
    reads = READS
    settings = GatheringSettings
    unit = "persons"

    def steps(self, settings: GatheringSettings) -> Sequence[Step]:
        return (
            Step("density", Level.AMBER, settings.density_hold_s),
            Step("capacity", Level.AMBER, settings.capacity_confirm_s),
            Step("way_out", Level.RED, settings.way_out_hold_s),
        )

    def release_s(self, settings: GatheringSettings) -> tuple[float, float]:
        return settings.release_s, settings.gap_s

    def prepare(self, settings: GatheringSettings, district: DistrictView) -> Prepared:
        zones = district.zones
        queue = np.array([zone.zone_class is ZoneClass.QUEUE for zone in zones], np.float64)
        capacity = [np.inf if zone.safe_capacity is None else zone.safe_capacity for zone in zones]
        return Prepared(
            settings=settings,
            persons_min=persons_at_least(zones, settings.persons_min, settings.passage_persons_min),
            use_persons=settings.use * np.array(capacity, np.float64),
            per_m2=settings.per_m2 + queue * settings.queue_per_m2_more,
            passage=is_passage(zones),
        )

    def remember(self, district: DistrictView) -> Nearing:
        return not_near(len(district.zones))

    def judge(self, own: Prepared, memory: Nearing, moment: Moment, seen: Motion) -> tuple[Nearing, Verdict]:
        off, at_s = own.settings.off_share, moment.at_ns / 1e9
        observed = seen.sampled & seen.known
        with np.errstate(invalid="ignore"):
            many = seen.cluster >= own.persons_min
            large = (seen.cluster >= off * own.persons_min) & (seen.cluster >= off * own.use_persons)
            now = nearing(memory, large & observed, at_s, own.settings.gap_s)
            over = np.stack(
                [
                    many & (seen.per_m2 >= own.per_m2),
                    many & (seen.cluster >= own.use_persons) & stays(now, at_s, own.settings.capacity_hold_s),
                    many & own.passage,
                ],
                axis=1,
            )
            still_many = seen.cluster >= off * own.persons_min
            still = np.stack(
                [
                    still_many & (seen.per_m2 >= off * own.per_m2),
                    still_many & (seen.cluster >= off * own.use_persons),
                    still_many & own.passage,
                ],
                axis=1,
            )
        high = np.where(moment.occupancy.hidden, np.nan, seen.cluster / moment.occupancy.recall)
        return now, Verdict(
            observed=observed,
            over=over,
            under=~still,
            value=seen.cluster,
            low=seen.cluster,  # each of them was seen
            high=high,
            degraded=np.zeros(len(seen.cluster), np.bool_),
            detail={
                "standing": seen.standing,
                "per_m2_max": seen.per_m2,
                "followed_share": seen.followed_share,
                "persons": moment.occupancy.persons,
            },
        )

    def thresholds(self, own: Prepared, zone: int, step: int) -> dict[str, float]:
        settings = own.settings
        return {
            "persons_min": float(own.persons_min[zone]),
            "off_share": settings.off_share,
            "release_s": settings.release_s,
            "gap_s": settings.gap_s,
        } | (
            {"per_m2": float(own.per_m2[zone])}
            if step == 0
            else {
                "use": settings.use,
                "use_persons": float(own.use_persons[zone]),
                "large_hold_s": settings.capacity_hold_s,
            }
            if step == 1
            else {}
        )

    def is_measurable(self, step: int) -> bool:
        return True


detector = ZoneDetector(Gathering())
