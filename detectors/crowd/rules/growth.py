"""
`crowd.growth`: a zone fills up, and when it will be full.

    notice  arrivals  twice as many people arrive as usual, and the zone is at half of its safe capacity
    notice  forecast  full within 5 min at the present rate, for 10 s
    amber   forecast_soon  full within 2 min, for 10 s

The earliest useful signal: density and inflow lead a crush by minutes to hours, pressure and waves by seconds to
minutes. Where each exit of a zone has a line that a camera watches, the rate is inflow less outflow through them over
about a minute, with the spread of Poisson counts; else it is the slope of the occupancy over about the last minute
(least squares, older counts weigh less). It must be three sigmas above zero. Arrivals are tracks that come into the
zone, judged by a CUSUM against the zone's own usual rate: of arrivals, never of the occupancy, because people stay
and counts of one second after the other say the same. A zone without a safe capacity has no forecast.

Sources: t = (N_safe - n) / (inflow - outflow); Page, Continuous inspection schemes, Biometrika 41 (1954) 100, for
Poisson counts: S = max(0, S + x log(l1/l0) - (l1 - l0)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from detectors.crowd.measures.flow import time_to_clear_s, time_to_full_s
from detectors.crowd.motion.zone_motion import READS as MOTION_READS
from detectors.crowd.motion.zone_motion import Motion
from detectors.crowd.occupancy import READS as OCCUPANCY_READS
from detectors.crowd.rules.floor import PERSONS_DEFAULT, PassagePersonsMin, PersonsMin, persons_at_least
from detectors.crowd.rules.zone_rule import Step, Verdict, ZoneDetector
from detectors.detector import Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats
from ingest.schema.finding import Level

SIGMAS = 3.0
READ_S = 0.8  # between two counts that are taken
RIPE_S = 20.0  # of counts before a slope is told
ARRIVALS_PER_S_MIN = 0.1  # a usual rate below it is too little to double
ARRIVALS_RIPE_S = 120.0
ARRIVALS_SMOOTH_S = 600.0
FLOW_SMOOTH_S = 60.0

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0)]


class GrowthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    persons_min: PersonsMin = PERSONS_DEFAULT  # in the zone; not below 15
    passage_persons_min: PassagePersonsMin = 8  # the same on an exit route or a carriageway
    use_min: Positive = 0.3  # share of the safe capacity below which no forecast is told
    full_s: Positive = 300.0  # full within so long is a notice
    soon_s: Positive = 120.0  # full within so long is amber
    slope_s: Positive = 40.0  # time constant of the slope
    arrivals_use_min: Positive = 0.5  # share of the safe capacity below which more arrivals are not told
    arrivals_factor: Annotated[float, msgspec.Meta(gt=1.0)] = 2.0  # times the usual rate that the CUSUM looks for
    arrivals_threshold: Positive = 8.0  # of the CUSUM, in nats
    hold_s: Seconds = 10.0  # how long a forecast must hold
    release_s: Seconds = 20.0  # readings must be clear of it for so long
    gap_s: Seconds = 3.0  # readings may be clear of it for so long without starting the hold anew


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: GrowthSettings
    persons_min: Floats  # (Z,)
    capacity: Floats  # (Z,) NaN where there is none
    exit_width_m: Floats  # (Z,) of all exits together; 0 where there is none


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Sums of a least-squares line, weighted by age; times in s before `read_s`."""

    read_s: Floats  # (Z,) s of the last count that was taken; NaN before the first
    weight: Floats  # (Z,)
    time: Floats  # (Z,)
    time2: Floats  # (Z,)
    persons: Floats  # (Z,)
    time_persons: Floats  # (Z,)
    persons2: Floats  # (Z,)
    since_s: Floats  # (Z,) for how long counts have come
    inflow_per_s: Floats  # (Z,) over about a minute; NaN before the first
    outflow_per_s: Floats  # (Z,)
    usual_per_s: Floats  # (Z,) arrivals over about ten minutes
    cusum: Floats  # (Z,)
    flow_read_s: Floats  # (Z,) s of the last sample of motion
    flow_since_s: Floats  # (Z,)
    entered: Floats  # (Z,) of `Motion`, then
    left: Floats  # (Z,)
    came_in: Floats  # (Z,) of `Motion`, then, through the lines of the exits
    went_out: Floats  # (Z,)
    exit_in_per_s: Floats  # (Z,) over about a minute; NaN before the first
    exit_out_per_s: Floats  # (Z,)


