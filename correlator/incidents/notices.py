"""What people are told when an incident changes, and what is only recorded."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from correlator.incidents.board import Board
from correlator.incidents.changes import History, alert_of
from correlator.incidents.condition import ACTIVE, Condition
from correlator.incidents.family import family_is
from correlator.incidents.incident import TURNS_MAX, Incident
from correlator.incidents.lifecycle import CORRELATE, reopened
from correlator.incidents.settings import CorrelateSettings, ns
from correlator.muting.mute import LIFE, mute_of
from correlator.routing.route import Route, case_of, routed, told_by
from ingest.schema.alert import IncidentView

_BEGINNINGS, _ENDS = ("opened", "escalated", "reopened"), ("cleared", "unknown")
Notice = tuple[str, tuple[str, ...]]  # kind, and the facts that make it unique


def tell(
    board: Board, name: str, before: str | None, gone: Sequence[Incident], finding: Condition, now_ns: int
) -> None:
    """
    Write the incident's next version after one finding, and the alerts that it calls for.

    Args:
        before: whether it was active, cleared or unknown before; None where it is new.
        gone: incidents that were merged into it by this finding.
        finding: the finding alone.
        now_ns: wall time; what was detected long before is recorded, not shouted, until a fresh finding says that it
            is still so. Whoever was told the beginning is told the rest.
    """
    settings, incident, tally = board.settings, board.incidents[name], board.tally(name)
    status, rank, at_ns = tally.status, tally.rank, finding.latest_ns
    late = now_ns - at_ns > ns(settings.late_s)
    incident = replace(incident, version=incident.version + 1, changed_ns=max(incident.changed_ns, at_ns))
    if incident.state == "closed":
        board.put_incident(incident)
        return
    incident = muted(board, incident, mute_of(board, name, board.conditions[finding.id], at_ns), at_ns)
    incident = turned(settings, incident, before, status, at_ns)
    notices: list[Notice] = [("merged", (each.id,)) for each in gone if each.recorded_rank]
    incident, beginning = _beginning(incident, finding, before, status, rank, late)
    notices += beginning
    if status != ACTIVE:
        if before != status:
            notices.append((status, (finding.latest_id,)))
        incident = replace(incident, settled_ns=now_ns if incident.settled_ns is None else incident.settled_ns)
    else:
        incident = replace(incident, settled_ns=None)
    if not notices:
        incident, notices = _paced(incident, finding, ns(settings.update_s))
    board.put_incident(incident)
    speak(board, name, notices, at_ns)


def _beginning(
    incident: Incident, finding: Condition, before: str | None, status: str, rank: int, late: bool
) -> tuple[Incident, list[Notice]]:
    """The notice that something began, began again or got worse, if it did."""
    shouted = incident.muted_by is None and (not late or incident.told_rank > 0)
    if incident.episode == finding.latest_id and before is not None:
        told = rank if shouted else incident.told_rank
        return replace(incident, told_rank=told, recorded_rank=rank), [("reopened", (finding.latest_id,))]
    if rank > incident.recorded_rank:
        kind, facts = ("escalated", (incident.episode, str(rank))) if incident.recorded_rank else ("opened", ())
        incident = _unresolved(incident, finding)
        told = rank if shouted else incident.told_rank
        return replace(incident, told_rank=told, recorded_rank=rank), [(kind, facts)]
    if not late and status == ACTIVE and incident.muted_by is None and incident.told_rank < rank:
        # It was recorded as old, or muted, and is still so: now it is told.
        return still(incident, rank, finding.latest_ns)
    if before is not None and before != ACTIVE and status == ACTIVE:
        return _unresolved(incident, finding), [("reopened", (finding.latest_id,))]
    return incident, []


def still(incident: Incident, rank: int, at_ns: int) -> tuple[Incident, list[Notice]]:
    """What was not told at its time and still is: told now. Where nobody knew of it, its clocks start now."""
    if incident.told_rank:
        facts = incident.episode, "still", str(rank)
        return replace(incident, told_rank=rank), [("escalated", facts)]
    incident = replace(incident, told_rank=rank, recorded_rank=max(rank, incident.recorded_rank), clock_from_ns=at_ns)
    return incident, [("opened", ("still", incident.episode))]


def muted(board: Board, incident: Incident, why: str | None, at_ns: int) -> Incident:
    """The incident with the reason why people are not told of it, written down where it is another one than before."""
    if why == incident.muted_by:
        return incident
    detail = {"by": why or incident.muted_by or ""}
    act = "unmuted" if why is None else "muted"
    board.write(History(incident=incident.id, at_ns=at_ns, act=act, actor=CORRELATE, detail=detail))
    if why is not None and why.startswith("silence "):
        board.mute(why.partition(" ")[2], incident.id)
    return replace(incident, muted_by=why)


def turned(settings: CorrelateSettings, incident: Incident, before: str | None, status: str, at_ns: int) -> Incident:
    """The incident with one more beginning or end, if it is one, and whether it flaps."""
    if before is None or (before == ACTIVE) == (status == ACTIVE):
        return incident
    since_ns = at_ns - ns(settings.flap_s)
    # Soon again: the same happening flickers. Where life is at stake only many turns count, and one is told at once.
    soon = status == ACTIVE and bool(incident.turns_ns) and at_ns - incident.turns_ns[-1] <= ns(settings.flap_still_s)
    soon = soon and family_is(incident.family) not in LIFE
    turns = tuple(turn for turn in (*incident.turns_ns, at_ns) if turn > since_ns)[-TURNS_MAX:]
    return replace(incident, turns_ns=turns, flapping=incident.flapping or soon or len(turns) >= settings.flap_turns)


def _unresolved(incident: Incident, finding: Condition) -> Incident:
    """What was resolved, and began again or got worse, is not: it is open, and its clocks start anew."""
    return reopened(incident, finding.latest_id, finding.latest_ns) if incident.state == "resolved" else incident


def _paced(incident: Incident, finding: Condition, apart_ns: int) -> tuple[Incident, list[Notice]]:
    """A change of the value is told at a bounded rate, the first at once; what is held back is counted."""
    last_ns = incident.updated_told_ns
    if last_ns is not None and finding.latest_ns - last_ns < apart_ns:
        return replace(incident, held=finding.latest_id, held_count=incident.held_count + 1), []
    return replace(incident, updated_told_ns=finding.latest_ns, held=None), [("updated", (finding.latest_id,))]


def addressed(settings: CorrelateSettings, view: IncidentView) -> tuple[str, ...]:
    """Whom the routes name for an incident as it stands; nobody: everybody who listens."""
    return told_by(routes_of(settings, view)) if settings.routes else ()


def routes_of(settings: CorrelateSettings, view: IncidentView) -> list[Route]:
    """The routes that speak for an incident: by the hour of its detection, so that its end goes the same way."""
    case = case_of(view.kind, view.level, view.site, view.zone, view.detected_at, settings.time_zone)
    return routed(settings.routes, case)


def speak(board: Board, name: str, notices: Sequence[Notice], at_ns: int, to: tuple[str, ...] = ()) -> None:
    """
    Put the notices of one moment into outbox and history; an incident that nobody was told of stays silent.

    Args:
        to: whom it is for; none: whom the routes name.
    """
    if not notices:
        return
    view, incident = board.view(name), board.incidents[name]
    for kind, facts in notices:
        told = _is_told(incident, kind)
        if told and kind in (*_BEGINNINGS, *_ENDS):
            incident = replace(incident, told_active=kind in _BEGINNINGS)
        if told and kind in ("opened", "reopened"):
            incident = replace(incident, told_first_ns=at_ns, steps_taken=0)
        if kind != "updated":
            detail = {"level": str(view.level)} | ({"of": facts[0]} if facts else {})
            board.write(History(incident=name, at_ns=at_ns, act=kind, actor=CORRELATE, detail=detail))
        if told or kind != "updated":
            board.say(alert_of(kind, at_ns, view, *facts, told=told, to=to or addressed(board.settings, view)))
    if incident is not board.incidents[name]:
        board.put_incident(incident)


def _is_told(incident: Incident, kind: str) -> bool:
    """Whether people hear of it. Who was told the beginning is told the end, whatever mutes it by then."""
    if not incident.told_rank:
        return False
    if kind in _ENDS:
        return not incident.flapping and (incident.told_active or incident.muted_by is None)
    if kind in ("merged", "closed"):
        return True
    return incident.muted_by is None and not (incident.flapping and kind == "reopened")
