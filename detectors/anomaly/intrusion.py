"""
`anomaly.intrusion`: somebody is where nobody is to be.

    closed        a person or vehicle in a zone during its closed hours                    amber
    carriageway   a person on a carriageway                                                amber
    track         a person on a track                                                      red
    wrong_way     through the exits of a zone against the only way                         amber
    motion        foreground like a person's in a closed zone, where nobody finds objects  notice, degraded

An object counts where its feet surely are, seen again and again for `hold_s`: a bird, a shadow or a box of one frame
is none. It says nothing of how long somebody stands anywhere else, and of nobody who he is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec
import numpy as np

from detectors import columns, onset
from detectors.anomaly.closing import Closing, closed_zones, closings
from detectors.anomaly.footing import Ground, ground, objects_in_views
from detectors.crowd import occupancy
from detectors.crowd.motion.zone_motion import READS as MOTION_READS
from detectors.crowd.trust import measurement
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.newest import NOT_YET
from ingest.clock import NS_PER_S
from ingest.registry.district import ZoneClass
from ingest.schema.finding import Level, Phase
from ingest.schema.tick import ObjectClass, Tick

RULES = ("closed", "carriageway", "track", "wrong_way", "motion")
CLOSED, CARRIAGEWAY, TRACK, WRONG_WAY, MOTION = range(5)
_CLASS_RULES = {ZoneClass.CARRIAGEWAY: CARRIAGEWAY, ZoneClass.TRACK: TRACK}
_LEVELS: dict[str, Literal["notice", "amber", "red", "critical"]] = {
    "closed": "amber", "carriageway": "amber", "track": "red", "wrong_way": "amber", "motion": "notice",
}  # fmt: skip
# Vehicles are no strangers on a carriageway; who walks there is.
_COUNTED = (
    (slice(CLOSED, CLOSED + 1), (ObjectClass.PERSON, ObjectClass.VEHICLE)),
    (slice(CARRIAGEWAY, TRACK + 1), (ObjectClass.PERSON,)),
)
_LOST_S = 10.0

Seconds = Annotated[float, msgspec.Meta(gt=0.0, le=3_600.0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Told = Literal["off", "notice", "amber", "red", "critical"]


class IntrusionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    # level of a rule (closed, carriageway, track, wrong_way, motion), or `off`, where it is another than usual
    levels: dict[str, Told] = {}
    # level of `closed` by class of zone (open, queue, exit_route, platform, carriageway, track): `{platform = "red"}`
    closed_levels: dict[str, Told] = {}
    confidence_min: Share = 0.5  # boxes below it are nobody
    hold_s: Seconds = 2.0  # seen there for so long, not in one frame only
    release_s: Seconds = 10.0  # nobody there for so long, before it is over
    gap_s: Seconds = 1.5  # not seen for so long does not start the hold anew
    margin_sd: Annotated[float, msgspec.Meta(ge=0.0, le=5.0)] = 1.64  # so far inside the border, in sd of a place
    height_share_min: Share = 0.5  # of an upright person's height there: what is lower is no person
    foreground_persons_min: Annotated[float, msgspec.Meta(gt=0.0)] = 0.8  # of foreground, where nobody finds objects
    foreground_hold_s: Seconds = 10.0  # the same for so long
    wrong_way_hold_s: Seconds = 3.0  # a crossing that is taken back within this was none
    pulse_s: Seconds = 30.0  # a crossing is over so long after the last

    def __post_init__(self) -> None:
        if self.levels.keys() - set(RULES):
            raise ValueError(f"Expected rules ({', '.join(RULES)}) in levels")
        if self.closed_levels.keys() - {each.value for each in ZoneClass}:
            raise ValueError(f"Expected classes of zones ({', '.join(ZoneClass)}) in closed_levels")


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: IntrusionSettings
    district: DistrictView
    ground: Ground
    closing: tuple[Closing, ...]
    onset: onset.Rule  # of the five rules
    levels: tuple[tuple[Level | None, ...], ...]  # Z x 5, None: not told
    is_told: Bools  # (Z, 5)
    never_allowed: Bools  # (Z, 5) CARRIAGEWAY and TRACK of zones of these classes
    way: Ints  # (Z,) 1: only in, -1: only out, 0: both
    lost_ns: Ints  # (Z, 1) without a reading for so long, what holds is not known


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """Z zones."""

    closed: Bools  # (Z,) as at `minute`
    closed_minute: Ints  # (Z,) when that was looked up; all are the same
    passed: Floats  # (Z, 2) persons that had come in and gone out through the exits; NaN before the first
    against: Floats  # (Z,) crossings against the way, less those taken back, that are to be told
    crossed_ns: Ints  # (Z,) the last of them; NOT_YET
    owed_ns: Ints  # (Z,) since when one of them has not been taken back; `onset.NEVER` where none is left
    objects: Ints  # (Z,) objects at the last look


@dataclass(frozen=True, slots=True, eq=False)
class ToldOf:
    told: Bools  # (Z, 5)
    at_ns: Ints  # (Z, 5)
    read_ns: Ints  # (Z, 5) the last reading


@dataclass(frozen=True, slots=True, eq=False)
class State:
    onset: onset.State  # (Z, 5)
    watch: Watch
    told: ToldOf


class Intrusion:
    name = "anomaly.intrusion"
    version = 1
    reads = tuple(dict.fromkeys((*MOTION_READS, *occupancy.READS)))
    settings = IntrusionSettings

    def prepare(self, settings: IntrusionSettings, district: DistrictView) -> Prepared:
        zones = district.zones
        levels = tuple(tuple(_level(settings, zone.zone_class, rule) for rule in range(5)) for zone in zones)
        never = np.zeros((len(zones), 5), np.bool_)
        for row, zone in enumerate(zones):
            if zone.zone_class in _CLASS_RULES:
                never[row, _CLASS_RULES[zone.zone_class]] = True
        hold_s = [settings.hold_s] * 3 + [0.0, settings.foreground_hold_s]  # a crossing is held by itself
        release_s = np.where(np.arange(5) == WRONG_WAY, 0.0, settings.release_s)  # that has `pulse_s`
        ways = {"in": 1, "out": -1}
        period_s = np.zeros(len(zones))  # of the slowest camera that sees the zone
        np.maximum.at(
            period_s,
            district.view_zone,
            np.array([district.cameras[camera].sampling_period_s for camera in district.view_camera], np.float64),
        )
        return Prepared(
            settings=settings,
            district=district,
            ground=ground(district, settings.margin_sd),
            closing=closings(zones, district.calendar),
            onset=onset.Rule(
                hold_ns=np.array([int(each * 1e9) for each in hold_s], np.int64),
                release_ns=(release_s * 1e9).astype(np.int64),
                # Of two cameras one may see somebody and the other nobody: the slower one has its turn.
                gap_ns=(np.maximum(settings.gap_s, 1.5 * period_s) * 1e9).astype(np.int64).reshape(-1, 1),
            ),
            levels=levels,
            is_told=np.array([[each is not None for each in of] for of in levels], np.bool_).reshape(len(zones), 5),
            never_allowed=never,
            way=np.array([ways.get(zone.exits_way or "", 0) for zone in zones], np.int64),
            lost_ns=(np.maximum(_LOST_S, 3.0 * period_s) * 1e9).astype(np.int64).reshape(-1, 1),
        )

    def initial(self, prepared: Prepared) -> State:
        zones = len(prepared.district.zones)
        false, never = np.zeros(zones, np.bool_), np.full(zones, NOT_YET, np.int64)
        unknown, zero = np.full((zones, 2), np.nan), np.zeros((zones, 5), np.int64)
        owed = np.full(zones, onset.NEVER, np.int64)
        watch = Watch(false, never, unknown, np.zeros(zones), never, owed, np.zeros(zones, np.int64))
        return State(
            onset.blank(zones, 5), watch, ToldOf(zero.astype(np.bool_), zero, np.full((zones, 5), NOT_YET, np.int64))
        )

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        if not (prepared.closing or prepared.never_allowed.any() or prepared.way.any()):
            return state, ()  # no zone is ever closed to anybody
        watch = _closed_now(prepared, state.watch, moment.at_ns)
        watched = prepared.never_allowed.copy()
        watched[:, CLOSED] = watch.closed
        read, over, watch = _objects(prepared, watch, watched, moment, tick)
        _foreground(prepared, watch.closed, moment, read, over)
        watch = _crossings(prepared, watch, moment, read, over)
        # What is open again is over, whoever is there.
        ended = state.told.told & ~watched & np.array([True, True, True, False, False])
        ended[:, MOTION] = state.told.told[:, MOTION] & ~watch.closed
        read |= ended
        over &= prepared.is_told
        at_ns = np.full(read.shape, moment.at_ns, np.int64)
        read_ns = np.where(read, at_ns, state.told.read_ns)
        lost = state.told.told & (moment.at_ns - read_ns > prepared.lost_ns) & (np.arange(5) != WRONG_WAY)
        risen = onset.step(prepared.onset, state.onset, at_ns, read, over, ~over)
        raised = risen.raised & ~lost & ~ended
        return _telling(self, prepared, state, moment, risen, raised, lost, watch, read_ns)

    def save(self, prepared: Prepared, state: State) -> bytes:
        ids = prepared.district.zone_ids
        return msgspec.msgpack.encode([columns.save(ids, each) for each in (state.onset, state.watch, state.told)])

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        ids, blank = prepared.district.zone_ids, self.initial(prepared)
        risen, watch, told = columns.parts(snapshot, 3)
        return State(
            columns.restore(ids, blank.onset, risen),
            columns.restore(ids, blank.watch, watch),
            columns.restore(ids, blank.told, told),
        )


def _level(settings: IntrusionSettings, zone_class: ZoneClass, rule: int) -> Level | None:
    name = RULES[rule]
    told: Told = settings.levels.get(name, _LEVELS[name])
    if rule == CLOSED:
        told = settings.closed_levels.get(zone_class.value, told)
    return None if told == "off" else Level(told)


def _closed_now(prepared: Prepared, watch: Watch, at_ns: int) -> Watch:
    minute = at_ns // (60 * NS_PER_S)
    if not prepared.closing or (watch.closed_minute == minute).all():
        return watch
    closed = closed_zones(prepared.closing, len(watch.closed), at_ns)
    return replace(watch, closed=closed, closed_minute=np.full(len(closed), minute, np.int64))


def _objects(
    prepared: Prepared, watch: Watch, watched: Bools, moment: Moment, tick: Tick
) -> tuple[Bools, Bools, Watch]:
    """(Z, 5) where there is a reading, (Z, 5) where it is over, by objects; and what is seen now."""
    district, settings = prepared.district, prepared.settings
    read, over = np.zeros(watched.shape, np.bool_), np.zeros(watched.shape, np.bool_)
    looks: Bools = np.asarray(watched.any(axis=1))
    camera_looks = np.bincount(district.view_camera[looks[district.view_zone]], minlength=len(district.cameras)) > 0
    frames = np.flatnonzero((moment.camera_row >= 0) & tick.objects_known)
    frames = frames[(camera_looks & ~moment.camera_blind)[moment.camera_row[frames]]]
    if not len(frames):
        return read, over, watch
    seen = np.zeros(len(looks), np.bool_)
    objects = np.zeros(len(looks), np.int64)
    for rules, classes in (
        (slice(0, 1), (ObjectClass.PERSON, ObjectClass.VEHICLE)),
        (slice(1, 3), (ObjectClass.PERSON,)),
    ):
        if not watched[:, rules].any():
            continue
        wanted = np.isin(np.arange(4), classes)
        _, view, count = objects_in_views(
            prepared.ground, tick, moment.camera_row, frames, wanted, settings.confidence_min, settings.height_share_min
        )
        zone = district.view_zone[view]
        there = np.zeros(len(looks), np.int64)
        np.maximum.at(there, zone, count)  # two cameras see the same ones
        seen[zone] = True
        concerned = watched[:, rules] & seen[:, None]
        read[:, rules] |= concerned
        over[:, rules] |= concerned & (there > 0)[:, None]
        objects = np.where(concerned.any(axis=1), np.maximum(objects, there), objects)
    return read, over, replace(watch, objects=np.where(seen & looks, objects, watch.objects))


def _foreground(prepared: Prepared, closed: Bools, moment: Moment, read: Bools, over: Bools) -> None:
    """Adds the reading of foreground, of closed zones where nobody finds objects."""
    occupied = moment.occupancy
    blind = closed & occupied.known & ~occupied.by_boxes
    read[:, MOTION] = blind
    over[:, MOTION] = blind & (np.nan_to_num(occupied.persons) >= prepared.settings.foreground_persons_min)


def _crossings(prepared: Prepared, watch: Watch, moment: Moment, read: Bools, over: Bools) -> Watch:
    """Adds the reading of those who passed the exits against the only way; asked at the first tick of a second."""
    if moment.motion is None or not prepared.way.any():
        return watch
    settings, motion, at_ns = prepared.settings, moment.motion, moment.at_ns
    only_in = prepared.way > 0
    now = np.stack([motion.came_in, motion.went_out], axis=1)
    step = np.maximum(np.nan_to_num(now - watch.passed), 0.0)
    against, along = np.where(only_in, step[:, 1], step[:, 0]), np.where(only_in, step[:, 0], step[:, 1])
    known = (prepared.way != 0) & motion.exits_seen
    # Somebody who stands on the line crosses it to and fro: what is taken back soon was no crossing.
    fresh = (against > 0.0) | (at_ns - watch.crossed_ns <= int(settings.wrong_way_hold_s * 1e9))
    balance = np.maximum(watch.against + against - np.where(fresh, along, 0.0), 0.0)
    crossed_ns = np.where(known & (against > 0.0), at_ns, watch.crossed_ns)
    is_past = at_ns - crossed_ns > int(settings.pulse_s * 1e9)
    balance = np.where(known & ~is_past, balance, 0.0)
    read[:, WRONG_WAY] = known
    owed_ns = np.where(balance >= 1.0, np.minimum(watch.owed_ns, at_ns), onset.NEVER)
    over[:, WRONG_WAY] = owed_ns <= at_ns - int(settings.wrong_way_hold_s * 1e9)
    return replace(watch, passed=now, against=balance, crossed_ns=crossed_ns, owed_ns=owed_ns)


def _telling(
    detector: Intrusion,
    prepared: Prepared,
    state: State,
    moment: Moment,
    risen: onset.State,
    raised: Bools,
    lost: Bools,
    watch: Watch,
    read_ns: Ints,
) -> tuple[State, Sequence[Condition]]:
    told = state.told
    due = (raised != told.told) | (raised & (moment.at_ns - told.at_ns >= moment.update_ns))
    conditions = []
    for zone, rule in np.argwhere(due).tolist():  # few
        holds = bool(raised[zone, rule])
        ends = None if holds else Phase.UNKNOWN if lost[zone, rule] else Phase.CLEARED
        since_ns = int((risen if holds else state.onset).since_ns[zone, rule])
        conditions.append(_condition(detector, prepared, watch, moment, zone, rule, ends, since_ns, read_ns))
    gone = told.told & ~raised
    after = State(
        _without(risen, gone),
        watch,
        ToldOf(raised, np.where(due, moment.at_ns, told.at_ns), read_ns),
    )
    return after, conditions


def _without(state: onset.State, gone: Bools) -> onset.State:
    """The state with nothing seen yet at (Z, 5)."""
    if not gone.any():
        return state
    never = np.where(gone, onset.NEVER, state.since_ns)
    return replace(
        state,
        since_ns=never,
        under_ns=np.where(gone, onset.NEVER, state.under_ns),
        over=state.over & ~gone,
        raised=state.raised & ~gone,
        gaps=np.where(gone, 0, state.gaps),
    )


def _condition(
    detector: Intrusion,
    prepared: Prepared,
    watch: Watch,
    moment: Moment,
    zone: int,
    rule: int,
    ends: Phase | None,
    since_ns: int,
    read_ns: Ints,
) -> Condition:
    district, settings, seen = prepared.district, prepared.settings, moment.occupancy
    record = district.zones[zone]
    level = prepared.levels[zone][rule]
    assert level is not None, "a rule that is not told was told"
    value = watch.against[zone] if rule == WRONG_WAY else seen.persons[zone] if rule == MOTION else watch.objects[zone]
    measured = ends is not Phase.UNKNOWN and np.isfinite(value)
    limits = {
        WRONG_WAY: {"crossings": 1.0, "hold_s": settings.wrong_way_hold_s, "pulse_s": settings.pulse_s},
        MOTION: {"persons": settings.foreground_persons_min, "hold_s": settings.foreground_hold_s},
    }.get(
        rule,
        {
            "objects": 1.0,
            "hold_s": settings.hold_s,
            "confidence_min": settings.confidence_min,
            "margin_sd": settings.margin_sd,
            "height_share_min": settings.height_share_min,
        },
    )
    observed_ns = max(int(read_ns[zone, rule]), 0)
    return Condition(
        subject=record.id,
        aspect=RULES[rule],
        ends=ends,
        level=level,
        site=record.site,
        zone=record.id,
        cameras=district.cameras_of(zone),
        place=district.zone_places[zone],
        onset_at_ns=min(since_ns, observed_ns),
        observed_at_ns=observed_ns,
        value=round(float(value), 3) if measured else None,
        unit="crossings" if rule == WRONG_WAY else "persons" if rule == MOTION else "objects",
        measurement=measurement(district, seen, zone),
        rule=f"{detector.name}.{RULES[rule]}",
        rule_version=detector.version,
        thresholds=limits | {"release_s": settings.release_s},
    )


detector = Intrusion()
