"""`drumtower casebook`: what the tables are, and their upgrade."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from correlator.casebook.schema import newest
from tests.deploy.command import drumtower

DUMP = Path(__file__).parent.parent / "correlator" / "casebook" / "released" / "first-light-1.sqlite.sql"


def test_status_changes_nothing_and_upgrade_brings_an_old_casebook_to_the_newest_revision(tmp_path: Path) -> None:
    before = drumtower("casebook", "status", "--data", tmp_path)
    assert (before.code, before.out) == (0, f"No casebook yet; it will be made at revision {newest()}.\n")
    file = tmp_path / "casebook.sqlite"
    assert not file.exists()
    with sqlite3.connect(file) as connection:
        connection.executescript(DUMP.read_text("utf-8"))
    connection.close()
    old = drumtower("casebook", "status", "--data", tmp_path)
    assert old.out.startswith(f"Revision 0001; this program writes {newest()}.")
    done = drumtower("casebook", "upgrade", "--data", tmp_path)
    assert (done.code, done.out) == (0, f"Revision {newest()}; before: 0001.\n")
    assert drumtower("casebook", "status", "--data", tmp_path).out == f"Revision {newest()}, the newest.\n"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE casebook_revision SET version_num = '9999'")
    connection.close()
    assert "of a later program" in drumtower("casebook", "status", "--data", tmp_path).out
    assert drumtower("casebook", "upgrade", "--data", tmp_path).code == 2