class Growth:
    name = "crowd.growth"
    version = 2
    reads = tuple(dict.fromkeys((*OCCUPANCY_READS, *MOTION_READS)))
    settings = GrowthSettings
    unit = "s"

    def steps(self, settings: GrowthSettings) -> Sequence[Step]:
        return (
            Step("arrivals", Level.NOTICE, 0.0),
            Step("forecast", Level.NOTICE, settings.hold_s),
            Step("forecast_soon", Level.AMBER, settings.hold_s),
        )

    def release_s(self, settings: GrowthSettings) -> tuple[float, float]:
        return settings.release_s, settings.gap_s

    def prepare(self, settings: GrowthSettings, district: DistrictView) -> Prepared:
        capacity = [np.nan if zone.safe_capacity is None else zone.safe_capacity for zone in district.zones]
        return Prepared(
            settings,
            persons_at_least(district.zones, settings.persons_min, settings.passage_persons_min),
            np.array(capacity, np.float64),
            np.array([sum(each.width_m for each in zone.exits) for zone in district.zones], np.float64),
        )

    def remember(self, district: DistrictView) -> Memory:
        zones = len(district.zones)
        zero, unknown = np.zeros(zones), np.full(zones, np.nan)
        return Memory(
            unknown, zero, zero, zero, zero, zero, zero, zero, unknown, unknown, unknown, zero, unknown, zero,
            zero, zero, zero, zero, unknown, unknown,
        )  # fmt: skip

    def judge(self, own: Prepared, memory: Memory, moment: Moment, seen: Motion) -> tuple[Memory, Verdict]:
        settings, at_s, there = own.settings, moment.at_ns / 1e9, moment.occupancy
        with np.errstate(invalid="ignore"):
            counted = there.known & ~np.isnan(own.capacity) & ~(at_s - memory.read_s < READ_S)
            fresh = counted & (there.observed_at_ns / 1e9 > np.nan_to_num(memory.read_s, nan=-np.inf) - 1.0)
        now = _counted(memory, there.persons, fresh, at_s, settings.slope_s)
        now = _arrived(now, seen, settings, at_s)
        slope, slope_sd = _slope(now)
        by_exits = seen.exits_seen & seen.known & (now.flow_since_s >= RIPE_S) & ~np.isnan(now.exit_in_per_s)
        with np.errstate(invalid="ignore", divide="ignore"):
            missed = np.where(there.by_boxes, there.recall, 1.0)  # who is not found passes unseen, too
            net, net_sd = (each / missed for each in _net_of_exits(now))
            rate, rate_sd = np.where(by_exits, net, slope), np.where(by_exits, net_sd, slope_sd)
            sure = (rate > SIGMAS * rate_sd) & (now.since_s >= RIPE_S)
            zero = np.zeros(len(rate))
            inflow = np.where(by_exits, now.exit_in_per_s / missed, np.maximum(slope, 0.0))
            outflow = np.where(by_exits, now.exit_out_per_s / missed, zero)
            full_s = time_to_full_s(there.persons, own.capacity, inflow, outflow)
            soonest = time_to_full_s(there.persons, own.capacity, np.maximum(rate + 1.96 * rate_sd, 0.0), zero)
            latest = time_to_full_s(there.persons, own.capacity, np.maximum(rate - 1.96 * rate_sd, 0.0), zero)
            many = (there.persons >= own.persons_min) & (there.use >= settings.use_min) & (there.use < 1.0)
            fills = many & sure
            arrives = (
                (now.cusum >= settings.arrivals_threshold)
                & (there.persons >= own.persons_min)
                & (there.use >= settings.arrivals_use_min)
            )
            over = np.stack([arrives, fills & (full_s <= settings.full_s), fills & (full_s <= settings.soon_s)], axis=1)
            under = np.stack(
                [
                    now.cusum < settings.arrivals_threshold / 2.0,
                    ~(fills & (full_s <= 1.25 * settings.full_s)),
                    ~(fills & (full_s <= 1.25 * settings.soon_s)),
                ],
                axis=1,
            )
        return now, Verdict(
            observed=np.asarray(fresh, np.bool_),
            over=over,
            under=under,
            value=full_s,
            low=soonest,
            high=latest,
            degraded=there.hidden,
            detail={
                "persons": there.persons,
                "use": there.use,
                "slope_per_s": slope,
                "slope_sd_per_s": slope_sd,
                "by_exits": by_exits.astype(np.float64),
                "exit_in_per_s": np.where(by_exits, now.exit_in_per_s, np.nan),
                "exit_out_per_s": np.where(by_exits, now.exit_out_per_s, np.nan),
                "clear_s": np.where(own.exit_width_m > 0.0, time_to_clear_s(there.persons, own.exit_width_m), np.nan),
                "exit_width_m": np.where(own.exit_width_m > 0.0, own.exit_width_m, np.nan),
                "inflow_per_s": now.inflow_per_s,
                "outflow_per_s": now.outflow_per_s,
                "usual_arrivals_per_s": now.usual_per_s,
                "cusum": now.cusum,
            },
        )

    def thresholds(self, own: Prepared, zone: int, step: int) -> dict[str, float]:
        settings = own.settings
        limits = {
            0: {
                "arrivals_factor": settings.arrivals_factor, "arrivals_threshold": settings.arrivals_threshold,
                "use_min": settings.arrivals_use_min,
            },
            1: {"full_s": settings.full_s, "use_min": settings.use_min, "sigmas": SIGMAS},
            2: {"full_s": settings.soon_s, "use_min": settings.use_min, "sigmas": SIGMAS},
        }[step]  # fmt: skip
        return limits | {
            "safe_capacity": float(own.capacity[zone]), "persons_min": float(own.persons_min[zone]),
            "slope_s": settings.slope_s, "release_s": settings.release_s,
        }  # fmt: skip

    def is_measurable(self, step: int) -> bool:
        return True


