"""Which hazards are ever one incident, and what people read."""

from __future__ import annotations

import msgspec
import pytest

from correlator.incidents.board import Board
from correlator.incidents.family import family_of, is_blinding, title_of
from correlator.incidents.merge import take
from correlator.incidents.settings import CorrelateSettings
from ingest.schema.finding import Finding, FindingData
from tests.correlator.cases import at_ns, finding

SETTINGS = CorrelateSettings(names={"gate-7": "Gate 7"})


def said(rule: str) -> FindingData:
    facts = {"kind": "camera.events", "rule": f"camera.events.{rule}", "zone": None, "cameras": ("gate-7",)}
    return msgspec.structs.replace(finding().data, **facts)


@pytest.mark.parametrize(("rule", "title"), [("tamper", "Tamper: Gate 7"), ("device_fault", "Device fault: Gate 7")])
def test_what_a_camera_says_is_called_by_its_rule_and_never_meets_another_camera(rule: str, title: str) -> None:
    assert title_of(SETTINGS, said(rule), 1) == title
    assert family_of(SETTINGS, said(rule)) == f"camera/gate-7/{rule}"


@pytest.mark.parametrize(
    ("rule", "family"),
    [
        ("fire", "fire"),
        ("smoke", "fire"),
        ("fall", "fall"),
        ("abandoned_object", "abandoned_object"),
        ("removed_object", "removed_object"),
        ("line_crossed", "intrusion"),
        ("wrong_way", "intrusion"),
    ],
)
def test_what_is_the_same_hazard_whoever_sees_it_is_of_one_family(rule: str, family: str) -> None:
    assert family_of(SETTINGS, said(rule)) == family


@pytest.mark.parametrize(
    ("kind", "trouble", "blinds"),
    [
        ("health.stream", "stalled", True),
        ("health.stream", "flooding", False),
        ("health.picture", "covered", True),
        ("health.picture", "blurred", False),
        ("health.objects", "frame_size", False),
        ("health.clock", "drift", False),
    ],
)
def test_a_camera_that_still_sees_is_believed(kind: str, trouble: str, blinds: bool) -> None:
    data = msgspec.structs.replace(finding().data, kind=kind, rule=f"{kind}.{trouble}")
    assert is_blinding(data) is blinds


@pytest.mark.parametrize(
    ("rules", "title"),
    [
        (["stalled"], "Camera lost: Gate 7"),
        (["covered"], "Camera covered: Gate 7"),
        (["flooding"], "Camera flooding: Gate 7"),
        (["stalled", "auth_failed"], "2 cameras lost: Square"),
        (["covered", "covered"], "2 cameras covered: Square"),
        (["covered", "stalled"], "2 cameras lost or blind: Square"),
        (["flooding", "stalled"], "2 cameras in trouble: Square"),
    ],
)
def test_a_camera_that_is_covered_is_not_said_to_be_lost(rules: list[str], title: str) -> None:
    facts = {"kind": "health.stream", "rule": f"health.stream.{rules[0]}", "zone": None, "cameras": ("gate-7",)}
    data = msgspec.structs.replace(finding().data, **facts, site="square")
    assert title_of(SETTINGS, data, len(rules), [f"health.stream.{rule}" for rule in rules]) == title


@pytest.mark.parametrize(
    ("rule", "kind", "ours"),
    [
        ("fire", "anomaly.fire", "anomaly.smoke"),
        ("fall", "anomaly.fall", "anomaly.fall"),
        ("abandoned_object", "anomaly.abandoned_object", "anomaly.abandoned_object"),
        ("removed_object", "anomaly.removed_object", "anomaly.removed_object"),
        ("line_crossed", "camera.events", "anomaly.intrusion"),
        ("wrong_way", "anomaly.intrusion", "anomaly.intrusion"),
    ],
)
def test_what_a_camera_and_our_own_detector_say_of_one_happening_is_one_incident(
    rule: str, kind: str, ours: str
) -> None:
    own = finding("ours", 12.0, kind=ours)
    theirs = finding("theirs", 10.0, kind=kind, zone=None)
    theirs = msgspec.structs.replace(
        theirs, data=msgspec.structs.replace(theirs.data, rule=f"camera.events.{rule}", detail={"confidence": 0.75})
    )
    elsewhere = finding("elsewhere", 12.0, kind="crowd.capacity")
    for order in ([own, theirs, elsewhere], [theirs, elsewhere, own]):
        (together, alone) = incidents_of(order)
        assert {len(together), len(alone)} == {1, 2}


def incidents_of(findings: list[Finding]) -> list[set[str]]:
    """The conditions of each incident."""
    board = Board(SETTINGS)
    for each in findings:
        take(board, each, 0, at_ns(20.0), at_ns(20.0))
    return [
        {condition for condition, home in board.home.items() if home == incident}
        for incident in set(board.home.values())
    ]
