"""SQLite's write-ahead log, turned on however many processes open the file for the first time at once."""

from __future__ import annotations

import sqlite3
import time

PATIENCE_S = 10.0
_PAUSE_S = 0.01


def turn_on_write_ahead(connection: sqlite3.Connection, patience_s: float = PATIENCE_S) -> None:
    """
    Put the file of `connection` into WAL mode.

    SQLite does not wait for a lock while the mode changes, whatever its time-out says, so we do.

    Raises:
        sqlite3.OperationalError: the file is locked for longer than `patience_s`, or cannot be written.

    Source: https://www.sqlite.org/wal.html, "Activating And Configuring WAL Mode".
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline_s:
                raise
            time.sleep(_PAUSE_S)
