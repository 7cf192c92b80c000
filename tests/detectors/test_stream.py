"""What is wrong with a camera's stream, and how bad that is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.settings import DetectSettings
from ingest.registry.district import district_of
from ingest.schema.tick import EventKind, EventState
from tests.detectors.plaza import EXACT, camera, counts, detect, ns, plaza, run, seconds, tick, told, zone

ONLY = ("health.stream",)


def changes(findings):
    return [each for each in told(findings) if each[0] != "updated"]


def test_a_camera_that_falls_silent_is_stalled_once_and_cleared_when_it_returns():
    _, findings = run(detect(plaza(), only=ONLY), counts({0: 1, 20: None, 60: 1}, 80))
    assert changes(findings) == [("raised", "notice", 28.0), ("cleared", "notice", 64.0)]
    data = findings[0].data
    assert (data.rule, data.zone, data.cameras) == ("health.stream.stalled", None, ("gate-7",))
    assert seconds(data.onset_at) == 20.0
    assert (data.value, data.unit) == (8.0, "s")
    assert data.place.lon == pytest.approx(8.54)
    assert findings[0].subject == "gate-7"


def test_a_camera_that_never_came_is_stalled_too():
    _, findings = run(detect(plaza(), only=ONLY), [tick(at / 5, {}) for at in range(1, 100)])
    assert changes(findings) == [("raised", "notice", 8.2)]


def test_a_slow_camera_has_five_of_its_periods():
    slow = district_of([camera(sampling_period_s=4.0)], [zone()])
    _, findings = run(detect(slow, only=ONLY), counts({0: 1, 10: None}, 60))
    assert changes(findings) == [("raised", "notice", 30.0)]


def test_a_pause_of_the_whole_line_is_nobodys_silence():
    before, after = counts({0: 1}, 20), [tick(600.0 + at, {7: 1}) for at in range(5)]
    _, findings = run(detect(plaza(), only=ONLY), [*before, tick(599.0, {}), *after])
    assert findings == []


def test_two_thousand_cameras_that_stop_are_two_thousand_conditions_told_once():
    cameras = [camera(number, f"c{number}") for number in range(2000)]
    stage = detect(district_of(cameras, [zone()]), DetectSettings(occupancy=EXACT), only=ONLY)
    ticks = [tick(at, dict.fromkeys(range(2000), 0) if at < 3 else {}, period_s=1.0) for at in range(1, 16)]
    _, findings = run(stage, ticks)
    assert len(findings) == len({each.subject for each in findings}) == 2000


def without_frames(at_s, kind):
    """A tick in which the reader of gate-7 says why it gives no frame."""
    row = tick(at_s, {7: None}, brightness=np.nan, captured_s=at_s)
    nan = np.full(1, np.nan)
    return replace(
        row,
        event_start=np.array([0, 1]),
        event_kind=np.array([kind], np.uint8),
        event_state=np.array([EventState.ON], np.uint8),
        event_value=nan.astype(np.float32),
        event_confidence=nan.astype(np.float16),
        event_at_ns=np.zeros(1, np.int64),
        event_box=np.full((1, 4), np.nan, np.float32),
    )


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (EventKind.STREAM_AUTH_FAILED, "auth_failed"),
        (EventKind.STREAM_REFUSED, "refused"),
        (EventKind.STREAM_QUARANTINED, "quarantined"),
        (EventKind.STREAM_NO_VIDEO, "no_video"),
        (EventKind.STREAM_UNREACHABLE, "unreachable"),
        (EventKind.STREAM_STALLED, "stalled"),
    ],
)
def test_a_silent_camera_says_why_where_its_reader_knows(kind, rule):
    ticks = counts({0: 1}, 5)
    ticks += [without_frames(at, kind) if at < 40 else tick(at, {7: 1}, captured_s=at) for at in range(6, 60)]
    _, findings = run(detect(plaza(), only=ONLY), ticks)
    assert changes(findings) == [("raised", "notice", 13.0), ("cleared", "notice", 43.0)]
    assert {each.data.rule for each in findings} == {f"health.stream.{rule}"}
    assert findings[0].data.thresholds["stalled_s"] == 8.0 and seconds(findings[0].data.onset_at) == 5.0


def test_a_cause_that_changes_is_told_and_stays_one_condition():
    ticks = counts({0: 1}, 5)
    kinds = {at: EventKind.STREAM_UNREACHABLE if at < 30 else EventKind.STREAM_AUTH_FAILED for at in range(6, 50)}
    _, findings = run(detect(plaza(), only=ONLY), [*ticks, *(without_frames(at, kind) for at, kind in kinds.items())])
    assert findings[0].data.rule == "health.stream.unreachable"
    assert findings[-1].data.rule == "health.stream.auth_failed"
    assert len({each.data.condition for each in findings}) == 1


def test_what_a_reader_says_of_a_stream_is_no_frame_and_counts_nobody():
    ticks = [*counts({0: 60}, 20), *(without_frames(at, EventKind.STREAM_REFUSED) for at in range(21, 60))]
    _, with_words = run(detect(plaza()), ticks)
    _, without = run(detect(plaza()), [*counts({0: 60}, 20), *(tick(at, {}) for at in range(21, 60))])
    assert [(each.data.kind, *t) for each, t in zip(with_words, told(with_words), strict=True)] == [
        (each.data.kind, *t) for each, t in zip(without, told(without), strict=True)
    ]


def test_our_own_look_at_a_picture_is_a_frame_and_no_silence():
    seen = tick(1.0, {7: 0}, period_s=1.0, captured_s=1.0)
    left = replace(without_frames(2, EventKind.LEFT_BEHIND), brightness=np.full(1, 90.0, np.float32))
    looked = [replace(left, starts_at_ns=ns(at - 1), ends_at_ns=ns(at)) for at in range(2, 40)]
    times = [np.full(1, ns(at), np.int64) for at in range(2, 40)]
    ticks = [replace(each, captured_at_ns=at, arrived_at_ns=at) for each, at in zip(looked, times, strict=True)]
    stage = detect(plaza(), DetectSettings(occupancy=EXACT), only=ONLY)
    assert run(stage, [seen, *ticks])[1] == []
