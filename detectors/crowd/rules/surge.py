"""
`crowd.surge`: people suddenly run.

    red  run      a third of the persons runs (>= 2 m/s, or three times the noise if more), for 1 s
    red  faster   the mean speed is 0.6 m/s and two sigmas of its noise above that of the last minute, for 1 s

Speeds are over about 1 s, so that a surge is seen within two or three samples. What runs there always (a running track,
a carriageway with cyclists) is learnt as the usual speed by the second rule only.

Source: own measurements on labelled scenarios and uneventful recordings (docs); no standard defines a surge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from detectors.crowd.motion.view_motion import RUNNING_M_S
from detectors.crowd.motion.zone_motion import READS, Motion
from detectors.crowd.rules.floor import PassagePersonsMin, PersonsMin, persons_at_least
from detectors.crowd.rules.zone_rule import Step, Verdict, ZoneDetector
from detectors.detector import Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats
from ingest.schema.finding import Level

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0)]
Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


class SurgeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    persons_min: PersonsMin = 15  # of whom a speed must be known; not below 15
    passage_persons_min: PassagePersonsMin = 6  # the same on an exit route or a carriageway
    run_share: Share = 0.3  # of the persons that run
    faster_m_s: Positive = 0.6  # mean speed above the usual one
    speed_m_s_min: Positive = 1.2  # a mean speed below it is no surge, however slow it was before
    usual_s: Positive = 60.0  # time constant of the usual speed
    hold_s: Seconds = 0.7  # how long it must last: two samples
    release_s: Seconds = 5.0  # readings must be below half of the threshold for so long
    gap_s: Seconds = 1.5  # readings may drop below the threshold for so long


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: SurgeSettings
    persons_min: Floats  # (Z,)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    usual_m_s: Floats  # (Z,) usual mean speed; NaN before the first
    known_s: Floats  # (Z,) for how long it has been learnt, up to `usual_s`


class Surge:
    name = "crowd.surge"
    version = 1
    reads = READS
    settings = SurgeSettings
    unit = "m/s"

    def steps(self, settings: SurgeSettings) -> Sequence[Step]:
        return Step("faster", Level.RED, settings.hold_s), Step("run", Level.RED, settings.hold_s)

    def release_s(self, settings: SurgeSettings) -> tuple[float, float]:
        return settings.release_s, settings.gap_s

    def prepare(self, settings: SurgeSettings, district: DistrictView) -> Prepared:
        return Prepared(settings, persons_at_least(district.zones, settings.persons_min, settings.passage_persons_min))

    def remember(self, district: DistrictView) -> Memory:
        zones = len(district.zones)
        return Memory(np.full(zones, np.nan), np.zeros(zones))

    def judge(self, own: Prepared, memory: Memory, moment: Moment, seen: Motion) -> tuple[Memory, Verdict]:
        settings = own.settings
        observed = seen.sampled & seen.known
        with np.errstate(invalid="ignore", divide="ignore"):
            many = seen.timed >= own.persons_min
            noise = seen.velocity_noise_m_s
            # A mean speed has a bias from noise, sigma sqrt(pi/2) for those who stand; its own scatter is less.
            above = seen.speed_m_s - memory.usual_m_s
            ripe = memory.known_s >= settings.usual_s / 2.0
            limit = np.maximum(settings.faster_m_s + 2.0 * noise / np.sqrt(seen.timed), 0.0)
            faster = many & ripe & (above >= limit) & (seen.speed_m_s >= settings.speed_m_s_min + noise)
            run = many & (seen.running_share >= settings.run_share)
            off = ~(many & ((above >= limit / 2.0) | (seen.running_share >= settings.run_share / 2.0)))
        low, high = share_of_mean(seen.speed_m_s, noise, seen.timed)
        verdict = Verdict(
            observed=observed,
            over=np.stack([faster, run], axis=1),
            under=np.stack([off, off], axis=1),
            value=seen.speed_m_s,
            low=low,
            high=high,
            degraded=noise > settings.faster_m_s,
            detail={
                "running_share": seen.running_share,
                "usual_speed_m_s": memory.usual_m_s,
                "persons_timed": seen.timed,
                "velocity_noise_m_s": noise,
                "followed_share": seen.followed_share,
            },
        )
        return _learnt(memory, settings, seen.speed_m_s, observed & ~(run | faster)), verdict

    def thresholds(self, own: Prepared, zone: int, step: int) -> dict[str, float]:
        settings = own.settings
        limits = (
            {"faster_m_s": settings.faster_m_s, "speed_m_s_min": settings.speed_m_s_min, "usual_s": settings.usual_s}
            if step == 0
            else {"run_share": settings.run_share, "run_m_s": RUNNING_M_S}
        )
        return limits | {"persons_min": float(own.persons_min[zone]), "release_s": settings.release_s}

    def is_measurable(self, step: int) -> bool:
        return True


def share_of_mean(mean: Floats, noise: Floats, count: Floats) -> tuple[Floats, Floats]:
    """(Z,) low and high, 95 %, of a mean over `count` readings with this noise each."""
    with np.errstate(invalid="ignore", divide="ignore"):
        half = 1.96 * noise / np.sqrt(count)
    return np.maximum(mean - half, 0.0), mean + half


def _learnt(memory: Memory, settings: SurgeSettings, speed: Floats, learns: Bools) -> Memory:
    """The usual speed drawn towards this one; at first quickly, as a plain mean would be."""
    learns = learns & np.isfinite(speed)
    known_s = np.where(learns, np.minimum(memory.known_s + 1.0, settings.usual_s), memory.known_s)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(known_s > 0.0, np.minimum(1.0 / np.maximum(known_s, 1e-9), 1.0), 1.0)
        drawn = memory.usual_m_s + share * (speed - memory.usual_m_s)
    usual = np.where(learns, np.where(np.isnan(memory.usual_m_s), speed, drawn), memory.usual_m_s)
    return Memory(usual, known_s)


detector = ZoneDetector(Surge())
