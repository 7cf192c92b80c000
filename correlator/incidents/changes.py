"""What one step changes: rows to write and alerts to tell, all in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from correlator.incidents.condition import Condition
from correlator.incidents.incident import Incident
from correlator.muting.storm import StormState
from ingest.clock import utc
from ingest.schema.alert import Alert, IncidentView
from ingest.schema.ids import derived_id


class History(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of an incident's past; never changed, never taken away."""

    incident: str
    at_ns: int
    act: str  # opened, escalated, cleared, unknown, merged, reopened, breached, acknowledged ...
    actor: str  # the desk that acted; `correlate` where nobody did
    detail: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Changes:
    revision: int  # of the casebook that the step was taken on
    incidents: tuple[tuple[Incident, IncidentView], ...] = ()
    conditions: tuple[tuple[Condition, str], ...] = ()  # with the id of its incident
    findings: tuple[tuple[str, str], ...] = ()  # finding id, condition id
    merged: tuple[tuple[str, str], ...] = ()  # id that is gone, id that stays
    history: tuple[History, ...] = ()
    alerts: tuple[Alert, ...] = ()  # their sequence numbers are given by the casebook
    muted: tuple[tuple[str, str], ...] = ()  # silence, and an incident that it has muted
    storm: StormState | None = None  # where it has changed

    @property
    def empty(self) -> bool:
        return not (self.incidents or self.conditions or self.findings or self.merged or self.alerts or self.storm)


def alert_of(
    kind: str, at_ns: int, view: IncidentView, *facts: str, told: bool = True, to: tuple[str, ...] = ()
) -> Alert:
    """
    The alert `incident.<kind>`, or `incident.recorded` where it is not to be told.

    Its id is computed from the incident, the kind and `facts` alone: the same findings give the same ids, whatever
    crashed and however they were cut into batches.
    """
    return Alert(
        id=derived_id("alert", view.id, kind, *facts),
        sequence=0,
        type=f"incident.{kind}" if told else "incident.recorded",
        at=utc(at_ns),
        incident=view,
        to=to,
    )
