"""
`health.picture`: a camera whose pictures come, and cannot be used, or not wholly.

    frozen, dark, covered, washed_out, moved, unsteady, corrupt, blurred    nothing that it says counts meanwhile
    colour_lost, key_gap    it still counts

Flags of the tick, each held for some seconds, or several in turn for a little longer: by night it is not always clear
what takes the detail away. `key_gap` is its reader's word. A notice; amber where the camera looks at
a crowd and has gone blind. One condition a camera: of several troubles the first of the list is told. A camera that
sends nothing any more ends it as unknown: `health.stream` tells of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import columns, onset
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.health.over_crowd import Crowd, Positive, Seconds, crowd_detail, nobody, over_crowd, with_counts
from detectors.newest import NOT_YET, newest, put
from ingest.clock import NS_PER_S
from ingest.schema.finding import Level, Phase
from ingest.schema.tick import EventKind, Picture, Tick

_FLAG_OF = {
    "frozen": Picture.FROZEN,
    "dark": Picture.DARK,
    "covered": Picture.COVERED,
    "washed_out": Picture.WASHED_OUT,
    "moved": Picture.MOVED,
    "unsteady": Picture.UNSTEADY,
    "corrupt": Picture.CORRUPT,
    "blurred": Picture.BLURRED,
    "colour_lost": Picture.COLOUR_LOST,
}
TROUBLES = (*_FLAG_OF, "key_gap")
_KEY_GAP, _POOR = TROUBLES.index("key_gap"), len(TROUBLES)  # the last: blind for whatever cause
_BLINDING = np.arange(len(TROUBLES)) < TROUBLES.index("colour_lost")  # (10,)
_FLAGS = np.array(list(_FLAG_OF.values()), np.int64)
_SAID_NS = 3 * NS_PER_S  # its reader says so each second
_SAMPLES_MISSED_MAX = 5


class PictureSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    frozen_s: Seconds = 3.0  # of pictures that are flagged as standing still, after `ingest.frozen_s`
    dark_s: Seconds = 5.0  # of a dark picture
    covered_s: Seconds = 5.0  # of a covered picture; a lorry that passes close by takes less
    washed_out_s: Seconds = 5.0  # of a picture with too much light
    moved_s: Seconds = 4.0  # of a view that is not the camera's own
    unsteady_s: Seconds = 5.0  # of pictures that have nothing in common
    corrupt_s: Seconds = 5.0  # of broken pictures
    blurred_s: Seconds = 4.0  # of a picture out of focus
    colour_lost_s: Seconds = 5.0  # of a picture without its colours
    key_gap_s: Seconds = 5.0  # of key frames that come too seldom
    poor_s: Seconds = 6.0  # of pictures that are useless for one cause or another
    release_s: Seconds = 3.0  # of good pictures, before it is over
    gap_s: Seconds = 1.0  # a good picture within so long does not start the time anew
    crowd_use: Positive = 0.5  # of the safe capacity: a camera that goes blind over such a zone is amber
    crowd_per_m2: Positive = 1.5  # the same for a zone without a safe capacity, persons/m2
    unlooked_s: Seconds = 10.0  # without a picture; or five sampling periods, if longer: then nothing is known
    tick_gap_s: Seconds = 2.0  # more time than this without a tick does not count: nobody looked


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: PictureSettings
    district: DistrictView
    rule: onset.Rule
    unlooked_ns: Ints  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """C cameras."""

    looked_ns: Ints  # (C,) the last picture that was looked at; NOT_YET before the first
    unlooked_ns: Ints  # (C,) for how long none was, while ticks came
    gap_said_ns: Ints  # (C,) when its reader last said that key frames are too far apart; NOT_YET before
    gap_s: Floats  # (C,) how far, as last said; NaN before
    trouble: Ints  # (C,) as last told, index in TROUBLES; -1 where none is
    over_crowd: Bools  # (C,) told as amber
    told_ns: Ints  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    onset: onset.State  # (C, 11)
    pictures: Pictures
    crowd: Crowd


class PictureHealth:
    name = "health.picture"
    version = 1
    reads = ("camera", "captured_at_ns", "picture", "brightness", "event_start", "event_kind", "event_value")
    settings = PictureSettings

    def prepare(self, settings: PictureSettings, district: DistrictView) -> Prepared:
        period_s = np.array([camera.sampling_period_s for camera in district.cameras], np.float64)
        held = [getattr(settings, f"{trouble}_s") for trouble in TROUBLES]
        hold_ns = np.array([int(seconds * 1e9) for seconds in (*held, settings.poor_s)], np.int64)
        release_ns = np.full(len(hold_ns), int(settings.release_s * 1e9), np.int64)
        unlooked_s = np.maximum(settings.unlooked_s, _SAMPLES_MISSED_MAX * period_s)
        return Prepared(
            settings=settings,
            district=district,
            rule=onset.Rule(hold_ns, release_ns, gap_ns=int(settings.gap_s * 1e9)),
            unlooked_ns=(unlooked_s * 1e9).astype(np.int64),
        )

    def initial(self, prepared: Prepared) -> State:
        cameras = len(prepared.district.cameras)
        zero, not_yet = np.zeros(cameras, np.int64), np.full(cameras, NOT_YET, np.int64)
        false, unknown = np.zeros(cameras, np.bool_), np.full(cameras, np.nan)
        pictures = Pictures(not_yet, zero, not_yet, unknown, zero - 1, false, zero)
        return State(onset.blank(cameras, len(TROUBLES) + 1), pictures, nobody(prepared.district))

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        settings, before = prepared.settings, state.pictures
        crowd = with_counts(state.crowd, moment.occupancy)
        looked_ns, looked, flagged = _flags(before.looked_ns, moment, tick)
        gap_said_ns, gap_s = _key_gaps(before, moment, tick)
        gaps = (gap_said_ns != NOT_YET) & (moment.at_ns - gap_said_ns <= _SAID_NS)
        blind = (flagged & _BLINDING[:_KEY_GAP]).any(axis=1, keepdims=True)
        over = np.concatenate([flagged, gaps[:, None], blind], axis=1)
        observed = np.repeat(looked[:, None], over.shape[1], axis=1)
        at_ns = np.repeat(looked_ns[:, None], over.shape[1], axis=1)
        observed[:, _KEY_GAP], at_ns[:, _KEY_GAP] = True, moment.at_ns
        # One trouble that becomes another is one condition: none is over before the picture is good.
        poor = flagged.any(axis=1, keepdims=True)
        under = np.concatenate([np.repeat(~poor, _KEY_GAP, axis=1), ~gaps[:, None], ~poor], axis=1)
        risen = onset.step(prepared.rule, state.onset, at_ns, observed, over, under)
        elapsed_ns = min(moment.elapsed_ns, int(settings.tick_gap_s * 1e9))
        unlooked_ns = np.where(looked, 0, before.unlooked_ns + elapsed_ns)
        lost = (unlooked_ns >= prepared.unlooked_ns) & ~gaps
        risen = onset.forget(risen, lost)
        raised = np.asarray(risen.raised.any(axis=1))
        trouble = np.where(raised, _first(risen, before.trouble), -1)
        # Once amber it stays so while it is blind: what it would show is not known.
        crowded = over_crowd(prepared.district, crowd, settings.crowd_use, settings.crowd_per_m2)
        amber = raised & _BLINDING[trouble] & (before.over_crowd | crowded)
        lasts = raised & (moment.at_ns - before.told_ns >= moment.update_ns)
        due = (trouble != before.trouble) | (amber != before.over_crowd) | lasts
        told_ns = np.where(due & raised, moment.at_ns, before.told_ns)
        pictures = Pictures(looked_ns, unlooked_ns, gap_said_ns, gap_s, trouble, amber, told_ns)
        after = State(risen, pictures, crowd)
        conditions = [
            _condition(self, prepared, after, camera, moment.at_ns, None)
            if raised[camera]
            else _condition(self, prepared, state, camera, moment.at_ns, _end(bool(lost[camera])))
            for camera in np.flatnonzero(due).tolist()
        ]
        return after, conditions

    def save(self, prepared: Prepared, state: State) -> bytes:
        cameras, zones = prepared.district.camera_ids, prepared.district.zone_ids
        saved = [
            columns.save(cameras, state.onset),
            columns.save(cameras, state.pictures),
            columns.save(zones, state.crowd),
        ]
        return msgspec.msgpack.encode(saved)

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        cameras, zones = prepared.district.camera_ids, prepared.district.zone_ids
        blank = self.initial(prepared)
        risen, pictures, crowd = columns.parts(snapshot, 3)
        return State(
            columns.restore(cameras, blank.onset, risen),
            columns.restore(cameras, blank.pictures, pictures),
            columns.restore(zones, blank.crowd, crowd),
        )


def _first(risen: onset.State, before: Ints) -> Ints:
    """(C,) the first trouble that is raised, of those that the last picture had if there is one."""
    named, poor = risen.raised[:, :_POOR], risen.raised[:, _POOR:]
    present = (named | (poor & _BLINDING)) & risen.over[:, :_POOR]
    shown = np.where(present.any(axis=1, keepdims=True), present, named)
    return np.where(shown.any(axis=1), shown.argmax(axis=1), before)


def _flags(looked_ns: Ints, moment: Moment, tick: Tick) -> tuple[Ints, Bools, Bools]:
    """(C,) when each picture was last looked at, (C,) whether it was in this tick, and (C, 9) its flags then."""
    known = (moment.camera_row >= 0) & ((tick.picture != 0) | ~np.isnan(tick.brightness))
    row, picture = moment.camera_row[known], tick.picture[known].astype(np.int64)
    captured_ns = np.minimum(tick.captured_at_ns[known], moment.at_ns)
    kept = newest(row, captured_ns, picture, looked_ns)
    looked = np.zeros(len(looked_ns), np.bool_)
    looked[kept[0]] = True
    flags = put(np.zeros(len(looked_ns), np.int64), picture, kept)
    return put(looked_ns, captured_ns, kept), looked, (flags[:, None] & _FLAGS) != 0


def _key_gaps(pictures: Pictures, moment: Moment, tick: Tick) -> tuple[Ints, Floats]:
    """(C,) when its reader last said of each camera that key frames are too far apart, and (C,) how far."""
    said = np.flatnonzero(tick.event_kind == EventKind.STREAM_KEY_GAP)
    row = moment.camera_row[tick.event_frame()[said]]
    said, row = said[row >= 0], row[row >= 0]
    if not len(row):
        return pictures.gap_said_ns, pictures.gap_s
    gap_said_ns, gap_s = pictures.gap_said_ns.copy(), pictures.gap_s.copy()
    gap_said_ns[row] = moment.at_ns
    gap_s[row] = -np.inf
    np.maximum.at(gap_s, row, tick.event_value[said].astype(np.float64))
    return gap_said_ns, gap_s


def _end(lost: bool) -> Phase:
    return Phase.UNKNOWN if lost else Phase.CLEARED


def _condition(
    detector: PictureHealth, prepared: Prepared, state: State, camera: int, at_ns: int, ends: Phase | None
) -> Condition:
    district, record, pictures = prepared.district, prepared.district.cameras[camera], state.pictures
    trouble, settings = int(pictures.trouble[camera]), prepared.settings
    name = TROUBLES[trouble]
    since_ns = state.onset.since_ns[camera]
    onset_ns = int(min(since_ns[trouble], since_ns[_POOR]) if _BLINDING[trouble] else since_ns[trouble])
    # A flag is observed when a picture is looked at; what its reader says, at each tick.
    observed_ns = at_ns if ends or trouble == _KEY_GAP else int(pictures.looked_ns[camera])
    thresholds = {f"{name}_s": getattr(settings, f"{name}_s"), "release_s": settings.release_s}
    detail: dict[str, float] = {}
    if trouble == _KEY_GAP and np.isfinite(pictures.gap_s[camera]):
        detail["key_gap_s"] = round(float(pictures.gap_s[camera]), 2)
    if pictures.over_crowd[camera]:
        thresholds |= {"crowd_use": settings.crowd_use, "crowd_per_m2": settings.crowd_per_m2}
        detail |= crowd_detail(district, state.crowd, camera)
    return Condition(
        subject=record.id,
        ends=ends,
        level=Level.AMBER if pictures.over_crowd[camera] else Level.NOTICE,
        site=record.site,
        zone=None,
        cameras=(record.id,),
        place=district.camera_places[camera],
        onset_at_ns=onset_ns,
        observed_at_ns=observed_ns,
        value=round(max(0, observed_ns - onset_ns) / 1e9, 3),
        unit="s",
        rule=f"{detector.name}.{name}",
        rule_version=detector.version,
        thresholds=thresholds,
        detail=detail,
    )


detector = PictureHealth()
