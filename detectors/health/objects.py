"""
`health.objects`: what a camera says of objects cannot be used as it should be.

    no_place    a fifth of its boxes has no place on the ground: not numbers, no size, or above the horizon
    clock       its own time is 1.4 s off that of arrival, for 30 s: half of what two cameras of a zone may differ by
    ids_reused  its ids mean other people at once, as after a reboot; over 60 s after the last time
    frame_rate  it sends more than twice, or less than half, of the frames that it used to send, for 30 s

A notice each; of several at one camera the first of the list is told. None of them makes a rule speak falsely: boxes
without a place do not count, ids that jump start afresh, speeds are taken over times and not over frames, and views of
one zone are joined by density. They make it deaf, and that is why they are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np

from detectors import columns, onset
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from ingest.schema.finding import Level, Phase
from ingest.schema.tick import ObjectClass, Tick

TROUBLES = ("no_place", "clock", "ids_reused", "frame_rate")
_UNITS = ("share", "s", "share", "frames/s")
_PLACE_S, _CLOCK_S, _RATE_S, _USUAL_S = 30.0, 10.0, 10.0, 1_800.0  # time constants
_RIPE_S = 60.0  # of frames before a usual rate is one
_BOXES_MIN = 20.0  # in the time constant, before a share of them says something
_IDS_MIN = 6  # that went on, before a share of them says something
_TURNS = 5  # boxes of a camera are looked at in one second of so many
_PACED = ("rtsp", "file")  # sources that promise a pace; others send when something happens

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


class ObjectSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    no_place_share: Share = 0.2  # of the boxes
    clock_s: Positive = 1.4  # between a camera's time and arrival
    ids_jumped_share: Share = 0.3  # of the ids that went on, in one sample
    rate_factor: Annotated[float, msgspec.Meta(gt=1.0)] = 2.0  # of the usual rate of frames, up or down
    hold_s: Positive = 30.0  # how long it must last; ids that jump are told at once
    release_s: Positive = 60.0  # it must be well for so long


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: ObjectSettings
    district: DistrictView
    rule: onset.Rule
    horizon: Floats  # (3, C) of the ground's homogeneous weight; of uncalibrated cameras it is 1 everywhere
    paced: Bools  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Since the last second, of C cameras."""

    frames: Floats  # (C,)
    offset_s: Floats  # (C,) sum over the frames
    boxes: Floats  # (C,) that were looked at
    placeless: Floats  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Of C cameras."""

    frames_per_s: Floats  # (C,) over about 10 s
    usual_per_s: Floats  # (C,) over about half an hour
    watched_s: Floats  # (C,) since when frames come
    offset_s: Floats  # (C,) own time less arrival; NaN before the first
    boxes: Floats  # (C,) faded sum
    placeless: Floats  # (C,)
    jumped_share: Floats  # (C,) the last that was too large; 0 before
    told: Ints  # (C,) index in TROUBLES, -1 where none is
    told_ns: Ints  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    second_ns: Ints  # (1,) when the sums were last taken in
    sums: Sums
    means: Means
    onset: onset.State  # (C, 4)


class Objects:
    name = "health.objects"
    version = 1
    reads = (
        "camera", "captured_at_ns", "arrived_at_ns", "objects_known", "object_start", "object_class", "object_box",
        "object_track",
    )  # fmt: skip
    settings = ObjectSettings

    def prepare(self, settings: ObjectSettings, district: DistrictView) -> Prepared:
        horizon = np.tile(np.array([[0.0], [0.0], [1.0]]), len(district.cameras))
        for view, camera in zip(district.views, district.view_camera, strict=True):  # once for a district
            if view.homography is not None:
                horizon[:, camera] = view.homography[2]
        hold_ns = int(settings.hold_s * 1e9)
        return Prepared(
            settings=settings,
            district=district,
            rule=onset.Rule(
                hold_ns=np.array([hold_ns, hold_ns, 0, hold_ns], np.int64),
                release_ns=np.full(len(TROUBLES), int(settings.release_s * 1e9), np.int64),
                gap_ns=3_000_000_000,
            ),
            horizon=horizon,
            paced=np.array([camera.source in _PACED for camera in district.cameras], np.bool_),
        )

    def initial(self, prepared: Prepared) -> State:
        cameras = len(prepared.district.cameras)
        zero, none = np.zeros(cameras), np.full(cameras, -1, np.int64)
        means = Means(zero, zero, zero, np.full(cameras, np.nan), zero, zero, zero, none, np.zeros(cameras, np.int64))
        return State(np.zeros(1, np.int64), Sums(zero, zero, zero, zero), means, onset.blank(cameras, len(TROUBLES)))

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        sums = _added(prepared, state.sums, moment, tick)
        if moment.motion is None:
            return replace(state, sums=sums), ()
        before_ns = int(state.second_ns[0])
        elapsed_s = 0.0 if before_ns == 0 else (moment.at_ns - before_ns) / 1e9
        means = _taken_in(prepared, state.means, sums, elapsed_s)
        over, observed = _judged(prepared, moment, means)
        jumped = np.where(
            over[:, 2] & observed[:, 2], moment.motion.jumped / np.maximum(moment.motion.went_on, 1), means.jumped_share
        )
        at_ns = np.full((len(over), 1), moment.at_ns, np.int64)
        risen = onset.step(prepared.rule, state.onset, at_ns, observed, over, ~over)
        raised = np.asarray(risen.raised.any(axis=1))
        told = np.where(raised, risen.raised.argmax(axis=1), -1)
        lasts = raised & (moment.at_ns - means.told_ns >= moment.update_ns)
        due = (told != state.means.told) | lasts
        means = replace(
            means, jumped_share=jumped, told=told, told_ns=np.where(due & raised, moment.at_ns, means.told_ns)
        )
        blank = np.zeros(len(over))
        after = State(np.full(1, moment.at_ns), Sums(blank, blank, blank, blank), means, risen)
        return after, [
            _condition(self, prepared, after, moment, int(camera), int(told[camera]), None)
            if raised[camera]
            else _condition(self, prepared, state, moment, int(camera), int(state.means.told[camera]), Phase.CLEARED)
            for camera in np.flatnonzero(due)
        ]

    def save(self, prepared: Prepared, state: State) -> bytes:
        ids = prepared.district.camera_ids
        saved = [columns.save(ids, each) for each in (state.sums, state.means, state.onset)]
        return msgspec.msgpack.encode([*saved, msgspec.msgpack.encode(int(state.second_ns[0]))])

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        ids, blank = prepared.district.camera_ids, self.initial(prepared)
        sums, means, risen, second = columns.parts(snapshot, 4)
        return State(
            np.array([msgspec.msgpack.decode(second, type=int)], np.int64),
            columns.restore(ids, blank.sums, sums),
            columns.restore(ids, blank.means, means),
            columns.restore(ids, blank.onset, risen),
        )


def _added(prepared: Prepared, sums: Sums, moment: Moment, tick: Tick) -> Sums:
    """The sums with the frames of a tick."""
    cameras = len(sums.frames)
    of_ours = moment.camera_row >= 0
    row = moment.camera_row[of_ours]
    offset_s = (tick.captured_at_ns[of_ours] - tick.arrived_at_ns[of_ours]) / 1e9
    turn = (moment.camera_row + moment.at_ns // 1_000_000_000) % _TURNS == 0
    frame = tick.object_frame()
    looked = np.flatnonzero((of_ours & turn & tick.objects_known)[frame] & (tick.object_class == ObjectClass.PERSON))
    camera, box = moment.camera_row[frame[looked]], tick.object_box[looked].astype(np.float64)
    with np.errstate(invalid="ignore"):
        x, y = box[:, 0] + box[:, 2] / 2.0, box[:, 1] + box[:, 3]
        weight = (prepared.horizon.take(camera, axis=1) * np.stack([x, y, np.ones(len(x))])).sum(axis=0)
        has_place = (weight > 0.0) & np.isfinite(box).all(axis=1) & (box[:, 2] > 0.0) & (box[:, 3] > 0.0)
    return Sums(
        sums.frames + np.bincount(row, minlength=cameras),
        sums.offset_s + np.bincount(row, offset_s, cameras),
        sums.boxes + np.bincount(camera, minlength=cameras),
        sums.placeless + np.bincount(camera[~has_place], minlength=cameras),
    )


def _taken_in(prepared: Prepared, means: Means, sums: Sums, elapsed_s: float) -> Means:
    came = sums.frames > 0.0
    watched_s = np.where(came | (means.watched_s > 0.0), means.watched_s + elapsed_s, 0.0)
    fade = np.exp(-elapsed_s / _PLACE_S)
    with np.errstate(invalid="ignore", divide="ignore"):
        offset_s = sums.offset_s / sums.frames
        pace = sums.frames / elapsed_s if elapsed_s > 0.0 else sums.frames
        # Means of what has been seen so far, until that is as long as the time constant.
        share, slow = (
            1.0 - np.exp(-elapsed_s / np.clip(watched_s, 1.0, longest_s)) for longest_s in (_RATE_S, _USUAL_S)
        )
    offset_share = 1.0 - np.exp(-elapsed_s / _CLOCK_S)
    known = means.watched_s > 0.0
    return replace(
        means,
        frames_per_s=np.where(known, means.frames_per_s + share * (pace - means.frames_per_s), 0.0),
        usual_per_s=np.where(known, means.usual_per_s + slow * (pace - means.usual_per_s), 0.0),
        watched_s=watched_s,
        offset_s=np.where(
            came,
            np.where(np.isnan(means.offset_s), offset_s, means.offset_s + offset_share * (offset_s - means.offset_s)),
            means.offset_s,
        ),
        boxes=fade * means.boxes + sums.boxes,
        placeless=fade * means.placeless + sums.placeless,
    )


def _judged(prepared: Prepared, moment: Moment, means: Means) -> tuple[Bools, Bools]:
    """(C, 4) what is over its threshold, and (C, 4) what can be judged at all."""
    assert moment.motion is not None
    settings, seen = prepared.settings, moment.motion
    comes = means.frames_per_s > 0.1 * means.usual_per_s  # silence is for `health.stream` to tell
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = means.frames_per_s / means.usual_per_s
        over = np.stack(
            [
                means.placeless >= settings.no_place_share * np.maximum(means.boxes, _BOXES_MIN),
                np.abs(means.offset_s) >= settings.clock_s,
                seen.camera_new
                & (seen.went_on >= _IDS_MIN)
                & (seen.jumped >= settings.ids_jumped_share * seen.went_on),
                (ratio >= settings.rate_factor) | (ratio * settings.rate_factor <= 1.0),
            ],
            axis=1,
        )
    ripe = prepared.paced & comes & (means.watched_s >= _RIPE_S)
    always = np.ones(len(ripe), np.bool_)
    return over, np.stack([means.boxes > 0.5, ~np.isnan(means.offset_s) & comes, always, ripe], axis=1)


def _condition(
    detector: Objects,
    prepared: Prepared,
    state: State,
    moment: Moment,
    camera: int,
    trouble: int,
    ends: Phase | None,
) -> Condition:
    """`state` is that of before the end."""
    record, settings, means = prepared.district.cameras[camera], prepared.settings, state.means
    boxes = max(float(means.boxes[camera]), 1.0)
    values = (
        float(means.placeless[camera]) / boxes,
        float(np.nan_to_num(means.offset_s[camera])),
        float(means.jumped_share[camera]),
        float(means.frames_per_s[camera]),
    )
    limits = (
        {"no_place_share": settings.no_place_share},
        {"clock_s": settings.clock_s},
        {"ids_jumped_share": settings.ids_jumped_share},
        {"rate_factor": settings.rate_factor},
    )
    detail = {"usual_frames_per_s": round(float(means.usual_per_s[camera]), 3)} if trouble == 3 else {}
    return Condition(
        subject=record.id,
        ends=ends,
        level=Level.NOTICE,
        site=record.site,
        zone=None,
        cameras=(record.id,),
        place=prepared.district.camera_places[camera],
        onset_at_ns=min(int(state.onset.since_ns[camera, trouble]), moment.at_ns),
        observed_at_ns=moment.at_ns,
        value=round(values[trouble], 4),
        unit=_UNITS[trouble],
        rule=f"{detector.name}.{TROUBLES[trouble]}",
        rule_version=detector.version,
        thresholds=limits[trouble]
        | {"hold_s": float(prepared.rule.hold_ns[trouble] / 1e9), "release_s": settings.release_s},
        detail=detail,
    )


detector = Objects()
