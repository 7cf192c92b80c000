"""What the rules of motion see, what they do not, and that they say why."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from detectors.crowd.rules import congestion, counterflow, gathering, growth, oscillation, pressure, surge
from detectors.crowd.rules.floor import PERSONS_FLOOR, persons_at_least
from detectors.district_view import district_view
from detectors.registry import installed_detectors, settings_of
from ingest.errors import SettingsError
from ingest.registry.district import ZoneClass
from ingest.schema.finding import Level, Phase
from tests.detectors.crowd_scene import RULES, film, place, raised, rows, stage_of, standing, told
from tests.detectors.plaza import seconds, tick, zone

FLOORED = (congestion, counterflow, gathering, growth, oscillation, pressure, surge)


def walking(count, speed_m_s, apart_m=1.0, across=5, since_s=0.0):
    """Rows that walk east from `since_s` on, and come back in at the west."""

    def at(at_s):
        there = rows(count, apart_m, across)
        gone = speed_m_s * max(0.0, at_s - since_s)
        there[:, 0] = (there[:, 0] + gone + 9.0) % 18.0 - 9.0
        return there

    return at


@pytest.mark.parametrize("module", FLOORED, ids=lambda module: module.detector.name)
def test_no_setting_lowers_the_floor(module):
    detector = module.detector
    assert settings_of(detector, {"persons_min": PERSONS_FLOOR}).persons_min == 15
    with pytest.raises(SettingsError, match=r"persons_min: expected .*>= 15"):
        settings_of(detector, {"persons_min": 14})
    # A struct that was made in code was not checked: the floor holds there too.
    loose = detector.settings(persons_min=3)
    prepared = detector.rule.prepare(loose, district_view(place(30), 0))
    assert np.all(np.asarray(prepared.persons_min) >= PERSONS_FLOOR)


@pytest.mark.parametrize("zone_class", list(ZoneClass))
def test_only_exit_routes_carriageways_and_tracks_are_excepted_from_the_floor(zone_class):
    (least,) = persons_at_least([zone(zone_class=zone_class)], 3, 6)
    excepted = (ZoneClass.EXIT_ROUTE, ZoneClass.CARRIAGEWAY, ZoneClass.TRACK)
    assert least == (6 if zone_class in excepted else 15)


def test_twenty_who_stand_against_the_capacity_are_a_gathering_and_nineteen_are_not():
    _, findings = told(stage_of(place(50)), film(standing(20), 15.0))
    assert raised(findings, "crowd.gathering") == ["crowd.gathering.capacity"]
    data = findings[0].data
    assert (data.value, data.low, data.unit, data.level) == (20.0, 20.0, "persons", Level.AMBER)
    assert data.thresholds["use_persons"] == 20.0 and data.thresholds["persons_min"] == 20.0
    assert data.measurement.noise_m == pytest.approx(0.0, abs=0.01)
    assert data.measurement.calibration and data.measurement.calibration_age_s > 0
    assert seconds(findings[0].time) <= 10.0
    assert raised(told(stage_of(place(47)), film(standing(19), 30.0))[1]) == []


def test_a_loose_group_in_a_place_without_capacity_is_no_finding_and_a_dense_one_is():
    assert raised(told(stage_of(place(None)), film(standing(40, 1.2), 45.0))[1]) == []
    _, findings = told(stage_of(place(None)), film(standing(40, 0.55), 45.0))
    assert raised(findings) == ["crowd.gathering.density"]
    assert seconds(findings[0].time) == pytest.approx(32.0, abs=3.0)


def test_seven_who_stand_on_an_exit_route_are_in_the_way():
    _, findings = told(stage_of(place(None, ZoneClass.EXIT_ROUTE)), film(standing(7), 20.0))
    assert raised(findings) == ["crowd.gathering.way_out"]
    assert findings[0].data.level is Level.RED
    assert raised(told(stage_of(place(None)), film(standing(7), 20.0))[1]) == []


def test_people_who_walk_are_no_gathering():
    assert raised(told(stage_of(place(50)), film(walking(30, 1.3), 30.0))[1], "crowd.gathering") == []


def test_a_crowd_that_starts_to_run_is_a_surge_within_three_seconds():
    run = walking(40, 2.6, since_s=20.0)
    _, findings = told(stage_of(place(None)), film(run, 24.0))
    assert raised(findings, "crowd.surge") == ["crowd.surge.run"]
    surged = next(each for each in findings if each.data.kind == "crowd.surge")
    assert seconds(surged.time) <= 23.0
    assert surged.data.detail["running_share"] > 0.3
    assert surged.data.low <= surged.data.value <= surged.data.high


def test_one_way_and_two_ways_are_told_apart():
    def both(at_s):
        east, west = walking(15, 1.2, 1.4)(at_s), walking(15, 1.2, 1.4)(at_s)
        west[:, 0] = -west[:, 0]
        return np.concatenate([east, west + np.array([0.0, 0.5])])

    assert raised(told(stage_of(place(None)), film(both, 25.0))[1]) == ["crowd.counterflow.conflict"]
    assert raised(told(stage_of(place(None)), film(walking(30, 1.2), 25.0))[1]) == []
    # Nobody meets anybody, but all go against the one way (bearing 270 degrees is west).
    _, findings = told(stage_of(place(None, bearing=270.0)), film(walking(30, 1.2), 25.0))
    assert raised(findings) == ["crowd.counterflow.one_way"]
    assert findings[0].data.detail["against_share"] == pytest.approx(1.0)
    assert raised(told(stage_of(place(None, bearing=90.0)), film(walking(30, 1.2), 25.0))[1]) == []


def swaying(count, amplitude_m, period_s=18.0, chiral=True, apart_m=0.5):
    there = rows(count, apart_m, 12)

    def at(at_s):
        phase = 2.0 * np.pi * at_s / period_s
        return there + amplitude_m * np.array([np.cos(phase), np.sin(phase) if chiral else 0.0])

    return at


def test_a_dense_crowd_that_circles_as_one_body_oscillates_and_its_pressure_says_nothing():
    district = place(None, half_m=3.2)
    _, findings = told(stage_of(district), film(swaying(144, 0.3), 75.0))
    assert raised(findings, "crowd.oscillation") == ["crowd.oscillation.dense_sway"]
    data = next(each for each in findings if each.data.kind == "crowd.oscillation").data
    assert data.value == pytest.approx(0.3, rel=0.15)
    assert data.detail["period_s"] == pytest.approx(18.0, rel=0.15)
    assert abs(data.detail["chirality"]) > 0.9
    assert data.level is Level.CRITICAL
    assert raised(findings, "crowd.pressure") == []
    # What stood there before is kept as its detail, and is not told anew.
    assert "also_congestion_m_s" in data.detail


def test_to_and_fro_has_no_chirality_and_a_loose_crowd_does_not_oscillate():
    _, findings = told(stage_of(place(None, half_m=3.2)), film(swaying(144, 0.3, chiral=False), 75.0))
    data = next(each for each in findings if each.data.kind == "crowd.oscillation").data
    assert abs(data.detail["chirality"]) < 0.2
    assert raised(told(stage_of(place(None)), film(swaying(60, 0.3, apart_m=1.0), 75.0))[1], "crowd.oscillation") == []


def test_pressure_in_noise_is_said_to_be_not_measurable_and_does_not_silence_the_others():
    district = place(None, half_m=3.2)
    _, findings = told(stage_of(district), film(standing(180, 0.45), 30.0, noise_m=0.1))
    assert "crowd.pressure.not_measurable" in raised(findings)
    data = next(each for each in findings if each.data.kind == "crowd.pressure").data
    assert data.measurement.not_measurable and data.measurement.degraded
    assert (data.value, data.low, data.high, data.level) == (None, None, None, Level.NOTICE)
    assert data.detail["noise_per_s2"] > data.thresholds["noise_per_s2_max"]
    assert "crowd.congestion.slow" in raised(findings)


def test_a_zone_that_fills_is_told_minutes_before_it_is_full():
    def filling(at_s):
        return rows(min(30 + int(0.5 * at_s), 100), 1.2, 12)

    _, findings = told(stage_of(place(100)), film(filling, 60.0))
    data = next(each for each in findings if each.data.kind == "crowd.growth").data
    assert data.rule in ("crowd.growth.forecast", "crowd.growth.forecast_soon")
    persons = data.detail["persons"]
    assert data.value == pytest.approx((100 - persons) / 0.5, rel=0.15)
    assert data.low <= data.value <= data.high and data.unit == "s"
    assert seconds(findings[0].time) < 45.0


def test_a_zone_without_capacity_has_no_forecast_and_says_what_it_can():
    def filling(at_s):
        return rows(min(30 + int(0.5 * at_s), 100), 1.2, 12)

    assert raised(told(stage_of(place(None)), film(filling, 60.0))[1], "crowd.growth") == []


def test_every_finding_of_every_rule_can_be_written_and_read():
    _, findings = told(stage_of(place(50, half_m=3.2)), film(swaying(144, 0.3), 75.0))
    assert findings
    for each in findings:
        assert msgspec.json.decode(msgspec.json.encode(each), type=type(each)) == each
        assert each.data.thresholds["hold_s"] >= 0.0


def test_what_nobody_sees_any_more_ends_as_unknown():
    ticks = film(standing(40, 0.55), 40.0)
    ticks += [tick(40.0 + index, {}, period_s=1.0) for index in range(1, 20)]
    _, findings = told(stage_of(place(None)), ticks)
    assert [each.data.phase for each in findings if each.data.phase is not Phase.UPDATED] == [
        Phase.RAISED,
        Phase.UNKNOWN,
    ]
    assert seconds(findings[-1].data.observed_at) == pytest.approx(42.0, abs=2.0)


def test_all_rules_come_in_by_their_entry_points():
    installed = installed_detectors()
    for module in RULES:
        assert installed[module.detector.name] is module.detector
