"""An incident: what people decided and were told; what happened is in its conditions. And how both are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from correlator.incidents.condition import ACTIVE, LEVELS, Condition, rank_of, status_of
from correlator.incidents.family import LABELS, is_labelled, title_of
from correlator.incidents.place import around
from correlator.incidents.response import clock_from_ns, clocks_of
from correlator.incidents.settings import CorrelateSettings
from ingest.clock import utc
from ingest.schema.alert import IncidentView

EVIDENCE_MAX = 16
State = Literal["open", "acknowledged", "dispatched", "on_scene", "resolved", "closed"]


class Incident(msgspec.Struct, frozen=True, kw_only=True):
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
    settled_ns: int | None = None  # when it became known that it ended
    closed_ns: int | None = None
    closed_rank: int = 0
    changed_ns: int = 0


def lead_of(conditions: Sequence[Condition]) -> Condition:
    """The condition that stands for the incident: the worst that is active, else the worst there was; the earliest."""
    active = [condition for condition in conditions if condition.status == ACTIVE]
    if active:
        return min(active, key=lambda one: (-one.latest.level.rank, one.onset_ns, one.id))
    return min(conditions, key=lambda one: (-one.peak, one.onset_ns, one.id))


def view_of(settings: CorrelateSettings, incident: Incident, conditions: Sequence[Condition]) -> IncidentView:
    """The incident as people see it. A duration is never reckoned against now: an end is the last observation."""
    lead, status = lead_of(conditions), status_of(conditions)
    data = lead.latest
    cameras = sorted({camera for condition in conditions for camera in condition.cameras})
    evidence = dict.fromkeys(
        reference
        for condition in sorted(conditions, key=lambda one: (one is not lead, one.onset_ns, one.id))[:EVIDENCE_MAX]
        for reference in (*condition.evidence, *condition.latest.evidence)
    )
    cause = _cause_of(conditions)
    return IncidentView(
        id=incident.id,
        kind=data.kind,
        title=title_of(settings, data, len(cameras), [condition.latest.rule for condition in conditions], cause),
        level=LEVELS[rank_of(conditions)],
        state=incident.state,
        condition=status,
        site=data.site,
        zone=data.zone,
        place=around(place for condition in conditions for place in condition.places)
        if len(conditions) > 1 or len(lead.places) > 1
        else data.place,
        onset_at=utc(min(condition.onset_ns for condition in conditions)),
        detected_at=utc(min(condition.detected_ns for condition in conditions)),
        updated_at=utc(max(incident.changed_ns, *(condition.latest_ns for condition in conditions))),
        ended_at=None if status == ACTIVE else utc(max(condition.observed_ns for condition in conditions)),
        value=data.value,
        unit=data.unit,
        low=data.low,
        high=data.high,
        measurement=data.measurement,
        cameras=tuple(cameras),
        rule=data.rule,
        rule_version=data.rule_version,
        thresholds=data.thresholds,
        finding_count=sum(condition.finding_count for condition in conditions),
        version=incident.version,
        clocks=clocks_of(
            settings, clock_from_ns(incident.clock_from_ns, conditions), incident.met_ns, incident.breached
        ),
        acknowledged_by=incident.acknowledged_by,
        evidence=tuple(evidence)[:EVIDENCE_MAX],
        merged_from=incident.aliases,
        drill=data.drill,
        follows=incident.follows,
        clock_off=any(condition.clock_off for condition in conditions),
        cause=cause,
        camera_count=len(cameras),
    )


def _cause_of(conditions: Sequence[Condition]) -> str | None:
    """What all of its conditions hang on (`switch s1`); None where that is not known."""
    shared = set(filter(is_labelled, conditions[0].causes))
    for condition in conditions:
        shared.intersection_update(condition.causes)
    return min(shared, key=lambda cause: (LABELS.index(f"{cause.partition(' ')[0]} "), cause), default=None)
