"""
`crowd.congestion`: people are so dense that they no longer get on.

    amber  slow   >= 1.6 persons/m2 in the zone on the mean, and a mean speed below 0.5 m/s, for 10 s

At the same density people walk freely at about 0.8 m/s (Weidmann 1993: 1.34 (1 - exp(-1.913 (1/rho - 1/5.4))) m/s), and
the flow is highest near 1.75 persons/m2. Fewer than `persons_min` (20, never below 15) are no congestion but on an exit
route or a carriageway. A standing audience is congested too; a queue may be denser by 1 person/m2.
Draw a small zone before a door: in a large one the mean hides it. Where no camera gives boxes, speed and persons are
those of the flow grids, and the finding is degraded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from detectors.crowd.motion.zone_motion import READS, Motion
from detectors.crowd.rules.floor import PERSONS_DEFAULT, PassagePersonsMin, PersonsMin, persons_at_least
from detectors.crowd.rules.surge import share_of_mean
from detectors.crowd.rules.zone_rule import Step, Verdict, ZoneDetector
from detectors.detector import Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Floats
from ingest.registry.district import ZoneClass
from ingest.schema.finding import Level

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0)]


class CongestionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    persons_min: PersonsMin = PERSONS_DEFAULT  # in the zone; not below 15
    passage_persons_min: PassagePersonsMin = 8  # the same on an exit route or a carriageway
    per_m2: Positive = 1.6  # persons/m2, mean of the zone
    queue_per_m2_more: Annotated[float, msgspec.Meta(ge=0.0)] = 1.0  # that a queue may be denser
    speed_m_s_max: Positive = 0.5  # mean speed
    hold_s: Seconds = 10.0  # how long it must last
    off_share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.8  # of the density, below which it is over
    release_s: Seconds = 10.0  # readings must be below the second threshold for so long
    gap_s: Seconds = 3.0  # readings may drop below the threshold for so long


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: CongestionSettings
    persons_min: Floats  # (Z,)
    per_m2: Floats  # (Z,)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Nothing: each sample is looked at by itself."""


class Congestion:
    name = "crowd.congestion"
    version = 2
    reads = READS
    settings = CongestionSettings
    unit = "m/s"

    def steps(self, settings: CongestionSettings) -> Sequence[Step]:
        return (Step("slow", Level.AMBER, settings.hold_s),)

    def release_s(self, settings: CongestionSettings) -> tuple[float, float]:
        return settings.release_s, settings.gap_s

    def prepare(self, settings: CongestionSettings, district: DistrictView) -> Prepared:
        zones = district.zones
        queue = np.array([zone.zone_class is ZoneClass.QUEUE for zone in zones], np.float64)
        return Prepared(
            settings,
            persons_at_least(zones, settings.persons_min, settings.passage_persons_min),
            settings.per_m2 + queue * settings.queue_per_m2_more,
        )

    def remember(self, district: DistrictView) -> Memory:
        return Memory()

    def judge(self, own: Prepared, memory: Memory, moment: Moment, seen: Motion) -> tuple[Memory, Verdict]:
        settings = own.settings
        with np.errstate(invalid="ignore"):
            per_m2 = moment.occupancy.per_m2
            many = seen.seen >= own.persons_min
            slow = seen.slow_speed_m_s < settings.speed_m_s_max
            over = many & slow & (per_m2 >= own.per_m2)
            off = settings.off_share
            still = (
                (seen.seen >= off * own.persons_min)
                & (per_m2 >= off * own.per_m2)
                & (seen.slow_speed_m_s < settings.speed_m_s_max / off)
            )
        low, high = share_of_mean(seen.slow_speed_m_s, seen.velocity_noise_m_s, seen.timed)
        return memory, Verdict(
            observed=(seen.sampled & seen.known) | seen.flows,
            over=over[:, None],
            under=~still[:, None],
            value=seen.slow_speed_m_s,
            low=low,
            high=high,
            degraded=seen.flows,
            detail={
                "per_m2_max": seen.per_m2,
                "per_m2": moment.occupancy.per_m2,
                "persons_seen": seen.seen,
                "moving_share": seen.moving_share,
            },
        )

    def thresholds(self, own: Prepared, zone: int, step: int) -> dict[str, float]:
        settings = own.settings
        return {
            "per_m2": float(own.per_m2[zone]), "speed_m_s_max": settings.speed_m_s_max,
            "persons_min": float(own.persons_min[zone]), "off_share": settings.off_share,
            "release_s": settings.release_s,
        }  # fmt: skip

    def is_measurable(self, step: int) -> bool:
        return True


detector = ZoneDetector(Congestion())
