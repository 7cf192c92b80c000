"""
`anomaly.fall`: somebody went down and stays down. A suspicion, never a verdict, and always amber.

    flip       who stood is suddenly wider than high, and lower
    collapse   who stood is suddenly a third as high, or two thirds, with his feet where they were
    topple     who stood is lower, and so is the lower edge: towards the camera
    drop       who lay, on a bench or a bed, is suddenly lower
    vanished   who stood is not found any more, away from the border; but his foreground is still there, low and still

Suddenly: within `flip_s` and six tenths of the time between two pictures. After each it must stay so: rest at one
place, low in most of the pictures in which it is found, for `still_s`; a body that is only two thirds as high, as one
that crouches is, for `lowish_still_s`. Who rises, or goes on, has not fallen. Who walks out, or behind a pillar or
through a door, leaves no foreground; where none is known, or somebody else stands there, who is merely lost says
nothing. Where pictures come slower than two a second only what is sure counts: flat, or a third as high.

Heights are measured against the body's own as it stood, corrected for the distance where the camera is calibrated.

Falls are looked for where that is asked: it needs boxes some five times a second, and costs more than all other rules.
One condition a camera: its value is the number of those who are down, its place that of the last.

Source: own measurements on rendered figures and on the clips of GMDCSA24 (docs/detectors/fall.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Annotated

import msgspec
import numpy as np

from detectors import columns
from detectors.anomaly import bodies as bodies_of
from detectors.anomaly.bodies import (
    DESCENT_S,
    DOWN_NS,
    LOW,
    LOWEST,
    SEEN,
    SEEN_NS,
    SIGN,
    SIGNS,
    SURE,
    UP_NS,
    VANISHED,
    WIDEST,
    Bodies,
)  # fmt: skip
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Ints
from detectors.newest import NOT_YET, newest, put
from ingest.schema.finding import Level, Measurement, Phase
from ingest.schema.tick import F32, EventKind, EventState, ObjectClass, Tick

Seconds = Annotated[float, msgspec.Meta(gt=0.0, le=3_600.0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]

_SAMPLE_NS = 150_000_000  # pictures that come faster are passed over
_ASPECT = 16 / 9  # of a picture whose size is not known
_BODY_M = 1.0  # radius of the place of who is down
_SURE_OF_SIGN = (0.7, 0.5, 0.6, 0.6, 0.4)  # of `SIGNS`


class FallSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cameras: tuple[str, ...] = ()  # ids of those in whose pictures falls are looked for; `*` is all: it costs much
    flip_s: Seconds = 1.6  # from upright to down; slower is lying down, not falling
    still_s: Seconds = 10.0  # so long it must stay down
    lowish_still_s: Seconds = 90.0  # the same where the body is so high as one that crouches
    vanished: bool = True  # whether who is lost, but is still foreground near the ground that does not move, is told
    vanished_still_s: Seconds = 15.0  # so long there must be only this foreground, and no box
    confidence_min: Share = 0.3  # boxes that the source is less sure of
    persons_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 24  # in a picture of more, nobody's fall can be seen
    silent_s: Seconds = 30.0  # a camera of which no boxes come for so long: its falls are unknown


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: FallSettings
    district: DistrictView
    looked: Bools  # (C,) falls are looked for


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """C cameras."""

    down: Ints  # (C,) how many were told as down
    told_ns: Ints  # (C,)
    aspect: F32  # (C,) width to height of the last picture
    camera_ns: Ints  # (C,) when the camera itself last said that somebody fell; NOT_YET
    camera_sure: F32  # (C,) its confidence then


@dataclass(frozen=True, slots=True, eq=False)
class State:
    bodies: Bodies
    told: Told


class Fall:
    name = "anomaly.fall"
    version = 1
    reads = (
        "camera", "captured_at_ns", "width", "height", "grid_known", "foreground_grid",
        "objects_known", "object_start", "object_class", "object_confidence", "object_box",
        "event_start", "event_kind", "event_state", "event_confidence", "event_at_ns",
    )  # fmt: skip
    settings = FallSettings

    def prepare(self, settings: FallSettings, district: DistrictView) -> Prepared:
        named = set(settings.cameras)
        looked = np.array([bool({"*", each.id} & named) for each in district.cameras], np.bool_)
        if looked.any():
            import_module("detectors.anomaly.following")  # compiled before the first tick
        return Prepared(settings, district, looked)

    def initial(self, prepared: Prepared) -> State:
        cameras = len(prepared.district.cameras)
        zero, not_yet = np.zeros(cameras, np.int64), np.full(cameras, NOT_YET, np.int64)
        aspect = np.full(cameras, _ASPECT, np.float32)
        told = Told(zero, not_yet, aspect, not_yet, np.full(cameras, np.nan, np.float32))
        return State(bodies_of.nobody(cameras), told)

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        bodies, aspect = state.bodies, state.told.aspect
        if prepared.looked.any():
            bodies = _with_foreground(bodies, moment, tick)
            bodies, aspect = _followed(prepared, bodies, aspect, moment, tick)
        told = state.told if aspect is state.told.aspect else replace(state.told, aspect=aspect)
        told = _heard(told, moment, tick)
        if bodies is state.bodies and told is state.told and not state.told.down.any():
            return state, ()
        rows = bodies_of.raised(bodies)
        owner = bodies_of.camera_of(bodies)[rows]
        down = np.bincount(owner, minlength=len(told.down))
        silent = (down > 0) & (moment.at_ns - bodies.sampled_ns > int(prepared.settings.silent_s * 1e9))
        if silent.any():
            bodies = _without(bodies, silent)
            down = np.where(silent, 0, down)
        more = down > told.down
        lasts = (down > 0) & (moment.at_ns - told.told_ns >= moment.update_ns)
        due = more | lasts | ((down == 0) & (told.down > 0))
        # Fewer are told with the next update; who is left is still down.
        after = replace(
            told,
            down=np.where(due, down, told.down),
            told_ns=np.where(due & (down > 0), moment.at_ns, told.told_ns),
        )
        conditions = [
            _condition(self, prepared, State(bodies, after), int(camera), moment.at_ns, None)
            if down[camera]
            else _condition(
                self, prepared, state, int(camera), moment.at_ns, Phase.UNKNOWN if silent[camera] else Phase.CLEARED
            )
            for camera in np.flatnonzero(due)
        ]
        return State(bodies, after), conditions

    def save(self, prepared: Prepared, state: State) -> bytes:
        cameras = prepared.district.camera_ids
        return msgspec.msgpack.encode([bodies_of.save(cameras, state.bodies), columns.save(cameras, state.told)])

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        cameras = prepared.district.camera_ids
        bodies, told = columns.parts(snapshot, 2)
        return State(bodies_of.restore(cameras, bodies), columns.restore(cameras, self.initial(prepared).told, told))


def _with_foreground(bodies: Bodies, moment: Moment, tick: Tick) -> Bodies:
    """The foreground of cameras with bodies, if it is newer than what is known."""
    if not tick.grid_known.any() or not len(bodies.body):
        return bodies
    row = moment.camera_row
    with_bodies = np.diff(bodies.start) > 0
    use = np.flatnonzero(tick.grid_known & (row >= 0) & with_bodies[np.maximum(row, 0)])
    if not len(use):
        return bodies
    at_ns = tick.captured_at_ns[use]
    amount = tick.foreground_grid[use].reshape(len(use), -1).astype(np.int64).sum(axis=1)
    kept = newest(row[use], at_ns, amount, bodies.grid_ns)
    return replace(
        bodies, grid=put(bodies.grid, tick.foreground_grid[use], kept), grid_ns=put(bodies.grid_ns, at_ns, kept)
    )


def _followed(prepared: Prepared, bodies: Bodies, aspect: F32, moment: Moment, tick: Tick) -> tuple[Bodies, F32]:
    """The bodies after the pictures of a tick, and (C,) the shape of the last picture of each camera."""
    from detectors.anomaly.following import follow

    row = moment.camera_row
    use = np.flatnonzero(tick.objects_known & (row >= 0))
    use = use[prepared.looked[row[use]] & ~moment.camera_blind[row[use]]]
    if not len(use):
        return bodies, aspect
    settings = prepared.settings
    frame = tick.object_frame()
    kept = tick.object_class == ObjectClass.PERSON
    kept &= ~(tick.object_confidence < settings.confidence_min) & (tick.object_box[:, 2:] > 0.0).all(axis=1)
    counts = np.bincount(frame[kept], minlength=tick.frames)
    weight = np.bincount(frame[kept], tick.object_box[kept].sum(axis=1, dtype=np.float64), minlength=tick.frames)
    # By camera and time; of two pictures of one moment the fuller, so that their order says nothing.
    use = use[np.lexsort((-weight[use], -counts[use], tick.captured_at_ns[use], row[use]))]
    vanished_still_s = settings.vanished_still_s if settings.vanished else np.inf
    limits = np.array([settings.flip_s, settings.still_s, settings.lowish_still_s, vanished_still_s])
    while len(use):  # once for nearly all ticks: a camera rarely has two pictures in one
        single = np.append(True, row[use][1:] != row[use][:-1])
        now, use = use[single], use[~single]
        now = now[tick.captured_at_ns[now] - bodies.sampled_ns[row[now]] >= _SAMPLE_NS]
        if not len(now):
            continue
        camera, at_ns = row[now], tick.captured_at_ns[now]
        sized = (tick.width[now] > 0) & (tick.height[now] > 0)
        shape = np.where(sized, tick.width[now] / np.maximum(tick.height[now], 1), aspect[camera]).astype(np.float32)
        first, box, sure = _boxes(tick, now, frame, kept, shape)
        start, body, times = follow(
            bodies.start, bodies.body, bodies.at_ns, bodies.sampled_ns, bodies.grid, bodies.grid_ns, bodies.period_s,
            prepared.district.upright_heights, camera, at_ns, shape, first, box, sure, limits, settings.persons_max,
        )  # fmt: skip
        gap_s = (at_ns - bodies.sampled_ns[camera]) / 1e9
        usual = bodies.period_s[camera]
        period, sampled, shapes = bodies.period_s.copy(), bodies.sampled_ns.copy(), aspect.copy()
        period[camera] = np.where(gap_s < 5.0, usual + (np.minimum(gap_s, 5.0) - usual) * 0.2, usual)
        sampled[camera], shapes[camera] = at_ns, shape
        bodies = Bodies(start, body, times, sampled, period, bodies.grid, bodies.grid_ns)
        aspect = shapes
    return bodies, aspect


def _boxes(tick: Tick, now: Ints, frame: Ints, kept: Bools, shape: F32) -> tuple[Ints, F32, F32]:
    """(N + 1,) and (M, 4), (M,): boxes of the frames `now`, in picture heights, those of a frame sorted."""
    place = np.full(tick.frames, -1, np.int64)
    place[now] = np.arange(len(now))
    own = np.flatnonzero(kept & (place[frame] >= 0))
    at = place[frame[own]]
    left, top, wide, high = tick.object_box[own].T
    box = np.stack([(left + wide / 2) * shape[at], top + high, wide * shape[at], high], axis=1).astype(np.float32)
    sure = np.nan_to_num(tick.object_confidence[own].astype(np.float32), nan=0.5)
    order = np.lexsort((sure, *box.T[::-1], at))
    first = np.searchsorted(at[order], np.arange(len(now) + 1))
    return first, np.ascontiguousarray(box[order]), sure[order]


def _heard(told: Told, moment: Moment, tick: Tick) -> Told:
    """With what the cameras themselves say of falls."""
    if not len(tick.event_kind):
        return told
    said = (tick.event_kind == EventKind.FALL) & np.isin(tick.event_state, (EventState.HAPPENED, EventState.ON))
    if not said.any():
        return told
    row = moment.camera_row[tick.event_frame()]
    use = np.flatnonzero(said & (row >= 0))
    at_ns = np.minimum(tick.event_at_ns[use], moment.at_ns)
    sure = tick.event_confidence[use].astype(np.float32)
    kept = newest(row[use], at_ns, np.nan_to_num(sure, nan=-1.0).astype(np.float64), told.camera_ns)
    return replace(told, camera_ns=put(told.camera_ns, at_ns, kept), camera_sure=put(told.camera_sure, sure, kept))


def _without(bodies: Bodies, cameras: Bools) -> Bodies:
    """The bodies without those of some cameras (C,)."""
    kept = ~cameras[bodies_of.camera_of(bodies)]
    count = np.where(cameras, 0, np.diff(bodies.start))
    start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    return replace(bodies, start=start, body=bodies.body[kept], at_ns=bodies.at_ns[kept])


def _condition(
    detector: Fall, prepared: Prepared, state: State, camera: int, at_ns: int, ends: Phase | None
) -> Condition:
    district, bodies, told, settings = prepared.district, state.bodies, state.told, prepared.settings
    record = district.cameras[camera]
    rows = np.arange(bodies.start[camera], bodies.start[camera + 1])
    rows = rows[bodies.body[rows, bodies_of.PHASE] == bodies_of.RAISED]
    last = rows[np.argmax(bodies.at_ns[rows, DOWN_NS])]
    body, times = bodies.body[last], bodies.at_ns[last]
    box = bodies_of.box(body, float(told.aspect[camera]))
    sign = int(body[SIGN])
    found_share = 0.0 if sign == VANISHED else float(body[LOW] / max(body[SEEN], 1.0))
    onset_ns = int(min(times[DOWN_NS], at_ns))
    observed_ns = int(min(max(times[SEEN_NS], onset_ns), at_ns))
    detail = {
        "confidence": _confidence(sign, found_share, float(body[SURE])),
        "left": box[0], "top": box[1], "width": box[2], "height": box[3],
        "still_s": max(0.0, (observed_ns - int(times[bodies_of.STILL_NS])) / 1e9),
        "descent_s": float(body[DESCENT_S]),
        "low_share": found_share,
        "period_s": float(bodies.period_s[camera]),
    }  # fmt: skip
    if sign != VANISHED:
        detail |= {"height_share": float(body[LOWEST]), "aspect": float(body[WIDEST])}
    if told.camera_ns[camera] >= int(times[UP_NS]) and np.isfinite(told.camera_sure[camera]):
        detail["camera_confidence"] = float(told.camera_sure[camera])
    return Condition(
        subject=record.id,
        ends=ends,
        level=Level.AMBER,
        site=record.site,
        zone=None,
        cameras=(record.id,),
        place=prepared.district.ground_place(camera, box[0] + box[2] / 2.0, box[1] + 0.75 * box[3], _BODY_M),
        onset_at_ns=onset_ns,
        observed_at_ns=observed_ns,
        value=float(len(rows)),
        unit="persons",
        measurement=Measurement(method="foreground" if sign == VANISHED else "boxes"),
        rule=f"{detector.name}.{SIGNS[sign]}",
        rule_version=detector.version,
        thresholds={
            "flip_s": settings.flip_s,
            "still_s": settings.vanished_still_s if sign == VANISHED else settings.still_s,
            "lowish_still_s": settings.lowish_still_s,
            "confidence_min": settings.confidence_min,
        },
        detail={name: round(float(value), 4) for name, value in detail.items()},
    )


def _confidence(sign: int, low_share: float, sure: float) -> float:
    """In [0, 1]: of the sign, and of how often and how surely a low body was found since; a rank, no probability."""
    return _SURE_OF_SIGN[sign] * (0.6 + 0.2 * low_share + 0.2 * min(max(sure, 0.0), 1.0))


detector = Fall()
