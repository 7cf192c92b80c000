"""Findings name pictures, and the names follow from the ticks alone."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np

from detectors import evidence
from detectors.district_view import district_view
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.clock import NS_PER_S
from ingest.evidence import EvidenceSettings, reference_of
from ingest.registry.district import district_of
from ingest.schema.finding import Finding, Phase
from ingest.schema.tick import Picture
from tests.detectors.plaza import EXACT, START_NS, camera, counts, detect, ns, plaza, run, seconds, tick, told, zone

KEPT = EvidenceSettings()


def of(at_s: float, name: str = "gate-7") -> str:
    return reference_of(KEPT, name, ns(at_s))


def crowd(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.data.kind == "crowd.capacity"]


def test_a_finding_names_the_newest_picture_of_its_camera_when_something_is_new() -> None:
    _, findings = run(detect(plaza()), counts({0: 10, 5: 120, 60: 160, 120: 10}, 160))
    found = crowd(findings)
    assert {each.data.phase for each in found} == {Phase.RAISED, Phase.UPDATED, Phase.CLEARED}
    for before, each in pairwise([None, *found]):
        assert each is not None
        lasts = before and before.data.level == each.data.level and each.data.phase is not Phase.CLEARED
        wanted = before.data.evidence if before and lasts else (of(seconds(each.data.detected_at)),)
        assert each.data.evidence == wanted, told([each])


def test_a_camera_that_falls_silent_is_shown_as_it_was_last_seen() -> None:
    _, findings = run(detect(plaza()), counts({0: 10, 8: None}, 40))
    (lost,) = [each for each in findings if each.data.kind == "health.stream"][:1]
    assert lost.data.evidence == (of(8),)


def test_what_can_no_longer_be_there_is_not_named() -> None:
    slow = DetectSettings(occupancy=EXACT, detectors={"health.stream": {"stalled_s": 100.0}})
    _, findings = run(detect(plaza(), slow), counts({0: 10, 8: None}, 140))
    lost = [each for each in findings if each.data.kind == "health.stream"]
    assert lost and lost[0].data.evidence == ()


def test_frames_whose_picture_was_not_measured_name_none() -> None:
    stage = detect(plaza())
    ticks = [tick(at, {7: 120}, brightness=float("nan")) for at in range(1, 30)]
    _, findings = run(stage, ticks)
    assert crowd(findings) and all(each.data.evidence == () for each in findings)


def test_a_time_that_cannot_be_believed_names_none() -> None:
    view = district_view(plaza(), 0)
    later = tick(10, {7: 1}, captured_s=10_000)
    state = evidence.observe(evidence.initial(view), later, view.camera_rows(later.camera), ns(10))
    assert evidence.Pictures(KEPT, view, state, ns(10)).of(("gate-7",)) == ()


def test_a_place_with_many_cameras_names_a_few_of_them_and_no_stranger() -> None:
    cameras = [camera(number, f"gate-{number}") for number in range(7, 15)]
    names = tuple(each.id for each in cameras)
    view = district_view(district_of(cameras, [zone("plaza", 100, cameras=names)]), 0)
    seen = tick(10, dict.fromkeys(range(7, 15), 1))
    state = evidence.observe(evidence.initial(view), seen, view.camera_rows(seen.camera), ns(10))
    pictures = evidence.Pictures(KEPT, view, state, ns(10))
    assert len(pictures.of(names)) == evidence.CAMERAS_MAX
    assert pictures.of(("elsewhere", "gate-9")) == (of(10, "gate-9"),)
    assert dataclasses.replace(pictures, settings=None).of(names) == ()


def test_where_no_pictures_are_kept_no_finding_names_one() -> None:
    ticks = counts({0: 10, 5: 120}, 40)
    with_pictures = detect(plaza())
    for pictures in (None, EvidenceSettings(pictures=False)):
        stage = DetectStage(plaza(), with_pictures.settings, with_pictures.detectors, pictures)
        _, findings = run(stage, ticks)
        assert findings and all(each.data.evidence == () for each in findings)


def test_a_replay_with_other_thresholds_names_the_same_pictures() -> None:
    ticks = counts({0: 10, 5: 120}, 60)
    held = DetectSettings(occupancy=EXACT, detectors={"crowd.capacity": {"red_hold_s": 20}})
    _, first = run(detect(plaza()), ticks)
    _, second = run(detect(plaza(), held), ticks)
    names = {of(at) for at in range(1, 61)}
    assert {name for each in [*first, *second] for name in each.data.evidence} <= names
    assert told(first) != told(second)


def test_the_newest_picture_counts_in_whatever_order_frames_come() -> None:
    view = district_view(plaza(), 0)
    state = evidence.initial(view)
    for captured_s in (5.0, 9.0, 7.0):
        seen = tick(10, {7: 1}, captured_s=captured_s, picture={7: int(Picture.COVERED)})
        state = evidence.observe(state, seen, view.camera_rows(seen.camera), ns(10))
    assert state.pictured_ns.tolist() == [ns(9.0)]
    assert np.array_equal(evidence.restore(view, evidence.save(view, state)).pictured_ns, state.pictured_ns)
    assert START_NS % NS_PER_S == 0
