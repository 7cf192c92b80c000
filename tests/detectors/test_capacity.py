"""The levels of a zone over time."""

from __future__ import annotations

import msgspec
import pytest

from detectors.crowd.rules.capacity import detector
from detectors.registry import settings_of
from detectors.settings import DetectSettings
from ingest.errors import SettingsError
from ingest.registry.district import ZoneClass
from ingest.schema.finding import Finding, FindingData, Phase
from ingest.schema.tick import Picture, Tick
from tests.detectors.plaza import EXACT, counts, detect, plaza, run, seconds, tick, told

ONLY = ("crowd.capacity",)


def findings_of(series, until_s, *, capacity=100, side_m=20.0, period_s=1.0, settings=None, **facts) -> list[Finding]:
    stage = detect(plaza(capacity, side_m, **facts), settings, only=ONLY)
    return run(stage, counts(series, until_s, period_s))[1]


def changes(findings):
    """Phase, level and second of all but the updates that change no level."""
    levels = [None, *(each.data.level for each in findings)]
    kept = [
        each
        for before, each in zip(levels, findings, strict=False)
        if each.data.phase != Phase.UPDATED or before != each.data.level
    ]
    return told(kept)


def test_red_comes_after_ten_seconds_at_capacity_and_amber_takes_over_below_eighty_percent():
    findings = findings_of({0: 50, 20: 100, 60: 81, 80: 60, 100: 50}, 120)
    assert changes(findings) == [
        ("raised", "red", 31.0),
        ("updated", "amber", 86.0),
        ("cleared", "amber", 106.0),
    ]


def test_amber_comes_after_thirty_seconds_at_seventy_percent():
    assert changes(findings_of({0: 70}, 60)) == [("raised", "amber", 31.0)]
    assert changes(findings_of({0: 69}, 120)) == []


def test_density_alone_makes_all_three_levels_where_there_is_no_capacity():
    findings = findings_of({0: 260, 50: 360, 80: 510, 110: 0}, 130, capacity=None, side_m=10.0)
    assert changes(findings) == [
        ("raised", "amber", 31.0),
        ("updated", "red", 61.0),
        ("updated", "critical", 86.0),
        ("cleared", "critical", 116.0),
    ]
    assert {each.data.unit for each in findings} == {"persons/m2"}
    assert findings[0].data.value == pytest.approx(2.6, rel=1e-6)


def test_a_queue_may_be_denser_by_one_person_per_square_metre():
    crowd = {0: 340}
    assert changes(findings_of(crowd, 60, capacity=None, side_m=10.0)) == [("raised", "amber", 31.0)]
    assert changes(findings_of(crowd, 60, capacity=None, side_m=10.0, zone_class=ZoneClass.QUEUE)) == []


def test_flicker_around_the_limit_is_one_condition_and_a_new_crowd_is_a_second():
    # 104, 97, 104, 97 each second for 120 s, two seconds missing at 50; 20 s at 60 persons; 104 again.
    settings = DetectSettings(occupancy=EXACT, detectors={"crowd.capacity": {"amber_use": 0.9, "off_share": 0.8}})
    series: dict[float, int | None] = {second: 104 if second % 2 == 0 else 97 for second in range(120)}
    series |= {50: None, 51: None, 120: 60, 140: 104}
    findings = findings_of(series, 160, settings=settings)
    ends = [each for each in findings if each.data.phase in (Phase.RAISED, Phase.CLEARED, Phase.UNKNOWN)]
    assert [phase for phase, _, _ in told(ends)] == ["raised", "cleared", "raised"]
    first, end, second = ends
    assert told(ends)[0] == ("raised", "red", 11.0)
    assert seconds(end.time) == 126.0  # five seconds after the first reading of 60
    assert first.data.condition == end.data.condition != second.data.condition
    assert end.data.detail["gaps"] >= 50


