"""
Whether people are to be told of an incident, or whether something else says it better, or somebody planned not to hear.

What is muted is in the casebook all the same. Whoever was told the beginning is told the end, whatever mutes it by
then; what is muted and still so when the reason is gone is told then.
"""

from __future__ import annotations

from correlator.incidents.board import Board
from correlator.incidents.condition import ACTIVE, Condition
from correlator.incidents.family import family_is
from correlator.incidents.incident import Incident
from correlator.incidents.neighbours import is_at_one_place
from correlator.incidents.settings import ns
from correlator.muting.silence import in_force, is_meant

SILENCE, CAMERA, INCIDENT, STORM = "silence", "camera", "incident", "storm"
LIFE = ("fire", "crowd", "fall")  # no storm of other things hides the first of these at a site


def mute_of(board: Board, name: str, condition: Condition | None, at_ns: int) -> str | None:
    """
    Why nobody is to be told of the incident now (`silence ID`, `camera ID`, `incident ID`, `storm ID`); None: told.

    Args:
        condition: the one that has just changed; None: look at all of them.
    """
    incident = board.incidents[name]
    if condition is not None and condition.status == ACTIVE:
        why = _why(board, incident, condition, at_ns)
        if why is None or why == incident.muted_by:
            return why
    if board.tally(name).status != ACTIVE:
        return incident.muted_by
    active = [each for each in board.members(name) if each.status == ACTIVE]
    reasons = {_why(board, incident, each, at_ns) for each in active}
    # Muted only when all that is active is; why is said of the least name, so that it does not depend on the order.
    return None if not reasons or None in reasons else min(why for why in reasons if why)


def _why(board: Board, incident: Incident, condition: Condition, at_ns: int) -> str | None:
    return (
        _silence(board, incident, condition, at_ns)
        or _blind(board, condition)
        or _worse(board, incident, condition)
        or _storm(board, incident, condition, at_ns)
    )


def _silence(board: Board, incident: Incident, condition: Condition, at_ns: int) -> str | None:
    if not board.silences:
        return None
    rank = board.tally(incident.id).rank
    found = (
        silence.id
        for silence in in_force(board.silences, at_ns)
        if rank <= silence.level_max.rank and is_meant(silence, condition.latest)
    )
    return next((f"{SILENCE} {one}" for one in found), None)


def _blind(board: Board, condition: Condition) -> str | None:
    """What only cameras say that are known to be lost or blind is not believed; of fire it is all the same."""
    family = family_is(condition.family)
    if not condition.cameras or family in board.settings.believed:
        return None
    if family == "health" or not all(map(board.is_ailing, condition.cameras)):
        return None
    return f"{CAMERA} {min(condition.cameras)}"


def _worse(board: Board, incident: Incident, condition: Condition) -> str | None:
    """A hazard that stands before this one in the order of hazards, of a higher level, told, at the same place."""
    family, order = family_is(condition.family), board.settings.hazards
    if family not in order:
        return None
    drill = condition.family[: len(condition.family) - len(family)]
    rank = 0
    for worse in order[: order.index(family)]:
        # Who speaks at all first: it is the cheaper question, and mostly nobody does; who is near before how bad it is.
        speaking = board.speaking(f"{drill}{worse}" if drill else worse)
        if not speaking:
            continue
        rank = rank or board.tally(incident.id).rank
        louder = [
            home
            for other_id in board.neighbours.of_family(condition, f"{drill}{worse}")
            if (home := board.home[other_id]) in speaking
            and (other := board.conditions[other_id]).status == ACTIVE
            and board.tally(home).rank > rank
            and is_at_one_place(board.settings, condition, other)
        ]
        if louder:
            return f"{INCIDENT} {min(louder)}"
    return None


def _storm(board: Board, incident: Incident, condition: Condition, at_ns: int) -> str | None:
    """In a storm, one incident of a site speaks for all of it that is no worse; what was folded so stays folded."""
    kept = incident.muted_by is not None and incident.muted_by.startswith(STORM)
    # What people know of is not folded away: that would only hide how it goes on.
    if not kept and (incident.told_rank or not board.storm.is_on(at_ns)):
        return None
    family, rank = family_is(condition.family), board.tally(incident.id).rank
    for name in board.of_site(condition.latest.site):
        lead = board.incidents[name]
        if name == incident.id or lead.told_rank < rank or lead.muted_by is not None or lead.state == "closed":
            continue
        # What was folded waits a while for its end too, so that the end of a storm is no wall either.
        ended = board.tally(name).status != ACTIVE
        if ended and not (kept and at_ns - lead.changed_ns < ns(board.settings.storm_s)):
            continue
        if family not in LIFE or family == family_is(lead.family):
            return f"{STORM} {name}"
    return None
