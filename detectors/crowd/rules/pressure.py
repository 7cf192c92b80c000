"""
`crowd.pressure`: shocks run through a dense crowd; or it is so dense that they might, and cannot be measured.

    notice    not_measurable  >= 4 persons/m2, and the noise alone would make more than 0.06 /s2, for 10 s
    critical  turbulence      pressure >= 0.08 /s2 and four times its usual one, at >= 4 persons/m2, mean speed below
                              0.7 m/s, for 2 s

Crowd pressure is density x variance of the velocity around its local mean, the noise's part taken off. The published
0.02 /s2 is no threshold: on all of 18 harmless recordings the pressure is above it. It means something only in a dense,
nearly standing crowd, against the zone's own usual pressure, and where places are true to about 3 cm. Elsewhere the
honest answer is that it cannot be measured from boxes, and that is a finding of its own: somebody must look.

Source: Helbing, Johansson, Al-Abideen, PRE 75 (2007) 046109 (definition); thresholds from labelled scenarios (docs),
which are synthetic: recall for real crushes is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from detectors.crowd.motion.zone_motion import READS, Motion
from detectors.crowd.rules.floor import PERSONS_DEFAULT, PERSONS_FLOOR, PersonsMin
from detectors.crowd.rules.zone_rule import Step, Verdict, ZoneDetector
from detectors.detector import Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats
from ingest.schema.finding import Level

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0)]


class PressureSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    persons_min: PersonsMin = PERSONS_DEFAULT  # in the zone; not below 15
    per_m2: Positive = 4.0  # persons/m2, below which pressure means nothing
    noise_per_s2_max: Positive = 0.06  # pressure that the noise alone would make, above which it is not measurable
    pressure_per_s2: Positive = 0.08  # 1/s2, smoothed
    usual_factor: Positive = 4.0  # times the zone's usual pressure
    usual_s: Positive = 60.0  # time constant of the usual pressure
    smooth_s: Positive = 4.0  # time constant of the pressure
    speed_m_s_max: Positive = 0.7  # mean speed above which the crowd is walking, not pressed
    hold_s: Seconds = 0.7  # how long turbulence must last: two samples
    not_measurable_hold_s: Seconds = 10.0  # how long it must not be measurable
    off_share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.8  # of pressure and density, below which it is over
    release_s: Seconds = 15.0  # readings must be below the second threshold for so long: shocks come and go
    gap_s: Seconds = 1.5  # readings may drop below the threshold for so long


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: PressureSettings
    persons_min: float


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    usual_per_s2: Floats  # (Z,) usual pressure; NaN before the first
    known_s: Floats  # (Z,) for how long it has been learnt
    pressure_per_s2: Floats  # (Z,) smoothed; NaN where it is not measured


class Pressure:
    name = "crowd.pressure"
    version = 1
    reads = READS
    settings = PressureSettings
    unit = "1/s2"

    def steps(self, settings: PressureSettings) -> Sequence[Step]:
        return (
            Step("not_measurable", Level.NOTICE, settings.not_measurable_hold_s),
            Step("turbulence", Level.CRITICAL, settings.hold_s),
        )

    def release_s(self, settings: PressureSettings) -> tuple[float, float]:
        return settings.release_s, settings.gap_s

    def prepare(self, settings: PressureSettings, district: DistrictView) -> Prepared:
        return Prepared(settings, float(max(settings.persons_min, PERSONS_FLOOR)))

    def remember(self, district: DistrictView) -> Memory:
        zones = len(district.zones)
        return Memory(np.full(zones, np.nan), np.zeros(zones), np.full(zones, np.nan))

    def judge(self, own: Prepared, memory: Memory, moment: Moment, seen: Motion) -> tuple[Memory, Verdict]:
        settings, off = own.settings, own.settings.off_share
        noise = seen.pressure_noise_per_s2
        pressure = _smoothed(memory.pressure_per_s2, seen, settings.smooth_s)
        with np.errstate(invalid="ignore"):
            per_m2 = np.fmax(moment.occupancy.per_m2, seen.per_m2)
            many = np.fmax(moment.occupancy.persons, seen.seen) >= own.persons_min
            dense, still_dense = many & (per_m2 >= settings.per_m2), per_m2 >= off * settings.per_m2
            # The noise's part grows with the density that is there, not with that of the few who were seen.
            noise = np.fmax(noise, 2.0 * per_m2 * seen.velocity_noise_m_s**2)
            # A crowd whose motion cannot be had (no tracks, no calibration) is as little measurable as a noisy one.
            measurable = seen.known & (noise <= settings.noise_per_s2_max)
            pressed = measurable & (seen.slow_speed_m_s < settings.speed_m_s_max)
            usual = np.fmax(memory.usual_per_s2, noise)
            ripe = memory.known_s >= settings.usual_s / 2.0
            shaken = (pressure >= settings.pressure_per_s2) & (pressure >= settings.usual_factor * usual) & ripe
            turbulent = dense & pressed & shaken
            calm = ~(still_dense & (pressure >= off * settings.pressure_per_s2))
        counted = moment.occupancy.known & ~np.isnan(per_m2)
        observed = counted & (seen.sampled | ~seen.known)
        over = np.stack([dense & ~measurable, turbulent], axis=1)
        under = np.stack([~still_dense | measurable, calm | ~measurable], axis=1)
        half = 1.96 * noise
        verdict = Verdict(
            observed=observed,
            over=over,
            under=under,
            value=pressure,
            low=np.maximum(pressure - half, 0.0),
            high=pressure + half,
            degraded=np.zeros(len(observed), np.bool_),
            detail={
                "usual_per_s2": memory.usual_per_s2,
                "noise_per_s2": noise,
                "per_m2": per_m2,
                "speed_m_s": seen.slow_speed_m_s,
                "velocity_noise_m_s": seen.velocity_noise_m_s,
                "followed_share": seen.followed_share,
            },
        )
        learns = np.asarray(seen.sampled & measurable & dense & ~shaken, np.bool_)
        return _learnt(memory, settings.usual_s, pressure, learns), verdict

    def thresholds(self, own: Prepared, zone: int, step: int) -> dict[str, float]:
        settings = own.settings
        limits = (
            {"noise_per_s2_max": settings.noise_per_s2_max}
            if step == 0
            else {
                "pressure_per_s2": settings.pressure_per_s2, "usual_factor": settings.usual_factor,
                "usual_s": settings.usual_s, "smooth_s": settings.smooth_s, "speed_m_s_max": settings.speed_m_s_max,
            }
        )  # fmt: skip
        return limits | {
            "per_m2": settings.per_m2, "persons_min": own.persons_min, "off_share": settings.off_share,
            "release_s": settings.release_s,
        }  # fmt: skip

    def is_measurable(self, step: int) -> bool:
        return step != 0


def _learnt(memory: Memory, usual_s: float, pressure: Floats, learns: Bools) -> Memory:
    """The usual pressure drawn towards this one; at first quickly, and by a shock no more than by half of itself."""
    learns = learns & np.isfinite(pressure)
    drawn_to = np.fmin(pressure, 1.5 * memory.usual_per_s2)
    known_s = np.where(learns, np.minimum(memory.known_s + 1.0, usual_s), memory.known_s)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(known_s > 0.0, np.minimum(1.0 / np.maximum(known_s, 1e-9), 1.0), 1.0)
        drawn = memory.usual_per_s2 + share * (drawn_to - memory.usual_per_s2)
    usual = np.where(learns, np.where(np.isnan(memory.usual_per_s2), pressure, drawn), memory.usual_per_s2)
    return Memory(usual, known_s, pressure)


def _smoothed(before: Floats, seen: Motion, smooth_s: float) -> Floats:
    """(Z,) the pressure drawn towards this second's; forgotten where it is not known."""
    share = 1.0 - np.exp(-1.0 / smooth_s)
    now = np.where(np.isnan(before), seen.pressure_per_s2, before + share * (seen.pressure_per_s2 - before))
    return np.where(seen.known, np.where(seen.sampled, now, before), np.nan)


detector = ZoneDetector(Pressure())
