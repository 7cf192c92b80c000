"""Who is where nobody is to be, and what is not taken for somebody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.anomaly import intrusion
from detectors.calendar import CalendarSettings
from detectors.geometry.homography import Floats
from detectors.registry import Configured
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.registry.district import Exit, Zone, ZoneClass, district_of
from ingest.schema.finding import Finding
from ingest.schema.tick import ObjectClass, Tick
from tests.detectors.plaza import (
    EXACT,
    boxes_at,
    camera,
    plaza,
    reads,
    run,
    seconds,
    square,
    tick,
    told,
    zone,
)  # fmt: skip

# A Monday, 14:13:20 UTC; the zone of 20 x 20 m lies in the middle of the 30 x 30 m that the camera looks down upon.
GOLDEN = Path(__file__).parent / "golden/intrusion.txt"
INSIDE, OUTSIDE = np.array([[0.0, 0.0]]), np.array([[12.0, 0.0]])


def stage(*zones: Zone, time_zone: str = "UTC", country: str = "", **more: object) -> DetectStage:
    district = district_of([camera(calibrated=True), camera(8, "gate-8", calibrated=True, site="else")], zones)
    own = Configured(intrusion.detector, intrusion.IntrusionSettings(**more))  # type: ignore[arg-type]
    calendar = CalendarSettings(time_zone=time_zone, country=country)
    return DetectStage(district, DetectSettings(occupancy=EXACT, calendar=calendar), [own])


def walk(places: dict[int, Floats], until_s: int, period_s: float = 1.0) -> list[Tick]:
    """A tick each period; from each second on somebody stands at these places (N, 2), as seen from above."""
    ticks = []
    for index in range(1, round(until_s / period_s) + 1):
        at_s = index * period_s
        since = [second for second in sorted(places) if second <= at_s]
        there = places[since[-1]] if since else np.empty((0, 2))
        ticks.append(tick(at_s, {7: boxes_at(there)}, period_s=period_s, captured_s=at_s))
    return ticks


def findings(own: Zone, places: dict[int, Floats], until_s: int = 40, **more: object) -> list[Finding]:
    return run(stage(own, **more), walk(places, until_s))[1]


def test_somebody_in_a_closed_zone_is_told_after_two_seconds_and_is_over_when_he_left() -> None:
    found = findings(zone(closed="Mo 14:00-15:00"), {5: INSIDE, 20: OUTSIDE})
    assert [each[2] for each in told(found)] == [7, 17, 27, 30]
    assert (told(found)[0][:2], told(found)[-1][:2]) == (("raised", "amber"), ("cleared", "amber"))
    first = found[0].data
    assert (first.kind, first.rule, first.value, first.unit) == (
        "anomaly.intrusion", "anomaly.intrusion.closed", 1.0, "objects",
    )  # fmt: skip
    assert seconds(first.onset_at) == 5.0 and first.zone == "plaza" and not first.measurement.degraded


@pytest.mark.parametrize("closed", ["", "Mo 15:00-16:00", "Tu 14:00-15:00", "Su 22:00-05:00"])
def test_an_open_zone_is_open(closed: str) -> None:
    assert findings(zone(closed=closed), {5: INSIDE}) == []


def test_closed_hours_are_those_of_the_clock_on_the_wall() -> None:
    assert findings(zone(closed="14:00-15:00"), {5: INSIDE}, time_zone="Asia/Kolkata") == []
    assert len(findings(zone(closed="19:30-20:00"), {5: INSIDE}, 9, time_zone="Asia/Kolkata")) == 1


def test_a_zone_that_opens_ends_what_was_told_there() -> None:
    found = findings(zone(closed="14:00-14:14"), {5: INSIDE}, 60)  # it is 14:13:20
    assert told(found)[0] == ("raised", "amber", 7) and told(found)[-1] == ("cleared", "amber", 40)


def test_events_of_a_calendar_close_a_zone() -> None:
    text = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:depot\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260101T140000Z\r\n"
        "DTEND:20260101T150000Z\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    assert len(findings(zone(closed_calendar=text), {5: INSIDE}, 9)) == 1
    assert findings(zone(closed_calendar=text.replace("T15", "T17").replace("T14", "T16")), {5: INSIDE}, 9) == []


def test_a_box_of_one_frame_is_nobody() -> None:
    assert findings(zone(closed="24/7"), {5: INSIDE, 6: OUTSIDE, 9: INSIDE, 10: OUTSIDE}) == []


@pytest.mark.parametrize(
    ("change", "raises"),
    [
        ({"object_class": np.array([ObjectClass.ANIMAL], np.uint8)}, False),
        ({"object_class": np.array([ObjectClass.OTHER], np.uint8)}, False),
        ({"object_class": np.array([ObjectClass.VEHICLE], np.uint8)}, True),
        ({"object_confidence": np.array([0.3], np.float16)}, False),
        ({"object_confidence": np.array([np.nan], np.float16)}, True),
    ],
)
def test_birds_and_doubtful_boxes_are_nobody(change: dict[str, object], raises: bool) -> None:
    ticks = [replace(each, **change) for each in walk({1: INSIDE}, 20)]  # type: ignore[arg-type]
    assert bool(run(stage(zone(closed="24/7")), ticks)[1]) is raises


def test_who_may_stand_beyond_the_border_is_not_told() -> None:
    edge = np.array([[9.9, 0.0]])  # a tenth of a metre inside, where a place is good to about that
    assert findings(zone(closed="24/7"), {5: edge}, margin_sd=3.0) == []
    assert len(findings(zone(closed="24/7"), {5: edge}, 9, margin_sd=0.0)) == 1


def test_a_person_on_a_track_is_red_and_on_a_carriageway_amber_and_a_vehicle_is_at_home_there() -> None:
    assert told(findings(zone(zone_class=ZoneClass.TRACK), {5: INSIDE}, 9)) == [("raised", "red", 7)]
    road = zone(zone_class=ZoneClass.CARRIAGEWAY)
    assert told(findings(road, {5: INSIDE}, 9)) == [("raised", "amber", 7)]
    cars = [replace(each, object_class=np.full(1, ObjectClass.VEHICLE, np.uint8)) for each in walk({1: INSIDE}, 20)]
    assert run(stage(road), cars)[1] == []


def test_levels_are_set_by_rule_and_by_class_of_zone() -> None:
    platform = zone(closed="24/7", zone_class=ZoneClass.PLATFORM)
    assert told(findings(platform, {5: INSIDE}, 9, closed_levels={"platform": "red"})) == [("raised", "red", 7)]
    assert findings(zone(zone_class=ZoneClass.CARRIAGEWAY), {5: INSIDE}, levels={"carriageway": "off"}) == []
    for bad in ({"levels": {"loitering": "red"}}, {"closed_levels": {"roof": "red"}}):
        with pytest.raises(msgspec.ValidationError, match="Expected"):
            msgspec.convert(bad, intrusion.IntrusionSettings)


def test_where_nobody_finds_objects_foreground_is_a_degraded_notice() -> None:
    district = plaza(closed="24/7")
    own = Configured(intrusion.detector, intrusion.IntrusionSettings())
    made = DetectStage(district, DetectSettings(occupancy=EXACT), [own])
    ticks = [tick(float(at), {7: None}, period_s=1.0, grid={7: 30 if at >= 5 else 0}) for at in range(1, 30)]
    found = run(made, ticks)[1]
    assert told(found)[0] == ("raised", "notice", 15)
    assert found[0].data.measurement.degraded and found[0].data.rule == "anomaly.intrusion.motion"


def test_a_camera_that_falls_silent_leaves_it_unknown() -> None:
    ticks = [
        *walk({5: INSIDE}, 10),
        *(tick(float(at), {8: boxes_at(OUTSIDE)}, period_s=1.0, captured_s=float(at)) for at in range(11, 30)),
    ]
    found = told(run(stage(zone(closed="24/7")), ticks)[1])
    assert (found[0], found[-1]) == (("raised", "amber", 7), ("unknown", "amber", 21))


@pytest.mark.parametrize("period_s", [1.0, 2.0, 4.0])
def test_a_second_camera_that_sees_nobody_does_not_hide_whom_the_first_one_sees(period_s: float) -> None:
    cameras = [
        camera(7, "gate-7", calibrated=True, sampling_period_s=period_s),
        camera(9, "gate-9", calibrated=True, sampling_period_s=period_s),
    ]
    own = Configured(intrusion.detector, intrusion.IntrusionSettings())
    made = DetectStage(district_of(cameras, [zone(closed="24/7")]), DetectSettings(occupancy=EXACT), [own])
    ticks = []
    for half in range(1, int(60 / period_s)):
        at_s = half * period_s / 2.0
        seen = {7: boxes_at(INSIDE)} if half % 2 else {9: boxes_at(OUTSIDE)}
        ticks.append(tick(at_s, seen, period_s=period_s / 2.0, captured_s=at_s))
    found = run(made, ticks)[1]
    assert found[0].data.phase == "raised" and {each.data.phase for each in found[1:]} <= {"updated"}  # type: ignore[comparison-overlap]


def test_a_night_in_a_depot_is_told_as_it_was(update_golden: bool) -> None:
    """A walk through a closed yard, over a track and back; a bird; a box of one frame."""
    yard = zone("yard", closed="24/7", polygon=square(-10.0, -10.0, 0.0, 10.0))
    track = zone("track", zone_class=ZoneClass.TRACK, polygon=square(0.0, -10.0, 6.0, 10.0))
    places = {at: np.array([[-12.0 + at * 0.5, 0.0]]) for at in range(4, 36)}
    ticks = walk({**places, 36: np.empty((0, 2)), 50: np.array([[-5.0, 3.0]]), 51: np.empty((0, 2))}, 70)
    found = run(stage(yard, track), ticks)[1]
    lines = [
        f"{seconds(each.time):g} {each.subject} {each.data.rule} {each.data.phase} {each.data.level} {each.data.value}"
        for each in found
    ]
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text("\n".join(lines) + "\n", "utf-8")
    assert lines == GOLDEN.read_text("utf-8").splitlines()


def doored(way: str) -> Zone:
    """A zone whose only exit is its eastern side, from south to north."""
    corners = square(-6.0, -6.0, 6.0, 6.0)
    return zone(polygon=corners, exits=(Exit(line=(corners[1], corners[2]), width_m=12.0),), exits_way=way)


def path(*east_m: float) -> list[Tick]:
    """One tracked person, a place a second, after five seconds in which nobody is there."""
    ticks = []
    for second in range(1, 6 + len(east_m)):
        there = np.empty((0, 2)) if second < 6 else np.array([[east_m[second - 6], 0.0]])
        made = tick(float(second), {7: boxes_at(there)}, period_s=1.0, captured_s=float(second))
        ticks.append(replace(made, object_track=np.arange(len(there), dtype=np.int32)))
    return ticks


OUTWARD = (0.0, 1.5, 3.0, 4.5, 7.5, 9.0, 10.5, 10.5, 10.5, 10.5, 10.5)


def test_who_goes_through_an_exit_against_the_only_way_is_told() -> None:
    found = run(stage(doored("in")), path(*OUTWARD))[1]
    assert [(each.data.rule, each.data.level) for each in found] == [("anomaly.intrusion.wrong_way", "amber")]
    assert found[0].data.unit == "crossings" and found[0].data.value == 1.0
    assert run(stage(doored("out")), path(*OUTWARD))[1] == []


def test_who_stands_on_the_line_of_an_exit_has_not_passed_it() -> None:
    swaying = (5.0, 5.6, 6.4, 5.6, 6.4, 5.6, 6.4, 5.6, 5.6, 5.6, 5.6, 5.6)
    assert run(stage(doored("in")), path(*swaying))[1] == []


@given(st.lists(st.tuples(st.floats(-14.0, 14.0), st.floats(-14.0, 14.0)), max_size=6), st.randoms())
@settings(max_examples=20, deadline=None)
def test_the_order_of_objects_and_a_camera_elsewhere_change_nothing(
    places: Sequence[tuple[float, float]], chance
) -> None:
    there = np.array(places).reshape(-1, 2)
    shuffled = there[chance.sample(range(len(there)), len(there))]
    ticks, others = walk({2: there}, 12), []
    for at, each in enumerate(walk({2: shuffled}, 12), 1):
        beside = tick(float(at), {7: boxes_at(shuffled) if at >= 2 else boxes_at(shuffled[:0]), 8: boxes_at(INSIDE)},
                      period_s=1.0, captured_s=float(at))  # fmt: skip
        others.append(beside if at % 2 else each)
    own = (zone(closed="24/7"),)
    assert run(stage(*own), ticks)[1] == run(stage(*own), others)[1]


@given(st.lists(st.sampled_from(["in", "out", "none"]), min_size=8, max_size=40), st.integers(1, 39))
@settings(max_examples=20, deadline=None)
def test_a_run_that_is_cut_and_restored_says_the_same(seen: list[str], cut: int) -> None:
    where = {"in": INSIDE, "out": OUTSIDE, "none": np.empty((0, 2))}
    ticks = walk({at: where[each] for at, each in enumerate(seen, 1)}, 45)
    made = stage(zone(closed="24/7"))
    state, whole = run(made, ticks)
    first, before = made.step(made.initial(0), reads(ticks[:cut]))
    last, after = made.step(made.restore(0, made.save(first)), reads(ticks[cut:], cut))
    assert [*before, *after] == whole and made.save(last) == made.save(state)
