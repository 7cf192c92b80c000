"""
The correlator is killed at a statement: its connection is gone, and what was not committed with it.

Started again it goes on from the casebook's positions, and the casebook is as if nothing had happened: on SQLite and on
PostgreSQL, whichever statement it was. `DRUMTOWER_CRASH_STRIDE=1` tries every one, in some minutes.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, delete, event, make_url

from correlator.casebook import tables
from correlator.casebook.sql import open_casebook
from correlator.incidents.settings import CorrelateSettings
from ingest.bus.contract import TopicPartition
from ingest.schema.alert import Alert
from tests.correlator.cases import at_ns
from tests.correlator.incidents.test_crash import story
from tests.correlator.watch import Watch

KEPT = {"casebook", "outbox_head", "audit_head"}  # tables with rows from the beginning
TURNS = 10


class Killed(BaseException):
    """The process ends here."""


class Guillotine:
    """Cuts the connection at the `last`-th statement, begin, commit or rollback; counts them where it is None."""

    def __init__(self, last: int | None) -> None:
        self.last, self.steps, self.fell = last, 0, False

    def step(self, connection: Connection, *_: object, **__: object) -> None:
        self.steps += 1
        if self.steps == self.last:
            self.fell = True
            raw: Any = connection.connection.dbapi_connection
            raw.close()  # the server, or the file, undoes what was not committed
            raise Killed


def wipe(url: str) -> None:
    """The casebook as it was made; cheaper than a new database for each run."""
    open_casebook(url).close()
    engine = create_engine(make_url(url))
    with engine.begin() as connection:
        for table in tables.metadata.tables.values():
            if table.name not in KEPT:
                connection.execute(delete(table))
        connection.execute(tables.outbox_head.update().values(sequence=0, revision=0))
        connection.execute(tables.audit_head.update().values(number=0, digest=""))
    engine.dispose()


def run(url: str, last: int | None) -> tuple[dict[str, object], int]:
    """What the story comes to, and how many statements it took; who is killed is started again 7 s later."""
    wipe(url)
    blade = Guillotine(last)
    watch = Watch(url, CorrelateSettings(records_max=4))
    engine = watch.casebook._database.engine  # type: ignore[attr-defined]
    for moment in ("before_cursor_execute", "begin", "commit", "rollback"):
        event.listen(engine, moment, blade.step)

    def turn() -> None:
        watch.clock.advance(1)
        restarted = blade.fell
        try:
            watch.turn()
        except Killed:
            pass
        except Exception:
            assert blade.fell, "only the blade stops it"
        if blade.fell and not restarted:
            watch.kill()
            watch.clock.advance(7)  # until its session on the bus has run out
            watch.start()

    events, desk = story(), open_casebook(url)
    for upto, part in ((5, events[:5]), (10, events[5:])):
        for each, partition in part:
            watch.push(each, partition=partition)
        turn()
        while sum(desk.positions("correlate").values()) < upto:
            turn()
    first = min(view.id for view in desk.incidents(state="open", limit=9).items)
    desk.act(first, "acknowledge", actor="desk-1", version=None, at_ns=at_ns(30))
    desk.close()
    for _ in range(TURNS):
        turn()
    statements, blade.last = blade.steps, None
    said = watch.said()
    outcome: dict[str, object] = {
        "incidents": {
            (view.id, view.condition, view.state, view.finding_count, view.merged_from) for view in watch.all()
        },
        "told": sorted(_named(alert) for alert in said if alert.type != "incident.updated"),
        "positions": watch.casebook.positions("correlate"),
        "past": {
            (line.incident, line.act, line.actor) for view in watch.all() for line in watch.casebook.history(view.id)
        },
        "audit": (watch.casebook.verify_audit(), len(watch.casebook.audit_after(0, 99))),
        "findings": sorted(watch.casebook.load_open().findings),
    }
    assert [alert.sequence for alert in said] == list(range(1, len(said) + 1)), f"statement {last}"
    assert len({alert.id for alert in said}) == len(said), f"statement {last}"
    assert {alert.id for alert in watch.heard()} == {alert.id for alert in said}, f"published, statement {last}"
    watch.kill()
    return outcome, statements


def _named(alert: Alert) -> tuple[str, str]:
    """That of an act is named by the version that it made, which counts what time alone did to the incident before."""
    return alert.type, "" if alert.type == "incident.acknowledged" else alert.id


@pytest.mark.timeout(900)
def test_a_kill_at_any_statement_loses_and_doubles_nothing(casebook_url: str) -> None:
    whole, statements = run(casebook_url, None)
    assert len(whole["incidents"]) == 2  # type: ignore[arg-type]
    assert whole["positions"] == {TopicPartition("dt.findings", 0): 8, TopicPartition("dt.findings", 1): 2}
    stride = int(os.environ.get("DRUMTOWER_CRASH_STRIDE", "41"))
    for last in range(1, statements + 1, stride):
        outcome, _ = run(casebook_url, last)
        assert outcome == whole, f"killed at statement {last} of {statements}"
