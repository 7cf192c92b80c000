"""
`camera.events`: what cameras' own rules say, as findings. The camera has judged; this only keeps order.

    happened   a condition begins, and ends `pulse_s` after the last of its kind
    on, off    it begins when it has held for `hold_s`, and ends `release_s` after the camera says so
    known      so before we asked: no new alarm, but what is open goes on, or ends

Each kind at each camera is a condition of its own: tamper and an abandoned object stand side by side. Fire, smoke,
falls, objects left or taken and the wrong way are told as findings of the kinds that our own detectors have for them;
of one place and time they are one incident.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec
import numpy as np

from detectors import columns
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.onset import NEVER
from ingest.schema.finding import Level, Phase
from ingest.schema.tick import EventKind, EventState, Tick

Seconds = Annotated[float, msgspec.Meta(gt=0.0, le=86_400.0)]
Told = Literal["off", "notice", "amber", "red", "critical"]

# A number alone is no alarm, and neither is that a clock was set; what the camera sees in its own picture is.
LEVELS: dict[EventKind, Told] = {
    EventKind.LINE_CROSSED: "notice",
    EventKind.OBJECTS_INSIDE: "notice",
    EventKind.OCCUPANCY: "off",
    EventKind.COUNT: "off",
    EventKind.STANDING: "notice",
    EventKind.CROWDING: "amber",
    EventKind.ABANDONED_OBJECT: "amber",
    EventKind.REMOVED_OBJECT: "notice",
    EventKind.MOTION: "off",
    EventKind.TAMPER: "amber",
    EventKind.SCENE_CHANGE: "notice",
    EventKind.DARK: "notice",
    EventKind.BRIGHT: "notice",
    EventKind.BLURRED: "notice",
    EventKind.SIGNAL_LOST: "notice",
    EventKind.DEVICE_FAULT: "notice",
    EventKind.REBOOT: "notice",
    EventKind.CLOCK_SYNC: "off",
    EventKind.FIRE: "red",
    EventKind.SMOKE: "red",
    EventKind.FALL: "amber",
    EventKind.WRONG_WAY: "amber",
    EventKind.STOPPED_VEHICLE: "notice",
}
# What our own detectors see too is a finding of the same kind, so that whoever waits for it hears of it by whomever.
SAME_AS: dict[EventKind, str] = {
    EventKind.FIRE: "anomaly.fire",
    EventKind.SMOKE: "anomaly.smoke",
    EventKind.FALL: "anomaly.fall",
    EventKind.ABANDONED_OBJECT: "anomaly.abandoned_object",
    EventKind.REMOVED_OBJECT: "anomaly.removed_object",
    EventKind.WRONG_WAY: "anomaly.intrusion",
}
KINDS = len(LEVELS)  # what follows in `EventKind` is of our own readers, and no camera's word
assert [*LEVELS] == [*EventKind][:KINDS] and [*LEVELS] == [*range(KINDS)], "columns of states are numbered by kind"
_NAMES = tuple(kind.name.lower() for kind in LEVELS)
_BEGINS = (EventState.HAPPENED, EventState.ON)


class EventSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    # level of a kind of event, or `off`, where it is another than usual: `{line_crossed = "amber"}`
    levels: dict[str, Told] = {}
    hold_s: Annotated[float, msgspec.Meta(ge=0.0, le=3_600.0)] = 0.0  # a state must last so long before it is told
    pulse_s: Seconds = 30.0  # what happens at one moment is over so long after the last time
    release_s: Seconds = 3.0  # a state that ends, and comes again within this, has not ended
    silent_s: Seconds = 600.0  # a camera of which nothing comes for so long: its states are unknown
    confidence_min: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0  # events that the camera is less sure of

    def __post_init__(self) -> None:
        if self.levels.keys() - set(_NAMES):
            raise ValueError(f"Expected kinds of events ({', '.join(_NAMES)})")


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: EventSettings
    district: DistrictView
    levels: tuple[Level | None, ...]  # (K,) None: not told
    is_told: Bools  # (K,) whether there is a level


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """C cameras, K kinds of events."""

    since_ns: Ints  # (C, K) NEVER where it is not on
    until_ns: Ints  # (C, K) when it ends; NEVER where nobody has said
    seen_ns: Ints  # (C, K) the last event
    times: Ints  # (C, K) events since it began
    value: Floats  # (C, K) as last said, NaN where there is none
    confidence: Floats  # (C, K) as last said, NaN where unknown
    raised: Bools  # (C, K) it has held long enough
    heard_ns: Ints  # (C,) when anything last came of the camera
    told: Bools  # (C, K) as last told
    told_ns: Ints  # (C, K)


class Events:
    name = "camera.events"
    kinds = (name, *dict.fromkeys(SAME_AS.values()))
    version = 2  # 2 tells each kind by itself
    reads = ("camera", "event_start", "event_kind", "event_state", "event_value", "event_confidence", "event_at_ns")
    settings = EventSettings

    def prepare(self, settings: EventSettings, district: DistrictView) -> Prepared:
        told = [settings.levels.get(kind.name.lower(), LEVELS[kind]) for kind in LEVELS]
        levels = tuple(None if level == "off" else Level(level) for level in told)
        return Prepared(settings, district, levels, np.array([level is not None for level in levels], np.bool_))

    def initial(self, prepared: Prepared) -> State:
        cameras = len(prepared.district.cameras)
        shape = (cameras, KINDS)
        never, zero, none = np.full(shape, NEVER, np.int64), np.zeros(shape, np.int64), np.full(shape, np.nan)
        false = np.zeros(shape, np.bool_)
        return State(never, never, zero, zero, none, none, false, np.zeros(cameras, np.int64), false, zero)

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        heard = _heard(moment, tick)
        if not len(tick.event_kind) and not (state.since_ns != NEVER).any():
            if not len(heard):
                return state, ()
            return replace(state, heard_ns=_put(state.heard_ns, heard, moment.at_ns)), ()  # nearly always
        now = _taken(prepared, state, moment, tick)
        now = replace(now, heard_ns=_put(now.heard_ns, heard, moment.at_ns))
        settings, at_ns = prepared.settings, moment.at_ns
        on = now.since_ns != NEVER
        held = on & (at_ns - np.where(on, now.since_ns, at_ns) >= int(settings.hold_s * 1e9))
        raised = now.raised | held
        lost = on & (at_ns - now.heard_ns > int(settings.silent_s * 1e9))[:, None]
        over = lost | (on & (now.until_ns <= at_ns))
        told = raised & ~over & prepared.is_told
        lasts = told & (at_ns - now.told_ns >= moment.update_ns)
        due = (told != state.told) | lasts
        told_ns = np.where(due, at_ns, now.told_ns)
        after = replace(now, raised=raised & ~over, told=told, told_ns=told_ns)
        conditions = []
        for camera, kind in np.argwhere(due).tolist():  # what has just changed: few
            ended = Phase.UNKNOWN if lost[camera, kind] else Phase.CLEARED
            ends = None if told[camera, kind] else ended
            conditions.append(_condition(self, prepared, now, camera, kind, ends))
        return _without(after, over), conditions

    def save(self, prepared: Prepared, state: State) -> bytes:
        return columns.save(prepared.district.camera_ids, state)

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        return columns.restore(prepared.district.camera_ids, self.initial(prepared), snapshot)


def _heard(moment: Moment, tick: Tick) -> Ints:
    """(J,) rows of the cameras that something came of; that our own reader says that nothing comes is not of them."""
    is_frame = moment.camera_row >= 0
    silent = (tick.event_kind >= KINDS) & (tick.event_kind < EventKind.LEFT_BEHIND)
    is_frame[tick.event_frame()[silent]] = False
    return moment.camera_row[is_frame]


def _taken(prepared: Prepared, state: State, moment: Moment, tick: Tick) -> State:
    """The state after the tick's events, each at its own time."""
    settings = prepared.settings
    pulse_ns, release_ns = int(settings.pulse_s * 1e9), int(settings.release_s * 1e9)
    since, until, seen = state.since_ns.copy(), state.until_ns.copy(), state.seen_ns.copy()
    times, value, confidence = state.times.copy(), state.value.copy(), state.confidence.copy()
    row = moment.camera_row[tick.event_frame()]
    known = (tick.event_kind < KINDS) & (row >= 0)
    known &= ~(tick.event_confidence < settings.confidence_min)  # what has none is as sure as any
    known &= prepared.is_told[np.minimum(tick.event_kind, KINDS - 1)]
    # One by one: they are few, and what one means depends on the one before.
    for n in np.flatnonzero(known).tolist():
        at = row[n], tick.event_kind[n]
        event_ns, how = min(int(tick.event_at_ns[n]), moment.at_ns), tick.event_state[n]
        is_on = since[at] != NEVER
        if how not in _BEGINS and not is_on:
            continue
        if not is_on:
            since[at], seen[at], times[at] = event_ns, event_ns, 0
        seen[at] = max(int(seen[at]), event_ns)
        if how == EventState.HAPPENED:
            until[at] = event_ns + pulse_ns
        elif how in (EventState.ON, EventState.KNOWN_ON):
            until[at] = NEVER
        else:
            until[at] = min(int(until[at]), event_ns + release_ns)
        times[at] += how in _BEGINS
        value[at], confidence[at] = tick.event_value[n], tick.event_confidence[n]
    return replace(state, since_ns=since, until_ns=until, seen_ns=seen, times=times, value=value, confidence=confidence)


