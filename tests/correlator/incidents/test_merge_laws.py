"""Which incidents there are depends on the findings alone."""

from __future__ import annotations

from math import cos, radians
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.incidents.condition import Condition, condition_of, folded, rank_of, status_of
from correlator.incidents.lifecycle import to_state
from correlator.incidents.merge import incident_id
from correlator.incidents.neighbours import is_near, is_together
from correlator.incidents.settings import CorrelateSettings, ns
from ingest.clock import utc
from ingest.schema.finding import Finding, Level, Phase
from tests.correlator.cases import SQUARE, at_ns, board_of, east_of, finding, views

RULES = CorrelateSettings()


@st.composite
def _findings(draw: st.DrawFn) -> list[Finding]:
    """A few conditions of a few families, at places along a street, each with findings at times of its own."""
    events: list[Finding] = []
    for number in range(draw(st.integers(1, 6))):
        kind = draw(
            st.sampled_from(["crowd.capacity", "crowd.density", "anomaly.smoke", "anomaly.fire", "health.stream"])
        )
        metres = draw(st.sampled_from([0, 60, 95, 200, 400, 900]))
        zone = draw(st.sampled_from([None, "a-street", "b-street"]))
        onset_s = draw(st.integers(0, 400))
        times_s = sorted(draw(st.sets(st.integers(0, 300), min_size=1, max_size=4)))
        ends = draw(st.sampled_from([Phase.UPDATED, Phase.CLEARED, Phase.UNKNOWN]))
        for index, after_s in enumerate(times_s):
            last = index == len(times_s) - 1 and index > 0
            phase = Phase.RAISED if index == 0 else ends if last else Phase.UPDATED
            events.append(
                finding(
                    f"c{number}",
                    onset_s + after_s,
                    phase,
                    draw(st.sampled_from(list(Level))),
                    kind=kind,
                    onset_s=onset_s,
                    zone=zone,
                    site=draw(st.sampled_from(["north", "south"])),
                    cameras=(f"camera-{number}",),
                    place=east_of(SQUARE, metres),
                )
            )
    return events


def _facts(findings: list[Finding]) -> list[object]:
    """All that is said of each incident, without what depends on the order in which people were told."""
    told: dict[str, Any] = {"clocks": {}, "muted_by": None, "flapping": False, "held_count": 0}
    return [msgspec.structs.replace(view, version=0, merged_from=(), **told) for view in views(board_of(findings))]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_incidents_do_not_depend_on_order_or_duplicates(data: st.DataObject) -> None:
    findings = data.draw(_findings())
    shuffled = data.draw(st.permutations(findings + data.draw(st.lists(st.sampled_from(findings), max_size=6))))
    assert _facts(shuffled) == _facts(findings)


@given(_findings())
@settings(max_examples=100, deadline=None)
def test_an_incident_is_a_connected_component_with_the_id_of_its_earliest_condition(findings: list[Finding]) -> None:
    board = board_of(findings)
    folds: dict[str, Condition] = {}
    for event in findings:
        arrived_ns = at_ns(0) + 0
        alone = condition_of(RULES, event, 0, max(arrived_ns, round(event.data.detected_at.timestamp()) * 10**9))
        folds[alone.id] = folded(folds[alone.id], alone) if alone.id in folds else alone
    # The reference: transitive closure over all pairs, without any index.
    group = {name: name for name in folds}
    for one in folds.values():
        for other in folds.values():
            touch = one.family == other.family and is_near(RULES, one, other)
            if touch and is_together(one, other, ns(RULES.gap_s), ns(RULES.loss_gap_s)):
                old, new = group[one.id], group[other.id]
                group = {name: new if root == old else root for name, root in group.items()}
    expected = {}
    for root in set(group.values()):
        members = [folds[name] for name in folds if group[name] == root]
        first = min(members, key=lambda each: (each.onset_ns, each.id))
        expected[incident_id(first.id)] = {each.id for each in members}
    assert {name: {each.id for each in board.members(name)} for name in board.incidents} == expected
    for name in board.incidents:
        tally, on_it = board.tally(name), board.members(name)
        assert (tally.status, tally.rank) == (status_of(on_it), rank_of(on_it))
        assert tally.root == min((each.onset_ns, each.id) for each in on_it)


@given(_findings(), st.data())
@settings(max_examples=60, deadline=None)
def test_the_set_of_alerts_does_not_depend_on_batches(findings: list[Finding], data: st.DataObject) -> None:
    whole = {alert.id for alert in board_of(findings).take_changes().alerts}
    board, said, rest = None, set(), findings
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        board, rest = board_of(rest[:size], board=board), rest[size:]
        said |= {alert.id for alert in board.take_changes().alerts}
    assert said == whole


@given(_findings(), st.integers(0, 800), st.data())
@settings(max_examples=60, deadline=None)
def test_a_closed_incident_takes_nothing_new_but_reopens_for_all_to_see(
    findings: list[Finding], closed_s: int, data: st.DataObject
) -> None:
    in_order = sorted(findings, key=lambda event: event.data.detected_at)
    before = [event for event in in_order if event.data.detected_at <= utc(at_ns(closed_s))]
    board = board_of(before)
    closed = {}
    for name in data.draw(st.sets(st.sampled_from(sorted(board.incidents)))) if board.incidents else ():
        board.put_incident(to_state(board.incidents[name], "closed", "desk-1", at_ns(closed_s), board.tally(name).rank))
        closed[name] = {each.id for each in board.members(name)}
    board.take_changes()
    board_of(in_order[len(before) :], board=board)
    said = {(alert.incident.id, alert.type) for alert in board.take_changes().alerts}
    for name, members in closed.items():
        after = board.incidents.get(name)
        if after is not None and after.state == "closed":
            assert {each.id for each in board.members(name)} == members
        elif after is not None:
            assert said & {(name, "incident.reopened"), (name, "incident.recorded"), (name, "incident.merged")}


def test_circles_further_apart_than_the_gap_are_two_incidents() -> None:
    near = finding("b", place=east_of(SQUARE, 20 + 20 + 40), zone="b")
    far = finding("b", place=east_of(SQUARE, 20 + 20 + 60), zone="b")
    assert len(board_of([finding("a"), near]).incidents) == 1
    assert len(board_of([finding("a"), far]).incidents) == 2


def test_a_bridge_between_two_incidents_makes_them_one_and_both_ids_answer() -> None:
    left = finding("left", 0, zone="l")
    right = finding("right", 10, onset_s=10, zone="r", place=east_of(SQUARE, 150))
    bridge = finding("bridge", 20, onset_s=20, zone="m", place=east_of(SQUARE, 75))
    board = board_of([right, left, bridge])
    (view,) = views(board)
    assert view.id == incident_id("left")
    assert view.merged_from == (incident_id("right"),)
    assert [line.act for line in board.take_changes().history if line.incident == incident_id("right")] == [
        "opened",
        "merged",
    ]


def test_drills_and_alarms_are_never_one_incident() -> None:
    board = board_of([finding("a"), finding("b", drill=True)])
    assert sorted(view.title for view in views(board)) == [
        "Exercise: Overcrowding: North square",
        "Overcrowding: North square",
    ]


def test_places_on_both_sides_of_the_date_line_are_near() -> None:
    from ingest.schema.finding import Place

    step = 15 / (111_195.08 * cos(radians(-17)))
    west, east = (Place(lon=lon, lat=-17.0, radius_m=5.0) for lon in (180 - step, -180 + step))
    board = board_of([finding("a", place=west, zone=None), finding("b", place=east, zone=None)])
    assert len(board.incidents) == 1
    assert views(board)[0].place.radius_m < 50
