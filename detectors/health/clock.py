"""
`health.clock`: a camera whose clock is wrong, so that its own time is not used.

Its reader says so each second, with the offset, while it is beyond `ingest.clock_offset_s_max`. Events of such a camera
are placed by the time that they arrive: evidence of it shows another time than the incident. A notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import columns, onset
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Floats, Ints
from detectors.health.over_crowd import Seconds
from detectors.newest import NOT_YET
from ingest.schema.finding import Level, Phase
from ingest.schema.tick import EventKind, Tick


class ClockSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    off_s: Seconds = 5.0  # how long its reader must say that the clock is wrong
    release_s: Seconds = 10.0  # of nobody saying so, before it is over


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: ClockSettings
    district: DistrictView
    rule: onset.Rule


@dataclass(frozen=True, slots=True, eq=False)
class Clocks:
    """C cameras."""

    said_ns: Ints  # (C,) when its reader last said that the clock is wrong; NOT_YET before
    offset_s: Floats  # (C,) camera less ours, as last said; NaN before
    told_ns: Ints  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    onset: onset.State  # (C, 1)
    clocks: Clocks


class ClockHealth:
    name = "health.clock"
    version = 1
    reads = ("camera", "event_start", "event_kind", "event_value")
    settings = ClockSettings

    def prepare(self, settings: ClockSettings, district: DistrictView) -> Prepared:
        hold_ns, release_ns = (np.array([int(each * 1e9)]) for each in (settings.off_s, settings.release_s))
        return Prepared(settings, district, onset.Rule(hold_ns, release_ns, gap_ns=int(settings.release_s * 1e9)))

    def initial(self, prepared: Prepared) -> State:
        cameras = len(prepared.district.cameras)
        zero = np.zeros(cameras, np.int64)
        return State(onset.blank(cameras, 1), Clocks(np.full(cameras, NOT_YET), np.full(cameras, np.nan), zero))

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        before = state.clocks
        said = np.flatnonzero(tick.event_kind == EventKind.STREAM_CLOCK_OFF)
        if not len(said) and (state.onset.since_ns == onset.NEVER).all():
            return state, ()  # nearly always
        row = moment.camera_row[tick.event_frame()[said]]
        said, row = said[row >= 0], row[row >= 0]
        said_ns, offset_s = before.said_ns.copy(), before.offset_s.copy()
        # In the order of what they say: of two in one tick the greater, whichever comes first.
        order = np.argsort(tick.event_value[said], kind="stable")
        said_ns[row] = moment.at_ns
        offset_s[row[order]] = tick.event_value[said][order]
        off = np.zeros((len(said_ns), 1), np.bool_)
        off[row] = True
        # Told once a second: ticks in between say nothing.
        silent = moment.at_ns - said_ns > 2_500_000_000
        observed = off | silent[:, None]
        at_ns = np.full(off.shape, moment.at_ns, np.int64)
        risen = onset.step(prepared.rule, state.onset, at_ns, observed, off, ~off)
        raised, was = risen.raised[:, 0], state.onset.raised[:, 0]
        due = (raised != was) | (raised & (moment.at_ns - before.told_ns >= moment.update_ns))
        told_ns = np.where(due & raised, moment.at_ns, before.told_ns)
        after = State(risen, Clocks(said_ns, offset_s, told_ns))
        conditions = [
            _condition(self, prepared, after if raised[camera] else state, camera, moment.at_ns, bool(raised[camera]))
            for camera in np.flatnonzero(due).tolist()
        ]
        return after, conditions

    def save(self, prepared: Prepared, state: State) -> bytes:
        cameras = prepared.district.camera_ids
        return msgspec.msgpack.encode([columns.save(cameras, state.onset), columns.save(cameras, state.clocks)])

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        cameras, blank = prepared.district.camera_ids, self.initial(prepared)
        risen, clocks = columns.parts(snapshot, 2)
        return State(
            columns.restore(cameras, blank.onset, risen), columns.restore(cameras, blank.clocks, clocks)
        )  # fmt: skip


def _condition(
    detector: ClockHealth, prepared: Prepared, state: State, camera: int, at_ns: int, holds: bool
) -> Condition:
    record, settings = prepared.district.cameras[camera], prepared.settings
    offset_s = float(state.clocks.offset_s[camera])
    return Condition(
        subject=record.id,
        ends=None if holds else Phase.CLEARED,
        level=Level.NOTICE,
        site=record.site,
        zone=None,
        cameras=(record.id,),
        place=prepared.district.camera_places[camera],
        onset_at_ns=int(state.onset.since_ns[camera, 0]),
        observed_at_ns=at_ns,
        value=round(offset_s, 3) if np.isfinite(offset_s) else None,
        unit="s",
        rule=f"{detector.name}.off",
        rule_version=detector.version,
        thresholds={"off_s": settings.off_s, "release_s": settings.release_s},
    )


detector = ClockHealth()
