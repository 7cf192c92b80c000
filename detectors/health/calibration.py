"""
`health.calibration`: this camera has moved, or its calibration is doubtful; told from people's heights and paces.

    moved     people seem 0.1 m taller or shorter than when it was calibrated, for 2 h
    doubtful  half of the people seem shorter than 1.45 m or taller than 1.9 m, or who walks does so below 0.7 or above
              2.0 m/s, for 2 h

The first day after a calibration, and at least 300 people, tell how tall people seem to this camera; after it, the
last hours are compared with that, in four parts of the picture (root mean square of the shifts). Heights are looked at
once in 30 s, judged every 10 min, and fade with 6 h. Where nobody walks, nothing is learnt and nothing is told. A
camera that looks down steeply shows no heights; one that is turned about the vertical alone sees people as tall as
before.

Sources: stature of adults about 1.70 m with shoes, walking speed 1.34 m/s (Weidmann 1993); own simulations (docs).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np

from detectors import columns, onset
from detectors.crowd.motion.zone_motion import READS as MOTION_READS
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.health.body_heights import BINS, PARTS, Bodies, bodies, heights_in, quantile_m
from ingest.schema.finding import Level, Measurement, Phase
from ingest.schema.tick import F32, Tick

RULES = ("moved", "doubtful")
QUANTILE = 0.75  # of heights that is compared
SAMPLE_S, JUDGED_S, FADE_S, LEARN_S = 30.0, 600.0, 21_600.0, 86_400.0
ALIKE = 4.0  # samples that are as good as one: people stay in the picture for longer than 30 s
_SPEED_LOW_M_S, _SPEED_BIN_M_S = 0.0, 0.1
_MOVING_MIN = 3.0  # persons, before the mean of their speeds is taken
_SIGMAS = 4.0

Positive = Annotated[float, msgspec.Meta(gt=0.0)]


class CalibrationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    shift_m: Positive = 0.1  # of heights, from where on a camera has moved
    height_low_m: Positive = 1.45  # median of heights below which a calibration is doubtful
    height_high_m: Positive = 1.9  # the same above
    speed_low_m_s: Positive = 0.7  # median pace of who walks, below which a calibration is doubtful
    speed_high_m_s: Positive = 2.0  # the same above
    persons_min: Positive = 300.0  # before anything is told
    hold_s: Positive = 7_200.0  # how long it must last

    def __post_init__(self) -> None:
        if not (self.height_low_m < self.height_high_m and self.speed_low_m_s < self.speed_high_m_s):
            raise ValueError("Expected height_low_m < height_high_m and speed_low_m_s < speed_high_m_s")


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: CalibrationSettings
    district: DistrictView
    bodies: Bodies
    rule: onset.Rule
    calibration: Ints  # (C,) number of the calibration in force


@dataclass(frozen=True, slots=True, eq=False)
class Cameras:
    """Of C cameras."""

    calibration: Ints  # (C,) the one that all else here is about
    sampled_ns: Ints  # (C,)
    since_ns: Ints  # (C,) the first sample; 0 before
    heights: F32  # (C, 4 * BINS) persons, by part of the picture
    speeds: F32  # (C, BINS) samples
    usual_m: Floats  # (C, 4) upper quartile on the first day; NaN while it is learnt
    shift_m: Floats  # (C,) as last judged; NaN where it cannot be
    median_m: Floats  # (C,)
    speed_m_s: Floats  # (C,)
    told: Ints  # (C,) index in RULES, -1
    told_ns: Ints  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    judged_ns: Ints  # (1,)
    cameras: Cameras
    onset: onset.State  # (C, 2)


class CalibrationCheck:
    name = "health.calibration"
    version = 1
    reads = MOTION_READS
    settings = CalibrationSettings

    def prepare(self, settings: CalibrationSettings, district: DistrictView) -> Prepared:
        hold_ns = np.full(len(RULES), int(settings.hold_s * 1e9), np.int64)
        ids = [camera.calibration.id if camera.calibration else "" for camera in district.cameras]
        return Prepared(
            settings=settings,
            district=district,
            bodies=bodies(district),
            rule=onset.Rule(hold_ns=hold_ns, release_ns=hold_ns, gap_ns=int(2 * JUDGED_S * 1e9)),
            calibration=np.array([zlib.crc32(each.encode()) for each in ids], np.int64),
        )

    def initial(self, prepared: Prepared) -> State:
        cameras = len(prepared.district.cameras)
        return State(np.zeros(1, np.int64), _blank(prepared), onset.blank(cameras, len(RULES)))

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        cameras = _sampled(prepared, state.cameras, moment, tick)
        state = replace(state, cameras=cameras) if cameras is not state.cameras else state
        before, told_ns = state, state.cameras.told_ns
        judged_ns = int(state.judged_ns[0])
        if judged_ns == 0 or moment.at_ns - judged_ns >= int(JUDGED_S * 1e9):
            state = _judgement(prepared, state, moment.at_ns)
        told, was = state.cameras.told, before.cameras.told
        due = (told != was) | ((told >= 0) & (moment.at_ns - told_ns >= moment.update_ns))
        if not due.any():
            return state, ()
        told_ns = np.where(due, moment.at_ns, told_ns)
        after = replace(state, cameras=replace(state.cameras, told_ns=told_ns))
        return after, [
            _condition(self, prepared, after, moment, int(camera), int(told[camera]), None)
            if told[camera] >= 0
            else _condition(self, prepared, before, moment, int(camera), int(was[camera]), Phase.CLEARED)
            for camera in np.flatnonzero(due)
        ]

    def save(self, prepared: Prepared, state: State) -> bytes:
        ids = prepared.district.camera_ids
        saved = [columns.save(ids, state.cameras), columns.save(ids, state.onset)]
        return msgspec.msgpack.encode([*saved, msgspec.msgpack.encode(int(state.judged_ns[0]))])

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        ids, blank = prepared.district.camera_ids, self.initial(prepared)
        cameras, risen, judged = columns.parts(snapshot, 3)
        restored = State(
            np.array([msgspec.msgpack.decode(judged, type=int)], np.int64),
            columns.restore(ids, blank.cameras, cameras),
            columns.restore(ids, blank.onset, risen),
        )
        return _since_calibrated(prepared, restored)


def _blank(prepared: Prepared) -> Cameras:
    cameras = len(prepared.district.cameras)
    zero, unknown = np.zeros(cameras, np.int64), np.full(cameras, np.nan)
    return Cameras(
        calibration=prepared.calibration,
        sampled_ns=zero,
        since_ns=zero,
        heights=np.zeros((cameras, len(PARTS) * BINS), np.float32),
        speeds=np.zeros((cameras, BINS), np.float32),
        usual_m=np.full((cameras, len(PARTS)), np.nan),
        shift_m=unknown,
        median_m=unknown,
        speed_m_s=unknown,
        told=np.full(cameras, -1, np.int64),
        told_ns=zero,
    )


def _since_calibrated(prepared: Prepared, state: State) -> State:
    """A camera that was calibrated anew is looked at anew; what is open ends, because nobody speaks of it any more."""
    other = state.cameras.calibration != prepared.calibration
    if not other.any():
        return state
    blank = _blank(prepared)
    kept = {
        name: np.where(other.reshape(-1, *[1] * (getattr(blank, name).ndim - 1)), getattr(blank, name), given)
        for name, given in ((name, getattr(state.cameras, name)) for name in Cameras.__slots__)
    }
    return State(state.judged_ns, Cameras(**kept), onset.forget(state.onset, other))


def _sampled(prepared: Prepared, cameras: Cameras, moment: Moment, tick: Tick) -> Cameras:
    """With the frames of the cameras whose turn it is: each second, another thirtieth of them."""
    turn = (moment.camera_row + moment.at_ns // 1_000_000_000) % int(SAMPLE_S) == 0
    frame = np.flatnonzero(turn & (moment.camera_row >= 0) & tick.objects_known)
    if not len(frame):
        return cameras
    row = moment.camera_row[frame]
    due = prepared.bodies.measurable[row] & (moment.at_ns - cameras.sampled_ns[row] > 2_000_000_000)
    _, first = np.unique(row[due], return_index=True)  # one frame a camera
    frame, row = frame[due][first], row[due][first]
    if not len(frame):
        return cameras
    cell, _ = heights_in(prepared.bodies, tick, frame, row)
    heights = cameras.heights.reshape(-1) + np.bincount(cell, minlength=cameras.heights.size).astype(np.float32)
    sampled_ns, since_ns = cameras.sampled_ns.copy(), cameras.since_ns.copy()
    sampled_ns[row] = moment.at_ns
    since_ns[row] = np.where(since_ns[row] == 0, moment.at_ns, since_ns[row])
    speeds = cameras.speeds
    if moment.motion is not None:
        speeds = _paced(prepared, speeds, moment, row)
    return replace(
        cameras, heights=heights.reshape(cameras.heights.shape), sampled_ns=sampled_ns, since_ns=since_ns, speeds=speeds
    )


def _paced(prepared: Prepared, speeds: F32, moment: Moment, camera: Ints) -> F32:
    assert moment.motion is not None
    seen, view_camera = moment.motion, prepared.district.view_camera
    is_asked = np.zeros(len(speeds), np.bool_)
    is_asked[camera] = True
    view = np.flatnonzero(is_asked[view_camera] & seen.view_new & (seen.view_moving >= _MOVING_MIN))
    bin_ = np.floor((seen.view_moving_speed_m_s[view] - _SPEED_LOW_M_S) / _SPEED_BIN_M_S).astype(np.int64)
    after = speeds.copy()
    np.add.at(after, (view_camera[view], np.clip(bin_, 0, BINS - 1)), 1.0)
    return after


def _judgement(prepared: Prepared, state: State, at_ns: int) -> State:
    """The state after what is there has been judged."""
    judged_ns = int(state.judged_ns[0])
    elapsed_s = 0.0 if judged_ns == 0 else (at_ns - judged_ns) / 1e9
    cameras, over, under, observed = _judged(prepared, state.cameras, at_ns, elapsed_s)
    each_ns = np.full((len(over), 1), at_ns, np.int64)
    risen = onset.step(prepared.rule, state.onset, each_ns, observed, over, under & ~over)
    told = np.where(risen.raised.any(axis=1), risen.raised.argmax(axis=1), -1)
    return State(np.full(1, at_ns), replace(cameras, told=told), risen)


def _judged(prepared: Prepared, cameras: Cameras, at_ns: int, elapsed_s: float) -> tuple[Cameras, Bools, Bools, Bools]:
    """The cameras after a judgement, and (C, 2) what is over, clearly under, and judged at all."""
    settings = prepared.settings
    heights = cameras.heights.reshape(-1, len(PARTS), BINS).astype(np.float64)
    persons = heights.sum(axis=2)  # (C, 4)
    enough = persons.sum(axis=1) >= settings.persons_min
    quartile = quantile_m(heights, QUANTILE)
    learnt = ~np.isnan(cameras.usual_m).all(axis=1)
    is_day = (cameras.since_ns > 0) & (at_ns - cameras.since_ns >= int(LEARN_S * 1e9))
    learns = ~learnt & is_day & enough
    usual = np.where(learns[:, None] & (persons >= settings.persons_min / (2 * len(PARTS))), quartile, cameras.usual_m)
    shift, noise = _shift_m(quartile, usual, heights, persons, settings.persons_min)
    median = quantile_m(heights.sum(axis=1), 0.5)
    pace = _median_speed(cameras.speeds)
    moved = (shift >= settings.shift_m) & (shift >= _SIGMAS * noise) & learnt
    tall = (median < settings.height_low_m) | (median > settings.height_high_m)
    fast = (cameras.speeds.sum(axis=1) >= settings.persons_min / 3.0) & (
        (pace < settings.speed_low_m_s) | (pace > settings.speed_high_m_s)
    )
    over = np.stack([moved, tall | fast], axis=1)
    under = np.stack([shift < 0.7 * settings.shift_m, ~(tall | fast)], axis=1)
    fade = np.where(learnt | learns, np.exp(-elapsed_s / FADE_S), 1.0)[:, None]  # the first day counts whole
    after = replace(
        cameras,
        heights=(cameras.heights * fade).astype(np.float32),
        speeds=(cameras.speeds * fade).astype(np.float32),
        usual_m=usual,
        shift_m=shift,
        median_m=np.where(enough, median, np.nan),
        speed_m_s=pace,
    )
    return after, over, under, np.stack([enough & learnt & ~np.isnan(shift), enough], axis=1)


def _shift_m(
    quartile: Floats, usual: Floats, heights: Floats, persons: Floats, persons_min: float
) -> tuple[Floats, Floats]:
    """(C,) root mean square of the shifts of the parts, by their persons, and (C,) 1 sigma of it."""
    known = ~np.isnan(quartile) & ~np.isnan(usual) & (persons >= persons_min / (2 * len(PARTS)))
    share = np.where(known, persons, 0.0)
    total = share.sum(axis=1)
    spread = (quantile_m(heights, 0.75) - quantile_m(heights, 0.25)) / 1.349
    with np.errstate(invalid="ignore", divide="ignore"):
        share = share / total[:, None]
        shift = np.sqrt((share * np.where(known, quartile - usual, 0.0) ** 2).sum(axis=1))
        # 1.36 sd / sqrt(n) is the error of an upper quartile; the usual one has its own, as large.
        noise_part = 1.36 * np.sqrt(2.0) * spread / np.sqrt(np.maximum(persons / ALIKE, 1.0))
        noise = np.sqrt((share * np.where(known, noise_part, 0.0) ** 2).sum(axis=1))
    return np.where(total > 0.0, shift, np.nan), noise


def _median_speed(speeds: F32) -> Floats:
    total, below = speeds.sum(axis=1), np.cumsum(speeds, axis=1)
    bin_ = (below < total[:, None] / 2.0).sum(axis=1)
    return np.where(total > 0.0, _SPEED_LOW_M_S + (bin_ + 0.5) * _SPEED_BIN_M_S, np.nan)


def _condition(
    detector: CalibrationCheck,
    prepared: Prepared,
    state: State,
    moment: Moment,
    camera: int,
    rule: int,
    ends: Phase | None,
) -> Condition:
    """`state` is that of before the end."""
    record, settings, seen = prepared.district.cameras[camera], prepared.settings, state.cameras
    calibration = record.calibration
    heights = seen.heights[camera].reshape(len(PARTS), BINS).astype(np.float64)
    quartile = quantile_m(heights, QUANTILE)
    detail = {"persons": heights.sum(), "median_height_m": seen.median_m[camera], "speed_m_s": seen.speed_m_s[camera]}
    for part, name in enumerate(PARTS):
        detail[f"{name}_height_m"], detail[f"{name}_usual_m"] = quartile[part], seen.usual_m[camera, part]
    value = seen.shift_m[camera] if rule == 0 else seen.median_m[camera]
    limits = (
        {"shift_m": settings.shift_m}
        if rule == 0
        else {
            "height_low_m": settings.height_low_m,
            "height_high_m": settings.height_high_m,
            "speed_low_m_s": settings.speed_low_m_s,
            "speed_high_m_s": settings.speed_high_m_s,
        }
    )
    onset_ns = int(state.onset.since_ns[camera, rule])
    return Condition(
        subject=record.id,
        ends=ends,
        level=Level.NOTICE,
        site=record.site,
        zone=None,
        cameras=(record.id,),
        place=prepared.district.camera_places[camera],
        onset_at_ns=min(onset_ns, moment.at_ns),
        observed_at_ns=max(min(onset_ns, moment.at_ns), int(seen.sampled_ns[camera])),
        value=round(float(value), 3) if np.isfinite(value) else None,
        unit="m",
        measurement=Measurement(
            calibration=calibration.id if calibration else None,
            calibration_age_s=round((moment.at_ns - calibration.measured_at_ns) / 1e9, 1) if calibration else None,
        ),
        rule=f"{detector.name}.{RULES[rule]}",
        rule_version=detector.version,
        thresholds=limits | {"hold_s": settings.hold_s, "persons_min": settings.persons_min},
        detail={name: round(float(number), 3) for name, number in detail.items() if np.isfinite(number)},
    )


detector = CalibrationCheck()
