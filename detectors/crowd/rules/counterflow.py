"""
`crowd.counterflow`: people go against one another.

    amber  conflict   two-way: moving persons who meet head-on within 1.5 m, >= 0.32 each, for 1 s, and 0.24 for 5 s
    amber  one_way    one-way zone: >= 20 % of the moving persons, and at least 5, go against it, for 5 s

The conflict index is 2 x pairs / moving persons; a pair is two moving persons within 1.5 m whose courses are more than
134 degrees apart and who come closer. Lanes that pass one another have few such pairs. It needs three in ten persons to
move; who seems to move by noise alone does not count. A stream that comes to meet another grows into a conflict, so its
hold counts from three quarters of the threshold on: see `nearing`. Where no camera gives boxes, the flow grids tell who
goes against the one way (degraded), and nothing of conflicts.

Source: conflict index after own measurements (docs); a flow against a one-way system is a matter of the place's plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np

from detectors.crowd.measures.velocity import MOVING_M_S
from detectors.crowd.motion.view_motion import CONFLICT_M
from detectors.crowd.motion.zone_motion import READS, Motion
from detectors.crowd.rules.floor import PassagePersonsMin, PersonsMin, persons_at_least
from detectors.crowd.rules.nearing import CONFIRM_S, Nearing, nearing, not_near, stays
from detectors.crowd.rules.zone_rule import LOST_S, Step, Verdict, ZoneDetector, share_interval
from detectors.detector import Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats
from ingest.schema.finding import Level

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0)]
Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


class CounterflowSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    persons_min: PersonsMin = 15  # in the zone; not below 15
    passage_persons_min: PassagePersonsMin = 6  # the same on an exit route or a carriageway
    conflict: Positive = 0.32  # smoothed conflict index
    conflict_near: Share = 0.75  # of it, from where on `hold_s` counts
    conflict_confirm_s: Seconds = CONFIRM_S  # how long it must then be exceeded
    moving_share_min: Share = 0.3  # of the persons that move, so that a conflict can be seen
    against_share: Share = 0.2  # of the moving who go against a one-way zone
    against_persons_min: Positive = 5.0  # at least so many
    smooth_s: Positive = 5.0  # time constant of the indices
    hold_s: Seconds = 5.0  # how long it must last
    off_share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.5  # of a threshold, below which it is over
    release_s: Seconds = 10.0  # readings must be below the second threshold for so long
    gap_s: Seconds = 3.0  # readings may drop below the threshold for so long


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: CounterflowSettings
    persons_min: Floats  # (Z,)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    conflict: Floats  # (Z,) smoothed
    against: Floats  # (Z,) smoothed share
    read_s: Floats  # (Z,) s of the last sample; NaN before the first
    near_since_s: Floats  # (Z,) of `Nearing`: since when the conflict has been near its threshold
    near_s: Floats  # (Z,)


class Counterflow:
    name = "crowd.counterflow"
    version = 3
    reads = READS
    settings = CounterflowSettings
    unit = "conflicts per person"

    def steps(self, settings: CounterflowSettings) -> Sequence[Step]:
        return Step("conflict", Level.AMBER, settings.conflict_confirm_s), Step("one_way", Level.AMBER, settings.hold_s)

    def release_s(self, settings: CounterflowSettings) -> tuple[float, float]:
        return settings.release_s, settings.gap_s

    def prepare(self, settings: CounterflowSettings, district: DistrictView) -> Prepared:
        return Prepared(settings, persons_at_least(district.zones, settings.persons_min, settings.passage_persons_min))

    def remember(self, district: DistrictView) -> Memory:
        zones = len(district.zones)
        blank, unknown = not_near(zones), np.full(zones, np.nan)
        return Memory(np.zeros(zones), np.zeros(zones), unknown, blank.since_s, blank.last_s)

    def judge(self, own: Prepared, memory: Memory, moment: Moment, seen: Motion) -> tuple[Memory, Verdict]:
        settings = own.settings
        at_s = moment.at_ns / 1e9
        with np.errstate(invalid="ignore"):
            # A flow cannot say that a conflict is over: until that has ended as unknown, there is no reading.
            no_conflict = memory.conflict < settings.off_share * settings.conflict
            no_conflict |= at_s - memory.read_s > LOST_S + 1.0
            observed = (seen.sampled & seen.known) | (seen.flows & no_conflict)
            moves = (seen.moving_share >= settings.moving_share_min) & (seen.seen >= own.persons_min)
            many = seen.seen >= own.persons_min
        now = _smoothed(memory, seen.conflict, seen.against_share, observed, at_s, settings.smooth_s)
        close = moves & (now.conflict >= settings.conflict_near * settings.conflict) & observed
        near = nearing(Nearing(memory.near_since_s, memory.near_s), close, at_s, settings.gap_s)
        now = replace(now, near_since_s=near.since_s, near_s=near.last_s)
        against_persons = now.against * np.nan_to_num(seen.moving)
        conflict = moves & (now.conflict >= settings.conflict) & stays(near, at_s, settings.hold_s)
        one_way = many & (now.against >= settings.against_share) & (against_persons >= settings.against_persons_min)
        off = settings.off_share
        verdict = Verdict(
            observed=observed,
            over=np.stack([conflict, one_way], axis=1),
            under=np.stack(
                [now.conflict < off * settings.conflict, now.against < off * settings.against_share], axis=1
            ),
            value=now.conflict,
            low=2.0 * share_interval(np.minimum(now.conflict / 2.0, 1.0), np.nan_to_num(seen.moving))[0],
            high=2.0 * share_interval(np.minimum(now.conflict / 2.0, 1.0), np.nan_to_num(seen.moving))[1],
            degraded=seen.flows,
            detail={
                "against_share": np.where(np.isnan(seen.against_share), np.nan, now.against),
                "moving": seen.moving,
                "moving_share": seen.moving_share,
                "persons_seen": seen.seen,
                "velocity_noise_m_s": seen.velocity_noise_m_s,
                "followed_share": seen.followed_share,
            },
        )
        return now, verdict

    def thresholds(self, own: Prepared, zone: int, step: int) -> dict[str, float]:
        settings = own.settings
        limits = (
            {
                "conflict": settings.conflict,
                "conflict_near": settings.conflict_near,
                "near_hold_s": settings.hold_s,
                "within_m": CONFLICT_M,
                "moving_share_min": settings.moving_share_min,
            }
            if step == 0
            else {"against_share": settings.against_share, "against_persons_min": settings.against_persons_min}
        )
        return limits | {
            "moving_m_s": MOVING_M_S, "persons_min": float(own.persons_min[zone]), "off_share": settings.off_share,
            "smooth_s": settings.smooth_s, "release_s": settings.release_s,
        }  # fmt: skip

    def is_measurable(self, step: int) -> bool:
        return True


def _smoothed(
    memory: Memory, conflict: Floats, against: Floats, observed: Bools, at_s: float, smooth_s: float
) -> Memory:
    """The indices drawn towards those of this sample; nobody who moves is no conflict."""
    elapsed_s = np.where(np.isnan(memory.read_s), np.inf, at_s - memory.read_s)
    share = np.where(observed, 1.0 - np.exp(-elapsed_s / smooth_s), 0.0)
    return Memory(
        memory.conflict + share * (np.nan_to_num(conflict) - memory.conflict),
        memory.against + share * (np.nan_to_num(against) - memory.against),
        np.where(observed, at_s, memory.read_s),
        memory.near_since_s,
        memory.near_s,
    )


detector = ZoneDetector(Counterflow())
