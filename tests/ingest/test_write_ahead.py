from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from correlator.casebook.sql import open_casebook
from ingest.bus.embedded import EmbeddedBus
from ingest.write_ahead import turn_on_write_ahead

OPENERS: dict[str, Callable[[Path], None]] = {
    "bus": lambda path: EmbeddedBus(path).close(),
    "casebook": lambda path: open_casebook(f"sqlite:///{path}").close(),
}


@pytest.mark.parametrize("kind", sorted(OPENERS))
def test_many_may_open_a_new_file_at_once(tmp_path: Path, kind: str) -> None:
    failures: list[BaseException] = []

    def open_it(path: Path) -> None:
        try:
            OPENERS[kind](path)
        except Exception as error:
            failures.append(error)

    for attempt in range(15):
        path = tmp_path / f"{attempt}.sqlite"
        threads = [threading.Thread(target=open_it, args=(path,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_a_file_that_stays_locked_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "locked.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        turn_on_write_ahead(sqlite3.connect(path, timeout=0), patience_s=0.05)
