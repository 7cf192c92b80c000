"""What time alone does to incidents: silence, missed targets, closing, and telling what was held back."""

from __future__ import annotations

from collections.abc import Callable, Set

from msgspec.structs import replace

from correlator.incidents.board import Board
from correlator.incidents.condition import ACTIVE
from correlator.incidents.incident import Incident
from correlator.incidents.lifecycle import CORRELATE, to_state
from correlator.incidents.notices import Notice, muted, routes_of, speak, still
from correlator.incidents.response import clock_from_ns, newly_breached
from correlator.incidents.settings import ns
from correlator.muting.mute import STORM, mute_of
from correlator.muting.storm import StormState
from correlator.routing.route import steps_of

Elapsed = Callable[[str], int]


def tick(board: Board, now_ns: int, clock_ns: Elapsed, heard_ns: Elapsed, caught_up: Set[int], *, leads: bool) -> None:
    """
    Let time pass for all incidents.

    Args:
        now_ns: wall time, for what is forgotten.
        clock_ns: the time, by incident, that it is held against; steps of the wall clock are not in it.
        heard_ns: the same by condition, for its silence.
        caught_up: partitions that were read to their end: only there silence is silence, and not a backlog.
        leads: whether this worker, of all, does what needs doing only once.
    """
    for name in list(board.incidents):
        at_ns = clock_ns(name)
        _silence(board, name, at_ns, heard_ns, caught_up)
        incident = board.incidents[name]
        if incident.state == "closed" or not leads:
            continue
        _unmute(board, name, at_ns)
        _settle(board, name, at_ns)
        incident = board.incidents[name]
        if incident.told_rank and incident.state != "resolved" and incident.muted_by is None:
            _breach(board, incident, at_ns)
            _escalate(board, name, at_ns)
        _flush(board, name, at_ns)
        _close(board, name, at_ns)
    if leads:
        board.put_situation(_situation(board, now_ns))
    board.forget(_stale(board, now_ns))


def _unmute(board: Board, name: str, at_ns: int) -> None:
    """Tell what was muted and is still so, once nothing mutes it any more."""
    incident = board.incidents[name]
    if incident.muted_by is None or board.tally(name).status != ACTIVE:
        return
    after = muted(board, incident, mute_of(board, name, None, at_ns), at_ns)
    if after is incident:
        return
    notices: list[Notice] = []
    after = replace(after, version=after.version + 1, changed_ns=max(after.changed_ns, at_ns))
    rank = board.tally(name).rank
    if after.muted_by is None and after.told_rank < rank:
        after, notices = still(after, rank, at_ns)
    elif after.muted_by is None and after.told_rank and not after.told_active:
        notices = [("reopened", ("unmuted", str(after.version)))]
    board.put_incident(after)
    speak(board, name, notices, at_ns)


def _settle(board: Board, name: str, at_ns: int) -> None:
    """What flapped and has kept still is told as it is now, where people believe otherwise."""
    incident, status = board.incidents[name], board.tally(name).status
    if not incident.flapping or at_ns - incident.turns_ns[-1] < ns(board.settings.flap_still_s):
        return
    last = str(incident.turns_ns[-1])
    board.put_incident(replace(incident, version=incident.version + 1, flapping=False, turns_ns=()))
    if incident.told_active != (status == ACTIVE):
        speak(board, name, [("reopened" if status == ACTIVE else status, ("still", last))], at_ns)


def _situation(board: Board, now_ns: int) -> StormState:
    """The banner: whether it storms, and what is folded away by it."""
    was, on = board.situation, board.storm.is_on(now_ns)
    if not on and not was.on:
        return was
    live = [name for name, incident in board.incidents.items() if incident.state != "closed"]
    return StormState(
        on=on,
        since_ns=was.since_ns if was.on else now_ns,
        ended_ns=None if on else now_ns,
        findings_per_min=board.storm.begun(now_ns),
        sites=len({condition.latest.site for name in live for condition in board.members(name)}),
        folded=sum((board.incidents[name].muted_by or "").startswith(STORM) for name in live),
    )


