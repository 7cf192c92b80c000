"""
`anomaly.unusual_occupancy`: more people than is usual at this time of the week, where there are many.

    notice  crowded   unusual in 2 of the last 3 quarters of an hour, and use of the safe capacity >= 0.5
    notice  nobody    nobody at all, where there usually is somebody: a matter of the camera (`health.nobody_seen`)

Unusual alone is no hazard: below half of the safe capacity, and in a zone without one, nothing is told. The usual is
learned for 42 days of the site's own wall clock; until then it learns and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import msgspec
import numpy as np

from detectors import columns
from detectors.anomaly.baseline import model as baseline
from detectors.anomaly.baseline.history import WEEKS, days_observed
from detectors.anomaly.baseline.kept import known, parts_of, recalled
from detectors.anomaly.baseline.model import Judged, Learned, Model, Recent
from detectors.calendar import LocalTime, SiteCalendar, local_time
from detectors.crowd.occupancy import READS
from detectors.crowd.trust import measurement
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from ingest.clock import NS_PER_S
from ingest.schema.finding import Level, Phase
from ingest.schema.tick import Tick
from ingest.stages.learned import Part

SLOT_S = 900
LEARN_DAYS = 7 * WEEKS
OBSERVED_SHARE = 0.5  # of a slot, and of a day's slots, before it counts
NO_SLOT = -1
CROWDED, NOBODY = 0, 1
RULES = ("anomaly.unusual_occupancy.crowded", "health.nobody_seen")
_SECONDS_MAX = 2.0  # what a second without a tick is worth


class UnusualSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    # false alarms a day, in the whole district, that the level is made for
    false_per_day: Annotated[float, msgspec.Meta(gt=0.0, le=100.0)] = 1.0
    use_min: Annotated[float, msgspec.Meta(ge=0.5)] = 0.5  # of the safe capacity; never below a half
    off_share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.8  # of `use_min`, below which it is over
    learn_days: Annotated[int, msgspec.Meta(ge=14, le=42)] = LEARN_DAYS  # before anything is said of a zone
    nobody_usual_min: Annotated[float, msgspec.Meta(ge=1.0)] = 3.0  # persons usually there, for nobody to be strange


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: UnusualSettings
    district: DistrictView
    model: Model
    calendars: tuple[SiteCalendar, ...]
    calendar_of: Ints  # (Z,)


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """The slot that goes on at each of Z zones."""

    begun_ns: Ints  # (Z,) NO_SLOT before the first
    persons_s: Floats  # (Z,) sum of persons x seconds observed
    observed_s: Floats  # (Z,)


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """Of Z zones and the rules CROWDED and NOBODY."""

    holds: Bools  # (Z, 2) by the last slot
    told: Bools  # (Z, 2)
    onset_ns: Ints  # (Z, 2) begin of the slot with which it began
    told_ns: Ints  # (Z, 2)
    observed_ns: Ints  # (Z,) last time that the zone was observed


@dataclass(frozen=True, slots=True, eq=False)
class Last:
    """What was found at the end of the last slot."""

    persons: Floats  # (Z,)
    usual: Floats  # (Z,)
    factor: Floats  # (Z,)
    phi: Floats  # (Z,)
    surprise: Floats  # (Z,)
    days: Ints  # (Z,) learned


@dataclass(frozen=True, slots=True, eq=False)
class State:
    slot: Slot
    said: Said
    last: Last
    recent: Recent
    learned: Learned
    at_ns: int  # of the last reading


class UnusualOccupancy:
    name = "anomaly.unusual_occupancy"
    kinds = ("anomaly.unusual_occupancy", "health.nobody_seen")
    version = 1
    reads = READS
    settings = UnusualSettings

    def prepare(self, settings: UnusualSettings, district: DistrictView) -> Prepared:
        sites = [zone.site for zone in district.zones]
        calendars, calendar_of = district.calendar.distinct(sites)
        index = {site: row for row, site in enumerate(sorted(set(sites)))}
        slots = 86_400 // SLOT_S
        level = baseline.level_of(settings.false_per_day, district.zones_in_district, slots)
        model = Model(SLOT_S, level, np.array([index[site] for site in sites], np.int64), len(index))
        return Prepared(settings, district, model, calendars, np.array(calendar_of, np.int64))

    def initial(self, prepared: Prepared) -> State:
        zones = len(prepared.district.zones)
        learned, recent = baseline.blank(prepared.model)
        zero, none, unknown = np.zeros(zones), np.zeros((zones, 2), np.bool_), np.full(zones, np.nan)
        never = np.zeros((zones, 2), np.int64)
        return State(
            Slot(np.full(zones, NO_SLOT, np.int64), zero, zero),
            Said(none, none, never, never, np.zeros(zones, np.int64)),
            Last(unknown, unknown, unknown, unknown, unknown, np.zeros(zones, np.int64)),
            recent,
            learned,
            NO_SLOT,
        )

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        at_ns = moment.at_ns
        if not len(prepared.district.zones) or at_ns // NS_PER_S == state.at_ns // NS_PER_S:
            return state, ()
        # 1. Slots that are over are closed; 2. this second is counted; 3. what follows is told.
        begun_ns = _slot_begin(prepared, at_ns)
        over = begun_ns != state.slot.begun_ns
        after = _closed(prepared, state, begun_ns, over) if over.any() else state
        after = _counted(after, moment)
        return _told(self, prepared, after, moment, over)

    def save(self, prepared: Prepared, state: State) -> bytes:
        ids = prepared.district.zone_ids
        fast = [columns.save(ids, each) for each in (state.slot, state.said)]
        return msgspec.msgpack.encode([*fast, msgspec.msgpack.encode(state.at_ns)])

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        ids, blank = prepared.district.zone_ids, self.initial(prepared)
        slot, said, at_ns = columns.parts(snapshot, 3)
        return replace(
            blank,
            slot=columns.restore(ids, blank.slot, slot),
            said=columns.restore(ids, blank.said, said),
            at_ns=msgspec.msgpack.decode(at_ns, type=int),
        )

    def learned(self, prepared: Prepared, state: State) -> Mapping[str, Part]:
        ids = prepared.district.zone_ids
        return {
            **parts_of(ids, state.learned, state.recent),
            "last": Part(state.last, partial(columns.save, ids, state.last)),
        }

    def recall(self, prepared: Prepared, state: State, parts: Mapping[str, bytes]) -> State:
        ids = prepared.district.zone_ids
        learned, recent = recalled(ids, state.learned, state.recent, parts)
        return replace(state, learned=learned, recent=recent, last=known(ids, state.last, parts, "last"))

    def learning(self, prepared: Prepared, state: State) -> Mapping[str, str]:
        wanted = prepared.settings.learn_days
        return {
            zone: f"{days} of {wanted} days"
            for zone, days in zip(prepared.district.zone_ids, state.last.days.tolist(), strict=True)
            if days < wanted
        }


def _slot_begin(prepared: Prepared, at_ns: int) -> Ints:
    """(Z,) when the present slot of the wall clock began, UTC."""
    begins = []
    for calendar in prepared.calendars:  # mostly one
        local = local_time(calendar, at_ns)
        into_ns = (local.minute * 60 % SLOT_S + at_ns // NS_PER_S % 60) * NS_PER_S
        begins.append(at_ns // NS_PER_S * NS_PER_S - into_ns)
    return np.array(begins, np.int64)[prepared.calendar_of]


def _closed(prepared: Prepared, state: State, begun_ns: Ints, over: Bools) -> State:
    """The state after the end of the slots of some zones, with nothing counted in the new ones yet."""
    slot, learned, recent, said, last = state.slot, state.learned, state.recent, state.said, state.last
    for calendar, place in zip(range(len(prepared.calendars)), prepared.calendars, strict=True):
        for old_ns in np.unique(slot.begun_ns[over & (prepared.calendar_of == calendar)]).tolist():
            if old_ns == NO_SLOT:
                continue
            zones = over & (prepared.calendar_of == calendar) & (slot.begun_ns == old_ns)
            time = local_time(place, old_ns)
            enough = slot.observed_s >= OBSERVED_SHARE * SLOT_S
            persons = np.where(enough, slot.persons_s / np.maximum(slot.observed_s, 1e-9), np.nan)
            learned, recent, judged = baseline.closed(prepared.model, learned, recent, zones, time, persons)
            said, last = _judged(prepared, said, last, learned, zones, time, old_ns, persons, judged)
            gap = zones & (begun_ns - old_ns > SLOT_S * NS_PER_S)  # nobody looked: what was before says nothing
            if gap.any():
                recent = baseline.forgotten(recent, gap)
                said = replace(said, holds=said.holds & ~gap[:, None])
    slot = Slot(
        np.where(over, begun_ns, slot.begun_ns),
        np.where(over, 0.0, slot.persons_s),
        np.where(over, 0.0, slot.observed_s),
    )
    return State(slot, said, last, recent, learned, state.at_ns)


def _judged(
    prepared: Prepared,
    said: Said,
    last: Last,
    learned: Learned,
    zones: Bools,
    time: LocalTime,
    begun_ns: int,
    persons: Floats,
    judged: Judged,
) -> tuple[Said, Last]:
    settings = prepared.settings
    days = last.days
    if time.minute * 60 < SLOT_S:  # once a day is enough
        observed = days_observed(learned.days, time.day, OBSERVED_SHARE)
        days = np.where(zones, np.minimum(observed, settings.learn_days), days)
    known = zones & ~np.isnan(judged.usual) & ~np.isnan(persons) & (days >= settings.learn_days)
    with np.errstate(invalid="ignore"):
        nobody = (persons == 0.0) & (judged.usual >= settings.nobody_usual_min)
        # Empty at what is usual, this slot alone: P(0) of the same negative binomial.
        empty = np.log1p(judged.phi * judged.usual) / judged.phi >= prepared.model.level
    holds = np.stack([known & judged.raised, known & nobody & empty], axis=1)
    begins = holds & ~said.holds
    said = replace(
        said,
        holds=np.where(zones[:, None], holds, said.holds),
        onset_ns=np.where(zones[:, None] & begins, begun_ns, said.onset_ns),
    )
    found = (persons, judged.usual, judged.factor, judged.phi, judged.surprise)
    before = (last.persons, last.usual, last.factor, last.phi, last.surprise)
    persons, usual, factor, phi, surprise = (np.where(zones, *each) for each in zip(found, before, strict=True))
    return said, Last(persons, usual, factor, phi, surprise, days)


def _counted(state: State, moment: Moment) -> State:
    seen, slot = moment.occupancy, state.slot
    passed_s = 1.0 if state.at_ns == NO_SLOT else min((moment.at_ns - state.at_ns) / NS_PER_S, _SECONDS_MAX)
    worth_s = np.where(seen.known, passed_s, 0.0)
    return replace(
        state,
        slot=replace(
            slot,
            persons_s=slot.persons_s + worth_s * np.where(seen.known, seen.persons, 0.0),
            observed_s=slot.observed_s + worth_s,
        ),
        said=replace(state.said, observed_ns=np.where(seen.known, seen.observed_at_ns, state.said.observed_ns)),
        at_ns=moment.at_ns,
    )


def _told(
    detector: UnusualOccupancy, prepared: Prepared, state: State, moment: Moment, closed: Bools
) -> tuple[State, Sequence[Condition]]:
    said, seen, settings = state.said, moment.occupancy, prepared.settings
    if not said.holds.any() and not said.told.any():
        return state, ()  # nearly always
    with np.errstate(invalid="ignore"):
        use = np.where(said.told[:, CROWDED], settings.off_share, 1.0) * settings.use_min
        crowded = np.where(seen.known, seen.use >= use, said.told[:, CROWDED])
        somebody = seen.known & (seen.persons >= 1.0)
    told = said.holds & np.stack([crowded, ~somebody], axis=1)
    # A slot in which too little was seen ends what was told without an all-clear.
    unknown = (closed & np.isnan(state.last.persons))[:, None] & said.told
    lasts = told & (moment.at_ns - said.told_ns >= moment.update_ns)
    due = (told != said.told) | lasts
    after = replace(said, told=told, told_ns=np.where(due, moment.at_ns, said.told_ns))
    conditions = []
    for zone, rule in np.argwhere(due).tolist():  # few
        ends = None if told[zone, rule] else Phase.UNKNOWN if unknown[zone, rule] else Phase.CLEARED
        conditions.append(_condition(detector, prepared, state, moment, zone, rule, ends))
    return replace(state, said=after), conditions


def _condition(
    detector: UnusualOccupancy,
    prepared: Prepared,
    state: State,
    moment: Moment,
    zone: int,
    rule: int,
    ends: Phase | None,
) -> Condition:
    district, settings, last = prepared.district, prepared.settings, state.last
    record, seen = district.zones[zone], moment.occupancy
    onset_ns = int(state.said.onset_ns[zone, rule])
    detail = {
        "usual_persons": last.usual[zone],
        "usual_sd_persons": np.sqrt(last.usual[zone] + last.phi[zone] * last.usual[zone] ** 2),
        "common_factor": last.factor[zone],
        "surprise": last.surprise[zone],
        "persons_now": seen.persons[zone],
        "use": seen.use[zone],
        "learned_days": last.days[zone],
    }
    limits = {
        "surprise": prepared.model.level,
        "slots_of_three": 2.0,
        "false_per_day": settings.false_per_day,
        "learn_days": float(settings.learn_days),
    }
    limits |= {"use": settings.use_min} if rule == CROWDED else {"usual_persons": settings.nobody_usual_min}
    persons = last.persons[zone]
    return Condition(
        kind=detector.kinds[rule],
        subject=record.id,
        ends=ends,
        level=Level.NOTICE,
        site=record.site,
        zone=record.id,
        cameras=district.cameras_of(zone),
        place=district.zone_places[zone],
        onset_at_ns=onset_ns,
        observed_at_ns=max(onset_ns, int(state.said.observed_ns[zone])),
        value=round(float(persons), 3) if np.isfinite(persons) and ends is not Phase.UNKNOWN else None,
        unit="persons",
        measurement=measurement(district, seen, zone),
        rule=RULES[rule],
        rule_version=detector.version,
        thresholds=limits,
        detail={name: round(float(value), 4) for name, value in detail.items() if np.isfinite(value)},
    )


detector = UnusualOccupancy()
