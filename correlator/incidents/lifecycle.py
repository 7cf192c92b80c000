"""The life of an incident: open, acknowledged, dispatched, on scene, resolved, closed; and who may move it where."""

from __future__ import annotations

from typing import Literal

import msgspec

from correlator.incidents.incident import TURNS_MAX, Incident, State
from correlator.incidents.response import met_by

CORRELATE = "correlate"  # the actor where no desk acted
Action = Literal["acknowledge", "dispatch", "arrive", "resolve", "close", "reopen", "false_alarm"]
TARGET: dict[Action, State] = {
    "acknowledge": "acknowledged",
    "dispatch": "dispatched",
    "arrive": "on_scene",
    "resolve": "resolved",
    "close": "closed",
    "reopen": "open",
    "false_alarm": "closed",
}
LEGAL: dict[Action, frozenset[State]] = {
    "acknowledge": frozenset({"open"}),
    "dispatch": frozenset({"open", "acknowledged"}),
    "arrive": frozenset({"open", "acknowledged", "dispatched"}),
    "resolve": frozenset({"open", "acknowledged", "dispatched", "on_scene"}),
    "close": frozenset({"open", "acknowledged", "dispatched", "on_scene", "resolved"}),
    "reopen": frozenset({"resolved", "closed"}),
    "false_alarm": frozenset({"open", "acknowledged", "dispatched", "on_scene", "resolved"}),
}
_PROGRESS: dict[State, int] = {
    "open": 0,
    "acknowledged": 1,
    "dispatched": 2,
    "on_scene": 3,
    "resolved": -1,
    "closed": -2,
}


def is_done(incident: Incident, action: Action) -> bool:
    """Whether the incident already is where the action would bring it: to ask again changes nothing."""
    return incident.state == TARGET[action]


def is_refused(incident: Incident, action: Action, version: int | None) -> bool:
    """Whether someone else moved it after `version` was seen, or the move is not a legal one."""
    stale = version is not None and version < incident.state_version
    return stale or incident.state not in LEGAL[action]


def moved(incident: Incident, action: Action, actor: str, at_ns: int, rank: int) -> Incident:
    """The incident after a legal action; `rank` is its level's, kept when it closes."""
    state = TARGET[action]
    after = to_state(incident, state, actor, at_ns, rank)
    if action == "reopen":
        return reopened(after, f"act/{at_ns}", at_ns)
    return after


def to_state(incident: Incident, state: State, actor: str, at_ns: int, rank: int) -> Incident:
    """The next version of the incident, in `state`."""
    version = incident.version + 1
    return msgspec.structs.replace(
        incident,
        version=version,
        state=state,
        state_version=version,
        changed_by=actor,
        acknowledged_by=incident.acknowledged_by or (None if actor == CORRELATE or state == "open" else actor),
        met_ns=met_by(state, incident.met_ns, at_ns),
        closed_ns=at_ns if state == "closed" else None,
        closed_rank=rank if state == "closed" else 0,
        changed_ns=max(incident.changed_ns, at_ns),
    )


def reopened(incident: Incident, episode: str, at_ns: int) -> Incident:
    """The incident open again, its clocks started anew."""
    version = incident.version + 1
    return msgspec.structs.replace(
        incident,
        version=version,
        state="open",
        state_version=version,
        acknowledged_by=None,
        changed_by=None,
        episode=episode,
        clock_from_ns=at_ns,
        met_ns={},
        breached=(),
        told_first_ns=at_ns if incident.told_rank else None,
        steps_taken=0,
        settled_ns=None,
        closed_ns=None,
        closed_rank=0,
        changed_ns=max(incident.changed_ns, at_ns),
    )


def joined(heir: Incident, gone: Incident, identity: str) -> Incident:
    """
    Two incidents that turned out to be one, under the id `identity`.

    The further state of the two stays, so that nobody is called twice; but resolved together with not resolved is
    not resolved. Targets that were met stay met.
    """
    lead = max(heir, gone, key=lambda one: (_PROGRESS[one.state], one.state_version, one.id))
    version = max(heir.version, gone.version) + 1
    starts = [one.clock_from_ns for one in (heir, gone)]
    met = {
        name: min(at for one in (heir, gone) if (at := one.met_ns.get(name))) for name in {**heir.met_ns, **gone.met_ns}
    }
    if lead.state != "resolved":
        met.pop("resolved", None)
    return msgspec.structs.replace(
        heir,
        id=identity,
        version=version,
        state=lead.state,
        state_version=version if heir.state != gone.state else max(heir.state_version, gone.state_version),
        acknowledged_by=lead.acknowledged_by,
        changed_by=lead.changed_by,
        aliases=tuple(sorted({*heir.aliases, *gone.aliases, heir.id, gone.id} - {identity})),
        follows=heir.follows or gone.follows,
        clock_from_ns=None if None in starts else min(start for start in starts if start is not None),
        met_ns=met,
        breached=tuple(sorted({*heir.breached, *gone.breached})),
        told_rank=max(heir.told_rank, gone.told_rank),
        recorded_rank=max(heir.recorded_rank, gone.recorded_rank),
        updated_told_ns=max(
            (one.updated_told_ns for one in (heir, gone) if one.updated_told_ns is not None), default=None
        ),
        held_count=heir.held_count + gone.held_count,
        muted_by=None if None in (heir.muted_by, gone.muted_by) else heir.muted_by,
        told_first_ns=min((one.told_first_ns for one in (heir, gone) if one.told_first_ns is not None), default=None),
        steps_taken=max(heir.steps_taken, gone.steps_taken),
        told_active=heir.told_active or gone.told_active,
        turns_ns=tuple(sorted({*heir.turns_ns, *gone.turns_ns}))[-TURNS_MAX:],
        flapping=heir.flapping or gone.flapping,
        settled_ns=None,
        changed_ns=max(heir.changed_ns, gone.changed_ns),
    )
