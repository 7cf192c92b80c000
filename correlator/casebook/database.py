"""Connections and transactions on SQLite or PostgreSQL, and what goes wrong with them in one clear line each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from correlator.casebook import schema, tables
from ingest.errors import SettingsError, StoreConflict, StoreError, StoreRetryable
from ingest.write_ahead import turn_on_write_ahead

BUSY_S = 5.0
_LOCK = 0x64_72_75_6D  # PostgreSQL advisory lock while the tables are made or upgraded
_REFUSED = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "pg_hba.conf",
    "permission denied",
)


class Database:
    """
    Args:
        upgrade: make the tables where they are missing, and upgrade older ones.
    """

    def __init__(self, url: str, *, upgrade: bool = True) -> None:
        self.url = _parsed(url)
        self.name = f"casebook {self.url.render_as_string(hide_password=True)}"
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _engine(self.url, self.is_sqlite)
        self._writer = self.engine.execution_options(drumtower_writes=True)
        # SQLite's readers see one state of things anyway.
        self._reader = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        if not upgrade:
            return
        try:
            with self.writing(opening=True) as connection:
                self._prepare(connection)
        except (StoreError, SettingsError):
            self.engine.dispose()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the casebook."""
        with self._translated(opening=False), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, *, opening: bool = False) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        with self._translated(opening=opening), self._writer.connect() as connection, connection.begin():
            yield connection

    def erase(self) -> None:
        """
        Take what was deleted off the disk as far as we can: SQLite overwrites it in the file, and empties its log where
        nobody reads just now. A log that is in use is overwritten later, as it goes round.
        """
        if self.is_sqlite:
            with self._translated(opening=False), closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _translated(self, *, opening: bool) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise StoreConflict(
                self.name, expected="rows as they were read", got=_line(error), mend="Load again and decide again."
            ) from None
        except PoolTimeout as error:
            raise self._retryable(str(error).split("(")[0].strip()) from None
        except (DBAPIError, OSError) as error:
            raise self._refused(_line(error), opening) from None

    def _refused(self, reason: str, opening: bool) -> SettingsError | StoreRetryable:
        low = reason.lower()
        if opening or not self.is_sqlite:
            if "readonly" in low or "read-only" in low:
                return self._settings(
                    "a database that can be written", reason, "Give the service's user write access to it."
                )
            if "not a database" in low or "malformed" in low:
                return self._settings("a casebook", reason, "Move the file away, or restore it from a backup.")
        if opening and "unable to open" in low:
            return self._settings("a file that can be opened", reason, "Make its folder, or mend its permissions.")
        if any(phrase in low for phrase in _REFUSED):
            return self._settings("a database that lets us in", reason, "Check user, password and database name.")
        return self._retryable(reason)

    def _settings(self, expected: str, got: str, mend: str) -> SettingsError:
        return SettingsError(self.name, expected=expected, got=got, mend=mend)

    def _retryable(self, reason: str) -> StoreRetryable:
        mend = "Trying again; check the disk." if self.is_sqlite else "Trying again; check the server and the network."
        return StoreRetryable(self.name, expected="an answer", got=reason, mend=mend)

    def _prepare(self, connection: Connection) -> None:
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = schema.revision_of(connection)
        if found is not None and found not in schema.revisions():
            raise self._settings(
                f"tables of revision {schema.newest()} or older",
                f"revision {found}",
                "Run the version of Drumtower that wrote it, or a newer one.",
            )
        if found != schema.newest():
            schema.migrate(connection)
        # A file that cannot be written is better found now than with the first incident.
        connection.execute(tables.outbox_head.update().values(sequence=tables.outbox_head.c.sequence))


def casebook_revision(url: str) -> str | None:
    """
    The revision of the tables at an address, which is left as it is; None where there is no casebook yet.

    Raises:
        SettingsError, StoreRetryable: as `open_casebook`.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        return None
    database = Database(url, upgrade=False)
    try:
        with database.reading() as connection:
            return schema.revision_of(connection)
    finally:
        database.close()


def _parsed(url: str) -> URL:
    example = "sqlite:///var/casebook.db or postgresql+psycopg://user@host/drumtower"
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("sqlite", "postgresql"):
        # The text itself may hold a password, so it is not shown.
        raise SettingsError(
            "casebook.url", expected=example, got="another kind of address", mend="Write it like the example."
        ) from None
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    elif not parsed.database or parsed.database == ":memory:":
        raise SettingsError(
            "casebook.url", expected=example, got="no file", mend="Name the file: incidents must outlive the process."
        )
    return parsed


def _engine(url: URL, is_sqlite: bool) -> Engine:
    if not is_sqlite:
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_size=8,
            pool_timeout=10,
            connect_args={"connect_timeout": 5, "application_name": "drumtower", "options": "-c lock_timeout=10s"},
        )
    if url.database is not None and not url.database.startswith("file:"):
        folder = Path(url.database).resolve().parent
        if not folder.is_dir():
            raise SettingsError(
                f"casebook {url.database}",
                expected="a folder that is there",
                got=f"no {folder}",
                mend="Make the folder.",
            )
    engine = create_engine(url, connect_args={"timeout": BUSY_S}, pool_size=8, pool_timeout=10)

    @event.listens_for(engine, "connect")
    def _opened(connection: sqlite3.Connection, _: Any) -> None:
        # Transactions are begun by us: the driver's own would begin too late, at the first write.
        connection.isolation_level = None
        turn_on_write_ahead(connection)
        # Whoever was told an alert must find its incident after a power cut: each commit goes to the disk.
        connection.execute("PRAGMA synchronous=FULL")
        # What is deleted is overwritten: a picture whose time is over does not lie about in free pages.
        connection.execute("PRAGMA secure_delete=ON")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # A reader that turned writer could not wait for another one: who writes says so at the start.
        writes = connection.get_execution_options().get("drumtower_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(cause).__name__
