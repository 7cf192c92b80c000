"""An incident: what people decided and were told; what happened is in its conditions. And how both are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from correlator.incidents.condition import ACTIVE, CLEARED, LEVELS, UNKNOWN, Condition
from correlator.incidents.family import LABELS, is_labelled, title_of
from correlator.incidents.place import around
from correlator.incidents.response import clocks_of
from correlator.incidents.settings import CorrelateSettings
from ingest.clock import utc
from ingest.schema.alert import IncidentView
from ingest.schema.finding import Place

EVIDENCE_MAX = 16
TURNS_MAX = 64
State = Literal["open", "acknowledged", "dispatched", "on_scene", "resolved", "closed"]


class Incident(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    id: str
    family: str
    version: int = 0
    state: State = "open"
    state_version: int = 0  # the version with which the state last changed
    acknowledged_by: str | None = None
    changed_by: str | None = None  # who moved it to its state
    aliases: tuple[str, ...] = ()
    follows: str | None = None  # the closed incident of this place before it
    episode: str  # id of the condition, or name of the act, that opened or last reopened it
    clock_from_ns: int | None = None  # None: from the first detection
    met_ns: dict[str, int] = {}
    breached: tuple[str, ...] = ()
    told_rank: int = 0  # highest rank that people were told; 0: not announced
    recorded_rank: int = 0  # highest rank that an alert exists for
    updated_told_ns: int | None = None
    held: str | None = None  # the newest finding whose change was held back
    held_count: int = 0
    told_first_ns: int | None = None  # when people were told first of this episode
    steps_taken: int = 0  # of those who are told when nobody acknowledges
    muted_by: str | None = None  # why people are not told of it: `silence ID`, `camera ID`, `incident ID`, `storm ID`
    told_active: bool = False  # whether those who were told believe that it goes on
    turns_ns: tuple[int, ...] = ()  # its last beginnings and ends
    flapping: bool = False
    settled_ns: int | None = None  # when it became known that it ended
    closed_ns: int | None = None
    closed_rank: int = 0
    changed_ns: int = 0


def lead_of(conditions: Sequence[Condition]) -> Condition:
    """The condition that stands for the incident: the worst that is active, else the worst there was; the earliest."""
    if len(conditions) == 1:
        return conditions[0]
    active = [condition for condition in conditions if condition.status == ACTIVE]
    if active:
        return min(active, key=lambda one: (-one.latest.level.rank, one.onset_ns, one.id))
    return min(conditions, key=lambda one: (-one.peak, one.onset_ns, one.id))


@dataclass(frozen=True, slots=True)
class Spread:
    """Where an incident is: what changes only when a condition comes or moves."""

    place: Place
    cameras: tuple[str, ...]
    cause: str | None


def spread_of(conditions: Sequence[Condition]) -> Spread:
    first = conditions[0]
    single = len(conditions) == 1 and len(first.places) == 1
    place = first.latest.place if single else around(place for each in conditions for place in each.places)
    cameras = first.cameras if single else tuple(sorted({camera for each in conditions for camera in each.cameras}))
    return Spread(place, cameras, _cause_of(conditions))


def view_of(
    settings: CorrelateSettings, incident: Incident, conditions: Sequence[Condition], spread: Spread
) -> IncidentView:
    """The incident as people see it. A duration is never reckoned against now: an end is the last observation."""
    lead = lead_of(conditions)
    data, first = lead.latest, conditions[0]
    onset_ns, detected_ns, latest_ns = first.onset_ns, first.detected_ns, first.latest_ns
    observed_ns, count, peak, active, unknown, off = first.observed_ns, 0, 0, 0, False, False
    # One pass: a storm asks for many views of many conditions.
    for each in conditions:
        if each.onset_ns < onset_ns:
            onset_ns = each.onset_ns
        if each.detected_ns < detected_ns:
            detected_ns = each.detected_ns
        if each.latest_ns > latest_ns:
            latest_ns = each.latest_ns
        if each.observed_ns > observed_ns:
            observed_ns = each.observed_ns
        count, peak, off = count + each.finding_count, max(peak, each.peak), off or each.clock_off
        status = each.status
        if status == ACTIVE:
            active = max(active, each.latest.level.rank)
        unknown = unknown or status == UNKNOWN
    cameras, cause = spread.cameras, spread.cause
    return IncidentView(
        id=incident.id,
        kind=data.kind,
        title=title_of(settings, data, len(cameras), [each.latest.rule for each in conditions], cause),
        level=LEVELS[active or peak],
        state=incident.state,
        condition=ACTIVE if active else UNKNOWN if unknown else CLEARED,
        site=data.site,
        zone=data.zone,
        place=data.place if len(conditions) == 1 and len(lead.places) == 1 else spread.place,
        onset_at=utc(onset_ns),
        detected_at=utc(detected_ns),
        updated_at=utc(max(incident.changed_ns, latest_ns)),
        ended_at=None if active else utc(observed_ns),
        value=data.value,
        unit=data.unit,
        low=data.low,
        high=data.high,
        measurement=data.measurement,
        cameras=cameras,
        rule=data.rule,
        rule_version=data.rule_version,
        thresholds=data.thresholds,
        finding_count=count,
        version=incident.version,
        clocks=clocks_of(
            settings,
            detected_ns if incident.clock_from_ns is None else incident.clock_from_ns,
            incident.met_ns,
            incident.breached,
        ),
        acknowledged_by=incident.acknowledged_by,
        evidence=_evidence_of(lead, conditions),
        merged_from=incident.aliases,
        drill=data.drill,
        follows=incident.follows,
        clock_off=off,
        cause=cause,
        muted_by=incident.muted_by,
        held_count=incident.held_count,
        flapping=incident.flapping,
        camera_count=len(cameras),
    )


def _evidence_of(lead: Condition, conditions: Sequence[Condition]) -> tuple[str, ...]:
    """References of pictures, those of the lead first, then by onset."""
    if len(conditions) > 1:
        ordered = sorted((each.onset_ns, each.id, each) for each in conditions if each is not lead)
        conditions = [lead, *(each for _, _, each in ordered[: EVIDENCE_MAX - 1])]
    references = dict.fromkeys(
        reference for each in conditions for reference in (*each.evidence, *each.latest.evidence)
    )
    return tuple(references)[:EVIDENCE_MAX]


def _cause_of(conditions: Sequence[Condition]) -> str | None:
    """What all of its conditions hang on (`switch s1`); None where that is not known."""
    shared = set(filter(is_labelled, conditions[0].causes))
    if not shared:
        return None
    for condition in conditions:
        shared.intersection_update(condition.causes)
    return min(shared, key=lambda cause: (LABELS.index(f"{cause.partition(' ')[0]} "), cause), default=None)