def test_a_dip_longer_than_the_gap_starts_the_hold_anew():
    assert changes(findings_of({0: 100, 6: 50, 12: 100}, 30)) == [("raised", "red", 23.0)]
    assert changes(findings_of({0: 100, 6: 50, 8: 100}, 30)) == [("raised", "red", 11.0)]


@pytest.mark.parametrize("zone_class", list(ZoneClass))
def test_fewer_than_twenty_people_are_no_crowd_but_on_a_way_out_a_road_or_a_track(zone_class):
    findings = findings_of({0: 19}, 60, capacity=10, zone_class=zone_class)
    excepted = zone_class in (ZoneClass.EXIT_ROUTE, ZoneClass.CARRIAGEWAY, ZoneClass.TRACK)
    assert bool(findings) == excepted
    assert findings_of({0: 20}, 60, capacity=10, zone_class=zone_class)


def test_the_floor_cannot_be_set_below_fifteen():
    assert settings_of(detector, {"persons_min": 15}).persons_min == 15
    with pytest.raises(SettingsError, match=r"crowd.capacity.persons_min: expected .*>= 15"):
        settings_of(detector, {"persons_min": 14})


def test_thresholds_that_do_not_rise_are_refused():
    with pytest.raises(SettingsError, match="amber_use < red_use"):
        settings_of(detector, {"amber_use": 1.2})


def test_a_condition_that_lasts_is_told_again_every_ten_seconds():
    findings = findings_of({0: 120}, 61, period_s=0.2)
    assert told(findings)[0] == ("raised", "red", 10.2)
    assert [at for phase, _, at in told(findings) if phase == "updated"] == [20.2, 30.2, 40.2, 50.2, 60.2]


def test_amber_waits_for_the_lower_bound_and_red_for_the_estimate():
    settings = DetectSettings(occupancy=type(EXACT)(recall=0.8, recall_sd=0.05, boxes_per_m2_max=100.0))
    # 60 counted, 75 estimated, the lower bound is 64: no amber. 80 counted are 100 estimated: red.
    assert changes(findings_of({0: 60}, 60, settings=settings)) == []
    findings = findings_of({0: 80}, 20, settings=settings)
    assert changes(findings) == [("raised", "red", 11.0)]
    data = findings[0].data
    assert data.low < data.value == 100.0 < data.high
    assert data.measurement.recall == 0.8


def test_every_number_can_be_explained_from_the_finding_alone():
    data = findings_of({0: 120}, 20)[0].data
    assert (data.kind, data.zone, data.site, data.cameras) == ("crowd.capacity", "plaza", "square", ("gate-7",))
    assert (data.value, data.unit, data.low, data.high) == (120.0, "persons", 120.0, 120.0)
    assert data.thresholds["use"] * data.thresholds["safe_capacity"] <= data.value
    assert data.thresholds["hold_s"] == 10.0
    assert seconds(data.onset_at) == 1.0 and seconds(data.observed_at) == 11.0
    assert data.detail["use"] == 1.2
    assert data.detail["per_m2"] == pytest.approx(120 / data.detail["area_m2"], abs=1e-3)
    assert data.place.radius_m == pytest.approx(14.1, abs=0.1)
    assert (data.rule, data.rule_version) == ("crowd.capacity.red", 1)


def test_silence_ends_as_unknown_at_the_last_look_and_an_empty_picture_as_cleared():
    # Field failure 1: over the limit to t = 20 at 5 frames/s, then nothing.
    silent = findings_of({0: 120, 20: None}, 120, period_s=0.2)
    (end,) = [each for each in silent if each.data.phase in (Phase.UNKNOWN, Phase.CLEARED)]
    assert end.data.phase == Phase.UNKNOWN
    assert seconds(end.data.observed_at) == 20.0
    assert end.data.value is None
    empty = findings_of({0: 120, 20: 0}, 120, period_s=0.2)
    (end,) = [each for each in empty if each.data.phase in (Phase.UNKNOWN, Phase.CLEARED)]
    assert end.data.phase == Phase.CLEARED
    assert end.data.value == 0.0


