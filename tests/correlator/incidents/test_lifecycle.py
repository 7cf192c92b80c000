"""The life of an incident, its clocks, and what people are told of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.incidents.incident import Incident
from correlator.incidents.lifecycle import LEGAL, TARGET, Action, is_refused, joined, moved
from correlator.incidents.merge import incident_id
from correlator.incidents.response import newly_breached
from correlator.incidents.settings import CorrelateSettings
from ingest.clock import NS_PER_S, utc
from ingest.schema.finding import Level, Phase
from tests.correlator.cases import at_ns, finding, kinds
from tests.correlator.watch import Watch

A = incident_id("a")
ACTIONS: list[Action] = list(TARGET)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(f"sqlite:///{tmp_path}/casebook.db")
    yield watch
    watch.kill()


@given(st.lists(st.sampled_from(ACTIONS), max_size=12))
def test_versions_only_grow_and_met_targets_are_those_of_the_state(actions: list[Action]) -> None:
    incident = Incident(id="i", family="crowd", episode="e")
    for number, action in enumerate(actions):
        if is_refused(incident, action, incident.version):
            assert incident.state not in LEGAL[action]
            continue
        before, incident = incident, moved(incident, action, "desk", number, 2)
        assert incident.version == incident.state_version > before.version
        assert incident.state == TARGET[action]
        assert (incident.closed_ns is not None) == (incident.state == "closed")
        assert ("resolved" in incident.met_ns) == (incident.state in ("resolved", "closed"))
        assert incident.state == "open" or "seen" in incident.met_ns


@given(st.permutations(["open", "acknowledged", "dispatched", "on_scene", "resolved"]))
def test_what_is_not_resolved_stays_so_when_incidents_are_merged(states: list[str]) -> None:
    one, other = (Incident(id=name, family="crowd", episode="e", state=name) for name in states[:2])  # type: ignore[arg-type]
    both = joined(one, other, "i")
    assert both.state != "resolved"
    assert both.version > max(one.version, other.version)
    assert joined(other, one, "i").state == both.state


@given(st.integers(0, 400), st.integers(0, 400))
def test_a_target_is_breached_once_however_time_is_cut(first_s: int, second_s: int) -> None:
    rules = CorrelateSettings()
    early, late = sorted((first_s * NS_PER_S, second_s * NS_PER_S))
    once = [name for name, _ in newly_breached(rules, 0, {}, (), early)]
    then = [name for name, _ in newly_breached(rules, 0, {}, once, late)]
    assert once + then == [name for name, _ in newly_breached(rules, 0, {}, (), late)]


def test_each_missed_target_is_told_once_over_restarts(watch: Watch) -> None:
    watch.play(finding("a"))
    for t_s in range(10, 400, 10):
        watch.play(finding("a", t_s, Phase.UPDATED))
        if t_s % 60 == 0:
            watch.kill()
            watch.start()
            watch.clock.advance(7)
    watch.until(500)
    breached = [alert for alert in watch.said() if alert.type == "incident.breached"]
    assert [alert.at for alert in breached] == [utc(at_ns(t_s)) for t_s in (60, 180, 300)]
    assert all(clock.breached for clock in watch.open()[0].clocks.values())


def test_targets_that_are_met_are_not_breached(watch: Watch) -> None:
    watch.play(finding("a"))
    for t_s in range(10, 400, 10):
        watch.play(finding("a", t_s, Phase.UPDATED))
        if t_s == 50:
            watch.casebook.act(A, "acknowledge", actor="desk-1", version=None, at_ns=at_ns(50))
        if t_s == 170:
            watch.casebook.act(A, "arrive", actor="desk-1", version=None, at_ns=at_ns(170))
    watch.turn()
    assert [(name, clock.breached) for name, clock in watch.open()[0].clocks.items()] == [
        ("seen", False),
        ("on_scene", False),
        ("resolved", True),
    ]


def test_changes_of_the_value_are_told_at_most_every_5_s_the_first_at_once_the_last_not_lost(watch: Watch) -> None:
    watch.play(finding("a", value=100.0))
    for tenth in range(1, 120):
        watch.play(finding("a", tenth / 10, Phase.UPDATED, value=100.0 + tenth))
    watch.until(20, step_s=0.5)
    told = [alert for alert in watch.said() if alert.type == "incident.updated"]
    at_s = [(alert.at - utc(at_ns(0))).total_seconds() for alert in told]
    assert at_s[0] == 0.1
    assert all(later - sooner >= 4.99 or later == 11.9 for sooner, later in pairwise(at_s))
    assert told[-1].incident.value == 219.0
    assert len(told) <= 4
    (incident,) = watch.casebook.load_open().incidents
    assert incident.held_count + len(told) >= 119


def test_a_rise_of_the_level_is_never_held_back_and_told_once(watch: Watch) -> None:
    levels = [Level.AMBER, Level.RED, Level.AMBER, Level.RED, Level.CRITICAL]
    watch.play(*(finding("a", number / 10, Phase.UPDATED, level) for number, level in enumerate(levels)))
    assert [str(alert.incident.level) for alert in watch.said() if alert.type == "incident.escalated"] == [
        "red",
        "critical",
    ]


def test_what_ended_and_was_acknowledged_closes_and_what_nobody_saw_stays_visible(watch: Watch) -> None:
    watch.play(finding("a"), finding("a", 30, Phase.CLEARED))
    watch.until(600, step_s=5)
    assert [(view.state, view.condition) for view in watch.open()] == [("open", "cleared")]
    watch.casebook.act(A, "acknowledge", actor="desk-1", version=None, at_ns=at_ns(600))
    watch.until(605)
    assert watch.open() == []
    assert kinds(watch.said())[-1] == "closed"
    assert watch.all()[0].acknowledged_by == "desk-1"


def test_what_ended_and_begins_again_is_told_again(watch: Watch) -> None:
    watch.play(finding("a"), finding("a", 20, Phase.CLEARED), finding("b", 40, onset_s=40))
    watch.play(finding("b", 50, Phase.CLEARED, onset_s=40))
    assert [kind for kind in kinds(watch.said()) if kind != "updated"] == ["opened", "cleared", "reopened", "cleared"]


@pytest.mark.parametrize("again", ["worse", "new"])
def test_what_was_resolved_and_gets_worse_or_begins_again_is_open_with_new_clocks(watch: Watch, again: str) -> None:
    watch.play(finding("a"))
    watch.casebook.act(A, "resolve", actor="desk-1", version=None, at_ns=at_ns(5))
    if again == "worse":
        watch.play(finding("a", 100, Phase.UPDATED, Level.RED))
    else:
        watch.play(finding("a", 60, Phase.CLEARED), finding("b", 100, onset_s=100))
    (view,) = watch.open()
    assert (view.state, view.condition, view.acknowledged_by) == ("open", "active", None)
    assert view.clocks["seen"].target_at == utc(at_ns(160))
    assert kinds(watch.said())[-1] == ("escalated" if again == "worse" else "reopened")


def test_a_condition_that_is_closed_for_days_and_then_ends_stays_with_its_incident(watch: Watch) -> None:
    watch.play(finding("a"), finding("a", 5, Phase.CLEARED))
    watch.casebook.act(A, "close", actor="desk-1", version=None, at_ns=at_ns(10))
    watch.until(200_000, step_s=20_000)
    watch.play(finding("a", 200_010, Phase.CLEARED, onset_s=0))
    (view,) = watch.all()
    assert (view.id, view.state, view.finding_count) == (A, "closed", 3)
    assert kinds(watch.said()) == ["opened", "cleared", "closed"]