def _silence(board: Board, name: str, now_ns: int, heard_ns: Elapsed, caught_up: Set[int]) -> None:
    """Conditions that nobody speaks of any more are unknown, since they were last observed; never clear."""
    settings, lapsed = board.settings, []
    before = board.tally(name).status
    for condition in board.members(name):
        silent = condition.status == ACTIVE and condition.partition in caught_up
        if silent and heard_ns(condition.id) - condition.heard_ns > ns(settings.silent_s):
            board.put_condition(replace(condition, lapsed=True), name)
            lapsed.append(condition.latest_id)
    if not lapsed:
        return
    incident = board.incidents[name]
    ended = board.tally(name).status != ACTIVE
    settled_ns = incident.settled_ns if not ended or incident.settled_ns is not None else now_ns
    board.put_incident(
        replace(
            incident, version=incident.version + 1, settled_ns=settled_ns, changed_ns=max(incident.changed_ns, now_ns)
        )
    )
    if ended and before == ACTIVE and incident.state != "closed":
        speak(board, name, [("unknown", (max(lapsed),))], now_ns)


def _breach(board: Board, incident: Incident, at_ns: int) -> None:
    settings, members = board.settings, board.members(incident.id)
    from_ns = clock_from_ns(incident.clock_from_ns, members)
    missed = newly_breached(settings, from_ns, incident.met_ns, incident.breached, at_ns)
    for target, target_ns in missed:
        incident = replace(incident, version=incident.version + 1, breached=(*incident.breached, target))
        board.put_incident(incident)
        notice: Notice = ("breached", (target, incident.episode))
        speak(board, incident.id, [notice], target_ns)


def _escalate(board: Board, name: str, at_ns: int) -> None:
    """Tell those who are next, when nobody has acknowledged in time; each step once."""
    incident = board.incidents[name]
    if not board.settings.routes or incident.state != "open" or incident.told_first_ns is None:
        return
    steps = steps_of(routes_of(board.settings, board.view(name)))
    while incident.steps_taken < len(steps):
        after_s, to = steps[incident.steps_taken]
        due_ns = incident.told_first_ns + ns(after_s)
        if at_ns < due_ns:
            return
        incident = replace(incident, version=incident.version + 1, steps_taken=incident.steps_taken + 1)
        board.put_incident(incident)
        facts = str(incident.steps_taken), incident.episode
        speak(board, name, [("unacknowledged", facts)], due_ns, to)
        incident = board.incidents[name]


def _flush(board: Board, name: str, now_ns: int) -> None:
    """Tell the last value that was held back, so that what people see is never old for long."""
    incident = board.incidents[name]
    if incident.held is None or incident.updated_told_ns is None:
        return
    newest_ns = max(condition.latest_ns for condition in board.members(name))
    if max(now_ns, newest_ns) - incident.updated_told_ns < ns(board.settings.update_s):
        return
    facts = (incident.held,)
    board.put_incident(
        replace(incident, version=incident.version + 1, held=None, updated_told_ns=max(now_ns, newest_ns))
    )
    speak(board, name, [("updated", facts)], newest_ns)


def _close(board: Board, name: str, now_ns: int) -> None:
    """Close what ended and was acknowledged; what nobody acknowledged stays visible for longer, but not for ever."""
    settings, incident = board.settings, board.incidents[name]
    if incident.settled_ns is None:
        return
    wait_s = settings.unseen_close_s if incident.state == "open" else settings.close_s
    if now_ns - incident.settled_ns < ns(wait_s):
        return
    closed = to_state(incident, "closed", CORRELATE, now_ns, board.tally(name).rank)
    board.put_incident(closed)
    speak(board, name, [("closed", ("auto", incident.episode))], now_ns)


def _stale(board: Board, now_ns: int) -> list[str]:
    """Incidents closed for so long that nothing joins or follows them any more."""
    keep_ns = ns(max(board.settings.link_s, board.settings.reopen_s))
    return [
        name
        for name, incident in board.incidents.items()
        if incident.closed_ns is not None
        and now_ns - incident.closed_ns > keep_ns
        and all(condition.status != ACTIVE for condition in board.members(name))
    ]
