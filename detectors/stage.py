"""
The detect stage: ticks in, findings out.

Time is the newest end of a tick, so that it stands still while nothing comes. Rows older than the bounded lateness are
dropped and counted, as are ticks that a producer sends again or out of order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from detectors import evidence
from detectors.crowd import occupancy
from detectors.crowd.motion import zone_motion as motion
from detectors.detector import Condition, Learner, Moment
from detectors.district_view import DistrictView, district_view
from detectors.geometry.homography import Floats
from detectors.kept_rows import kept_rows
from detectors.live_picture import zone_states
from detectors.ranking import Outranked, ranked
from detectors.registry import Configured, prepared_settings
from detectors.settings import DetectSettings
from detectors.straight_boxes import lenses, straightened
from detectors.telling import Key, Open, Teller
from ingest.bus.contract import Draft, Record
from ingest.clock import NS_PER_S
from ingest.errors import RecordError
from ingest.evidence import EvidenceSettings
from ingest.registry.district import District
from ingest.schema.codec import decode_tick, encode_finding
from ingest.schema.finding import Finding
from ingest.schema.tick import Tick
from ingest.stages.learned import Part
from ingest.stages.stage import Progress, Read
from ingest.stages.watermark import Watermark

_BEFORE_ALL = -(2**62)  # before every time, and far enough from the end to be subtracted from


class Counts(msgspec.Struct, frozen=True, array_like=True):
    """What was passed over so far."""

    ticks_stale: int = 0  # sent again, or older than one of the same producer
    rows_late: int = 0  # older than the bounded lateness
    rows_unknown: int = 0  # of cameras that are not in this partition, or are off
    steps_failed: int = 0  # of a detector that raised instead of answering


@dataclass(frozen=True, slots=True, eq=False)
class State:
    partition: int
    at_ns: int  # the newest end of a tick
    heard: Mapping[str, int]  # the newest end of a tick of each producer
    counts: Counts
    occupancy: occupancy.State
    motion: motion.State
    detectors: tuple[Any, ...]  # the state of each, in their order
    opened: Mapping[Key, Open]
    outranked: Mapping[Key, Outranked]
    evidence: evidence.State


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    at_ns: int
    heard: list[tuple[str, int]]
    counts: Counts
    views: bytes
    sight: bytes
    detectors: list[tuple[str, int, bytes]]  # name, version, state
    opened: list[tuple[str, str, Open]]  # kind, subject
    motion: bytes = b""
    outranked: list[tuple[str, str, Outranked]] = []  # kind, subject
    evidence: bytes = b""


@dataclass(frozen=True, eq=False)
class _Prepared:
    district: DistrictView
    lenses: Floats | None
    occupancy: occupancy.Prepared
    motion: motion.Prepared
    detectors: tuple[Any, ...]


class DetectStage:
    """
    Args:
        district: the registry; when it changes, build the stage anew and restore what was saved.
        detectors: those that run; None takes what is installed.
        pictures: which pictures the workers keep, so that findings refer to them; None: none.

    Raises:
        SettingsError: settings that a detector refuses, or a detector that cannot be imported.
    """

    name = "detect"
    version = 1
    reads = "dt.observations"
    writes = "dt.findings"

    def __init__(
        self,
        district: District,
        settings: DetectSettings,
        detectors: Sequence[Configured] | None = None,
        pictures: EvidenceSettings | None = None,
    ) -> None:
        self.district, self.settings = district, settings
        self.detectors = tuple(prepared_settings(settings) if detectors is None else detectors)
        self._pictures = pictures if pictures is not None and pictures.pictures else None
        learners = [(row, each.detector) for row, each in enumerate(self.detectors)]
        self._learners = [(row, learner) for row, learner in learners if isinstance(learner, Learner)]
        self._lateness_ns = settings.lateness_ms * 1_000_000
        self._update_ns, self._silent_ns = int(settings.update_s * 1e9), int(settings.silent_s * 1e9)
        self._follows = any("object_track" in each.detector.reads for each in self.detectors)
        self._prepared_of: dict[int, _Prepared] = {}

    def initial(self, partition: int) -> State:
        prepared = self._prepared(partition)
        states = tuple(each.detector.initial(own) for each, own in zip(self.detectors, prepared.detectors, strict=True))
        counted, followed = occupancy.initial(prepared.occupancy), motion.initial(prepared.motion)
        pictured = evidence.initial(prepared.district)
        return State(partition, _BEFORE_ALL, {}, Counts(), counted, followed, states, {}, {}, pictured)

    def decode(self, record: Record) -> Tick:
        return decode_tick(record)

    def step(self, state: State, batch: Sequence[Read[Tick]]) -> tuple[State, Sequence[Finding]]:
        findings: list[Finding] = []
        for read in batch:  # one tick is hundreds of frames; the arrays are within
            state, told = self._tick(state, read)
            findings += told
        return state, findings

    def encode(self, partition: int, output: Finding) -> Draft:
        value, headers = encode_finding(output)
        return Draft(self.writes, partition, output.data.site.encode(), value, headers)

    def save(self, state: State) -> bytes:
        prepared = self._prepared(state.partition)
        views, sight = occupancy.save(prepared.occupancy, state.occupancy)
        saved = _Saved(
            at_ns=state.at_ns,
            heard=sorted(state.heard.items()),
            counts=state.counts,
            views=views,
            sight=sight,
            detectors=[
                (each.detector.name, each.detector.version, each.detector.save(own, kept))
                for each, own, kept in zip(self.detectors, prepared.detectors, state.detectors, strict=True)
            ],
            opened=[(kind, subject, what) for (kind, subject, _), what in sorted(state.opened.items())],
            motion=motion.save(prepared.motion, state.motion) if self._follows else b"",
            outranked=[(kind, subject, what) for (kind, subject, _), what in sorted(state.outranked.items())],
            evidence=evidence.save(prepared.district, state.evidence) if self._pictures else b"",
        )
        return msgspec.msgpack.encode(saved)

    def restore(self, partition: int, snapshot: bytes) -> State:
        prepared, blank = self._prepared(partition), self.initial(partition)
        try:
            saved = msgspec.msgpack.decode(snapshot, type=_Saved)
        except msgspec.DecodeError as error:
            raise RecordError(
                f"snapshot of detect/{partition}",
                expected=f"the state of version {self.version}",
                got=str(error)[:200],
                mend="The stage starts afresh.",
            ) from error
        kept = {(name, version): state for name, version, state in saved.detectors}
        states, spoken_for = [], set[str]()
        for each, own, empty in zip(self.detectors, prepared.detectors, blank.detectors, strict=True):
            state = kept.get((each.detector.name, each.detector.version))
            states.append(empty if state is None else each.detector.restore(own, state))
            if state is not None:
                spoken_for.update(getattr(each.detector, "kinds", (each.detector.name,)))
        subjects = {*prepared.district.zone_ids, *prepared.district.camera_ids}
        # Of what nobody can speak any more, nobody has been heard: it ends as unknown at the next tick.
        opened = {
            (kind, subject, what.aspect): what
            if kind in spoken_for and subject in subjects
            else msgspec.structs.replace(what, heard_at_ns=_BEFORE_ALL)
            for kind, subject, what in saved.opened
        }
        seen = occupancy.restore(prepared.occupancy, saved.views, saved.sight)
        followed = motion.restore(prepared.motion, saved.motion) if saved.motion and self._follows else blank.motion
        outranked = {(kind, subject, ""): what for kind, subject, what in saved.outranked if kind in spoken_for}
        heard = dict(saved.heard)
        pictured = evidence.restore(prepared.district, saved.evidence) if saved.evidence else blank.evidence
        return State(
            partition, saved.at_ns, heard, saved.counts, seen, followed, tuple(states), opened, outranked, pictured
        )  # fmt: skip

    def occupancy_of(self, state: State) -> tuple[DistrictView, occupancy.Occupancy]:
        """The zones of a state, and how many persons are in each at its newest tick."""
        prepared = self._prepared(state.partition)
        at_ns = max(state.at_ns, 0)  # before the first tick nothing may seem fresh
        return prepared.district, occupancy.measure(prepared.occupancy, state.occupancy, state.occupancy, at_ns)

    def learned(self, state: State) -> Mapping[str, Part]:
        """Of those detectors that learn; a part is named after its detector."""
        prepared = self._prepared(state.partition)
        return {
            f"{learner.name}/{name}": part
            for row, learner in self._learners
            for name, part in learner.learned(prepared.detectors[row], state.detectors[row]).items()
        }

    def recall(self, state: State, parts: Mapping[str, bytes]) -> State:
        prepared, states = self._prepared(state.partition), list(state.detectors)
        for row, learner in self._learners:
            prefix = f"{learner.name}/"
            given = {name.removeprefix(prefix): part for name, part in parts.items() if name.startswith(prefix)}
            states[row] = learner.recall(prepared.detectors[row], states[row], given)
        return replace(state, detectors=tuple(states))

    def live(self, state: State) -> Mapping[str, bytes]:
        district, seen = self.occupancy_of(state)
        prepared = self._prepared(state.partition).detectors
        learning = {
            learner.name: learner.learning(prepared[row], state.detectors[row]) for row, learner in self._learners
        }
        shown = zone_states(district, seen, [what.last for what in state.opened.values()], learning)
        return {each.id: msgspec.json.encode(each) for each in shown}

    def progress(self, state: State) -> Progress:
        counts = state.counts
        mark_ns = None if state.at_ns == _BEFORE_ALL else Watermark(self._lateness_ns, state.at_ns).at_ns
        return Progress(
            mark_ns,
            {
                "stale": counts.ticks_stale,
                "late": counts.rows_late,
                "unknown_camera": counts.rows_unknown,
                "detector_failed": counts.steps_failed,
            },
        )

    def _tick(self, state: State, read: Read[Tick]) -> tuple[State, list[Finding]]:
        tick, counts = read.value, state.counts
        if tick.ends_at_ns <= state.heard.get(tick.producer, _BEFORE_ALL):
            return replace(state, counts=msgspec.structs.replace(counts, ticks_stale=counts.ticks_stale + 1)), []
        prepared = self._prepared(state.partition)
        watermark = Watermark(self._lateness_ns, state.at_ns).advanced(tick.ends_at_ns)
        at_ns = watermark.newest_ns
        # A camera whose clock is behind is not late: the newer of its time and of the arrival counts.
        late = watermark.late(np.maximum(tick.captured_at_ns, tick.arrived_at_ns))
        if late.any():
            counts = msgspec.structs.replace(counts, rows_late=counts.rows_late + int(late.sum()))
            tick = kept_rows(tick, ~late)
        camera_row = prepared.district.camera_rows(tick.camera)
        unknown = int((camera_row < 0).sum())
        if unknown:
            counts = msgspec.structs.replace(counts, rows_unknown=counts.rows_unknown + unknown)
        tick = straightened(prepared.lenses, tick, camera_row)
        seen = occupancy.observe(prepared.occupancy, state.occupancy, tick, camera_row, at_ns)
        followed = state.motion
        if self._follows:
            followed = motion.observe(prepared.motion, state.motion, tick, camera_row, at_ns)
        is_new_second = at_ns // NS_PER_S > state.at_ns // NS_PER_S
        moment = Moment(
            at_ns=at_ns,
            elapsed_ns=0 if state.at_ns == _BEFORE_ALL else at_ns - state.at_ns,
            update_ns=self._update_ns,
            camera_row=camera_row,
            occupancy=occupancy.measure(prepared.occupancy, state.occupancy, seen, at_ns),
            motion=motion.measure(prepared.motion, followed, at_ns) if is_new_second else None,
            camera_blind=occupancy.blind_cameras(prepared.occupancy, seen, at_ns),
        )
        states: list[Any] = []
        said: list[tuple[str, Condition]] = []
        for each, own, before in zip(self.detectors, prepared.detectors, state.detectors, strict=True):
            try:
                after, conditions = each.detector.step(own, before, moment, tick)
            except Exception:  # a stranger's rule that fails must not silence all others: it alone says nothing
                after, conditions = before, ()
                counts = msgspec.structs.replace(counts, steps_failed=counts.steps_failed + 1)
            states.append(after)
            said += [(condition.kind or each.detector.name, condition) for condition in conditions]
        pictured = evidence.observe(state.evidence, tick, camera_row, at_ns) if self._pictures else state.evidence
        pictures = evidence.Pictures(self._pictures, prepared.district, pictured, at_ns)
        teller = Teller(self.name, self.version, read.position, at_ns, self._update_ns, self._silent_ns, pictures)
        outranked, heard_of, said = ranked(state.outranked, state.opened, said, at_ns, self._silent_ns)
        opened, findings = teller.tell(heard_of, said) if said or heard_of else (heard_of, [])
        heard = {**state.heard, tick.producer: tick.ends_at_ns}
        after_all = State(
            state.partition, at_ns, heard, counts, seen, followed, tuple(states), opened, outranked, pictured
        )  # fmt: skip
        return after_all, findings

    def _prepared(self, partition: int) -> _Prepared:
        """Computed once a partition: the same district and settings always give the same."""
        if partition not in self._prepared_of:
            district = district_view(self.district, partition, self.settings.calendar)
            self._prepared_of[partition] = _Prepared(
                district,
                lenses(district.cameras),
                occupancy.prepare(self.settings.occupancy, district),
                motion.prepare(district, self.settings.occupancy.confidence_min),
                tuple(each.detector.prepare(each.settings, district) for each in self.detectors),
            )
        return self._prepared_of[partition]
