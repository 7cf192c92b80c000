"""
A detector of zones, made from a rule that judges a moment: hold, hysteresis, telling and state are the same for all.

A rule says of each zone whether there is a reading, which of its levels the reading is over, and which it is clearly
under. What has no reading for `LOST_S` ends as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np

from detectors import columns, onset
from detectors.crowd.motion.zone_motion import Motion
from detectors.crowd.trust import measurement
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.newest import NOT_YET
from ingest.schema.finding import Level, Measurement, Phase
from ingest.schema.tick import Tick

LOST_S = 10.0

Settings = TypeVar("Settings", contravariant=True)
Memory = TypeVar("Memory")


@dataclass(frozen=True, slots=True)
class Step:
    """One level of a rule; the later in the list, the worse."""

    name: str
    level: Level
    hold_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What a rule says of Z zones and its L levels."""

    observed: Bools  # (Z,) there is a reading
    over: Bools  # (Z, L)
    under: Bools  # (Z, L) below the second threshold; never where `over`
    value: Floats  # (Z,)
    low: Floats  # (Z,) 95 %; NaN or infinite where it is not known
    high: Floats  # (Z,)
    degraded: Bools  # (Z,)
    detail: Mapping[str, Floats] = field(default_factory=dict)  # (Z,) each


class Rule(Protocol[Settings, Memory]):
    """`Memory` is a dataclass of arrays with a row for each zone."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def reads(self) -> tuple[str, ...]: ...
    @property
    def settings(self) -> type[Any]: ...
    @property
    def unit(self) -> str: ...

    def steps(self, settings: Settings) -> Sequence[Step]:
        """Its levels, the least first."""

    def release_s(self, settings: Settings) -> tuple[float, float]:
        """How long readings must be under before a level is lowered, and how long a dip does not break the hold."""

    def prepare(self, settings: Settings, district: DistrictView) -> Any:
        """What can be computed once."""

    def remember(self, district: DistrictView) -> Memory:
        """The memory before the first moment."""

    def judge(self, own: Any, memory: Memory, moment: Moment, seen: Motion) -> tuple[Memory, Verdict]:
        """Asked once a second."""

    def thresholds(self, own: Any, zone: int, step: int) -> dict[str, float]:
        """What is in force, units in the names."""

    def is_measurable(self, step: int) -> bool:
        """False for a level that says that the measure cannot be had."""


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: Any
    district: DistrictView
    own: Any
    steps: tuple[Step, ...]
    onset: onset.Rule
    blank: State[Any]  # nothing seen yet


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    level: Ints  # (Z,) index of the step last told; -1 where nothing is
    at_ns: Ints  # (Z,) when
    read_ns: Ints  # (Z,) the last reading of a zone where something holds or begins; else NOT_YET


@dataclass(frozen=True, slots=True, eq=False)
class State(Generic[Memory]):
    onset: onset.State
    told: Told
    memory: Memory


class ZoneDetector(Generic[Settings, Memory]):
    """The detector of a rule; see `detectors.detector.Detector` for its members."""

    def __init__(self, rule: Rule[Settings, Memory]) -> None:
        self.rule = rule
        self.name, self.version, self.reads, self.settings = rule.name, rule.version, rule.reads, rule.settings

    def prepare(self, settings: Settings, district: DistrictView) -> Prepared:
        steps = tuple(self.rule.steps(settings))
        release_s, gap_s = self.rule.release_s(settings)
        zones = len(district.zones)
        told = Told(np.full(zones, -1, np.int64), np.zeros(zones, np.int64), np.full(zones, NOT_YET, np.int64))
        return Prepared(
            settings=settings,
            district=district,
            own=self.rule.prepare(settings, district),
            steps=steps,
            onset=onset.Rule(
                hold_ns=np.array([int(step.hold_s * 1e9) for step in steps], np.int64),
                release_ns=np.full(len(steps), int(release_s * 1e9), np.int64),
                gap_ns=int(gap_s * 1e9),
            ),
            blank=State(onset.blank(zones, len(steps)), told, self.rule.remember(district)),
        )

    def initial(self, prepared: Prepared) -> State[Memory]:
        return prepared.blank

    def step(
        self, prepared: Prepared, state: State[Memory], moment: Moment, tick: Tick
    ) -> tuple[State[Memory], Sequence[Condition]]:
        if moment.motion is None:
            return state, ()
        memory, verdict = self.rule.judge(prepared.own, state.memory, moment, moment.motion)
        before = state.told
        stale = (before.read_ns != NOT_YET) & (moment.at_ns - before.read_ns > int(LOST_S * 1e9))
        lost = stale & (before.level >= 0)
        said = [self._ended(prepared, state, moment, int(zone)) for zone in np.flatnonzero(lost)]
        observed = verdict.observed[:, None]
        at_ns = np.full((len(prepared.district.zones), 1), moment.at_ns, np.int64)
        risen = onset.forget(state.onset, stale)
        risen = onset.step(prepared.onset, risen, at_ns, observed, verdict.over, verdict.under & ~verdict.over)
        level, told_level = onset.highest(risen.raised), np.where(lost, -1, before.level)
        due = (level != told_level) | ((level >= 0) & (moment.at_ns - before.at_ns >= moment.update_ns))
        active = (risen.since_ns != onset.NEVER).any(axis=1) | (level >= 0)
        read_ns = np.where(stale, NOT_YET, before.read_ns)
        read_ns = np.where(active, np.where(verdict.observed, moment.at_ns, read_ns), NOT_YET)
        told = Told(level, np.where(due & (level >= 0), moment.at_ns, before.at_ns), read_ns)
        after = State(risen, told, memory)
        for zone in np.flatnonzero(due):
            holds = level[zone] >= 0
            ends = None if holds else Phase.CLEARED
            said.append(self._condition(prepared, after if holds else state, moment, int(zone), ends, verdict))
        return after, said

    def save(self, prepared: Prepared, state: State[Memory]) -> bytes:
        blank, ids = prepared.blank, prepared.district.zone_ids
        saved = [_save_some(ids, getattr(state, each), getattr(blank, each)) for each in ("onset", "told", "memory")]
        return msgspec.msgpack.encode(saved)

    def restore(self, prepared: Prepared, snapshot: bytes) -> State[Memory]:
        blank, ids = prepared.blank, prepared.district.zone_ids
        risen, told, memory = columns.parts(snapshot, 3)
        return State(
            columns.restore(ids, blank.onset, risen),
            columns.restore(ids, blank.told, told),
            columns.restore(ids, blank.memory, memory),
        )

    def _ended(self, prepared: Prepared, state: State[Memory], moment: Moment, zone: int) -> Condition:
        return self._condition(prepared, state, moment, zone, Phase.UNKNOWN, None)

    def _condition(
        self,
        prepared: Prepared,
        state: State[Memory],
        moment: Moment,
        zone: int,
        ends: Phase | None,
        verdict: Verdict | None,
    ) -> Condition:
        """`state` is that of before the end; no `verdict` where nothing is observed any more."""
        assert moment.motion is not None
        district, record = prepared.district, prepared.district.zones[zone]
        at = int(state.told.level[zone])
        step = prepared.steps[at]
        measurable = self.rule.is_measurable(at)
        known = verdict is not None and measurable
        read_ns = moment.at_ns if verdict is not None and verdict.observed[zone] else int(state.told.read_ns[zone])
        trust = Measurement()
        if verdict is not None:
            trust = measurement(district, moment.occupancy, zone)
            noise_m = moment.motion.noise_m[zone]
            trust = msgspec.structs.replace(
                trust,
                noise_m=_number(noise_m) if np.isfinite(noise_m) else trust.noise_m,
                degraded=trust.degraded or bool(verdict.degraded[zone]) or not measurable,
                not_measurable=not measurable,
            )
        thresholds = self.rule.thresholds(prepared.own, zone, at) | {"hold_s": step.hold_s}
        return Condition(
            subject=record.id,
            ends=ends,
            level=step.level,
            site=record.site,
            zone=record.id,
            cameras=district.cameras_of(zone, moment.motion.views_used if verdict is not None else None),
            place=district.zone_places[zone],
            onset_at_ns=min(int(onset.onset_ns(state.onset)[zone]), read_ns),
            observed_at_ns=read_ns,
            value=_number(verdict.value[zone]) if verdict is not None and known else None,
            unit=self.rule.unit,
            low=_number(verdict.low[zone]) if verdict is not None and known else None,
            high=_number(verdict.high[zone]) if verdict is not None and known else None,
            measurement=trust,
            rule=f"{self.name}.{step.name}",
            rule_version=self.version,
            thresholds={name: value for name, value in thresholds.items() if np.isfinite(value)},
            detail={} if verdict is None else _detail(verdict, zone),
        )


def share_interval(share: Floats, count: Floats) -> tuple[Floats, Floats]:
    """
    (Z,) low and high, 95 %, of a share that was found among `count` persons.

    Source: Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    z2 = 1.96**2
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (share + z2 / (2.0 * count)) / (1.0 + z2 / count)
        half = 1.96 * np.sqrt(share * (1.0 - share) / count + z2 / (4.0 * count**2)) / (1.0 + z2 / count)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def _save_some(ids: Sequence[str], given: Any, blank: Any) -> bytes:
    """The rows that differ from the blank ones: most zones are quiet, and a snapshot is written at each commit."""
    differs = np.zeros(len(ids), np.bool_)
    for each in fields(given):
        one, other = getattr(given, each.name), getattr(blank, each.name)
        if one is other:
            continue
        same = (one == other) | ((one != one) & (other != other))
        differs |= ~same.reshape(len(ids), -1).all(axis=1) if len(ids) else differs
    rows = np.flatnonzero(differs)
    some = type(given)(*(getattr(given, each.name)[rows] for each in fields(given)))
    return columns.save([ids[int(row)] for row in rows], some)


def _detail(verdict: Verdict, zone: int) -> dict[str, float]:
    numbers = {name: _number(value[zone]) for name, value in verdict.detail.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def _number(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
