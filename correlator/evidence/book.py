"""
Pictures of incidents, kept beside the casebook in its database, and taken away when their time is over.

All of them have their persons covered before they come here. What is taken away is overwritten on the disk as far as
the database lets us: SQLite does so at once; PostgreSQL at its next vacuum, and backups have a rule of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select

from correlator.casebook import holds, rows
from correlator.casebook.database import Database
from correlator.casebook.tables import evidence_pictures as table

_BATCH = 500


@dataclass(frozen=True, slots=True)
class EvidenceKept:
    pictures: int
    size_bytes: int
    oldest_from_ns: int | None  # UTC, of the oldest picture; None where there is none


class EvidenceBook:
    """
    Safe for several threads and processes. Every method may raise `StoreRetryable`.

    Raises:
        SettingsError, StoreRetryable: as `open_casebook`.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def keep(self, reference: str, from_ns: int, jpeg: bytes) -> None:
        """Keep a picture; one that is there already stays as it is."""
        row = {"reference": reference, "from_ns": from_ns, "size_bytes": len(jpeg), "jpeg": jpeg}
        with self._database.writing() as connection:
            rows.put(connection, table, [row], overwrite=False)

    def picture(self, reference: str, after_ns: int) -> bytes | None:
        """The JPEG; None where it is not there, or from before `after_ns`: its time is over, unless it is held."""
        query = select(table.c.jpeg, table.c.from_ns).where(table.c.reference == reference)
        with self._database.reading() as connection:
            found = connection.execute(query).one_or_none()
            over = found is not None and found.from_ns <= after_ns and reference not in holds.pictures(connection)
        return None if found is None or over else bytes(found.jpeg)

    def kept(self) -> EvidenceKept:
        query = select(func.count(), func.coalesce(func.sum(table.c.size_bytes), 0), func.min(table.c.from_ns))
        with self._database.reading() as connection:
            pictures, size_bytes, oldest_ns = connection.execute(query.select_from(table)).one()
        return EvidenceKept(int(pictures), int(size_bytes), None if oldest_ns is None else int(oldest_ns))

    def prune(self, before_ns: int, bytes_max: int) -> int:
        """
        Take away what is from before `before_ns`, and the oldest of what is more than `bytes_max`; how many. Pictures
        of held incidents stay, and count.
        """
        with self._database.writing() as connection:
            held = holds.pictures(connection)
            old = connection.execute(select(table.c.reference).where(table.c.from_ns <= before_ns)).scalars()
            gone = 0
            for names in rows.chunks(name for name in old if name not in held):
                gone += connection.execute(delete(table).where(table.c.reference.in_(names))).rowcount
            total = int(connection.execute(select(func.coalesce(func.sum(table.c.size_bytes), 0))).scalar_one())
            while total > bytes_max:
                oldest = connection.execute(
                    select(table.c.reference, table.c.size_bytes)
                    .where(table.c.reference.not_in(sorted(held)))
                    .order_by(table.c.from_ns, table.c.reference)
                    .limit(_BATCH)
                ).all()
                if not oldest:
                    break
                over = []
                for reference, size_bytes in oldest:
                    if total <= bytes_max:
                        break
                    over.append(reference)
                    total -= size_bytes
                gone += connection.execute(delete(table).where(table.c.reference.in_(over))).rowcount
        if gone:
            self._database.erase()
        return int(gone)

    def close(self) -> None:
        self._database.close()