def _counted(memory: Memory, persons: Floats, fresh: Bools, at_s: float, slope_s: float) -> Memory:
    """The sums after a count of each zone in `fresh`: older ones weigh less, and their times recede."""
    first = np.isnan(memory.read_s)
    elapsed_s = np.where(first, 0.0, at_s - memory.read_s)
    lost = elapsed_s > slope_s
    fade = np.where(first | lost, 0.0, np.exp(-elapsed_s / slope_s))
    x = np.nan_to_num(persons)

    def kept(new: Floats, old: Floats) -> Floats:
        return np.where(fresh, new, old)

    weight, time, time2, sum_, mixed = memory.weight, memory.time, memory.time2, memory.persons, memory.time_persons
    return Memory(
        read_s=kept(np.full(len(x), at_s), memory.read_s),
        weight=kept(fade * weight + 1.0, weight),
        time=kept(fade * (time - elapsed_s * weight), time),
        time2=kept(fade * (time2 - 2.0 * elapsed_s * time + elapsed_s**2 * weight), time2),
        persons=kept(fade * sum_ + x, sum_),
        time_persons=kept(fade * (mixed - elapsed_s * sum_), mixed),
        persons2=kept(fade * memory.persons2 + x**2, memory.persons2),
        since_s=kept(np.where(lost, 0.0, memory.since_s + elapsed_s), memory.since_s),
        inflow_per_s=memory.inflow_per_s,
        outflow_per_s=memory.outflow_per_s,
        usual_per_s=memory.usual_per_s,
        cusum=memory.cusum,
        flow_read_s=memory.flow_read_s,
        flow_since_s=memory.flow_since_s,
        entered=memory.entered,
        left=memory.left,
        came_in=memory.came_in,
        went_out=memory.went_out,
        exit_in_per_s=memory.exit_in_per_s,
        exit_out_per_s=memory.exit_out_per_s,
    )


def _slope(memory: Memory) -> tuple[Floats, Floats]:
    """(Z,) persons per second and (Z,) 1 sigma of it; NaN where there are too few counts."""
    s0, s1, s2 = memory.weight, memory.time, memory.time2
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = s0 * s2 - s1**2
        slope = np.where(spread > 1e-6 * s0**2, (s0 * memory.time_persons - s1 * memory.persons) / spread, np.nan)
        level = (memory.persons - slope * s1) / s0
        left = memory.persons2 - level * memory.persons - slope * memory.time_persons
        variance = np.maximum(left, 0.0) / s0
        # Counts of neighbouring seconds are of nearly the same people: as if there were a quarter of them.
        sd = np.sqrt(4.0 * variance * s0 / spread)
    return slope, sd