def test_a_camera_that_returns_starts_a_new_condition():
    findings = findings_of({0: 120, 20: None, 40: 120}, 60)
    kinds = [(each.data.phase, each.data.condition) for each in findings if each.data.phase != Phase.UPDATED]
    assert [phase for phase, _ in kinds] == [Phase.RAISED, Phase.UNKNOWN, Phase.RAISED]
    assert kinds[0][1] == kinds[1][1] != kinds[2][1]


def test_one_count_of_persons_does_not_become_a_crowd_by_standing_still():
    # Boxes come once, then only foreground for which the count still stands.
    stage = detect(plaza(100), only=ONLY)
    ticks = [tick(1.0, {7: 120}, producer="perceive", brightness=float("nan"))]
    ticks += [tick(1.0 + step / 5, {7: None}, grid={7: 1}) for step in range(1, 150)]
    assert run(stage, ticks)[1] == []


def test_a_count_that_cannot_grow_any_more_is_told_before_it_could_hide_a_crowd():
    # Boxes are valid to 1 person/m2: 110 on 100 m2 stay below every threshold, and may be many more.
    settings = DetectSettings(occupancy=msgspec.structs.replace(EXACT, boxes_per_m2_max=1.0))
    findings = findings_of({0: 110, 60: 79}, 70, capacity=400, side_m=10.0, settings=settings)
    assert changes(findings) == [("raised", "notice", 31.0), ("cleared", "notice", 66.0)]
    data = findings[0].data
    assert data.measurement.degraded and data.high is None and data.low == 110.0
    assert (data.rule, data.thresholds["per_m2"]) == ("crowd.capacity.notice", 1.0)
    assert findings_of({0: 100}, 60, capacity=400, side_m=10.2, settings=settings) == []


def test_a_level_that_is_switched_off_leaves_a_finding_that_can_be_read():
    settings = DetectSettings(
        occupancy=EXACT, detectors={"crowd.capacity": {"red_per_m2": 1e9, "critical_per_m2": float("inf")}}
    )
    (data, *_) = [each.data for each in findings_of({0: 120}, 15, settings=settings)]
    assert msgspec.json.decode(msgspec.json.encode(data), type=FindingData) == data


def test_a_worker_that_starts_while_a_crowd_stands_there_does_not_tell_that_all_is_clear():
    def pictures(since_s: int, until_s: int, foreground: int, picture: int = 0) -> list[Tick]:
        return [
            tick(at_s, {7: None}, grid={7: foreground}, picture={7: picture}, period_s=1.0)
            for at_s in range(since_s, until_s)
        ]

    stage = detect(plaza(capacity=20))
    crowd = pictures(1, 40, foreground=255)
    # The new worker learns the crowd as background: first it knows nothing, then it sees nobody.
    restarted = [*pictures(43, 73, 0, Picture.LEARNING), *pictures(73, 100, 0)]
    _, findings = run(stage, [*crowd, *restarted])
    phases = [each.data.phase for each in findings if each.data.kind == "crowd.capacity"]
    assert phases[0] == Phase.RAISED and phases[-1] == Phase.UNKNOWN and Phase.CLEARED not in phases
    (ended,) = [each.data for each in findings if each.data.phase == Phase.UNKNOWN]
    assert seconds(ended.observed_at) == pytest.approx(38.5, abs=1.0), "it ends when it was last observed"
    # Without the restart, the same pictures say that the crowd has gone.
    _, findings = run(detect(plaza(capacity=20)), [*crowd, *pictures(43, 100, 0)])
    assert [each.data.phase for each in findings if each.data.kind == "crowd.capacity"][-1] == Phase.CLEARED


def test_boxes_count_while_the_background_is_learned():
    ticks = [tick(at_s, {7: 40}, picture={7: Picture.LEARNING}, period_s=1.0) for at_s in range(1, 40)]
    _, findings = run(detect(plaza(capacity=20)), ticks)
    assert Phase.RAISED in [each.data.phase for each in findings]
