"""
Findings become incidents: connected components of conditions by hazard family, place and time.

Conditions and their edges only ever grow, and an incident's id is computed from its earliest condition, so that as long
as nobody closes an incident the outcome depends neither on the order of arrival, nor on duplicates or batches. A closed
incident takes nothing new: within the reopen time it is opened again for all to see, after it another one starts.
"""

from __future__ import annotations

from msgspec.structs import replace

from correlator.incidents.board import Board
from correlator.incidents.changes import History
from correlator.incidents.condition import ACTIVE, Condition, condition_of, folded, together
from correlator.incidents.incident import Incident
from correlator.incidents.lifecycle import CORRELATE, joined, reopened
from correlator.incidents.neighbours import is_near, is_together, is_unmoved
from correlator.incidents.notices import tell
from correlator.incidents.settings import ns
from ingest.schema.finding import Finding
from ingest.schema.ids import derived_id


def incident_id(condition: str) -> str:
    """Id of the incident whose earliest condition is `condition`."""
    return derived_id("incident", condition)


def take(board: Board, finding: Finding, partition: int, appended_at_ns: int, now_ns: int) -> None:
    """Add one finding to the board. One that is known already changes nothing."""
    alone = condition_of(board.settings, finding, partition, appended_at_ns)
    if board.is_seen(alone.id, finding.id):
        return
    board.put_finding(alone.id, finding.id)
    known = board.conditions.get(alone.id)
    condition = alone if known is None else folded(known, alone)
    homes = _homes(board, condition, known)
    before = together(board.tally(home).status for home in homes if board.incidents[home].recorded_rank)
    board.put_condition(condition, board.home.get(condition.id, homes[0]))
    name, gone = _join(board, homes, condition)
    tell(board, name, before, gone, alone, now_ns)


def _homes(board: Board, condition: Condition, known: Condition | None) -> list[str]:
    """The incidents that a condition makes one, at least one; a new one where there is none."""
    home = board.home.get(condition.id)
    if home is not None and known is not None:
        incident = board.incidents[home]
        if incident.state == "closed" and not _is_news(incident, condition):
            return [home]
        if incident.state == "closed":
            _reopen(board, incident, condition)
        elif is_unmoved(known, condition):
            return [home]
        live, _ = _touching(board, condition, home)
        return sorted({home, *live})
    live, closed = _touching(board, condition)
    if live:
        return sorted(live)
    if closed:
        last = board.incidents[closed[0]]
        assert last.closed_ns is not None
        if condition.onset_ns <= last.closed_ns + ns(board.settings.reopen_s):
            _reopen(board, last, condition)
            return [last.id]
        if condition.onset_ns <= last.closed_ns + ns(board.settings.link_s):
            return [_start(board, condition, last.id)]
    return [_start(board, condition, None)]


def _touching(board: Board, condition: Condition, own: str | None = None) -> tuple[list[str], list[str]]:
    """
    Incidents at its place: those it is one happening with, not closed; and the closed ones, newest first.

    Args:
        own: the incident that it is in already, and that is not asked about.
    """
    settings = board.settings
    gap_ns, loss_gap_ns = ns(settings.gap_s), ns(settings.loss_gap_s)
    live: dict[str, None] = {}
    closed: dict[str, int] = {}
    for name in board.neighbours.of(condition):
        home = board.home[name]
        if home == own or home in live:
            continue
        other = board.conditions[name]
        closed_ns = board.incidents[home].closed_ns
        if closed_ns is None:
            # Time first: it is the cheaper question, and the old ones of a place are many.
            if is_together(condition, other, gap_ns, loss_gap_ns) and is_near(settings, condition, other):
                live[home] = None
        elif condition.observed_ns >= other.onset_ns - gap_ns and is_near(settings, condition, other):
            closed[home] = closed_ns
    return list(live), sorted(closed, key=lambda home: (-closed[home], home))


def _is_news(incident: Incident, condition: Condition) -> bool:
    """
    Whether a condition of a closed incident got worse since. What goes on as it was stays there, quietly: whoever
    closed the incident knew of it.
    """
    assert incident.closed_ns is not None
    worse = condition.status == ACTIVE and condition.latest.level.rank > incident.closed_rank
    return worse and condition.latest_ns > incident.closed_ns


def _start(board: Board, condition: Condition, follows: str | None) -> str:
    name = incident_id(condition.id)
    board.put_incident(Incident(id=name, family=condition.family, episode=condition.id, follows=follows))
    return name


def _reopen(board: Board, incident: Incident, condition: Condition) -> None:
    """Open a closed incident again; `tell` sees the new episode and gives notice."""
    board.put_incident(reopened(incident, condition.latest_id, condition.latest_ns))


def _join(board: Board, homes: list[str], condition: Condition) -> tuple[str, list[Incident]]:
    """Make one incident of `homes`, under the id of the earliest condition; and those whose id is gone."""
    if len(homes) == 1 and board.incidents[homes[0]].state == "closed":
        return homes[0], []
    _, root = min(board.tally(home).root for home in homes)
    identity = incident_id(root)
    if homes == [identity]:
        return identity, []
    first = board.home[root]
    heir = board.incidents[first]
    if len(homes) == 1:
        aliases = tuple(sorted({*heir.aliases, heir.id} - {identity}))
        heir = replace(heir, id=identity, aliases=aliases, version=heir.version + 1)
    gone = [board.incidents[home] for home in homes if home != identity]
    for home in homes:
        if home != first:
            heir = joined(heir, board.incidents[home], identity)
    for incident in gone:
        detail = {"heir": identity, "condition": condition.id}
        board.write(
            History(incident=incident.id, at_ns=condition.latest_ns, act="merged", actor=CORRELATE, detail=detail)
        )
        board.replace(incident.id, heir)
    board.put_incident(heir)
    return identity, gone
