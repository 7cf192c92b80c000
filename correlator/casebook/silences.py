"""Silences as rows: set and ended by a desk, each act in the audit, and all correlators decide anew after it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from sqlalchemy import Connection, func, or_, select

from correlator.casebook import audit, rows, tables
from correlator.muting.preview import Preview, SilenceView, preview, shown
from correlator.muting.silence import Silence, expires_at, fault_of
from correlator.muting.storm import StormState
from ingest.clock import utc, utc_ns
from ingest.errors import SettingsError, StoreError
from ingest.schema.alert import IncidentView
from ingest.schema.ids import derived_id

_WEEK_NS = round(timedelta(days=7).total_seconds()) * 10**9


class SilenceMissing(StoreError):
    """There is no silence of this id."""


def checked(silence: Silence) -> Silence:
    """
    Raises:
        SettingsError: it has no end, no reason, or a rule that cannot be read.
    """
    fault = fault_of(silence)
    if fault is not None:
        name, expected, got, mend = fault
        raise SettingsError(f"silence: {name}", expected=expected, got=got, mend=mend)
    return silence


def put(connection: Connection, silence: Silence, at_ns: int) -> Silence:
    """
    The silence as it was written. The same asked twice by one desk in one moment is one.

    Raises:
        SettingsError: as `checked`.
    """
    said = msgspec.structs.replace(checked(silence), id="", created_at=None, ended_at=None)
    name = derived_id("silence", msgspec.json.encode(said).decode())
    known = _found(connection, name)
    if known is not None and known.ended_at is None:
        return known
    if known is not None:  # it was ended, and is wanted again: another one
        name = derived_id("silence", name, str(at_ns))
    made = msgspec.structs.replace(said, id=name, created_at=utc(at_ns))
    _write(connection, made)
    audit.write(connection, silence.author, "silence", name, at_ns)
    return made


def end(connection: Connection, name: str, actor: str, at_ns: int) -> Silence:
    """
    End a silence now; one that is over stays as it is.

    Raises:
        SilenceMissing: there is none of this id.
    """
    silence = _found(connection, name)
    if silence is None:
        raise SilenceMissing(f"silence {name[:64]}", expected="one in the casebook", got="none", mend="List them.")
    if utc_ns(expires_at(silence)) <= at_ns:
        return silence
    ended = msgspec.structs.replace(silence, ended_at=utc(at_ns))
    _write(connection, ended)
    audit.write(connection, actor, "end silence", name, at_ns)
    return ended


def after(connection: Connection, expires_after_ns: int) -> tuple[Silence, ...]:
    """Those that are not over by then, by id."""
    table = tables.silences.c
    query = select(table.facts).where(table.expires_ns > expires_after_ns).order_by(table.id)
    return tuple(msgspec.json.decode(facts, type=Silence) for facts in connection.execute(query).scalars())


def listed(connection: Connection, expires_after_ns: int, now_ns: int) -> tuple[SilenceView, ...]:
    """Silences with what they have muted, those that begin first first."""
    table = tables.muted.c
    counted = connection.execute(select(table.silence, func.count()).group_by(table.silence)).all()
    counts = {row[0]: row[1] for row in counted}
    found = sorted(after(connection, expires_after_ns), key=lambda one: (one.from_at, one.id))
    return tuple(shown(silence, counts.get(silence.id, 0), now_ns) for silence in found)


def previewed(connection: Connection, silence: Silence, now_ns: int) -> Preview:
    """
    Raises:
        SettingsError: as `checked`.
    """
    table = tables.incidents.c
    query = select(table.view).where(or_(table.state != "closed", table.detected_ns >= now_ns - _WEEK_NS))
    views = (msgspec.json.decode(view, type=IncidentView) for view in connection.execute(query).scalars())
    return preview(checked(silence), views, now_ns)


def storm(connection: Connection) -> StormState:
    query = select(tables.situation.c.facts).where(tables.situation.c.fact == "storm")
    facts = connection.execute(query).scalar()
    return StormState() if facts is None else msgspec.json.decode(facts, type=StormState)


def _found(connection: Connection, name: str) -> Silence | None:
    facts = connection.execute(select(tables.silences.c.facts).where(tables.silences.c.id == name)).scalar()
    return None if facts is None else msgspec.json.decode(facts, type=Silence)


def _write(connection: Connection, silence: Silence) -> None:
    row = {"id": silence.id, "expires_ns": utc_ns(expires_at(silence)), "facts": msgspec.json.encode(silence)}
    rows.put(connection, tables.silences, [row])
