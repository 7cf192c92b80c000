"""The one casebook: SQLAlchemy Core over SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, delete, func, or_, select

from correlator.casebook import audit, holds, retention, rows, silences, tables
from correlator.casebook.audit import AuditRow, ChainedRow
from correlator.casebook.contract import Casebook, IncidentConflict, IncidentMissing, Page
from correlator.casebook.database import Database
from correlator.casebook.holds import Hold
from correlator.incidents.board import Opened
from correlator.incidents.changes import Changes, History
from correlator.incidents.decide import decide
from correlator.incidents.lifecycle import Action
from correlator.incidents.settings import CorrelateSettings
from correlator.muting.preview import Preview, SilenceView
from correlator.muting.silence import Silence
from correlator.muting.storm import StormState
from correlator.zone_history import minutes
from correlator.zone_history.minutes import KeptMinute
from ingest.bus.contract import TopicPartition
from ingest.errors import StoreConflict
from ingest.schema.alert import Alert, IncidentView
from ingest.schema.zone_minute import ZoneMinutes


def open_casebook(url: str, settings: CorrelateSettings | None = None) -> Casebook:
    """
    The casebook at `sqlite:///path` or `postgresql+psycopg://user@host/database`; its tables are made where missing.

    Raises:
        SettingsError: not such an address, a wrong password, no such database, a file that cannot be written.
        StoreRetryable: the server cannot be reached now, the file is held by another, the disk is full.
    """
    return SqlCasebook(Database(url), settings or CorrelateSettings())


class SqlCasebook:
    def __init__(self, database: Database, settings: CorrelateSettings) -> None:
        self._database, self._settings = database, settings

    def positions(self, stage: str) -> dict[TopicPartition, int]:
        with self._database.reading() as connection:
            return _positions(connection, stage)

    def record(
        self,
        stage: str,
        changes: Changes,
        positions: Mapping[TopicPartition, int],
        expected: Mapping[TopicPartition, int],
    ) -> None:
        with self._database.writing() as connection:
            head = _hold(connection)
            found = _positions(connection, stage)
            moved = [at for at in positions if found.get(at, 0) != expected.get(at, 0)]
            if moved:
                at = moved[0]
                raise StoreConflict(
                    f"position of {stage} on {at.topic}/{at.partition}",
                    expected=str(expected.get(at, 0)),
                    got=str(found.get(at, 0)),
                    mend="Another worker read on; take its position and go on from there.",
                )
            if not changes.empty:
                if head.revision != changes.revision:
                    raise StoreConflict(
                        self._database.name,
                        expected=f"revision {changes.revision}",
                        got=f"revision {head.revision}",
                        mend="Load again and decide again.",
                    )
                rows.write_changes(connection, changes)
                holds.follow(connection, changes.merged)
                self._advance(connection, head, changes.alerts)
            rows.put(
                connection,
                tables.positions,
                [
                    {"stage": stage, "topic": at.topic, "partition": at.partition, "next_offset": offset}
                    for at, offset in positions.items()
                ],
            )

    def load_open(self, closed_after_ns: int = 0) -> Opened:
        table = tables.incidents.c
        wanted = select(table.id).where(
            or_(table.closed_ns.is_(None), table.closed_ns > closed_after_ns, table.condition == "active")
        )
        with self._database.reading() as connection:
            found = rows.opened(connection, wanted)
            return replace(found, silences=silences.after(connection, closed_after_ns))

    def revision(self) -> int:
        with self._database.reading() as connection:
            return _revision(connection)

    def load_of(self, conditions: Sequence[str]) -> Opened:
        with self._database.reading() as connection:
            homes: set[str] = set()
            for names in rows.chunks(conditions):
                query = select(tables.conditions.c.incident).where(tables.conditions.c.id.in_(names))
                homes |= set(connection.execute(query).scalars())
            if not homes:  # the common case: what is new to the board is new
                return Opened(_revision(connection))
            return rows.opened(connection, select(tables.incidents.c.id).where(tables.incidents.c.id.in_(homes)))

    def incidents(self, *, state: Literal["open", "all"], limit: int, cursor: str | None = None) -> Page:
        query = rows.page_query(state, limit, cursor)
        with self._database.reading() as connection:
            found = connection.execute(query).mappings().all()
        following = rows.cursor_of(state, dict(found[limit - 1])) if len(found) > limit else None
        return Page(tuple(_view(row["view"]) for row in found[:limit]), following)

    def incident(self, incident_id: str) -> IncidentView | None:
        with self._database.reading() as connection:
            name = _heir(connection, incident_id)
            query = select(tables.incidents.c.view).where(tables.incidents.c.id == name)
            view = connection.execute(query).scalar()
        return None if view is None else _view(view)

    def history(self, incident_id: str) -> tuple[History, ...]:
        table = tables.history.c
        with self._database.reading() as connection:
            name = _heir(connection, incident_id)
            absorbed = select(tables.aliases.c.id).where(tables.aliases.c.incident == name).scalar_subquery()
            query = select(table.incident, table.at_ns, table.act, table.actor, table.detail)
            found = connection.execute(
                query.where(or_(table.incident == name, table.incident.in_(absorbed))).order_by(table.number)
            ).all()
        return tuple(
            History(
                incident=row.incident,
                at_ns=row.at_ns,
                act=row.act,
                actor=row.actor,
                detail=msgspec.json.decode(row.detail, type=dict[str, str]),
            )
            for row in found
        )

    def act(self, incident_id: str, action: Action, *, actor: str, version: int | None, at_ns: int) -> IncidentView:
        with self._database.writing() as connection:
            head = _hold(connection)
            name = _heir(connection, incident_id)
            found = rows.opened(connection, select(tables.incidents.c.id).where(tables.incidents.c.id == name))
            if not found.incidents:
                raise _missing(incident_id)
            decision = decide(self._settings, found, action, actor=actor, version=version, at_ns=at_ns)
            if decision.refused:
                raise _conflict(decision.view, found.incidents[0].changed_by, action)
            if not decision.changes.empty:
                rows.write_changes(connection, decision.changes)
                self._advance(connection, head, decision.changes.alerts)
                audit.write(connection, actor, action, name, at_ns)
            return decision.view

    def put_silence(self, silence: Silence, at_ns: int) -> Silence:
        with self._database.writing() as connection:
            head = _hold(connection)
            made = silences.put(connection, silence, at_ns)
            self._advance(connection, head, ())
            return made

    def end_silence(self, silence_id: str, actor: str, at_ns: int) -> Silence:
        with self._database.writing() as connection:
            head = _hold(connection)
            ended = silences.end(connection, silence_id, actor, at_ns)
            self._advance(connection, head, ())
            return ended

    def silences(self, expires_after_ns: int, now_ns: int) -> tuple[SilenceView, ...]:
        with self._database.reading() as connection:
            return silences.listed(connection, expires_after_ns, now_ns)

    def preview_silence(self, silence: Silence, now_ns: int) -> Preview:
        with self._database.reading() as connection:
            return silences.previewed(connection, silence, now_ns)

    def storm(self) -> StormState:
        with self._database.reading() as connection:
            return silences.storm(connection)

    def alerts_after(self, sequence: int, limit: int) -> tuple[Alert, ...]:
        table = tables.outbox.c
        query = select(table.alert).where(table.sequence > sequence).order_by(table.sequence).limit(limit)
        with self._database.reading() as connection:
            found = connection.execute(query).scalars().all()
        return tuple(msgspec.json.decode(alert, type=Alert) for alert in found)

    def sequence(self) -> int:
        with self._database.reading() as connection:
            return int(connection.execute(select(tables.outbox_head.c.sequence)).scalar_one())

    def oldest_sequence(self) -> int:
        with self._database.reading() as connection:
            oldest = connection.execute(select(func.min(tables.outbox.c.sequence))).scalar()
            newest = connection.execute(select(tables.outbox_head.c.sequence)).scalar_one()
        return int(newest) + 1 if oldest is None else int(oldest)

    def cursor(self, receiver: str) -> int:
        query = select(tables.cursors.c.sequence).where(tables.cursors.c.receiver == receiver)
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def move_cursor(self, receiver: str, sequence: int) -> None:
        with self._database.writing() as connection:
            rows.put_greater(connection, tables.cursors, {"receiver": receiver, "sequence": sequence}, "sequence")

    def drop_cursor(self, receiver: str) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(tables.cursors).where(tables.cursors.c.receiver == receiver))

    def audit(self, actor: str, act: str, subject: str, at_ns: int) -> None:
        with self._database.writing() as connection:
            audit.write(connection, actor, act, subject, at_ns)

    def audit_after(self, number: int, limit: int) -> tuple[AuditRow, ...]:
        with self._database.reading() as connection:
            return audit.rows_after(connection, number, limit)

    def verify_audit(self) -> tuple[bool, int | None]:
        with self._database.reading() as connection:
            return audit.verify(connection)

    def prune(
        self, before_ns: int, *, alerts_before_ns: int | None = None, before_ns_of: Mapping[str, int] | None = None
    ) -> int:
        with self._database.writing() as connection:
            head = _hold(connection)
            alerts_ns = before_ns if alerts_before_ns is None else alerts_before_ns
            retention.prune_alerts(connection, head.sequence, alerts_ns)
            return retention.prune_incidents(connection, before_ns, before_ns_of or {})

    def hold(self, incident_id: str, *, actor: str, reason: str, at_ns: int) -> Hold:
        with self._database.writing() as connection:
            name = _present(connection, incident_id)
            return holds.put(connection, Hold(incident=name, at_ns=at_ns, actor=actor, reason=reason))

    def release(self, incident_id: str, *, actor: str, reason: str, at_ns: int) -> None:
        with self._database.writing() as connection:
            name = _present(connection, incident_id)
            holds.take_away(connection, Hold(incident=name, at_ns=at_ns, actor=actor, reason=reason))

    def holds(self) -> tuple[Hold, ...]:
        with self._database.reading() as connection:
            return holds.listed(connection)

    def audit_of(self, text: str) -> tuple[ChainedRow, ...]:
        with self._database.reading() as connection:
            return audit.rows_of(connection, text)

    def keep_minutes(self, told: Sequence[ZoneMinutes]) -> None:
        with self._database.writing() as connection:
            minutes.write(connection, told)

    def zone_minutes(self, zone: str, from_ns: int, to_ns: int) -> tuple[KeptMinute, ...]:
        with self._database.reading() as connection:
            return minutes.of_zone(connection, zone, from_ns, to_ns)

    def prune_minutes(self, before_ns: int) -> int:
        with self._database.writing() as connection:
            return minutes.prune(connection, before_ns)

    def incidents_of_zone(self, zone: str, from_ns: int, to_ns: int) -> tuple[IncidentView, ...]:
        table = tables.incidents.c
        wanted = select(table.id).where(
            table.detected_ns < to_ns, or_(table.closed_ns.is_(None), table.closed_ns >= from_ns)
        )
        with self._database.reading() as connection:
            return rows.views_of_zone(connection, wanted, zone)

    def close(self) -> None:
        self._database.close()

    def _advance(self, connection: Connection, head: Any, alerts: Sequence[Alert]) -> None:
        sequence = rows.write_alerts(connection, alerts, head.sequence)
        connection.execute(tables.outbox_head.update().values(sequence=sequence, revision=head.revision + 1))


def _hold(connection: Connection) -> Any:
    """The head of the outbox, held until the commit: writers go one after the other."""
    return connection.execute(select(tables.outbox_head).with_for_update()).one()


def _revision(connection: Connection) -> int:
    return int(connection.execute(select(tables.outbox_head.c.revision)).scalar_one())


def _positions(connection: Connection, stage: str) -> dict[TopicPartition, int]:
    table = tables.positions.c
    found = connection.execute(select(table.topic, table.partition, table.next_offset).where(table.stage == stage))
    return {TopicPartition(row.topic, row.partition): row.next_offset for row in found}


def _heir(connection: Connection, incident_id: str) -> str:
    query = select(tables.aliases.c.incident).where(tables.aliases.c.id == incident_id)
    return connection.execute(query).scalar() or incident_id


def _present(connection: Connection, incident_id: str) -> str:
    """The id of an incident or of its heir."""
    name = _heir(connection, incident_id)
    if connection.execute(select(tables.incidents.c.id).where(tables.incidents.c.id == name)).scalar() is None:
        raise _missing(incident_id)
    return name


def _missing(incident_id: str) -> IncidentMissing:
    return IncidentMissing(
        f"incident {incident_id}", expected="one in the casebook", got="none", mend="Reload the list."
    )


def _view(text: bytes) -> IncidentView:
    return msgspec.json.decode(text, type=IncidentView)


def _conflict(view: IncidentView, changed_by: str | None, action: Action) -> IncidentConflict:
    who = changed_by or "nobody"
    return IncidentConflict(
        view,
        expected=f"a state that allows `{action}`, unchanged since it was seen",
        got=f"{view.state}, by {who}",
        mend="Look at the incident again, then decide.",
    )
