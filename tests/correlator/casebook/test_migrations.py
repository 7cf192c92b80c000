"""Casebooks of earlier programs are brought to our tables with all that is in them; those of later ones are refused."""

from __future__ import annotations

import sqlite3
import threading
from importlib import import_module
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, make_url, text

from correlator.casebook import schema, tables
from correlator.casebook.contract import Casebook
from correlator.casebook.database import Database, casebook_revision
from correlator.casebook.sql import open_casebook
from correlator.evidence.book import EvidenceBook
from correlator.incidents.board import Board
from correlator.incidents.merge import incident_id
from correlator.incidents.settings import CorrelateSettings
from ingest.bus.contract import TopicPartition
from ingest.errors import SettingsError
from ingest.schema.finding import Phase
from tests.correlator.cases import at_ns, board_of, finding, kinds

RELEASED = Path(__file__).parent / "released"
NAMES = sorted(path.name.removesuffix(".sqlite.sql") for path in RELEASED.glob("*.sqlite.sql"))
P0 = TopicPartition("dt.findings", 0)


def fill(url: str, name: str) -> None:
    """Put the dump of a casebook of an earlier program into an empty database."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        connection = sqlite3.connect(str(parsed.database))
        connection.executescript((RELEASED / f"{name}.sqlite.sql").read_text("utf-8"))
        connection.close()
        return
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as server:
        server.execute((RELEASED / f"{name}.postgresql.sql").read_bytes())


def all_is_there(casebook: Casebook, url: str, name: str) -> None:
    """What `released/README.md` says is in each dump."""
    merged, smoke = casebook.incident(incident_id("b")), casebook.incident(incident_id("s"))
    assert merged is not None and smoke is not None
    assert (merged.id, merged.state, merged.acknowledged_by) == (incident_id("a"), "acknowledged", "desk-2")
    assert (smoke.state, smoke.condition, smoke.kind) == ("closed", "cleared", "anomaly.smoke")
    assert {line.act for line in casebook.history(merged.id)} >= {"opened", "merged", "acknowledge"}
    assert [alert.sequence for alert in casebook.alerts_after(0, 99)] == list(range(1, casebook.sequence() + 1))
    assert casebook.positions("correlate") == {P0: 5}
    assert casebook.cursor("bus") == 3
    assert casebook.verify_audit() == (True, None)
    assert [row.act for row in casebook.audit_after(0, 9)][:3] == ["close", "acknowledge", "read"]
    minute_ns = 1_780_315_200 * 10**9
    assert len(casebook.zone_minutes("l", minute_ns, minute_ns + 1)) == int(name > "first-light-1")
    if name > "first-light-2":
        evidence = EvidenceBook(url)
        assert evidence.picture("frame-1", 0) == b"\xff\xd8covered\xff\xd9"
        evidence.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_casebook_of_each_earlier_program_is_upgraded_with_all_that_is_in_it(casebook_url: str, name: str) -> None:
    fill(casebook_url, name)
    assert casebook_revision(casebook_url) == "0001"
    casebook = open_casebook(casebook_url)
    assert casebook_revision(casebook_url) == schema.newest()
    all_is_there(casebook, casebook_url, name)
    board = Board(CorrelateSettings(), casebook.load_open())
    changes = board_of([finding("a", 60, Phase.CLEARED, zone="l")], board=board).take_changes()
    casebook.record("correlate", changes, {P0: 6}, {P0: 5})
    assert kinds(casebook.alerts_after(casebook.sequence() - 1, 9)) == ["updated"]
    casebook.act(incident_id("a"), "resolve", actor="desk-2", version=None, at_ns=at_ns(70))
    assert casebook.verify_audit() == (True, None)
    casebook.close()


@pytest.mark.parametrize("revision", schema.revisions()[1:])
def test_an_upgrade_that_stopped_at_any_revision_goes_on_from_there(casebook_url: str, revision: str) -> None:
    fill(casebook_url, NAMES[-1])
    engine = create_engine(make_url(casebook_url))
    with engine.begin() as connection:
        schema.migrate(connection, revision)
        assert schema.revision_of(connection) == revision
    engine.dispose()
    casebook = open_casebook(casebook_url)
    all_is_there(casebook, casebook_url, NAMES[-1])
    casebook.close()


@pytest.mark.parametrize("name", [None, *NAMES])
def test_tables_and_revisions_agree(casebook_url: str, name: str | None) -> None:
    if name is not None:
        fill(casebook_url, name)
    open_casebook(casebook_url).close()
    engine = create_engine(make_url(casebook_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.TABLE, "compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        found = inspect(connection)
        for table in tables.metadata.tables.values():
            assert {
                index["name"] for index in found.get_indexes(table.name) if not index.get("duplicates_constraint")
            } == {index.name for index in table.indexes}
    engine.dispose()


def test_revisions_are_one_line_without_gaps_and_each_is_named_by_its_number() -> None:
    numbers = schema.revisions()
    assert numbers == tuple(f"{number:04}" for number in range(1, len(numbers) + 1))
    folder = Path(schema.__file__).parent / "migrations" / "versions"
    before = None
    for number in numbers:
        (path,) = folder.glob(f"{number}_*.py")
        module = import_module(f"correlator.casebook.migrations.versions.{path.stem}")
        assert (module.revision, module.down_revision) == (number, before)
        assert module.__doc__
        before = number


def test_a_casebook_of_a_later_program_is_refused_and_left_as_it_is(casebook_url: str) -> None:
    open_casebook(casebook_url).close()
    engine = create_engine(make_url(casebook_url))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.TABLE} SET version_num = '9999'"))
    with pytest.raises(SettingsError, match=r"expected tables of revision \d+ or older, got revision 9999\."):
        open_casebook(casebook_url)
    assert casebook_revision(casebook_url) == "9999"
    engine.dispose()


def test_several_processes_that_open_an_old_casebook_upgrade_it_once(casebook_url: str) -> None:
    fill(casebook_url, NAMES[0])
    barrier, failed = threading.Barrier(4), []

    def opening() -> None:
        barrier.wait()
        try:
            open_casebook(casebook_url).close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=opening) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert casebook_revision(casebook_url) == schema.newest()


def test_a_failed_upgrade_leaves_the_casebook_as_it_was(casebook_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(casebook_url, NAMES[0])

    def broken(connection: object, to: str | None = None) -> None:
        migrate(connection, to)  # type: ignore[arg-type]
        raise OSError("the power went")

    migrate = schema.migrate
    with monkeypatch.context() as patch:
        patch.setattr(schema, "migrate", broken)
        with pytest.raises(Exception, match="the power went"):
            Database(casebook_url)
    assert casebook_revision(casebook_url) == "0001"
    casebook = open_casebook(casebook_url)
    all_is_there(casebook, casebook_url, NAMES[0])
    casebook.close()
