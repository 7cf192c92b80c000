"""A person's action on one incident, as changes to write."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from correlator.incidents.board import Board, Opened
from correlator.incidents.changes import Changes, History, alert_of
from correlator.incidents.condition import ACTIVE, rank_of, status_of
from correlator.incidents.lifecycle import TARGET, Action, is_done, is_refused, moved, reopened
from correlator.incidents.notices import addressed, speak
from correlator.incidents.settings import CorrelateSettings
from ingest.schema.alert import IncidentView


@dataclass(frozen=True, slots=True)
class Decision:
    view: IncidentView  # after the action; as it stands, where it was refused
    changes: Changes
    refused: bool = False


def decide(
    settings: CorrelateSettings, found: Opened, action: Action, *, actor: str, version: int | None, at_ns: int
) -> Decision:
    """
    What `action` by `actor` at `at_ns` does to the one incident in `found`.

    A close that was decided before the newest condition began does not hide that one: the incident is closed, and is
    open again at once.
    """
    board = Board(settings, found)
    incident = found.incidents[0]
    members = board.members(incident.id)
    if is_done(incident, action):
        return Decision(board.view(incident.id), Changes(board.revision))
    if is_refused(incident, action, version):
        return Decision(board.view(incident.id), Changes(board.revision), refused=True)
    after = moved(incident, action, actor, at_ns, rank_of(members))
    if action == "reopen" and status_of(members) != ACTIVE:
        after = replace(after, settled_ns=at_ns)
    board.put_incident(after)
    board.write(History(incident=incident.id, at_ns=at_ns, act=action, actor=actor, detail={"state": after.state}))
    kind = "reopened" if action == "reopen" else TARGET[action]
    view = board.view(incident.id)
    board.say(alert_of(kind, at_ns, view, "act", str(after.version), to=addressed(settings, view)))
    newer = [each for each in members if each.onset_ns > at_ns and each.status == ACTIVE]
    if after.state == "closed" and newer:
        first = min(newer, key=lambda each: (each.onset_ns, each.id))
        board.put_incident(reopened(after, first.latest_id, first.latest_ns))
        # Its onset may have been told already; after the close it is told again.
        speak(board, incident.id, [("reopened", (first.latest_id, str(after.version)))], first.latest_ns)
    return Decision(board.view(incident.id), board.take_changes())
