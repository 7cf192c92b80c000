"""What stands in the way of the casebook is said in one line, without any secret."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import make_url

from correlator.casebook.sql import open_casebook
from correlator.incidents.changes import Changes
from ingest.bus.contract import TopicPartition
from ingest.errors import SettingsError, StoreRetryable

P0 = TopicPartition("dt.findings", 0)


@pytest.mark.parametrize(
    "url", ["casebook.db", "mysql://u:hunter2@h/d", "sqlite://", "postgresql+nothing://u:hunter2@h/d"]
)
def test_an_address_of_another_kind_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"casebook.url: expected sqlite:///") as refused:
        open_casebook(url)
    assert "hunter2" not in str(refused.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"expected a folder that is there, got no .*/away\. Make the folder"):
        open_casebook(f"sqlite:///{tmp_path}/away/casebook.db")


def test_a_file_that_is_no_casebook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "casebook.db").write_bytes(b"not a database, for sure " * 100)
    with pytest.raises(SettingsError, match="expected a casebook, got file is not a database"):
        open_casebook(f"sqlite:///{tmp_path}/casebook.db")


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "casebook.db"
    open_casebook(f"sqlite:///{path}").close()
    with pytest.raises(SettingsError, match="expected a database that can be written"):
        open_casebook(f"sqlite:///file:{path}?mode=ro&uri=true")


def test_a_file_that_another_holds_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("correlator.casebook.database.BUSY_S", 0.05)
    casebook = open_casebook(f"sqlite:///{tmp_path}/casebook.db")
    other = sqlite3.connect(tmp_path / "casebook.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreRetryable, match="database is locked"):
        casebook.record("correlate", Changes(0), {P0: 1}, {P0: 0})
    other.execute("ROLLBACK")
    casebook.record("correlate", Changes(0), {P0: 1}, {P0: 0})
    other.close()
    casebook.close()


def test_a_full_disk_is_tried_again_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/casebook.db"
    casebook = open_casebook(url)
    for number in range(3):
        casebook.audit("desk-1", "read", f"frame-{number}", number)
    with casebook._database.engine.connect() as connection:  # type: ignore[attr-defined]
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreRetryable, match="full"):
        casebook.audit("desk-1", "read", "x" * 100_000, 9)
    assert casebook.verify_audit() == (True, None)
    casebook.close()


def test_a_server_that_is_away_is_tried_again() -> None:
    with pytest.raises(StoreRetryable, match=r"check the server and the network") as away:
        open_casebook("postgresql+psycopg://drumtower:hunter2@127.0.0.1:9/drumtower")
    assert "hunter2" not in str(away.value)
    assert "\n" not in str(away.value)


def test_a_database_that_is_not_there_is_named(postgres_url: str) -> None:
    url = make_url(postgres_url).set(drivername="postgresql+psycopg", database="nowhere")
    with pytest.raises(SettingsError, match='database "nowhere" does not exist'):
        open_casebook(url.render_as_string(hide_password=False))


def test_a_wrong_user_is_refused_without_showing_the_password(postgres_url: str) -> None:
    url = make_url(postgres_url).set(drivername="postgresql+psycopg", username="nobody", password="hunter2")
    with pytest.raises(SettingsError, match="Check user, password and database name") as refused:
        open_casebook(url.render_as_string(hide_password=False))
    assert "hunter2" not in str(refused.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match="expected a file that can be opened"):
        open_casebook(f"sqlite:///{tmp_path}/casebook.db")
