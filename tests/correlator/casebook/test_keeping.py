"""Retention by kind of hazard, and legal holds, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from correlator.casebook.contract import Casebook, IncidentMissing
from correlator.evidence.book import EvidenceBook
from correlator.incidents.merge import incident_id
from correlator.incidents.settings import CorrelateSettings
from ingest.errors import SettingsError
from ingest.schema.finding import Finding, Phase
from tests.correlator.casebook.test_contract import A, write
from tests.correlator.cases import SQUARE, at_ns, east_of, finding
from tests.correlator.watch import Watch


def closed(casebook: Casebook, *names: str, **facts: Any) -> None:
    """Incidents of these conditions, each at a place of its own, closed at 100 s."""
    told: list[Finding] = []
    for name in names:
        where: dict[str, Any] = {"zone": f"zone-{name}", "place": east_of(SQUARE, 1_000 * (ord(name[0]) - 96))} | facts
        told += [finding(name, 0, **where), finding(name, 5, Phase.CLEARED, **where)]
    write(casebook, *told)
    for name in names:
        casebook.act(incident_id(name), "close", actor="desk-1", version=None, at_ns=at_ns(100))


def kept(casebook: Casebook) -> set[str]:
    return {view.id for view in casebook.incidents(state="all", limit=99).items}


def test_each_kind_is_kept_for_its_own_time_and_the_longest_name_that_fits_counts(casebook: Casebook) -> None:
    closed(casebook, "a")
    closed(casebook, "b", kind="crowd.surge")
    closed(casebook, "c", kind="anomaly.fire")
    closed(casebook, "d", kind="crowds.odd")
    times = {"crowd": at_ns(200), "crowd.surge": at_ns(50), "anomaly.fire": at_ns(50)}
    assert casebook.prune(at_ns(50), before_ns_of=times) == 1
    assert kept(casebook) == {incident_id(name) for name in "bcd"}
    assert casebook.prune(at_ns(50), before_ns_of=times) == 0
    assert casebook.prune(at_ns(200), before_ns_of=times) == 1
    assert kept(casebook) == {incident_id(name) for name in "bc"}
    assert next(line.act for line in casebook.history(incident_id("d"))) == "opened", "the past stays"


def test_a_held_incident_stays_until_it_is_released(casebook: Casebook) -> None:
    closed(casebook, "a", "b")
    first = casebook.hold(A, actor="desk-1", reason="request 12/26 of the prosecutor", at_ns=at_ns(110))
    again = casebook.hold(A, actor="desk-2", reason="another", at_ns=at_ns(120))
    assert again == first and casebook.holds() == (first,)
    assert casebook.prune(at_ns(10_000)) == 1
    assert kept(casebook) == {A}
    assert {one for one, _ in casebook.load_of(["a"]).findings} == {
        finding("a", 0).id,
        finding("a", 5, Phase.CLEARED).id,
    }
    casebook.release(A, actor="desk-2", reason="the case is closed", at_ns=at_ns(200))
    casebook.release(A, actor="desk-2", reason="asked twice", at_ns=at_ns(201))
    assert casebook.holds() == ()
    assert [(line.act, line.actor) for line in casebook.history(A)][-2:] == [("held", "desk-1"), ("released", "desk-2")]
    acts = [(row.act, row.actor) for row in casebook.audit_of(A)]
    assert acts[-2:] == [("held", "desk-1"), ("released", "desk-2")]
    assert all(row.whole for row in casebook.audit_of(A))
    assert casebook.prune(at_ns(10_000)) == 1
    assert casebook.verify_audit() == (True, None)


def test_a_hold_wants_a_reason_and_an_incident(casebook: Casebook) -> None:
    write(casebook, finding("a"))
    with pytest.raises(SettingsError, match="Say why"):
        casebook.hold(A, actor="desk-1", reason=" ", at_ns=0)
    with pytest.raises(IncidentMissing):
        casebook.hold("nothing", actor="desk-1", reason="a reason", at_ns=0)
    assert casebook.holds() == () and casebook.audit_after(0, 9) == ()


def test_a_hold_follows_its_incident_into_the_one_it_is_merged_with(casebook: Casebook) -> None:
    write(casebook, finding("b", 10, onset_s=10, zone="r", place=east_of(SQUARE, 150)), finding("a", 0, zone="l"))
    casebook.hold(incident_id("b"), actor="desk-1", reason="a reason", at_ns=at_ns(12))
    write(casebook, finding("m", 20, onset_s=20, zone="m", place=east_of(SQUARE, 75)))
    assert [(hold.incident, hold.reason) for hold in casebook.holds()] == [(A, "a reason")]
    casebook.release(incident_id("b"), actor="desk-1", reason="over", at_ns=at_ns(30))
    assert casebook.holds() == ()


def test_the_pictures_of_a_held_incident_stay_and_can_be_seen(casebook: Casebook, casebook_url: str) -> None:
    import msgspec

    event = finding("a")
    seen = msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, evidence=("held-1",)))
    write(casebook, seen)
    book = EvidenceBook(casebook_url)
    for number, name in enumerate(("held-1", "other-1", "other-2")):
        book.keep(name, at_ns(number), b"jpeg")
    casebook.hold(A, actor="desk-1", reason="a reason", at_ns=at_ns(5))
    assert book.prune(at_ns(1), 1 << 30) == 1
    assert book.prune(0, 0) == 1
    assert (book.picture("held-1", at_ns(50)), book.kept().pictures) == (b"jpeg", 1)
    casebook.release(A, actor="desk-1", reason="over", at_ns=at_ns(60))
    assert book.picture("held-1", at_ns(50)) is None
    assert book.prune(at_ns(50), 1 << 30) == 1
    book.close()


def test_the_correlator_takes_away_what_is_over_by_the_times_of_the_settings(casebook_url: str) -> None:
    watch = Watch(casebook_url, CorrelateSettings(incidents_kept_days=400, incidents_kept_days_of={"crowd": 3}))
    watch.play(finding("a"), finding("a", 5, Phase.CLEARED))
    watch.casebook.act(A, "close", actor="desk-1", version=None, at_ns=at_ns(6))
    watch.clock.advance(2.5 * 86_400)
    watch.turn()
    assert kept(watch.casebook) == {A}
    watch.clock.advance(86_400)
    for _ in range(2):
        watch.turn()
    assert kept(watch.casebook) == set()
    watch.clock.advance(40 * 86_400)
    for _ in range(2):
        watch.turn()
    assert watch.casebook.oldest_sequence() == watch.casebook.sequence() + 1, "alerts that all receivers have went too"
    watch.kill()
