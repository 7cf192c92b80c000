"""Which hazards are ever one incident, and what people read."""

from __future__ import annotations

import msgspec
import pytest

from correlator.incidents.family import family_of, title_of
from correlator.incidents.settings import CorrelateSettings
from ingest.schema.finding import FindingData
from tests.correlator.cases import finding

SETTINGS = CorrelateSettings(names={"gate-7": "Gate 7"})


def said(rule: str) -> FindingData:
    facts = {"kind": "camera.events", "rule": f"camera.events.{rule}", "zone": None, "cameras": ("gate-7",)}
    return msgspec.structs.replace(finding().data, **facts)


@pytest.mark.parametrize(("rule", "title"), [("tamper", "Tamper: Gate 7"), ("line_crossed", "Line crossed: Gate 7")])
def test_what_a_camera_says_is_called_by_its_rule_and_never_meets_another_camera(rule: str, title: str) -> None:
    assert title_of(SETTINGS, said(rule), 1) == title
    assert family_of(SETTINGS, said(rule)) == f"camera/gate-7/{rule}"


@pytest.mark.parametrize(
    ("rule", "family"),
    [("fire", "fire"), ("smoke", "fire"), ("fall", "fall"), ("abandoned_object", "abandoned_object")],
)
def test_what_is_the_same_hazard_whoever_sees_it_is_of_one_family(rule: str, family: str) -> None:
    assert family_of(SETTINGS, said(rule)) == family


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
