"""The alert: what a person is told about an incident; a CloudEvent 1.0 that leaves through the outbox."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ingest.schema.finding import Level, Measurement, Place

VERSION = 1


class ResponseClock(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One target of the response: `met_at` is None while it runs."""

    target_at: datetime
    met_at: datetime | None = None
    breached: bool = False


class IncidentView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An incident as people and other systems see it; the same struct in the API, on the stream and on the bus."""

    id: str
    kind: str
    title: str
    level: Level
    state: str  # open, acknowledged, dispatched, on_scene, resolved, closed
    condition: str  # active, cleared, unknown
    site: str
    zone: str | None
    place: Place
    onset_at: datetime
    detected_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    value: float | None
    unit: str
    low: float | None
    high: float | None
    measurement: Measurement
    cameras: tuple[str, ...]
    rule: str
    rule_version: int
    thresholds: dict[str, float]
    finding_count: int
    version: int  # grows by one with every change; an action names the version that it saw
    clocks: dict[str, ResponseClock]  # seen, on_scene, resolved
    acknowledged_by: str | None  # the desk that acted, never a person who was seen
    evidence: tuple[str, ...]
    merged_from: tuple[str, ...]  # ids that this incident answers to as well
    drill: bool
    follows: str | None = None  # the closed incident of this place that it comes after
    clock_off: bool = False  # a source's clock was not believed; the times are those of arrival
    cause: str | None = None  # what all of its cameras hang on: `switch s1`
    camera_count: int = 0
    muted_by: str | None = None  # why people are not told: `silence ID`, `camera ID`, `incident ID`, `storm ID`
    held_count: int = 0  # changes of the value that were held back, so that people are told at a bounded rate
    flapping: bool = False  # it begins and ends again and again; told when it has kept still


class Alert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    id: str
    sequence: int  # growing, without gaps, in the order in which readers see them
    type: str  # incident.opened, incident.escalated, incident.acknowledged, incident.cleared ...
    at: datetime
    incident: IncidentView
    to: tuple[str, ...] = ()  # desks and receivers that the routes name; empty: everybody who listens
