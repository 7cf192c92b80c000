"""What is wrong with a camera's pictures, and how bad that is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.health import picture
from detectors.registry import Configured, settings_of
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.registry.district import district_of
from ingest.schema.finding import Phase
from ingest.schema.tick import EventKind, EventState, Picture
from tests.detectors.plaza import EXACT, camera, detect, plaza, reads, run, tick, told, zone

ONLY = ("health.picture",)
BLINDING = (
    Picture.FROZEN, Picture.DARK, Picture.COVERED, Picture.WASHED_OUT, Picture.MOVED, Picture.UNSTEADY,
    Picture.CORRUPT, Picture.BLURRED,
)  # fmt: skip


def changes(findings):
    return [each for each in told(findings) if each[0] != "updated"]


def flagged(flag, since_s, until_s, end_s=100, persons=1):
    """A picture of gate-7 each second."""
    return [
        tick(at, {7: persons}, picture={7: int(flag) if since_s <= at < until_s else 0}, captured_s=at)
        for at in range(1, end_s)
    ]


@pytest.mark.parametrize("flag", [*BLINDING, Picture.COLOUR_LOST])
def test_a_picture_that_stays_poor_is_told_within_seconds_and_cleared(flag):
    _, findings = run(detect(plaza(), only=ONLY), flagged(flag, 5, 80))
    hold_s = getattr(picture.PictureSettings(), f"{flag.name.lower()}_s")
    assert changes(findings) == [("raised", "notice", 5.0 + hold_s), ("cleared", "notice", 83.0)]
    assert hold_s <= 5.0
    assert findings[0].data.rule == f"health.picture.{flag.name.lower()}"
    assert findings[0].data.thresholds[f"{flag.name.lower()}_s"] == hold_s


def test_a_lorry_that_passes_close_by_is_no_cover():
    assert run(detect(plaza(), only=ONLY), flagged(Picture.COVERED, 5, 10))[1] == []


def test_a_flicker_of_a_flag_is_no_trouble():
    ticks = [tick(at, {7: 1}, picture={7: int(Picture.FROZEN) if at % 3 == 0 else 0}) for at in range(1, 100)]
    assert run(detect(plaza(), only=ONLY), ticks)[1] == []


@pytest.mark.parametrize("flag", BLINDING)
def test_a_blind_camera_over_a_crowd_is_amber_by_itself(flag):
    # Half of the capacity is no alert of its own, but nobody knows what comes after.
    for persons, level in ((50, "amber"), (49, "notice")):
        _, findings = run(detect(plaza(100), only=ONLY), flagged(flag, 10, 60, 40, persons))
        assert [each[:2] for each in changes(findings)] == [("raised", level)]
    _, findings = run(detect(plaza(100), only=ONLY), flagged(flag, 10, 60, 40, 60))
    assert findings[0].data.detail["use"] == 0.6
    assert findings[0].data.thresholds["crowd_use"] == 0.5


def test_a_camera_that_has_only_lost_its_colours_counts_and_is_a_notice():
    _, findings = run(detect(plaza(100), only=ONLY), flagged(Picture.COLOUR_LOST, 10, 60, 40, 80))
    assert [each[:2] for each in changes(findings)] == [("raised", "notice")]
    _, findings = run(detect(plaza(100)), flagged(Picture.COLOUR_LOST, 1, 60, 60, 80))
    assert "crowd.capacity" in {each.data.kind for each in findings}


@pytest.mark.parametrize("flag", BLINDING)
def test_what_a_blind_camera_says_of_a_crowd_does_not_count(flag):
    _, findings = run(detect(plaza(100)), flagged(flag, 1, 60, 60, 120))
    assert {each.data.kind for each in findings} == {"health.picture"}


def test_amber_stays_to_its_end_whatever_another_camera_says_meanwhile():
    both = district_of([camera(), camera(8, "other")], [zone(cameras=("gate-7", "other"))])
    ticks = []
    for at in range(1, 60):
        others = 60 if at < 30 else 5
        flags = {7: int(Picture.COVERED) if 10 <= at < 50 else 0}
        ticks.append(tick(at, {7: others, 8: others}, picture=flags, captured_s=at))
    _, findings = run(detect(both, only=ONLY), ticks)
    assert changes(findings) == [("raised", "amber", 15.0), ("cleared", "amber", 53.0)]
    assert {each.data.level for each in findings} == {"amber"}


def test_a_camera_that_sends_nothing_any_more_ends_as_unknown_and_is_stalled():
    ticks = [tick(at, {7: 1}, picture={7: int(Picture.COVERED)}, captured_s=at) for at in range(1, 20)]
    ticks += [tick(at, {}, period_s=1.0) for at in range(20, 40)]
    _, findings = run(detect(plaza()), ticks)
    assert [(each.data.phase, each.data.rule) for each in findings if each.data.phase != Phase.UPDATED] == [
        (Phase.RAISED, "health.picture.covered"),
        (Phase.RAISED, "health.stream.stalled"),
        (Phase.UNKNOWN, "health.picture.covered"),
    ]


def test_one_trouble_that_becomes_another_is_one_condition():
    ticks = [*flagged(Picture.BLURRED, 1, 30, 20), *flagged(Picture.COVERED, 20, 60, 60)[19:]]
    _, findings = run(detect(plaza(), only=ONLY), ticks)
    rules = list(dict.fromkeys(each.data.rule for each in findings))
    assert rules == ["health.picture.blurred", "health.picture.covered"]
    assert len({each.data.condition for each in findings}) == 1


def test_useless_pictures_of_changing_cause_are_told_too():
    # By night it is not always clear what takes the detail away.
    turns = {at: Picture.COVERED if at // 3 % 2 else Picture.BLURRED for at in range(10, 40)}
    ticks = [tick(at, {7: 1}, picture={7: int(turns.get(at, 0))}, captured_s=at) for at in range(1, 60)]
    _, findings = run(detect(plaza(), only=ONLY), ticks)
    assert changes(findings) == [("raised", "notice", 16.0), ("cleared", "notice", 43.0)]
    assert len({each.data.condition for each in findings}) == 1


def test_boxes_found_elsewhere_do_not_say_that_the_picture_is_good():
    ticks = []
    for at in range(1, 30):
        ticks.append(tick(at, {7: 1}, picture={7: int(Picture.COVERED)}, captured_s=at))
        ticks.append(tick(at + 0.1, {7: 0}, producer="perceive", brightness=np.nan, captured_s=at))
    _, findings = run(detect(plaza(), only=ONLY), ticks)
    assert changes(findings) == [("raised", "notice", 6.0)]


def told_by_reader(at_s, kind, value, seen=True):
    """A tick of gate-7 and, in a row that is no frame, the word of its reader."""
    frames = {7: 1} if seen else {}
    row = tick(at_s, frames | {8: None}, captured_s=at_s)
    start = np.zeros(row.frames + 1, np.int64)
    start[-1] = 1
    return replace(
        row,
        camera=np.array([7] * row.frames, np.uint32),
        event_start=start,
        event_kind=np.array([kind], np.uint8),
        event_state=np.array([EventState.ON], np.uint8),
        event_value=np.array([value], np.float32),
        event_confidence=np.full(1, np.nan, np.float16),
        event_at_ns=np.zeros(1, np.int64),
        event_box=np.full((1, 4), np.nan, np.float32),
    )


def test_key_frames_that_come_too_seldom_are_a_notice_with_their_gap():
    ticks = [told_by_reader(at, EventKind.STREAM_KEY_GAP, 20.0) for at in range(1, 30)]
    ticks += [tick(at, {7: 1}, captured_s=at) for at in range(30, 60)]
    _, findings = run(detect(plaza(), only=ONLY), ticks)
    assert changes(findings) == [("raised", "notice", 6.0), ("cleared", "notice", 36.0)]
    assert findings[0].data.rule == "health.picture.key_gap"
    assert findings[0].data.detail["key_gap_s"] == 20.0


def test_a_clock_that_is_wrong_is_a_notice_with_its_offset():
    ticks = [told_by_reader(at, EventKind.STREAM_CLOCK_OFF, -63.5) for at in range(1, 30)]
    ticks += [tick(at, {7: 1}, captured_s=at) for at in range(30, 60)]
    _, findings = run(detect(plaza(), only=("health.clock", "health.stream")), ticks)
    assert [each[:2] for each in changes(findings)] == [("raised", "notice"), ("cleared", "notice")]
    assert told(findings)[0][2] == 6.0
    assert (findings[0].data.rule, findings[0].data.value, findings[0].data.unit) == ("health.clock.off", -63.5, "s")


NUMBERS = (7, 8, 9)


def district(numbers):
    return district_of([camera(number, f"camera-{number}") for number in numbers], [])


def stage_of(numbers):
    short = {f"{trouble}_s": 2.0 for trouble in picture.TROUBLES}
    settings = DetectSettings(occupancy=EXACT, detectors={"health.picture": short | {"release_s": 1.0}})
    ours = Configured(picture.detector, settings_of(picture.detector, settings.detectors["health.picture"]))
    return DetectStage(district(numbers), settings, [ours])


def seen(draws, numbers):
    """A tick each second: for each camera the flags of its picture, or none that came."""
    return [
        tick(
            at + 1.0,
            {number: None for number in numbers if flags[number] is not None},
            picture={number: flags[number] or 0 for number in numbers},
            captured_s=at + 1.0,
        )
        for at, flags in enumerate(draws)
    ]


flags_of_a_second = st.fixed_dictionaries(
    {number: st.sampled_from([None, 0, 0, 2, 8, 8, 16, 128, 256, 512]) for number in NUMBERS}
)


@given(st.lists(flags_of_a_second, max_size=30))
@settings(max_examples=40, deadline=None)
def test_an_unrelated_camera_changes_nothing(draws):
    def of(numbers):
        _, findings = run(stage_of(numbers), seen(draws, numbers))
        return [each for each in findings if each.subject == "camera-7"]

    assert of((7,)) == of(NUMBERS)


@given(st.lists(flags_of_a_second, max_size=30), st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_restoring_at_any_tick_changes_nothing(draws, cut):
    stage, ticks = stage_of(NUMBERS), seen(draws, NUMBERS)
    whole, findings = run(stage, ticks)
    before, first = run(stage, ticks[:cut])
    after = stage.restore(0, stage.save(before))
    rest, second = stage.step(after, reads(ticks[cut:], cut))
    assert [*first, *second] == findings
    assert stage.save(rest) == stage.save(whole)
