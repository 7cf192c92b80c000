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
    assert family_of(SETTINGS, said(rule)) == "camera/gate-7"
