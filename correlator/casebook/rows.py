"""Rows of the casebook from our structs and back, and the statements that put them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Select, Table, and_, bindparam, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from correlator.casebook import tables
from correlator.incidents.board import Opened
from correlator.incidents.changes import Changes, History
from correlator.incidents.condition import Condition
from correlator.incidents.incident import Incident
from ingest.clock import utc_ns
from ingest.errors import RecordError
from ingest.schema.alert import Alert, IncidentView

CHUNK = 500  # parameters of one statement are few on old SQLite
Row = dict[str, Any]
_encode = msgspec.json.encode


class _Zones(msgspec.Struct):
    """As much of a condition as says where it was."""

    zones: tuple[str, ...]


def put(connection: Connection, table: Table, rows: Sequence[Row], *, overwrite: bool = True) -> None:
    """Insert `rows`; where a primary key is there already, overwrite the row or leave it."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    key = [column.name for column in table.primary_key]
    names = [name for name in rows[0] if name not in key]
    if overwrite and names:
        statement = statement.on_conflict_do_update(
            index_elements=key, set_={name: statement.excluded[name] for name in names}
        )
    else:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    connection.execute(statement, list(rows))


def put_greater(connection: Connection, table: Table, row: Row, column: str) -> None:
    """Insert `row`; where it is there, set `column` if that makes it greater. One statement."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[key.name for key in table.primary_key],
            set_={column: statement.excluded[column]},
            where=table.c[column] < statement.excluded[column],
        )
    )


def chunks(names: Iterable[str]) -> Iterable[list[str]]:
    listed = list(names)
    return (listed[start : start + CHUNK] for start in range(0, len(listed), CHUNK))


def incident_row(incident: Incident, view: IncidentView) -> Row:
    return {
        "id": incident.id,
        "state": incident.state,
        "condition": view.condition,
        "level_rank": view.level.rank,
        "detected_ns": utc_ns(view.detected_at),
        "closed_ns": incident.closed_ns,
        "version": incident.version,
        "kind": view.kind[:128],
        "facts": _encode(incident),
        "view": _encode(view),
    }


def history_row(line: History) -> Row:
    return {
        "incident": line.incident,
        "at_ns": line.at_ns,
        "act": line.act,
        "actor": line.actor,
        "detail": _encode(line.detail),
    }


def write_changes(connection: Connection, changes: Changes) -> None:
    """The rows of one step, without outbox and positions."""
    if changes.merged:
        # One after the other, as they were merged: an heir may be gone a moment later.
        moves = update(tables.aliases).where(tables.aliases.c.incident == bindparam("gone"))
        pairs = [{"gone": gone, "heir": heir} for gone, heir in changes.merged]
        connection.execute(moves.values(incident=bindparam("heir")), pairs)
        for names in chunks(gone for gone, _ in changes.merged):
            connection.execute(delete(tables.incidents).where(tables.incidents.c.id.in_(names)))
    put(connection, tables.aliases, [{"id": gone, "incident": heir} for gone, heir in changes.merged])
    put(connection, tables.incidents, [incident_row(incident, view) for incident, view in changes.incidents])
    put(
        connection,
        tables.conditions,
        [{"id": condition.id, "incident": home, "facts": _encode(condition)} for condition, home in changes.conditions],
    )
    put(
        connection,
        tables.findings,
        [{"id": finding, "condition": condition} for finding, condition in changes.findings],
        overwrite=False,
    )
    write_history(connection, changes.history)
    put(connection, tables.muted, [{"silence": one, "incident": name} for one, name in changes.muted], overwrite=False)
    if changes.storm is not None:
        put(connection, tables.situation, [{"fact": "storm", "facts": _encode(changes.storm)}])


def write_history(connection: Connection, lines: Sequence[History]) -> None:
    if lines:
        connection.execute(tables.history.insert(), [history_row(line) for line in lines])


def write_alerts(connection: Connection, alerts: Sequence[Alert], sequence: int) -> int:
    """Append `alerts` to the outbox after `sequence`, without those whose id is there; the new last sequence."""
    known: set[str] = set()
    for names in chunks(alert.id for alert in alerts):
        known |= set(connection.execute(select(tables.outbox.c.id).where(tables.outbox.c.id.in_(names))).scalars())
    rows: list[Row] = []
    for alert in alerts:
        if alert.id in known:
            continue
        known.add(alert.id)
        sequence += 1
        rows.append(
            {
                "sequence": sequence,
                "id": alert.id,
                "at_ns": utc_ns(alert.at),
                "incident": alert.incident.id,
                "type": alert.type,
                "alert": _encode(msgspec.structs.replace(alert, sequence=sequence)),
            }
        )
    if rows:
        connection.execute(tables.outbox.insert(), rows)
    return sequence


def opened(connection: Connection, wanted: Select[Any]) -> Opened:
    """The incidents whose ids `wanted` selects, with their conditions, their findings and the revision."""
    ids = wanted.scalar_subquery()
    revision = connection.execute(select(tables.outbox_head.c.revision)).scalar_one()
    incidents = connection.execute(
        select(tables.incidents.c.facts).where(tables.incidents.c.id.in_(ids)).order_by(tables.incidents.c.id)
    ).scalars()
    conditions = connection.execute(
        select(tables.conditions.c.facts, tables.conditions.c.incident)
        .where(tables.conditions.c.incident.in_(ids))
        .order_by(tables.conditions.c.id)
    ).all()
    findings = connection.execute(
        select(tables.findings.c.id, tables.findings.c.condition).where(
            tables.findings.c.condition.in_(
                select(tables.conditions.c.id).where(tables.conditions.c.incident.in_(ids)).scalar_subquery()
            )
        )
    ).all()
    return Opened(
        revision=revision,
        incidents=tuple(msgspec.json.decode(facts, type=Incident) for facts in incidents),
        conditions=tuple((msgspec.json.decode(row.facts, type=Condition), row.incident) for row in conditions),
        findings=tuple((row.id, row.condition) for row in findings),
    )


def views_of_zone(connection: Connection, wanted: Select[Any], zone: str) -> tuple[IncidentView, ...]:
    """Those of the incidents whose ids `wanted` selects that have a condition in the zone, by their detection."""
    ids = wanted.scalar_subquery()
    conditions = connection.execute(
        select(tables.conditions.c.facts, tables.conditions.c.incident).where(tables.conditions.c.incident.in_(ids))
    )
    there = {row.incident for row in conditions if zone in msgspec.json.decode(row.facts, type=_Zones).zones}
    views = connection.execute(
        select(tables.incidents.c.id, tables.incidents.c.view)
        .where(tables.incidents.c.id.in_(ids))
        .order_by(tables.incidents.c.detected_ns, tables.incidents.c.id)
    )
    return tuple(msgspec.json.decode(row.view, type=IncidentView) for row in views if row.id in there)


def page_query(state: Literal["open", "all"], limit: int, cursor: str | None) -> Select[Any]:
    """One page of views with its keys, and one row more, which tells that there is a next."""
    table = tables.incidents.c
    keys = (table.level_rank, table.detected_ns, table.id) if state == "open" else (table.detected_ns, table.id)
    query = select(table.view, table.level_rank, table.detected_ns, table.id)
    if state == "open":
        query = query.where(table.state != "closed")
    if cursor is not None:
        after = _read_cursor(cursor, state)
        steps = [
            and_(*(keys[before] == after[before] for before in range(at)), keys[at] < after[at])
            for at in range(len(keys))
        ]
        query = query.where(or_(*steps))
    return query.order_by(*(key.desc() for key in keys)).limit(limit + 1)


def cursor_of(state: Literal["open", "all"], row: Mapping[str, Any]) -> str:
    key = [row["level_rank"]] if state == "open" else []
    return base64.urlsafe_b64encode(_encode([state, *key, row["detected_ns"], row["id"]])).decode()


def _read_cursor(cursor: str, state: str) -> list[Any]:
    try:
        if state == "open":
            found: tuple[Any, ...] = msgspec.json.decode(
                base64.urlsafe_b64decode(cursor), type=tuple[str, int, int, str]
            )
        else:
            found = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[str, int, str])
    except (ValueError, msgspec.DecodeError):
        found = ("",)
    if found[0] != state:
        raise RecordError(
            "cursor",
            expected="the `next` of a page of the same list",
            got=cursor[:60],
            mend="Start with the first page.",
        )
    return list(found[1:])
