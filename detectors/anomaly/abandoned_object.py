"""
`anomaly.abandoned_object` and `anomaly.removed_object`: something was brought and stands alone, or is gone from where
it belonged. Our own look at the picture finds it (`ingest.cameras.signals.static_object`); this asks how long it has
stood alone, who stands beside it, and how large it is.

    abandoned   amber: alone for `alone_s`, not counting while a person's box is beside it
    removed     notice: gone for `alone_s`

Persons are seen where the camera gives boxes, or a model looks; without them, who stays beside it is seen as
foreground only. Where the camera is calibrated, what is larger than `size_m_max` is a vehicle or a shadow, and what is
smaller than `size_m_min` is litter. A camera that is not calibrated cannot know: there only the share of the picture
is asked.

One condition a camera: its value is for how long the one that has stood longest has been alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np

from detectors import columns
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints, project
from detectors.geometry.upright import BODY_HEIGHT_M
from detectors.newest import NOT_YET
from ingest.schema.finding import Level, Measurement, Phase
from ingest.schema.tick import F32, EventKind, EventState, ObjectClass, Tick

Seconds = Annotated[float, msgspec.Meta(gt=0.0, le=86_400.0)]
Metres = Annotated[float, msgspec.Meta(gt=0.0, le=20.0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]

_OWN = 0.3  # share of the box of a person that is the object itself
_THING_M = 1.0  # radius of the place of a thing


class ObjectSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    alone_s: Seconds = 60.0  # so long it must stand alone, or be gone
    # who is nearer than so many body heights is with it
    beside_heights: Annotated[float, msgspec.Meta(ge=0.0, le=10.0)] = 1.0
    size_m_min: Metres = 0.15  # smaller is litter; where the camera is calibrated
    size_m_max: Metres = 1.6  # larger is a vehicle; where the camera is calibrated
    confidence_min: Share = 0.3  # of what stands out from the ground so little
    release_s: Seconds = 5.0  # it is not seen for so long, before it is over
    silent_s: Seconds = 30.0  # no picture for so long: it is unknown


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: ObjectSettings
    district: DistrictView


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """C cameras; of each the object that has stood longest."""

    box: F32  # (C, 4) left, top, width, height in [0, 1]; NaN where there is none
    since_ns: Ints  # (C,) since when it stands alone; NOT_YET
    seen_ns: Ints  # (C,) when it was last seen
    beside_ns: Ints  # (C,) when a person was last seen beside it; NOT_YET
    confidence: F32  # (C,)
    looked_ns: Ints  # (C,) the last picture
    raised: Bools  # (C,)
    told_ns: Ints  # (C,)
    camera_ns: Ints  # (C,) when the camera itself last said the same; NOT_YET
    camera_sure: F32  # (C,)


class StaticObjects:
    """
    Args:
        kind: our own look's event that it judges.
        said: the same in the words of a camera's own rule.
    """

    version = 1
    reads = (
        "camera", "captured_at_ns", "brightness", "objects_known", "object_start", "object_class", "object_box",
        "event_start", "event_kind", "event_state", "event_value", "event_confidence", "event_at_ns", "event_box",
    )  # fmt: skip
    settings = ObjectSettings

    def __init__(self, name: str, kind: EventKind, said: EventKind, level: Level) -> None:
        self.name, self._kind, self._said, self._level = name, kind, said, level

    def prepare(self, settings: ObjectSettings, district: DistrictView) -> Prepared:
        return Prepared(settings, district)

    def initial(self, prepared: Prepared) -> State:
        cameras = len(prepared.district.cameras)
        not_yet, nan = np.full(cameras, NOT_YET, np.int64), np.full(cameras, np.nan, np.float32)
        return State(
            box=np.full((cameras, 4), np.nan, np.float32),
            since_ns=not_yet,
            seen_ns=not_yet,
            beside_ns=not_yet,
            confidence=nan,
            looked_ns=not_yet,
            raised=np.zeros(cameras, np.bool_),
            told_ns=np.zeros(cameras, np.int64),
            camera_ns=not_yet,
            camera_sure=nan,
        )

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        settings, at_ns = prepared.settings, moment.at_ns
        before = _looked(state, moment, tick)
        now = _heard(self._said, before, moment, tick)
        now = _seen(self._kind, prepared, now, moment, tick)
        has = now.seen_ns != NOT_YET
        if not has.any():
            return now, ()
        now = _beside(prepared, now, moment, tick)
        gone = has & (now.looked_ns - now.seen_ns > int(settings.release_s * 1e9))
        silent = has & (at_ns - now.looked_ns > int(settings.silent_s * 1e9))
        alone_ns = np.maximum(now.since_ns, now.beside_ns)
        long = has & ~gone & ~silent & (now.seen_ns - alone_ns >= int(settings.alone_s * 1e9))
        raised = (now.raised | long) & ~gone & ~silent
        lasts = raised & (at_ns - now.told_ns >= moment.update_ns)
        due = (raised != now.raised) | lasts
        after = replace(now, raised=raised, told_ns=np.where(due & raised, at_ns, now.told_ns))
        conditions = [
            self._condition(prepared, after, int(camera), at_ns, None)
            if raised[camera]
            else self._condition(prepared, now, int(camera), at_ns, Phase.UNKNOWN if silent[camera] else Phase.CLEARED)
            for camera in np.flatnonzero(due)
        ]
        return _without(after, gone | silent), conditions

    def save(self, prepared: Prepared, state: State) -> bytes:
        return columns.save(prepared.district.camera_ids, state)

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        return columns.restore(prepared.district.camera_ids, self.initial(prepared), snapshot)

    def _condition(self, prepared: Prepared, state: State, camera: int, at_ns: int, ends: Phase | None) -> Condition:
        settings, record = prepared.settings, prepared.district.cameras[camera]
        box = state.box[camera].astype(np.float64)
        alone_ns = int(max(state.since_ns[camera], state.beside_ns[camera]))
        observed_ns = int(min(state.seen_ns[camera], at_ns))
        onset_ns = int(min(state.since_ns[camera], observed_ns))
        detail = {
            "confidence": float(state.confidence[camera]),
            "left": box[0], "top": box[1], "width": box[2], "height": box[3],
        }  # fmt: skip
        size = _size_m(prepared, np.array([camera]), box[None])[0]
        if np.isfinite(size):
            detail["size_m"] = float(size)
        if state.camera_ns[camera] >= onset_ns and np.isfinite(state.camera_sure[camera]):
            detail["camera_confidence"] = float(state.camera_sure[camera])
        return Condition(
            subject=record.id,
            ends=ends,
            level=self._level,
            site=record.site,
            zone=None,
            cameras=(record.id,),
            place=prepared.district.ground_place(camera, box[0] + box[2] / 2.0, box[1] + box[3], _THING_M),
            onset_at_ns=onset_ns,
            observed_at_ns=observed_ns,
            value=round(max(0.0, (observed_ns - alone_ns) / 1e9), 3),
            unit="s",
            measurement=Measurement(method="foreground"),
            rule=self.name,
            rule_version=self.version,
            thresholds={
                "alone_s": settings.alone_s,
                "beside_heights": settings.beside_heights,
                "size_m_max": settings.size_m_max,
            },
            detail={name: round(float(value), 4) for name, value in detail.items()},
        )


def _looked(state: State, moment: Moment, tick: Tick) -> State:
    """With the time of the newest picture that was measured of each camera."""
    use = np.flatnonzero((moment.camera_row >= 0) & ~np.isnan(tick.brightness))
    if not len(use):
        return state
    looked_ns = state.looked_ns.copy()
    np.maximum.at(looked_ns, moment.camera_row[use], np.minimum(tick.captured_at_ns[use], moment.at_ns))
    return replace(state, looked_ns=looked_ns)


def _heard(kind: EventKind, state: State, moment: Moment, tick: Tick) -> State:
    """With what the cameras themselves say."""
    if not len(tick.event_kind):
        return state
    row = moment.camera_row[tick.event_frame()]
    said = (tick.event_kind == kind) & (row >= 0) & np.isin(tick.event_state, (EventState.HAPPENED, EventState.ON))
    if not said.any():
        return state
    camera_ns, sure = state.camera_ns.copy(), state.camera_sure.copy()
    use = np.flatnonzero(said)
    # The newest, of several at one time the surest, whatever their order.
    confidence = tick.event_confidence[use].astype(np.float32)
    for n in np.lexsort((np.nan_to_num(confidence, nan=-1.0), tick.event_at_ns[use])):
        at_ns = min(int(tick.event_at_ns[use[n]]), moment.at_ns)
        if at_ns >= camera_ns[row[use[n]]]:
            camera_ns[row[use[n]]], sure[row[use[n]]] = at_ns, confidence[n]
    return replace(state, camera_ns=camera_ns, camera_sure=sure)


def _seen(kind: EventKind, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> State:
    """With what our own look sees now: of each camera what has stood longest."""
    if not len(tick.event_kind):
        return state
    settings = prepared.settings
    row = moment.camera_row[tick.event_frame()]
    use = (tick.event_kind == kind) & (row >= 0) & (tick.event_state == EventState.ON)
    use &= np.isfinite(tick.event_box).all(axis=1) & np.isfinite(tick.event_value)
    use &= ~(tick.event_confidence < settings.confidence_min)
    rows = np.flatnonzero(use)
    rows = rows[~moment.camera_blind[row[rows]]]
    if not len(rows):
        return state
    size = _size_m(prepared, row[rows], tick.event_box[rows].astype(np.float64))
    rows = rows[~(size > settings.size_m_max) & ~(size < settings.size_m_min)]
    seen_ns = np.minimum(tick.event_at_ns[rows], moment.at_ns)
    since_ns = seen_ns - (np.clip(tick.event_value[rows], 0.0, 1e6) * 1e9).astype(np.int64)
    left, top, wide, high = tick.event_box[rows].T
    order = np.lexsort((high, wide, top, left, since_ns, -seen_ns, row[rows]))
    chosen = rows[order]
    first = np.append(True, row[chosen][1:] != row[chosen][:-1]) if len(chosen) else np.empty(0, np.bool_)
    order, chosen = order[first], chosen[first]
    camera = row[chosen]
    newer = seen_ns[order] >= state.seen_ns[camera]
    order, chosen, camera = order[newer], chosen[newer], camera[newer]
    box = tick.event_box[chosen]
    # Another thing than before: who stood beside that one says nothing.
    other = ~(_shared(box, state.box[camera]) > 0.0)
    confidence = tick.event_confidence[chosen].astype(np.float32)
    return replace(
        state,
        box=_put(state.box, camera, box),
        since_ns=_put(state.since_ns, camera, since_ns[order]),
        seen_ns=_put(state.seen_ns, camera, seen_ns[order]),
        beside_ns=_put(state.beside_ns, camera, np.where(other, NOT_YET, state.beside_ns[camera])),
        confidence=_put(state.confidence, camera, confidence),
    )


def _beside(prepared: Prepared, state: State, moment: Moment, tick: Tick) -> State:
    """With persons whose boxes are beside what stands there, or are it."""
    row = moment.camera_row[tick.object_frame()]
    use = np.flatnonzero((tick.object_class == ObjectClass.PERSON) & (row >= 0))
    use = use[state.seen_ns[row[use]] != NOT_YET]
    if not len(use):
        return state
    camera = row[use]
    box, thing = tick.object_box[use].astype(np.float64), state.box[camera].astype(np.float64)
    foot = np.stack([box[:, 0] + box[:, 2] / 2, box[:, 1] + box[:, 3]], axis=1)
    near = np.stack([thing[:, 0] + thing[:, 2] / 2, thing[:, 1] + thing[:, 3]], axis=1)
    reach = prepared.settings.beside_heights * box[:, 3]
    # Widths are shares of a wider side; to the side people stand nearer than before and behind, where all is flat.
    apart = np.hypot((foot[:, 0] - near[:, 0]) * 16 / 9, (foot[:, 1] - near[:, 1]) * 1.5)
    beside = (apart <= reach) | (_shared(thing, box) > _OWN)
    frame = tick.object_frame()[use]
    beside_ns = state.beside_ns.copy()
    np.maximum.at(beside_ns, camera[beside], np.minimum(tick.captured_at_ns[frame[beside]], moment.at_ns))
    return replace(state, beside_ns=beside_ns)


def _without(state: State, cameras: Bools) -> State:
    """The state without the objects of some cameras (C,)."""
    if not cameras.any():
        return state
    return replace(
        state,
        box=np.where(cameras[:, None], np.float32(np.nan), state.box),
        since_ns=np.where(cameras, NOT_YET, state.since_ns),
        seen_ns=np.where(cameras, NOT_YET, state.seen_ns),
        beside_ns=np.where(cameras, NOT_YET, state.beside_ns),
        raised=state.raised & ~cameras,
    )


def _put(column: np.ndarray, rows: Ints, values: np.ndarray) -> np.ndarray:
    result = column.copy()
    result[rows] = values
    return result


def _shared(box: Floats | F32, other: Floats | F32) -> Floats:
    """(K,) share of each box that its other covers; NaN where one is unknown."""
    low = np.maximum(box[:, :2], other[:, :2])
    high = np.minimum(box[:, :2] + box[:, 2:], other[:, :2] + other[:, 2:])
    result: Floats = np.prod(np.maximum(high - low, 0.0), axis=1) / np.maximum(box[:, 2] * box[:, 3], 1e-9)
    return result


def _size_m(prepared: Prepared, camera: Ints, box: Floats) -> Floats:
    """(K,) the longer side of boxes that stand on the ground, metres; NaN where the camera is not calibrated."""
    bottom = np.clip(box[:, 1] + box[:, 3], 0.0, 1.0)
    low = np.stack([box[:, 0], bottom], axis=1)
    homography = prepared.district.homography[camera]
    across = project(homography, low) - project(homography, np.stack([box[:, 0] + box[:, 2], bottom], axis=1))
    column = np.clip(np.rint((box[:, 0] + box[:, 2] / 2) * 16).astype(np.int64), 0, 16)
    upright = prepared.district.upright_heights[camera, np.rint(bottom * 9).astype(np.int64), column]
    high = box[:, 3] / upright * BODY_HEIGHT_M
    result: Floats = np.fmax(np.hypot(*across.T), high)
    return np.where(np.isnan(homography[:, 0, 0]), np.nan, result)


abandoned = StaticObjects("anomaly.abandoned_object", EventKind.LEFT_BEHIND, EventKind.ABANDONED_OBJECT, Level.AMBER)
removed = StaticObjects("anomaly.removed_object", EventKind.TAKEN_AWAY, EventKind.REMOVED_OBJECT, Level.NOTICE)
