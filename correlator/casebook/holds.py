"""Legal holds: an incident whose rows and pictures stay, whatever their time, until somebody releases it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, delete, select

from correlator.casebook import audit, rows, tables
from correlator.incidents.changes import History
from correlator.incidents.condition import Condition
from ingest.errors import SettingsError
from ingest.schema.alert import IncidentView

REASON_CHARACTERS_MAX = 500


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    incident: str
    at_ns: int
    actor: str  # the desk that asked for it
    reason: str


def put(connection: Connection, hold: Hold) -> Hold:
    """
    The hold, written, audited and in the incident's past; where there is one already, that one stays as it is.

    Raises:
        SettingsError: no reason, or a far too long one.
    """
    _check(hold.reason)
    known = of(connection, hold.incident)
    if known is not None:
        return known
    connection.execute(tables.holds.insert(), msgspec.structs.asdict(hold))
    _tell(connection, hold, "held")
    return hold


def take_away(connection: Connection, release: Hold) -> None:
    """Release an incident, with the reason; one that is not held stays as it is."""
    _check(release.reason)
    if connection.execute(delete(tables.holds).where(tables.holds.c.incident == release.incident)).rowcount:
        _tell(connection, release, "released")


def of(connection: Connection, incident: str) -> Hold | None:
    row = connection.execute(select(tables.holds).where(tables.holds.c.incident == incident)).mappings().one_or_none()
    return None if row is None else Hold(**row)


def listed(connection: Connection) -> tuple[Hold, ...]:
    found = connection.execute(select(tables.holds).order_by(tables.holds.c.at_ns, tables.holds.c.incident)).mappings()
    return tuple(Hold(**row) for row in found)


def follow(connection: Connection, merged: Sequence[tuple[str, str]]) -> None:
    """The hold of an incident that was merged goes to its heir, unless that has one of its own."""
    if not merged:
        return
    held = {hold.incident: hold for hold in listed(connection)}  # they are few
    for gone, heir in merged if held else ():
        hold = held.pop(gone, None)
        if hold is not None:
            connection.execute(delete(tables.holds).where(tables.holds.c.incident == gone))
            held.setdefault(heir, msgspec.structs.replace(hold, incident=heir))
            rows.put(connection, tables.holds, [msgspec.structs.asdict(held[heir])], overwrite=False)


def pictures(connection: Connection) -> frozenset[str]:
    """References of the pictures of all incidents that are held."""
    held = select(tables.holds.c.incident).scalar_subquery()
    views = connection.execute(select(tables.incidents.c.view).where(tables.incidents.c.id.in_(held))).scalars()
    found = {one for view in views for one in msgspec.json.decode(view, type=IncidentView).evidence}
    facts = connection.execute(
        select(tables.conditions.c.facts).where(tables.conditions.c.incident.in_(held))
    ).scalars()
    for text in facts:
        condition = msgspec.json.decode(text, type=Condition)
        found |= {*condition.evidence, *condition.latest.evidence}
    return frozenset(found)


def _tell(connection: Connection, hold: Hold, act: str) -> None:
    detail = {"reason": hold.reason}
    line = History(incident=hold.incident, at_ns=hold.at_ns, act=act, actor=hold.actor, detail=detail)
    rows.write_history(connection, [line])
    audit.write(connection, hold.actor, act, f"incident {hold.incident}: {hold.reason}", hold.at_ns)


def _check(reason: str) -> None:
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise SettingsError(
            "reason", expected=f"1 to {REASON_CHARACTERS_MAX} characters", got=str(len(reason)), mend="Say why."
        )