def _put(column: Ints, rows: Ints, value: int) -> Ints:
    result = column.copy()
    result[rows] = value
    return result


def _without(state: State, over: Bools) -> State:
    """The state with nothing at `over` (C, K)."""
    if not over.any():
        return state
    return replace(
        state,
        since_ns=np.where(over, NEVER, state.since_ns),
        until_ns=np.where(over, NEVER, state.until_ns),
        seen_ns=np.where(over, 0, state.seen_ns),
        times=np.where(over, 0, state.times),
        value=np.where(over, np.nan, state.value),
        confidence=np.where(over, np.nan, state.confidence),
    )


def _condition(
    detector: Events, prepared: Prepared, state: State, camera: int, kind: int, ends: Phase | None
) -> Condition:
    record, settings, at = prepared.district.cameras[camera], prepared.settings, (camera, kind)
    level = prepared.levels[kind]
    assert level is not None, "a kind that is not told was told"
    onset_ns, observed_ns = int(state.since_ns[at]), int(state.seen_ns[at])
    value, confidence = float(state.value[at]), float(state.confidence[at])
    counts = not np.isnan(value)
    detail = {"times": float(state.times[at])}
    if not np.isnan(confidence):
        detail["confidence"] = round(confidence, 3)
    return Condition(
        subject=record.id,
        kind=SAME_AS.get(EventKind(kind), ""),
        aspect=f"camera.{EventKind(kind).name.lower()}",  # beside what our own detector says of the same camera
        ends=ends,
        level=level,
        site=record.site,
        zone=None,
        cameras=(record.id,),
        place=prepared.district.camera_places[camera],
        onset_at_ns=onset_ns,
        observed_at_ns=observed_ns,
        value=round(value, 3) if counts else round((observed_ns - onset_ns) / 1e9, 3),
        unit="objects" if counts else "s",
        rule=f"{detector.name}.{EventKind(kind).name.lower()}",
        rule_version=detector.version,
        thresholds={"hold_s": settings.hold_s, "pulse_s": settings.pulse_s, "release_s": settings.release_s},
        detail=detail,
    )


detector = Events()
