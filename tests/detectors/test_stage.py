"""The law of the detect stage: it is the same line of findings, however it is cut, ordered or surrounded."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.crowd.occupancy import OccupancySettings
from detectors.kept_rows import kept_rows
from detectors.registry import Configured
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.bus.contract import Position, Record
from ingest.cameras.state import ZoneState
from ingest.errors import RecordError
from ingest.registry.district import District, district_of
from ingest.schema.codec import decode_finding, encode_tick
from ingest.schema.finding import Level, Phase
from ingest.schema.tick import Picture, Tick
from tests.detectors.plaza import (
    EXACT,
    boxes_at,
    camera,
    counts,
    detect,
    ns,
    plaza,
    reads,
    run,
    seconds,
    square,
    tick,
    told,
    zone,
)  # fmt: skip

# Short times, so that short runs hold much: each level, both phases, the health of cameras.
QUICK = DetectSettings(
    occupancy=OccupancySettings(recall=0.8, recall_sd=0.1, boxes_per_m2_max=0.2, stale_s=3.0),
    update_s=2.0,
    detectors={
        "crowd.capacity": {
            "notice_hold_s": 2,
            "amber_hold_s": 2,
            "red_hold_s": 1,
            "critical_hold_s": 1,
            "release_s": 1,
            "gap_s": 1,
        },
        "anomaly.fall": {"cameras": ["*"]},
        "health.picture": {"covered_s": 1, "release_s": 1},
        "health.stream": {"stalled_s": 4, "release_s": 1},
    },
)
WEST, EAST = 7, 8


def two_zones() -> District:
    """Two zones side by side under two calibrated cameras that see both, and one that does not know where it looks."""
    return district_of(
        [camera(WEST, "west", True), camera(EAST, "east", True), camera(9, "hall")],
        [
            zone("left", 30, polygon=square(-10, -8, 0, 8)),
            zone("right", 40, polygon=square(0, -8, 10, 8)),
            zone("inside", 25, polygon=square(-4, 20, 4, 28), cameras=("hall",)),
        ],
    )


def history(seed: int, count: int = 40) -> list[Tick]:
    """Ticks of 0.5 s: crowds that come and go, cameras that fall silent or are covered, empty and late frames."""
    chance = np.random.default_rng(seed)
    crowd = dict.fromkeys((WEST, EAST, 9), 0.0)
    ticks = []
    for index in range(1, count + 1):
        seen, picture, grid = {}, {}, {}
        for number in crowd:
            crowd[number] = max(0.0, crowd[number] + chance.normal(0, 12)) if index % 3 == 0 else crowd[number]
            if chance.random() < (0.7 if index // 12 % 2 else 0.05):
                continue
            persons = int(crowd[number])
            seen[number] = None if chance.random() < 0.1 else boxes_at(chance.uniform(-14, 14, (persons, 2)))
            picture[number] = int(Picture.COVERED) if index // 9 % 3 == 2 and number == EAST else 0
            if seen[number] is None:
                grid[number] = int(chance.integers(0, 255))
        late_s = 3.0 if chance.random() < 0.05 else 0.1
        ticks.append(tick(index * 0.5, seen, picture=picture, grid=grid, captured_s=index * 0.5 - late_s, period_s=0.5))
        if chance.random() < 0.1:
            ticks.append(ticks[-1])
    return ticks


def lines(stage, findings):
    return [stage.encode(0, each) for each in findings]


@given(st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=40, deadline=None)
def test_cut_at_any_tick_and_restored_the_findings_are_the_same_bytes(seed, data):
    ticks, stage = history(seed), detect(two_zones(), QUICK)
    cut = data.draw(st.integers(0, len(ticks)))
    whole, findings = run(stage, ticks)
    before, first = stage.step(stage.initial(0), reads(ticks[:cut]))
    snapshot = stage.save(before)
    again = detect(two_zones(), QUICK)
    restored = again.restore(0, snapshot)
    assert again.save(restored) == snapshot
    after, second = again.step(restored, reads(ticks[cut:], cut))
    assert lines(stage, [*first, *second]) == lines(stage, findings)
    assert again.save(after) == stage.save(whole)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 40), max_size=6))
@settings(max_examples=25, deadline=None)
def test_cutting_into_batches_differently_changes_nothing(seed, cuts):
    ticks, stage = history(seed), detect(two_zones(), QUICK)
    whole, findings = run(stage, ticks)
    state, told_so_far, edges = stage.initial(0), [], sorted({0, len(ticks), *(min(cut, len(ticks)) for cut in cuts)})
    for start, end in pairwise(edges):
        state, more = stage.step(state, reads(ticks[start:end], start))
        told_so_far += more
    assert lines(stage, told_so_far) == lines(stage, findings)
    assert stage.save(state) == stage.save(whole)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_order_of_frames_and_objects_in_a_tick_changes_nothing(seed, order):
    ticks, stage = history(seed), detect(two_zones(), QUICK)
    chance = np.random.default_rng(order)
    _, findings = run(stage, ticks)
    _, shuffled = run(stage, [mixed(each, chance) for each in ticks])
    assert lines(stage, shuffled) == lines(stage, findings)


RAGGED = ("object", "event")  # several rows a frame, behind a column of starts


def mixed(given_tick: Tick, chance: np.random.Generator) -> Tick:
    """The same tick with its frames in another order, and the objects and events of each frame too."""
    frames = chance.permutation(given_tick.frames)
    rows, columns = {}, {}
    for group in RAGGED:
        start = getattr(given_tick, f"{group}_start")
        each = [chance.permutation(np.arange(start[frame], start[frame + 1])) for frame in frames]
        rows[group] = np.concatenate([*each, []]).astype(np.int64)
        columns[f"{group}_start"] = np.concatenate([[0], np.cumsum([len(one) for one in each])]).astype(np.int64)
    for name in Tick.__slots__[4:]:
        if name not in columns:
            columns[name] = getattr(given_tick, name)[rows.get(name.partition("_")[0], frames)]
    result = replace(given_tick, **columns)
    result.check()
    return result


@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
@settings(max_examples=25, deadline=None)
def test_an_unrelated_camera_changes_nothing(seed, persons):
    ticks, stage = history(seed), detect(two_zones(), QUICK)
    _, findings = run(stage, ticks)
    far = district_of(
        [*two_zones().cameras, camera(3, "elsewhere", site="harbour")],
        [*two_zones().zones, zone("pier", 20, site="harbour", cameras=("elsewhere",))],
    )
    other = tick(0.5, {3: persons})
    more = [with_frame(each, replace(other, captured_at_ns=np.array([each.ends_at_ns - 1]))) for each in ticks]
    wider = detect(far, QUICK)
    _, among_others = run(wider, more)
    own = [each for each in among_others if each.data.site == "square"]
    assert lines(stage, own) == lines(stage, findings)


def with_frame(a: Tick, b: Tick) -> Tick:
    """The frames of `b`, then those of `a`."""
    columns = {}
    for name in Tick.__slots__[4:]:
        first, second = getattr(b, name), getattr(a, name)
        starts = name.removesuffix("_start") in RAGGED
        columns[name] = np.concatenate([first, second[1:] + first[-1] if starts else second])
    return replace(a, **columns)


def test_the_histories_hold_all_that_can_happen():
    phases, kinds, levels = set(), set(), set()
    for seed in range(12):
        for each in run(detect(two_zones(), QUICK), history(seed))[1]:
            phases.add(each.data.phase)
            kinds.add(each.data.kind)
            levels.add(each.data.level)
    assert phases == set(Phase)
    assert kinds == {"crowd.capacity", "health.picture", "health.stream"}
    assert levels >= {Level.NOTICE, Level.AMBER, Level.RED}


def test_ids_are_computed_and_each_is_there_once():
    _, first = run(detect(two_zones(), QUICK), history(3))
    _, second = run(detect(two_zones(), QUICK), history(3))
    assert [each.id for each in first] == [each.id for each in second]
    assert len({each.id for each in first}) == len(first) > 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_every_condition_that_is_raised_is_updated_and_ended_under_its_own_id(seed):
    opened: dict[tuple[str, str], str] = {}
    for each in run(detect(two_zones(), QUICK), history(seed, 80))[1]:
        key = (each.data.kind, each.subject)
        if each.data.phase == Phase.RAISED:
            assert key not in opened
            opened[key] = each.data.condition
            assert each.data.condition == each.id
        assert opened[key] == each.data.condition
        assert each.data.onset_at <= each.data.detected_at
        assert each.data.observed_at <= each.data.detected_at
        if each.data.phase in (Phase.CLEARED, Phase.UNKNOWN):
            del opened[key]


def test_a_tick_that_comes_again_is_counted_and_changes_nothing_else():
    stage, ticks = detect(plaza()), counts({0: 120}, 15)
    once, findings = run(stage, ticks)
    twice, doubled = run(stage, [each for pair in zip(ticks, ticks, strict=True) for each in pair])
    assert twice.counts.ticks_stale == 15
    assert [each.data.phase for each in doubled] == [each.data.phase for each in findings]
    assert stage.save(replace(once, opened={}, counts=twice.counts)) == stage.save(replace(twice, opened={}))


def test_rows_behind_the_bounded_lateness_are_dropped_and_counted():
    stage = detect(plaza())
    state, _ = run(
        stage, [tick(10.0, {7: 0}), tick(10.2, {7: 120}, captured_s=8.1), tick(10.4, {7: 5}, captured_s=8.5)]
    )
    assert state.counts.rows_late == 1
    assert shown(stage, state)["plaza"].occupancy == 0.0  # 8.5 is in time, but older than what is known


def test_a_camera_whose_clock_is_behind_is_not_late():
    stage = detect(plaza())
    behind = tick(10.2, {7: 120}, captured_s=7.9)
    state, _ = run(stage, [tick(10.0, {}), replace(behind, arrived_at_ns=np.array([ns(10.1)]))])
    assert state.counts.rows_late == 0
    assert shown(stage, state)["plaza"].occupancy == 120.0


def test_time_moves_only_with_ticks_and_never_back():
    stage = detect(plaza())
    state, _ = run(stage, [tick(10.0, {7: 1}), tick(5.0, {7: 9}, producer="perceive", captured_s=4.9)])
    assert state.at_ns == ns(10.0)
    assert state.counts.rows_late == 1


def test_frames_of_unknown_or_disabled_cameras_are_counted():
    district = district_of([camera(), camera(8, "off", enabled=False)], [zone(cameras=("gate-7", "off"))])
    state, _ = run(detect(district), [tick(1.0, {7: 1, 8: 50, 99: 50})])
    assert state.counts.rows_unknown == 2
    assert shown(detect(district), state)["plaza"].occupancy == 1.0


def test_an_open_condition_survives_a_restart_and_ends_when_ticks_resume_too_late():
    # Field failure 2: open at t = 0, last seen at 30, killed at 31; frames resume within the bound, or at 600.
    stage = detect(plaza(), only=("crowd.capacity",))
    state, first = run(stage, counts({0: 120}, 30))
    snapshot = stage.save(state)
    soon = [tick(at, {7: 120}, captured_s=at) for at in (36.0, 37.0)]
    _, resumed = stage.step(stage.restore(0, snapshot), reads(soon, 30))
    assert {each.data.condition for each in resumed} <= {first[0].id}
    late = [tick(600.0 + at, {7: 120}, captured_s=600.0 + at) for at in range(15)]
    _, after = stage.step(stage.restore(0, snapshot), reads(late, 30))
    end, again = after[0], after[1]
    assert (end.data.phase, end.data.condition) == (Phase.UNKNOWN, first[0].id)
    assert seconds(end.data.observed_at) == 30.0
    assert again.data.phase == Phase.RAISED and seconds(again.data.onset_at) == 600.0


def test_an_end_and_a_new_beginning_in_one_tick_are_two_findings():
    at_once = DetectSettings(occupancy=EXACT, detectors={"crowd.capacity": {"red_hold_s": 0}})
    stage = detect(plaza(), at_once, only=("crowd.capacity",))
    _, findings = run(stage, [tick(1.0, {7: 120}), tick(600.0, {7: 120})])
    assert [each.data.phase for each in findings] == [Phase.RAISED, Phase.UNKNOWN, Phase.RAISED]
    first, end, second = findings
    assert len({each.id for each in findings}) == 3
    assert first.data.condition == end.data.condition != second.data.condition


def test_a_changed_district_keeps_what_is_still_there_and_ends_the_rest():
    stage = detect(two_zones(), QUICK)
    ticks = [tick(at / 2, {9: 40, WEST: boxes_at(np.full((50, 2), -3.0))}, period_s=0.5) for at in range(1, 12)]
    state, before = run(stage, ticks)
    opened = {each.subject: each.id for each in before if each.data.phase == Phase.RAISED}
    assert {"left", "inside"} <= set(opened)
    smaller = district_of(two_zones().cameras, [each for each in two_zones().zones if each.id != "left"])
    changed = detect(smaller, QUICK)
    more = [tick(at / 2, {9: 40, WEST: 0}, period_s=0.5) for at in range(12, 18)]
    _, after = changed.step(changed.restore(0, stage.save(state)), reads(more, 11))
    ends = {each.subject: each for each in after if each.data.phase == Phase.UNKNOWN}
    assert ends["left"].data.condition == opened["left"]
    assert seconds(ends["left"].data.observed_at) < 6.0
    assert "inside" not in ends
    assert {each.data.condition for each in after if each.subject == "inside"} == {opened["inside"]}


def test_a_snapshot_that_is_not_whole_is_refused():
    stage = detect(plaza())
    snapshot = stage.save(stage.initial(0))
    with pytest.raises(RecordError, match="detect/0"):
        stage.restore(0, snapshot[:-7])


def test_it_reads_the_tick_and_writes_the_finding_that_are_published():
    stage = detect(plaza())
    value, headers = encode_tick(tick(1.0, {7: 3}))
    assert stage.decode(Record(Position(stage.reads, 0, 0), b"0", value, headers, 0)).frames == 1
    _, findings = run(stage, counts({0: 120}, 15))
    draft = stage.encode(0, findings[0])
    assert (draft.topic, draft.partition, draft.key) == ("dt.findings", 0, b"square")
    record = Record(Position("dt.findings", 0, 0), draft.key, draft.value, draft.headers, 0)
    assert decode_finding(record) == findings[0]


def test_the_live_picture_says_unknown_where_nobody_looks():
    stage = detect(plaza(), only=("crowd.capacity",))
    assert shown(stage, stage.initial(0))["plaza"].level == "unknown"
    state, _ = run(stage, counts({0: 10}, 5))
    assert shown(stage, state)["plaza"].level == "normal"
    state, _ = run(stage, counts({0: 120}, 15))
    now = shown(stage, state)["plaza"]
    assert (now.level, now.occupancy, now.capacity_use, now.degraded) == ("red", 120.0, 1.2, False)
    state, _ = run(stage, counts({0: 120, 15: None}, 40))
    now = shown(stage, state)["plaza"]
    assert (now.level, now.occupancy) == ("unknown", None)
    assert seconds(now.observed_at) == 15.0


def shown(stage, state) -> dict[str, ZoneState]:
    return {id: msgspec.json.decode(value, type=ZoneState) for id, value in stage.live(state).items()}


@given(st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=20, deadline=None)
def test_a_tick_without_some_frames_has_the_others_unchanged(seed, data):
    given_tick = history(seed, 5)[-1]
    kept = np.array(
        data.draw(st.lists(st.booleans(), min_size=given_tick.frames, max_size=given_tick.frames)), np.bool_
    )
    rest = kept_rows(given_tick, kept)
    rest.check()
    assert np.array_equal(rest.camera, given_tick.camera[kept])
    assert np.array_equal(np.diff(rest.object_start), np.diff(given_tick.object_start)[kept])


def test_the_stage_needs_no_frame_at_all():
    stage = detect(district_of([], []))
    state, findings = run(stage, [tick(1.0, {}), tick(2.0, {5: 3})])
    assert findings == [] and stage.save(stage.restore(0, stage.save(state))) == stage.save(state)
    assert told(findings) == []


class NoSettings(msgspec.Struct, frozen=True):
    """Nothing to set."""


class Failing:
    """A stranger's detector that raises at every step."""

    name, version, reads, settings = "stranger.rule", 1, ("camera",), NoSettings

    def prepare(self, settings, district):
        return None

    def initial(self, prepared):
        return None

    def step(self, prepared, state, moment, tick):
        raise ZeroDivisionError

    def save(self, prepared, state):
        return b""

    def restore(self, prepared, snapshot):
        return None


def test_a_detector_that_fails_is_counted_and_silences_no_other():
    ticks = counts({0: 120}, until_s=30)
    alone = detect(plaza())
    beside = DetectStage(plaza(), alone.settings, (Configured(Failing(), NoSettings()), *alone.detectors))
    state, findings = run(beside, ticks)
    assert told(findings) == told(run(alone, ticks)[1]) != []
    assert beside.progress(state).dropped["detector_failed"] == len(ticks)


def test_progress_tells_how_far_event_time_has_come():
    stage = detect(plaza())
    assert stage.progress(stage.initial(0)).watermark_ns is None
    ticks = counts({0: 1}, until_s=10)
    state, _ = run(stage, ticks)
    assert stage.progress(state).watermark_ns == ticks[-1].ends_at_ns - 2 * 10**9
