"""
The file of the embedded bus: its tables, its connections, and what its faults mean.

`synchronous=FULL`: a commit returns when the log is on the disk. NORMAL would keep the file whole after a power cut,
but could lose its newest commits, and then hand out the same offsets again for other records; a casebook that had read
the lost ones would pass over the new ones as known, and an alert would be gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from ingest.errors import BusError, BusRetryable, DrumtowerError, SettingsError
from ingest.write_ahead import turn_on_write_ahead

FORMAT = 1
BUSY_MS = 5_000
_WAL_BYTES_KEPT = 64 * 1024 * 1024

# A record's id is its partition's id times 2**40 plus its offset: one clustered range per partition, no index.
OFFSET_BITS = 40

_TABLES = """
CREATE TABLE topic(name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, retention_s INTEGER,
    message_bytes_max INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE partition(id INTEGER PRIMARY KEY, topic TEXT NOT NULL, number INTEGER NOT NULL,
    next_offset INTEGER NOT NULL, UNIQUE(topic, number)) STRICT;
CREATE TABLE record(id INTEGER PRIMARY KEY, key BLOB, value BLOB, headers BLOB NOT NULL,
    appended_at_ns INTEGER NOT NULL) STRICT;
CREATE TABLE latest(partition_id INTEGER NOT NULL, key BLOB NOT NULL, id INTEGER NOT NULL,
    PRIMARY KEY(partition_id, key)) STRICT, WITHOUT ROWID;
CREATE TABLE committed(consumer_group TEXT NOT NULL, partition_id INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY(consumer_group, partition_id)) STRICT, WITHOUT ROWID;
CREATE TABLE member(consumer_group TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL,
    topics TEXT NOT NULL, beat_at_ns INTEGER NOT NULL, PRIMARY KEY(consumer_group, name)) STRICT, WITHOUT ROWID;
CREATE TABLE owner(consumer_group TEXT NOT NULL, partition_id INTEGER NOT NULL, member TEXT NOT NULL,
    generation INTEGER NOT NULL, PRIMARY KEY(consumer_group, partition_id)) STRICT, WITHOUT ROWID;
CREATE TABLE generation(consumer_group TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE producer(transactional_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    """
    A connection to the bus in `path`; the file and its tables are made when they are not there.

    Raises:
        SettingsError: the file cannot be made or opened, is no bus, or is of another version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, BUSY_MS / 1_000, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise _cannot_open(path, error) from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # takes only before the first table
    turn_on_write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES_KEPT}")
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                connection.execute("ROLLBACK")
                raise _not_a_bus(path, "a database of another program")
            for statement in _TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={FORMAT}")
        connection.execute("COMMIT")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != FORMAT:
        raise _not_a_bus(path, f"version {version}")


def _not_a_bus(path: Path, got: str) -> SettingsError:
    mend = "Point bus.path to another file, or move this one away."
    return SettingsError(f"bus {path}", expected=f"a bus file of version {FORMAT}", got=got, mend=mend)


def _cannot_open(path: Path, error: sqlite3.Error | OSError) -> DrumtowerError:
    if isinstance(error, OSError):
        got = error.strerror or type(error).__name__
    elif _code(error) in ("SQLITE_BUSY", "SQLITE_FULL"):
        return fault(path, error)
    else:
        got = str(error)
    mend = "Check that the folder can be written; if the file is damaged, move it away or restore it from a backup."
    return SettingsError(f"bus {path}", expected="a bus file that can be opened", got=got, mend=mend)


def _code(error: sqlite3.Error) -> str:
    name: str = getattr(error, "sqlite_errorname", "") or ""
    return "_".join(name.split("_")[:2])


def fault(path: Path, error: sqlite3.Error) -> BusError:
    """What a fault of SQLite at run time means to the caller."""
    code = _code(error)
    thing = f"bus {path}"
    if code in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        mend = "Trying again helps; if it stays, end the program that holds the file."
        return BusRetryable(
            thing, expected=f"a lock within {BUSY_MS} ms", got="a file locked by another program", mend=mend
        )
    if code == "SQLITE_FULL":
        return BusRetryable(
            thing, expected="room on the disk", got="a full disk", mend="Free some space; nothing was written."
        )
    if code in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
        mend = "Stop, move the file away and restore it from a backup; then check the disk."
        return BusError(thing, expected="a sound bus file", got=f"a damaged one ({error})", mend=mend)
    if code in ("SQLITE_IOERR", "SQLITE_CANTOPEN"):
        return BusRetryable(
            thing, expected="a disk that reads and writes", got=f"{error}", mend="Check the disk and its mount."
        )
    if code == "SQLITE_READONLY":
        mend = "Give this user the right to write the file and its folder."
        return BusError(thing, expected="a file that can be written", got="a read-only one", mend=mend)
    return BusError(
        thing, expected="an answer from SQLite", got=f"{error} ({code})", mend="Report this line with the log."
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn SQLite's faults into the bus's own."""
    try:
        yield
    except sqlite3.Error as error:
        raise fault(path, error) from error


@contextmanager
def writing(connection: sqlite3.Connection, path: Path, lock: Lock) -> Iterator[None]:
    """
    One write transaction: all of it on the disk when the block ends, nothing when it raises.

    Args:
        lock: held meanwhile. Threads of one process queue here in turn; SQLite would let them sleep and race.
    """
    with lock:
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise fault(path, error) from error
