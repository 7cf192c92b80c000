"""
From candidates to a hazard: what cameras' pictures show, confirmed by persistence and by other witnesses.

The look at the picture beside the decoder tells the share of it that may be the hazard. It counts once it has shown
in `samples_min` pictures over `hold_s`. One camera by that look alone is amber, and said to be alone. It is red with a
witness: another camera of the site that sees it too, the camera's own analytics, or a model of the perceive role. A
model that looks at the camera and sees nothing makes it a notice: it is told, and nobody is alarmed.
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
from detectors.newest import NOT_YET, newest, put
from ingest.schema.finding import Level, Measurement, Phase
from ingest.schema.tick import F32, EventKind, EventState, Tick

PERCEIVED = "perceive"  # the producer of ticks in which a model has looked
RULES = ("one_camera", "two_cameras", "camera_agrees", "model_agrees", "model_disagrees")
_LEVELS = (Level.AMBER, Level.RED, Level.RED, Level.RED, Level.NOTICE)

Seconds = Annotated[float, msgspec.Meta(gt=0.0, le=3_600.0)]
Samples = Annotated[int, msgspec.Meta(ge=3, le=100)]
Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


class CandidateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    share_min: Share = 0.000_1  # of the picture that may be the hazard
    samples_min: Samples = 3  # pictures that must show it
    hold_s: Seconds = 2.0  # and for so long
    gap_s: Seconds = 4.0  # pictures without it, for no longer, do not begin anew
    release_s: Seconds = 20.0  # without it, before it is over
    silent_s: Seconds = 60.0  # without a picture that was looked at: what it shows is unknown
    witness_s: Seconds = 30.0  # what another camera, or a model, has last seen counts for so long


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: CandidateSettings
    district: DistrictView
    rule: onset.Rule
    site: Ints  # (C,) number of each camera's site


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """C cameras."""

    seen_ns: Ints  # (C,) the last picture that was looked at; NOT_YET before the first
    samples: Ints  # (C,) pictures that showed it since it began
    share: Floats  # (C,) of the last picture, NaN before the first
    most: Floats  # (C,) the most since it began
    modelled_ns: Ints  # (C,) when a model last looked; NOT_YET before the first
    modelled: Floats  # (C,) the share that it saw then
    said_ns: Ints  # (C,) when the camera's own analytics last said it; NOT_YET where it does not
    says: Bools  # (C,) whether it says so still
    sure: Floats  # (C,) how sure it was, NaN where it does not say
    told: Ints  # (C,) index in RULES as last told, -1 where nothing is
    told_ns: Ints  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    onset: onset.State  # (C, 1)
    looks: Looks


class Candidate:
    """
    A detector of one hazard.

    Args:
        column: of the tick, the share of the picture.
        event: what a camera's own analytics calls it.
    """

    version = 1

    def __init__(self, name: str, column: str, event: EventKind, settings: type[CandidateSettings]) -> None:
        self.name, self.column, self._event, self.settings = name, column, event, settings
        self.reads = (
            "camera",
            "captured_at_ns",
            column,
            "event_start",
            "event_kind",
            "event_state",
            "event_confidence",
        )

    def prepare(self, settings: CandidateSettings, district: DistrictView) -> Prepared:
        sites = sorted({camera.site for camera in district.cameras})
        return Prepared(
            settings,
            district,
            onset.Rule(
                hold_ns=np.array([int(settings.hold_s * 1e9)], np.int64),
                release_ns=np.array([int(settings.release_s * 1e9)], np.int64),
                gap_ns=int(settings.gap_s * 1e9),
            ),
            np.array([sites.index(camera.site) for camera in district.cameras], np.int64),
        )

    def initial(self, prepared: Prepared) -> State:
        count = len(prepared.district.cameras)
        zero, not_yet, none = np.zeros(count, np.int64), np.full(count, NOT_YET, np.int64), np.full(count, np.nan)
        false = np.zeros(count, np.bool_)
        looks = Looks(not_yet, zero, none, none, not_yet, none, not_yet, false, none, zero - 1, zero)
        return State(onset.blank(count, 1), looks)

    def step(self, prepared: Prepared, state: State, moment: Moment, tick: Tick) -> tuple[State, Sequence[Condition]]:
        looks = self._heard(state.looks, moment, tick)
        if tick.producer == PERCEIVED:
            risen, looks = state.onset, self._modelled(looks, moment, tick)
        else:
            risen, looks = self._looked(prepared, state.onset, looks, moment, tick)
        silent = moment.at_ns - looks.seen_ns > int(prepared.settings.silent_s * 1e9)
        lost = risen.raised[:, 0] & silent
        risen = onset.forget(risen, lost)
        rule = self._ruled(prepared, risen, looks, moment.at_ns)
        before = state.looks
        lasts = (rule >= 0) & (moment.at_ns - before.told_ns >= moment.update_ns)
        due = (rule != before.told) | lasts
        looks = replace(looks, told=rule, told_ns=np.where(due, moment.at_ns, before.told_ns))
        conditions = [
            self._condition(prepared, State(risen, looks), camera, int(rule[camera]), None)
            if rule[camera] >= 0
            else self._condition(
                prepared,
                replace(state, looks=replace(looks, most=before.most)),
                camera,
                int(before.told[camera]),
                Phase.UNKNOWN if lost[camera] else Phase.CLEARED,
            )
            for camera in np.flatnonzero(due).tolist()  # what has just changed: few
        ]
        return State(risen, looks), conditions

    def save(self, prepared: Prepared, state: State) -> bytes:
        cameras = prepared.district.camera_ids
        return msgspec.msgpack.encode([columns.save(cameras, state.onset), columns.save(cameras, state.looks)])

    def restore(self, prepared: Prepared, snapshot: bytes) -> State:
        cameras, blank = prepared.district.camera_ids, self.initial(prepared)
        risen, looks = columns.parts(snapshot, 2)
        return State(columns.restore(cameras, blank.onset, risen), columns.restore(cameras, blank.looks, looks))

    def _heard(self, looks: Looks, moment: Moment, tick: Tick) -> Looks:
        """What cameras' own analytics say in this tick."""
        if not len(tick.event_kind):
            return looks
        mine = np.flatnonzero(tick.event_kind == self._event)
        row = moment.camera_row[tick.event_frame()[mine]]
        mine, row = mine[row >= 0], row[row >= 0]
        if not len(mine):
            return looks
        said_ns, says, sure = looks.said_ns.copy(), looks.says.copy(), looks.sure.copy()
        # One by one: they are few, and of one camera what comes last counts.
        for event, camera in zip(mine.tolist(), row.tolist(), strict=True):
            how = tick.event_state[event]
            is_on = how in (EventState.HAPPENED, EventState.ON, EventState.KNOWN_ON)
            says[camera] = is_on and how != EventState.HAPPENED
            said_ns[camera] = max(int(said_ns[camera]), min(int(tick.event_at_ns[event]), moment.at_ns))
            sure[camera] = tick.event_confidence[event] if is_on else sure[camera]
        return replace(looks, said_ns=said_ns, says=says, sure=sure)

    def _modelled(self, looks: Looks, moment: Moment, tick: Tick) -> Looks:
        """What a model has seen in this tick."""
        row, at_ns, share = _known(moment, tick, getattr(tick, self.column))
        kept = newest(row, at_ns, share, looks.modelled_ns)
        return replace(
            looks, modelled_ns=put(looks.modelled_ns, at_ns, kept), modelled=put(looks.modelled, share, kept)
        )

    def _looked(
        self, prepared: Prepared, risen: onset.State, looks: Looks, moment: Moment, tick: Tick
    ) -> tuple[onset.State, Looks]:
        """What the look at pictures has shown in this tick; of several pictures of a camera the newest counts."""
        row, at_ns, share = _known(moment, tick, getattr(tick, self.column))
        kept = newest(row, at_ns, share, looks.seen_ns + 1)
        seen_ns, now = put(looks.seen_ns, at_ns, kept), put(looks.share, share, kept)
        observed = np.zeros(len(seen_ns), np.bool_)
        observed[kept[0]] = True
        over = observed & (now >= prepared.settings.share_min)
        after = onset.step(
            prepared.rule, risen, seen_ns[:, None], observed[:, None], over[:, None], (observed & ~over)[:, None]
        )
        present = after.since_ns[:, 0] != onset.NEVER
        samples = np.where(present, np.minimum(looks.samples + over, 1_000_000), 0)
        most = np.where(over, np.fmax(looks.most, now), looks.most)
        return after, replace(looks, seen_ns=seen_ns, share=now, samples=samples, most=np.where(present, most, np.nan))

    def _ruled(self, prepared: Prepared, risen: onset.State, looks: Looks, at_ns: int) -> Ints:
        """(C,) index in RULES of what holds at each camera, -1 where nothing does."""
        settings = prepared.settings
        witness_ns = int(settings.witness_s * 1e9)
        stands = risen.raised[:, 0] & (looks.samples >= settings.samples_min)
        if not stands.any():
            return np.full(len(stands), -1, np.int64)
        fresh = at_ns - looks.seen_ns <= witness_ns
        seeing = np.bincount(prepared.site[stands & fresh], minlength=int(prepared.site.max()) + 1)
        model_looks = at_ns - looks.modelled_ns <= witness_ns
        by_model = model_looks & (looks.modelled > 0)
        by_camera = looks.says | (at_ns - looks.said_ns <= witness_ns)
        rule = np.select([by_model, by_camera, seeing[prepared.site] >= 2, model_looks], [3, 2, 1, 4], default=0)
        return np.where(stands, rule, -1)

    def _condition(self, prepared: Prepared, state: State, camera: int, rule: int, ends: Phase | None) -> Condition:
        district, looks, settings = prepared.district, state.looks, prepared.settings
        record = district.cameras[camera]
        with_it = (looks.told >= 0) & (prepared.site == prepared.site[camera])
        with_it[camera] = True
        detail = {"samples": float(looks.samples[camera]), "cameras_agreeing": float(with_it.sum())}
        if not np.isnan(looks.most[camera]):
            detail["share_max"] = round(float(looks.most[camera]), 5)
        if not np.isnan(looks.sure[camera]):
            detail["camera_confidence"] = round(float(looks.sure[camera]), 3)
        if looks.modelled_ns[camera] != NOT_YET and not np.isnan(looks.modelled[camera]):
            detail["model_share"] = round(float(looks.modelled[camera]), 5)
        onset_ns, seen_ns = int(state.onset.since_ns[camera, 0]), int(looks.seen_ns[camera])
        share = float(looks.share[camera])
        return Condition(
            subject=record.id,
            ends=ends,
            level=_LEVELS[rule],
            site=record.site,
            zone=None,
            cameras=(record.id,),
            place=district.camera_places[camera],
            onset_at_ns=min(onset_ns, seen_ns),
            observed_at_ns=seen_ns,
            value=None if np.isnan(share) else round(share, 5),
            unit="share of the picture",
            measurement=Measurement(method="model" if rule == 3 else "classical"),
            rule=f"{self.name}.{RULES[rule]}",
            rule_version=self.version,
            thresholds={
                "share_min": settings.share_min,
                "samples_min": float(settings.samples_min),
                "hold_s": settings.hold_s,
                "release_s": settings.release_s,
            },
            detail=detail,
        )


def _known(moment: Moment, tick: Tick, share: F32) -> tuple[Ints, Ints, Floats]:
    """Of the pictures that were looked at: (K,) row of the camera, (K,) time, (K,) share of the picture."""
    known = (moment.camera_row >= 0) & ~np.isnan(share)
    at_ns = np.minimum(tick.captured_at_ns[known], moment.at_ns)
    return moment.camera_row[known], at_ns, share[known].astype(np.float64)
