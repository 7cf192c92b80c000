"""
`health.stream`: a camera that sends nothing, or too much.

    stalled   no frame for 8 s (or five sampling periods) although ticks come, also when none ever came
    unreachable, refused, auth_failed, no_video, quarantined    the same, where its reader says why
    flooding  it sends more than it may, and its reader holds it back

A notice; amber where the camera looks at a crowd: a zone that was last known at half of its safe capacity, or at 1.5
persons/m2. One condition a camera: of two troubles the first of the list is told. What is wrong with the pictures of a
camera that sends is told by `health.picture`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import columns, onset
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Ints
from detectors.health.over_crowd import Crowd, Positive, Seconds, crowd_detail, nobody, over_crowd, with_counts
from detectors.newest import NOT_YET
from ingest.clock import NS_PER_S
from ingest.schema.finding import Level, Phase
from ingest.schema.tick import EventKind, Tick

_OBSERVED = ("stalled", "flooding")
_CAUSES = ("unreachable", "refused", "auth_failed", "no_video", "quarantined")  # of silence
TROUBLES = (*_OBSERVED, *_CAUSES)
_CAUSE_OF_KIND = {
    EventKind.STREAM_STALLED: -1,
    EventKind.STREAM_UNREACHABLE: 0,
    EventKind.STREAM_REFUSED: 1,
    EventKind.STREAM_AUTH_FAILED: 2,
    EventKind.STREAM_NO_VIDEO: 3,
    EventKind.STREAM_QUARANTINED: 4,
}
_CAUSE = np.full(256, -1, np.int64)
_CAUSE[list(_CAUSE_OF_KIND)] = list(_CAUSE_OF_KIND.values())
_FLOOD_NS = 3 * NS_PER_S  # its reader says so each second
_SAMPLES_MISSED_MAX = 5


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    stalled_s: Seconds = 8.0  # without a frame; or five sampling periods of the camera, if longer
    flooding_s: Seconds = 10.0  # of more than it may send
    release_s: Seconds = 3.0  # of frames, before it is over
    crowd_use: Positive = 0.5  # of the safe capacity: a camera that goes blind over such a zone is amber
    crowd_per_m2: Positive = 1.5  # the same for a zone without a safe capacity, persons/m2
    tick_gap_s: Seconds = 2.0  # more time than this without a tick is nobody's silence: nobody looked


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: StreamSettings
    district: DistrictView
    rule: onset.Rule
    stalled_ns: Ints  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """C cameras."""

    silent_ns: Ints  # (C,) without a frame, while ticks came
    seen_ns: Ints  # (C,) the last frame; NOT_YET before the first
    flooded_ns: Ints  # (C,) when its reader last said that it floods; NOT_YET before
    cause: Ints  # (C,) why it is silent, as its reader says, index in _CAUSES; -1 where nobody says
    trouble: Ints  # (C,) as last told, index in TROUBLES; -1 where none is
    over_crowd: Bools  # (C,) told as amber
    told_ns: Ints  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    onset: onset.State  # (C, 2) of what is observed; a cause is a name of the first
    streams: Streams
    crowd: Crowd


class Stream:
    name = "health.stream"
    version = 3  # 2 knows of floods, 3 leaves the pictures to `health.picture`
    reads = ("camera", "captured_at_ns", "event_start", "event_kind")
    settings = StreamSettings

    def prepare(self, settings: StreamSettings, district: DistrictView) -> Prepared:
        period_s = np.array([camera.sampling_period_s for camera in district.cameras], np.float64)
        held_s = np.array([0.0, settings.flooding_s])
        return Prepared(
            settings=settings,
            district=district,
            rule=onset.Rule(
                hold_ns=(held_s * 1e9).astype(np.int64),
                release_ns=np.full(len(_OBSERVED), int(settings.release_s * 1e9), np.int64),
                gap_ns=int(settings.release_s * 1e9),
            ),
            stalled_ns=(np.maximum(settings.stalled_s, _SAMPLES_MISSED_MAX * period_s) * 1e9).astype(np.int64),
        )

    def initial(self, prepared: Prepared) -> State:
        cameras = len(prepared.district.cameras)
        zero, not_yet = np.zeros(cameras, np.int64), np.full(cameras, NOT_YET, np.int64)
        return State(
            onset.blank(cameras, len(_OBSERVED)),
            Streams(zero, not_yet, not_yet, zero - 1, zero - 1, np.zeros(cameras, np.bool_), zero),
            nobody(prepared.district),
        )

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        crowd, before = with_counts(state.crowd, moment.occupancy), state.streams
        silent_ns, seen_ns, cause = _silence(prepared, before, moment, tick)
        flooded_ns = _floods(before.flooded_ns, moment, tick)
        floods = (flooded_ns != NOT_YET) & (moment.at_ns - flooded_ns <= _FLOOD_NS)
        over = np.stack([silent_ns >= prepared.stalled_ns, floods], axis=1)
        at_ns = np.full(over.shape, moment.at_ns, np.int64)
        risen = onset.step(prepared.rule, state.onset, at_ns, np.ones(over.shape, np.bool_), over, ~over)
        raised = np.asarray(risen.raised.any(axis=1))
        trouble = np.where(raised, risen.raised.argmax(axis=1), -1)
        cause = np.where(raised | (silent_ns > 0), cause, -1)  # a cause stays until the silence is over
        trouble = np.where((trouble == 0) & (cause >= 0), len(_OBSERVED) + cause, trouble)
        # Once amber it stays so to its end: what the blind camera would show is not known.
        settings = prepared.settings
        crowded = over_crowd(prepared.district, crowd, settings.crowd_use, settings.crowd_per_m2)
        amber = raised & (before.over_crowd | crowded)
        lasts = raised & (moment.at_ns - before.told_ns >= moment.update_ns)
        due = (trouble != before.trouble) | (amber != before.over_crowd) | lasts
        told_ns = np.where(due & raised, moment.at_ns, before.told_ns)
        streams = Streams(silent_ns, seen_ns, flooded_ns, cause, trouble, amber, told_ns)
        after = State(risen, streams, crowd)
        conditions = [
            _condition(self, prepared, after, int(camera), moment.at_ns, None)
            if raised[camera]
            else _condition(self, prepared, state, int(camera), moment.at_ns, Phase.CLEARED)
            for camera in np.flatnonzero(due)
        ]
        return after, conditions

    def save(self, prepared: Prepared, state: State) -> bytes:
        cameras, zones = prepared.district.camera_ids, prepared.district.zone_ids
        saved = [
            columns.save(cameras, state.onset),
            columns.save(cameras, state.streams),
            columns.save(zones, state.crowd),
        ]
        return msgspec.msgpack.encode(saved)

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        cameras, zones = prepared.district.camera_ids, prepared.district.zone_ids
        blank = self.initial(prepared)
        risen, streams, crowd = columns.parts(snapshot, 3)
        return State(
            columns.restore(cameras, blank.onset, risen),
            columns.restore(cameras, blank.streams, streams),
            columns.restore(zones, blank.crowd, crowd),
        )


def _silence(prepared: Prepared, streams: Streams, moment: Moment, tick: Tick) -> tuple[Ints, Ints, Ints]:
    """(C,) how long each camera has been silent, (C,) its newest frame, and (C,) why it is silent, if that is known."""
    of_stream = (tick.event_kind >= EventKind.STREAM_STALLED) & (tick.event_kind < EventKind.LEFT_BEHIND)
    said = tick.event_frame()[of_stream]
    tells = np.zeros(tick.frames, np.bool_)
    tells[said] = True  # no frame, but the word of who would have read it
    here = (moment.camera_row >= 0) & ~tells
    row, captured_ns = moment.camera_row[here], np.minimum(tick.captured_at_ns[here], moment.at_ns)
    silent_ns = streams.silent_ns + min(moment.elapsed_ns, int(prepared.settings.tick_gap_s * 1e9))
    silent_ns[row] = 0
    seen_ns = streams.seen_ns.copy()
    np.maximum.at(seen_ns, row, captured_ns)
    cause = streams.cause.copy()
    about = moment.camera_row[said]
    cause[about[about >= 0]] = _CAUSE[tick.event_kind[of_stream]][about >= 0]
    return silent_ns, seen_ns, cause


def _floods(flooded_ns: Ints, moment: Moment, tick: Tick) -> Ints:
    """(C,) when its reader last said of each camera that it floods."""
    row = moment.camera_row[tick.event_frame()[tick.event_kind == EventKind.STREAM_FLOODING]]
    if not len(row):
        return flooded_ns
    after = flooded_ns.copy()
    after[row[row >= 0]] = moment.at_ns
    return after


def _condition(
    detector: Stream, prepared: Prepared, state: State, camera: int, at_ns: int, ends: Phase | None
) -> Condition:
    district, record, streams = prepared.district, prepared.district.cameras[camera], state.streams
    trouble = int(streams.trouble[camera])
    column = trouble if trouble < len(_OBSERVED) else 0
    onset_ns = int(state.onset.since_ns[camera, column])
    if column == 0 and streams.seen_ns[camera] != NOT_YET:
        onset_ns = int(streams.seen_ns[camera])
    hold_s = (int(prepared.stalled_ns[camera]) if column == 0 else int(prepared.rule.hold_ns[column])) / 1e9
    thresholds = {f"{_OBSERVED[column]}_s": hold_s, "release_s": prepared.settings.release_s}
    detail: dict[str, float] = {}
    if streams.over_crowd[camera]:
        thresholds |= {"crowd_use": prepared.settings.crowd_use, "crowd_per_m2": prepared.settings.crowd_per_m2}
        detail |= crowd_detail(district, state.crowd, camera)
    return Condition(
        subject=record.id,
        ends=ends,
        level=Level.AMBER if streams.over_crowd[camera] else Level.NOTICE,
        site=record.site,
        zone=None,
        cameras=(record.id,),
        place=district.camera_places[camera],
        onset_at_ns=onset_ns,
        observed_at_ns=at_ns,
        value=round(max(0, at_ns - onset_ns) / 1e9, 3),
        unit="s",
        rule=f"{detector.name}.{TROUBLES[trouble]}",
        rule_version=detector.version,
        thresholds=thresholds,
        detail=detail,
    )


detector = Stream()
