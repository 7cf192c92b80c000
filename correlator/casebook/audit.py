"""The audit: a chain of rows, each with a digest of itself and of the one before. A change anywhere breaks it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import msgspec
from sqlalchemy import Connection, select

from correlator.casebook import tables

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class AuditRow:
    number: int
    at_ns: int
    actor: str
    act: str
    subject: str
    digest: str  # of this row and of the digest before it


class ChainedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that can be checked alone: with the digest of the row before it."""

    number: int
    at_ns: int
    actor: str
    act: str
    subject: str
    before: str
    digest: str

    @property
    def whole(self) -> bool:
        return self.digest == digest_of(self.before, self.number, self.at_ns, self.actor, self.act, self.subject)


def digest_of(before: str, number: int, at_ns: int, actor: str, act: str, subject: str) -> str:
    digest = blake2b(digest_size=32)
    for part in (before, str(number), str(at_ns), actor, act, subject):
        data = part.encode()
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.hexdigest()


def write(connection: Connection, actor: str, act: str, subject: str, at_ns: int) -> None:
    """Add one row within the open transaction; the head's row is held until its commit."""
    head = connection.execute(select(tables.audit_head.c.number, tables.audit_head.c.digest).with_for_update()).one()
    number = head.number + 1
    digest = digest_of(head.digest, number, at_ns, actor, act, subject)
    connection.execute(
        tables.audit.insert(),
        {"number": number, "at_ns": at_ns, "actor": actor, "act": act, "subject": subject, "digest": digest},
    )
    connection.execute(tables.audit_head.update(), {"number": number, "digest": digest})


def rows_after(connection: Connection, number: int, limit: int) -> tuple[AuditRow, ...]:
    query = select(tables.audit).where(tables.audit.c.number > number).order_by(tables.audit.c.number).limit(limit)
    return tuple(AuditRow(**row) for row in connection.execute(query).mappings())


def rows_of(connection: Connection, text: str) -> tuple[ChainedRow, ...]:
    """The rows whose subject has `text` in it, in their order."""
    table, earlier = tables.audit, tables.audit.alias("earlier")
    query = (
        select(table, earlier.c.digest.label("before"))
        .outerjoin(earlier, earlier.c.number == table.c.number - 1)
        .where(table.c.subject.contains(text, autoescape=True))
        .order_by(table.c.number)
    )
    found = connection.execute(query).mappings()
    return tuple(ChainedRow(**{**row, "before": row["before"] or ""}) for row in found)


def verify(connection: Connection) -> tuple[bool, int | None]:
    """Whether the chain is whole; else the number of the first row that is missing or not as it was written."""
    digest, number = "", 0
    while rows := rows_after(connection, number, _BATCH):
        for row in rows:
            expected = digest_of(digest, number + 1, row.at_ns, row.actor, row.act, row.subject)
            if row.number != number + 1 or row.digest != expected:
                return False, number + 1
            digest, number = row.digest, row.number
    head = connection.execute(select(tables.audit_head)).one_or_none()
    if head is None or head.number > number:
        return False, number + 1
    if head.number < number or head.digest != digest:
        return False, head.number + 1
    return True, None
