"""What every casebook holds to, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from correlator.casebook.contract import Casebook, IncidentConflict, IncidentMissing
from correlator.casebook.silences import SilenceMissing
from correlator.incidents.board import Board
from correlator.incidents.changes import Changes
from correlator.incidents.merge import incident_id
from correlator.incidents.settings import CorrelateSettings
from correlator.muting.silence import Silence
from correlator.muting.storm import StormState
from ingest.bus.contract import TopicPartition
from ingest.clock import utc
from ingest.errors import RecordError, StoreConflict
from ingest.schema.alert import IncidentView
from ingest.schema.finding import Finding, Level, Phase
from tests.correlator.cases import SQUARE, at_ns, board_of, east_of, finding, kinds

Opening = Callable[[], Casebook]
P0, P1 = TopicPartition("dt.findings", 0), TopicPartition("dt.findings", 1)
A = incident_id("a")


def decided(casebook: Casebook, *findings: Finding) -> Changes:
    return board_of(findings, board=Board(CorrelateSettings(), casebook.load_open())).take_changes()


def write(casebook: Casebook, *findings: Finding) -> Changes:
    changes = decided(casebook, *findings)
    casebook.record("correlate", changes, {}, {})
    return changes


def apart(number: int, level: Level = Level.AMBER) -> Finding:
    """The onset of an incident of its own."""
    where: dict[str, Any] = {"zone": f"zone-{number}", "place": east_of(SQUARE, 1_000 * number)}
    return finding(f"c{number:03}", number, level=level, onset_s=number, **where)


def test_what_is_recorded_is_there_when_it_is_opened_again(casebook: Casebook, open_another: Opening) -> None:
    changes = write(casebook, finding("a"), finding("a", 5, Phase.UPDATED, Level.RED))
    other = open_another()
    (incident,) = other.load_open().incidents
    assert other.load_open().conditions == changes.conditions
    assert set(other.load_open().findings) == set(changes.findings)
    assert other.incident(A) == changes.incidents[0][1]
    assert incident == changes.incidents[0][0]
    assert [alert.id for alert in other.alerts_after(0, 10)] == [alert.id for alert in changes.alerts]
    assert kinds(other.alerts_after(0, 10)) == ["opened", "escalated"]


def test_a_position_moves_only_from_where_it_was_expected(casebook: Casebook) -> None:
    casebook.record("correlate", Changes(0), {P0: 5, P1: 2}, {P0: 0, P1: 0})
    with pytest.raises(StoreConflict, match=r"position of correlate on dt\.findings/0: expected 3, got 5"):
        casebook.record("correlate", decided(casebook, finding()), {P0: 7}, {P0: 3})
    assert casebook.positions("correlate") == {P0: 5, P1: 2}
    assert casebook.positions("series") == {}
    assert casebook.incident(A) is None
    assert casebook.sequence() == 0


def test_who_decided_on_an_older_state_is_refused_and_nothing_is_written(
    casebook: Casebook, open_another: Opening
) -> None:
    stale = decided(casebook, finding("a"))
    write(open_another(), finding("b"))
    with pytest.raises(StoreConflict, match="revision"):
        casebook.record("correlate", stale, {P0: 1}, {P0: 0})
    assert casebook.positions("correlate") == {}
    assert casebook.incident(A) is None
    casebook.record("correlate", decided(casebook, finding("a")), {P0: 1}, {P0: 0})
    assert casebook.incident(A) is not None


def test_an_action_of_a_person_makes_the_correlator_decide_again(casebook: Casebook) -> None:
    write(casebook, finding("a"))
    stale = decided(casebook, finding("a", 5, Phase.UPDATED))
    casebook.act(A, "acknowledge", actor="desk-1", version=None, at_ns=at_ns(6))
    with pytest.raises(StoreConflict):
        casebook.record("correlate", stale, {}, {})
    write(casebook, finding("a", 5, Phase.UPDATED))
    view = casebook.incident(A)
    assert view is not None
    assert (view.state, view.acknowledged_by, view.finding_count) == ("acknowledged", "desk-1", 2)


def test_sequences_of_several_writers_have_no_gaps_and_become_visible_in_order(
    casebook: Casebook, open_another: Opening
) -> None:
    writers, each = 3, 8
    books, done = [open_another() for _ in range(writers)], threading.Event()
    errors: list[Exception] = []
    seen: list[int] = []

    def work(number: int, book: Casebook) -> None:
        try:
            for turn in range(each):
                while True:
                    try:
                        write(book, apart(number * each + turn))
                        break
                    except StoreConflict:
                        continue
        except Exception as error:
            errors.append(error)

    def read() -> None:
        while not done.is_set() or len(seen) < casebook.sequence():
            last = seen[-1] if seen else 0
            seen.extend(alert.sequence for alert in casebook.alerts_after(last, 100))

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(books)]
    reader = threading.Thread(target=read)
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reader.join()
    assert not errors
    assert seen == list(range(1, writers * each + 1))


def test_an_alert_that_is_in_the_outbox_is_not_put_there_again(casebook: Casebook) -> None:
    changes = write(casebook, finding("a"))
    again = Changes(casebook.revision(), incidents=changes.incidents, alerts=changes.alerts * 2)
    casebook.record("correlate", again, {}, {})
    assert [alert.sequence for alert in casebook.alerts_after(0, 10)] == [1]
    write(casebook, apart(1))
    assert [alert.sequence for alert in casebook.alerts_after(0, 10)] == [1, 2]


def test_pages_list_each_incident_once_the_severest_first_then_the_newest(casebook: Casebook) -> None:
    levels = [Level.RED, Level.AMBER, Level.CRITICAL]
    write(casebook, *(apart(number, levels[number % 3]) for number in range(10)))
    listed: list[IncidentView] = []
    cursor = None
    while True:
        page = casebook.incidents(state="open", limit=3, cursor=cursor)
        listed += page.items
        cursor = page.next
        if cursor is None:
            break
    keys = [(view.level.rank, view.detected_at) for view in listed]
    assert len({view.id for view in listed}) == 10
    assert keys == sorted(keys, reverse=True)
    newest = casebook.incidents(state="all", limit=20).items
    assert [view.detected_at for view in newest] == sorted((view.detected_at for view in newest), reverse=True)
    with pytest.raises(RecordError, match="Start with the first page"):
        casebook.incidents(state="all", limit=3, cursor="bm9wZQ")
    casebook.act(listed[0].id, "close", actor="desk-1", version=None, at_ns=at_ns(20))
    assert len(casebook.incidents(state="open", limit=20).items) == 9
    assert len(casebook.incidents(state="all", limit=20).items) == 10


def test_the_id_of_a_merged_incident_answers_with_its_heir(casebook: Casebook) -> None:
    right: dict[str, Any] = {"zone": "r", "place": east_of(SQUARE, 150)}
    write(casebook, finding("b", 10, onset_s=10, **right), finding("a", 0, zone="l"))
    write(casebook, finding("m", 20, onset_s=20, zone="m", place=east_of(SQUARE, 75)))
    view = casebook.incident(incident_id("b"))
    assert view == casebook.incident(A)
    assert view is not None and view.merged_from == (incident_id("b"),)
    after = casebook.act(incident_id("b"), "acknowledge", actor="desk-1", version=view.version, at_ns=at_ns(30))
    assert (after.id, after.state) == (A, "acknowledged")
    assert {line.incident for line in casebook.history(A)} == {A, incident_id("b")}
    assert len(casebook.incidents(state="all", limit=9).items) == 1


def test_an_action_asked_twice_happens_once(casebook: Casebook) -> None:
    write(casebook, finding("a"))
    first = casebook.act(A, "acknowledge", actor="desk-1", version=1, at_ns=at_ns(10))
    again = casebook.act(A, "acknowledge", actor="desk-2", version=1, at_ns=at_ns(11))
    assert again == first
    assert again.acknowledged_by == "desk-1"
    assert kinds(casebook.alerts_after(0, 10)) == ["opened", "acknowledged"]
    assert len(casebook.audit_after(0, 10)) == 1


def test_who_saw_an_older_state_is_told_who_changed_it(casebook: Casebook) -> None:
    write(casebook, finding("a"))
    casebook.act(A, "dispatch", actor="desk-1", version=1, at_ns=at_ns(10))
    with pytest.raises(IncidentConflict, match="dispatched, by desk-1") as conflict:
        casebook.act(A, "close", actor="desk-2", version=1, at_ns=at_ns(11))
    assert conflict.value.incident.state == "dispatched"
    assert casebook.act(A, "close", actor="desk-2", version=2, at_ns=at_ns(12)).state == "closed"


def test_a_new_value_does_not_stand_in_the_way_of_an_action(casebook: Casebook) -> None:
    write(casebook, finding("a"))
    write(casebook, finding("a", 5, Phase.UPDATED, value=108.0))
    assert casebook.act(A, "acknowledge", actor="desk-1", version=1, at_ns=at_ns(6)).state == "acknowledged"


def test_only_one_of_two_desks_that_act_at_once_goes_through(casebook: Casebook, open_another: Opening) -> None:
    write(casebook, finding("a"))
    books = [open_another(), open_another()]
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def act(book: Casebook, action: str) -> None:
        barrier.wait()
        try:
            outcomes.append(book.act(A, action, actor=action, version=1, at_ns=at_ns(9)).state)  # type: ignore[arg-type]
        except IncidentConflict as conflict:
            outcomes.append(f"lost to {conflict.incident.state}")

    threads = [threading.Thread(target=act, args=pair) for pair in zip(books, ("dispatch", "resolve"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) in (["dispatched", "lost to dispatched"], ["lost to resolved", "resolved"])


def test_an_action_on_no_incident_says_so(casebook: Casebook) -> None:
    with pytest.raises(IncidentMissing, match="expected one in the casebook, got none"):
        casebook.act("nothing", "close", actor="desk-1", version=None, at_ns=0)
    assert casebook.incident("nothing") is None


def test_a_cursor_only_goes_forward(casebook: Casebook, open_another: Opening) -> None:
    assert casebook.cursor("bus") == 0
    casebook.move_cursor("bus", 7)
    casebook.move_cursor("bus", 3)
    casebook.move_cursor("webhook/1", 2)
    assert (open_another().cursor("bus"), casebook.cursor("webhook/1")) == (7, 2)
    casebook.drop_cursor("webhook/1")
    assert casebook.cursor("webhook/1") == 0


def test_the_audit_tells_which_row_was_changed_or_taken_away(casebook: Casebook, casebook_url: str) -> None:
    for number in range(6):
        casebook.audit("desk-1", "evidence.read", f"frame-{number}", at_ns(number))
    assert casebook.verify_audit() == (True, None)
    engine = create_engine(casebook_url)

    def tampered(*statements: str) -> tuple[bool, int | None]:
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
            connection.commit()
        return casebook.verify_audit()

    assert tampered("UPDATE audit SET actor = 'desk-2' WHERE number = 4") == (False, 4)
    assert tampered("UPDATE audit SET actor = 'desk-1' WHERE number = 4") == (True, None)
    assert tampered("DELETE FROM audit WHERE number = 6") == (False, 6)
    assert tampered("DELETE FROM audit WHERE number = 2") == (False, 2)
    engine.dispose()


def test_pruning_leaves_what_is_open_what_is_young_and_what_a_receiver_lacks(casebook: Casebook) -> None:
    write(casebook, *(apart(number) for number in range(4)))
    for number in (0, 1):
        write(casebook, finding(f"c{number:03}", 5, Phase.CLEARED, onset_s=number, zone=f"zone-{number}"))
        casebook.act(incident_id(f"c{number:03}"), "close", actor="d", version=None, at_ns=at_ns(10 + 100 * number))
    casebook.move_cursor("bus", 3)
    casebook.prune(at_ns(50))
    assert casebook.oldest_sequence() == 4
    assert len(casebook.incidents(state="all", limit=9).items) == 3
    assert casebook.incident(incident_id("c000")) is None
    newest = casebook.sequence()
    casebook.move_cursor("bus", newest)
    casebook.prune(at_ns(5_000))
    assert (casebook.sequence(), casebook.oldest_sequence()) == (newest, newest + 1)
    write(casebook, apart(9))
    assert casebook.oldest_sequence() == newest + 1


def test_incidents_closed_long_ago_are_loaded_for_the_conditions_that_ask(casebook: Casebook) -> None:
    write(casebook, finding("a"), finding("a", 5, Phase.CLEARED))
    casebook.act(A, "close", actor="d", version=None, at_ns=at_ns(10))
    assert casebook.load_open(at_ns(9)).incidents != ()
    assert casebook.load_open(at_ns(11)).incidents == ()
    assert [incident.id for incident in casebook.load_of(["a", "z"]).incidents] == [A]


def test_a_silence_is_kept_counts_what_it_mutes_once_and_makes_correlators_decide_anew(
    casebook: Casebook, open_another: Opening
) -> None:
    revision = casebook.revision()
    wanted = Silence(from_at=utc(at_ns(-60)), to_at=utc(at_ns(600)), reason="fair", author="desk-1")
    made = casebook.put_silence(wanted, at_ns(0))
    assert casebook.put_silence(wanted, at_ns(1)) == made
    assert casebook.revision() > revision
    for _ in range(2):
        write(casebook, finding("a"), finding("a", 5, Phase.UPDATED))
    (view,) = open_another().silences(at_ns(0), at_ns(5))
    assert (view.silence, view.muted_count, view.in_force) == (made, 1, True)
    assert casebook.preview_silence(wanted, at_ns(6)).now == (A,)
    assert casebook.end_silence(made.id, "desk-2", at_ns(7)).ended_at == utc(at_ns(7))
    assert casebook.load_open(at_ns(8)).silences == ()
    with pytest.raises(SilenceMissing):
        casebook.end_silence("none", "desk-2", at_ns(8))
    assert casebook.storm() == StormState()
