"""The minutes of zones: the same bytes however ticks are cut, and true to what was seen each second."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.recorded_stage import RecordedStage
from detectors.settings import DetectSettings
from ingest.bus.contract import Position, Record
from ingest.bus.topics import FINDINGS, ZONE_MINUTES
from ingest.clock import utc_ns
from ingest.registry.district import district_of
from ingest.schema.finding import Finding
from ingest.schema.tick import Tick
from ingest.schema.zone_minute import ZoneMinutes, decode_zone_minutes
from tests.detectors.plaza import START_NS, camera, counts, detect, plaza, reads, run, zone

TO_MINUTE_S = 60 - START_NS // 10**9 % 60  # from the start of the scene to the first whole minute


def minutes_of(stage: RecordedStage, ticks: list[Tick]) -> list[ZoneMinutes]:
    _, said = stage.step(stage.initial(0), reads(ticks))
    return [each for each in said if isinstance(each, ZoneMinutes)]


@given(
    st.lists(st.tuples(st.integers(0, 220), st.one_of(st.none(), st.integers(0, 150))), max_size=8),
    st.integers(0, 115),
)
@settings(max_examples=8, deadline=None)
def test_cut_at_any_tick_and_restored_the_minutes_are_the_same_bytes(
    series: list[tuple[int, int | None]], cut: int
) -> None:
    ticks = counts(dict(series), 230, 2.0)
    whole = RecordedStage(detect(plaza()))
    state, said = whole.step(whole.initial(0), reads(ticks))
    before, first = whole.step(whole.initial(0), reads(ticks[:cut]))
    again = RecordedStage(detect(plaza()))
    after, second = again.step(again.restore(0, whole.save(before)), reads(ticks[cut:], cut))
    assert [again.encode(0, each) for each in [*first, *second]] == [whole.encode(0, each) for each in said]
    assert again.save(after) == whole.save(state)


def test_the_findings_beside_the_minutes_are_the_same() -> None:
    ticks = counts({0: 20, 30: 130, 150: 5}, 240)
    stage = RecordedStage(detect(plaza()))
    _, said = stage.step(stage.initial(0), reads(ticks))
    _, findings = run(detect(plaza()), ticks)
    assert [each for each in said if isinstance(each, Finding)] == findings and findings


def test_a_minute_is_the_mean_and_the_highest_of_its_seconds() -> None:
    rng = np.random.default_rng(3)
    crowd = {float(at): int(rng.integers(0, 90)) for at in range(200)}
    first, *_ = minutes = minutes_of(RecordedStage(detect(plaza())), counts(crowd, TO_MINUTE_S + 121))
    assert [utc_ns(each.starts_at) % 60_000_000_000 for each in minutes] == [0] * len(minutes)
    assert first.zones[0].readings < 60, "the stage began in the middle of a minute"
    (whole,) = minutes[1].zones
    seen = [crowd[TO_MINUTE_S + second - 1] for second in range(60)]
    assert whole.readings == 60
    assert whole.persons == round(float(np.mean(seen)), 3)
    assert whole.persons_max == max(seen)
    assert whole.per_m2 is not None and abs(whole.per_m2 - whole.persons / 400.0) < 1e-3


def test_a_zone_that_nobody_sees_has_a_row_without_a_number_and_silence_has_no_row() -> None:
    ticks = [each for each in counts({0: 9, 60: None}, 400) if not 170 < (each.ends_at_ns - START_NS) / 1e9 < 320]
    minutes = minutes_of(RecordedStage(detect(plaza())), ticks)
    by_minute = {(utc_ns(each.starts_at) - START_NS) // 10**9: each.zones[0] for each in minutes}
    unseen = by_minute[TO_MINUTE_S + 60]
    assert (unseen.readings, unseen.persons, unseen.high) == (0, None, None)
    assert TO_MINUTE_S + 180 not in by_minute, "no tick came: there is nothing to say of this minute"


def test_where_people_hide_one_another_the_minute_is_a_lower_bound_without_an_upper_end() -> None:
    crowded = counts({0: 700}, 130)
    (minute, *_) = minutes_of(RecordedStage(detect(plaza(), DetectSettings())), crowded)
    (only,) = minute.zones
    assert only.lower_bound and only.degraded and only.high is None
    assert only.local_per_m2_max is None, "without a calibration nobody knows where they stand"


def test_a_calibrated_camera_says_how_densely_people_stood() -> None:
    district = district_of([camera(calibrated=True)], [zone()])
    (minute, *_) = minutes_of(RecordedStage(detect(district)), counts({0: 30}, 130))
    assert minute.zones[0].local_per_m2_max is not None and minute.zones[0].local_per_m2_max > 1.0


def test_minutes_of_a_demo_say_that_they_are_synthetic() -> None:
    minutes = minutes_of(RecordedStage(detect(plaza()), synthetic=True), counts({0: 5}, 130))
    assert all(each.synthetic for each in minutes) and minutes


def test_a_snapshot_from_before_minutes_were_kept_is_taken() -> None:
    plain = detect(plaza())
    state, _ = run(plain, counts({0: 120}, 50))
    stage = RecordedStage(detect(plaza()))
    restored = stage.restore(0, plain.save(state))
    assert stage.detect.save(restored.detected) == plain.save(state)
    assert stage.live(restored) == plain.live(state)


def test_minutes_have_a_topic_of_their_own() -> None:
    stage = RecordedStage(detect(plaza()))
    _, said = stage.step(stage.initial(0), reads(counts({0: 130}, 130)))
    drafts = [stage.encode(0, each) for each in said]
    assert {draft.topic for draft in drafts} == {FINDINGS, ZONE_MINUTES}
    draft = next(draft for draft in drafts if draft.topic == ZONE_MINUTES)
    record = Record(Position(ZONE_MINUTES, 0, 0), draft.key, draft.value, draft.headers, 0)
    assert decode_zone_minutes(record) == next(each for each in said if isinstance(each, ZoneMinutes))