def _arrived(memory: Memory, seen: Motion, settings: GrowthSettings, at_s: float) -> Memory:
    """The memory after the persons who came in and went out between the last two samples."""
    sampled = seen.sampled & seen.known
    first = np.isnan(memory.flow_read_s)
    elapsed_s = np.where(first, 0.0, at_s - memory.flow_read_s)
    inward, outward = seen.entered - memory.entered, seen.left - memory.left
    # Totals that fall are of cameras that came or went: no arrivals.
    counts = sampled & (elapsed_s > 0.0) & (elapsed_s <= 10.0) & (inward >= 0.0) & (outward >= 0.0)
    inward, outward = np.where(counts, inward, 0.0), np.where(counts, outward, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(counts, 1.0 - np.exp(-elapsed_s / FLOW_SMOOTH_S), 0.0)
        inflow = _drawn(memory.inflow_per_s, inward / elapsed_s, share, counts)
        outflow = _drawn(memory.outflow_per_s, outward / elapsed_s, share, counts)
        since_s = memory.flow_since_s + np.where(counts, elapsed_s, 0.0)
        quiet = counts & (memory.cusum < settings.arrivals_threshold / 2.0)
        slow = 1.0 - np.exp(-elapsed_s / np.minimum(np.maximum(since_s, 10.0), ARRIVALS_SMOOTH_S))
        usual = _drawn(memory.usual_per_s, inward / elapsed_s, slow, quiet)
        expected = np.maximum(np.nan_to_num(usual), ARRIVALS_PER_S_MIN)
        step = inward * np.log(settings.arrivals_factor) - (settings.arrivals_factor - 1.0) * expected * elapsed_s
        ripe = counts & (since_s >= ARRIVALS_RIPE_S)
        through = seen.came_in - memory.came_in, seen.went_out - memory.went_out
        passed = counts & (through[0] >= 0.0) & (through[1] >= 0.0)
        ripening = np.where(passed, 1.0 - np.exp(-elapsed_s / np.minimum(np.maximum(since_s, 1.0), FLOW_SMOOTH_S)), 0.0)
        exit_in = _drawn(memory.exit_in_per_s, through[0] / elapsed_s, ripening, passed)
        exit_out = _drawn(memory.exit_out_per_s, through[1] / elapsed_s, ripening, passed)
        cusum = np.where(ripe, np.minimum(np.maximum(memory.cusum + step, 0.0), 4.0 * settings.arrivals_threshold),
                         memory.cusum)  # fmt: skip
    return Memory(
        memory.read_s, memory.weight, memory.time, memory.time2, memory.persons, memory.time_persons,
        memory.persons2, memory.since_s, inflow, outflow, usual, cusum,
        np.where(sampled, at_s, memory.flow_read_s), since_s,
        np.where(sampled, seen.entered, memory.entered), np.where(sampled, seen.left, memory.left),
        np.where(sampled, seen.came_in, memory.came_in), np.where(sampled, seen.went_out, memory.went_out),
        exit_in, exit_out,
    )  # fmt: skip


def _net_of_exits(memory: Memory) -> tuple[Floats, Floats]:
    """(Z,) inflow less outflow through the exits, persons per second, and (Z,) 1 sigma of it."""
    # A mean that fades with tau has the spread of the counts of 2 tau, and in the beginning of what there is.
    counted_s = np.clip(memory.flow_since_s, 1.0, 2.0 * FLOW_SMOOTH_S)
    passed = (memory.exit_in_per_s + memory.exit_out_per_s) * counted_s
    return memory.exit_in_per_s - memory.exit_out_per_s, np.sqrt(np.maximum(passed, 1.0)) / counted_s


def _drawn(before: Floats, now: Floats, share: Floats, counts: Bools) -> Floats:
    drawn = np.where(np.isnan(before), now, before + share * (now - before))
    return np.where(counts, drawn, before)


detector = ZoneDetector(Growth())
