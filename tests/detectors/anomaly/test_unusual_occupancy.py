"""More people than usual, and nobody where somebody usually is: told only where it matters, and after weeks only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.anomaly import unusual_occupancy as unusual
from detectors.calendar import CalendarSettings
from detectors.crowd import occupancy
from detectors.detector import Condition, Moment
from detectors.district_view import district_view
from detectors.geometry.homography import Floats
from ingest.clock import NS_PER_S
from ingest.registry.district import Zone, district_of
from ingest.schema.finding import Level, Phase
from ingest.schema.tick import empty_tick
from tests.detectors.plaza import EXACT, camera, zone

SLOT_NS = 900 * NS_PER_S
START_NS = int(datetime(2026, 9, 7, tzinfo=UTC).timestamp()) * NS_PER_S  # a Monday
LEARN_DAYS = 14  # the least that may be set: six weeks take long to be drawn
WEEKS = 16 * 96  # slots, after which enough was learned
GOLDEN = Path(__file__).parent / "golden/unusual_occupancy.json"
TICK = empty_tick(0, "ingest", 0, 0)


class Town:
    """Zones in which so many are seen, twice a slot. Two of the zones have a safe capacity."""

    def __init__(self, zones: tuple[Zone, ...], time_zone: str = "UTC") -> None:
        cameras = [camera(number, f"gate-{number}", site=each.site) for number, each in enumerate(zones)]
        self.capacity = np.array([each.safe_capacity or np.nan for each in zones])
        calendar = CalendarSettings(time_zone=time_zone)
        view = district_view(district_of(cameras, zones), 0, calendar)
        self.detector = unusual.detector
        own = unusual.UnusualSettings(learn_days=LEARN_DAYS)
        self.prepared = self.detector.prepare(own, view)
        seeing = occupancy.prepare(EXACT, view)
        nobody = occupancy.initial(seeing)
        self.blank = occupancy.measure(seeing, nobody, nobody, 0)
        self.moment = Moment(
            at_ns=0,
            elapsed_ns=SLOT_NS // 2,
            update_ns=10 * NS_PER_S,
            camera_row=np.empty(0, np.int64),
            occupancy=self.blank,
            motion=None,
            camera_blind=np.zeros(len(cameras), np.bool_),
        )
        self.state = self.detector.initial(self.prepared)

    def slot(self, number: int, persons: Floats) -> list[Condition]:
        """Two looks, at the begin and in the middle, each worth half of the slot."""
        said: list[Condition] = []
        for half in range(2):
            at_ns = START_NS + number * SLOT_NS + half * SLOT_NS // 2
            known = ~np.isnan(persons)
            seen = replace(
                self.blank,
                known=known,
                persons=persons,
                use=persons / self.capacity,
                observed_at_ns=np.full(len(known), at_ns),
            )
            moment = replace(self.moment, at_ns=at_ns, occupancy=seen)
            self.state, conditions = self.detector.step(self.prepared, self.state, moment, TICK)
            said += conditions
        return said


@pytest.fixture(autouse=True)
def few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unusual, "_SECONDS_MAX", 450.0)


ZONES = (
    zone("gallery", 100, site="east", cameras=("gate-0",)),
    zone("market", 100, site="west", cameras=("gate-1",)),
    zone("steps", None, site="north", cameras=("gate-2",)),
)


def usual(number: int) -> Floats:
    """Persons of a slot: a course of the day, and what chance adds; the same in each run."""
    rng = np.random.default_rng(number)
    course = 20.0 + 15.0 * np.sin((number % 96 - 30) / 96.0 * 2.0 * np.pi)
    return rng.poisson(rng.gamma(30.0, course / 30.0, 3)).astype(np.float64)


@lru_cache(maxsize=1)
def learned() -> tuple[bytes, Mapping[str, bytes]]:
    """What is saved when enough was learned."""
    unusual._SECONDS_MAX = 450.0
    town = Town(ZONES)
    for number in range(WEEKS):
        said = town.slot(number, usual(number))
        assert number >= LEARN_DAYS * 96 or not said
    parts = town.detector.learned(town.prepared, town.state)
    return town.detector.save(town.prepared, town.state), {name: part.encode() for name, part in parts.items()}


def town_that_knows() -> Town:
    town = Town(ZONES)
    snapshot, parts = learned()
    town.state = town.detector.recall(town.prepared, town.detector.restore(town.prepared, snapshot), parts)
    return town


def crowded(number: int, persons: float, row: int) -> Floats:
    there = usual(number)
    there[row] = persons
    return there


def line(number: int, said: Condition) -> tuple[int, str, str, str, float | None]:
    return number - WEEKS, said.subject, said.rule, said.ends or "holds", said.value


def test_it_says_how_far_it_has_learned_and_nothing_else_before_it_has() -> None:
    town = Town(ZONES)
    for number in range(9 * 96 + 2):
        assert town.slot(number, crowded(number, 95.0 if number > 800 else 20.0, 0)) == []
    assert town.detector.learning(town.prepared, town.state)["market"] == "9 of 14 days"
    assert town_that_knows().state.last.days.tolist() == [14, 14, 14]
    knowing = town_that_knows()
    assert knowing.detector.learning(knowing.prepared, knowing.state) == {}


def test_a_crowd_of_the_wrong_hour_is_a_notice_after_two_slots_and_ends(update_golden: bool) -> None:
    town, lines = town_that_knows(), []
    for number in range(WEEKS, WEEKS + 24):
        persons = crowded(number, 90.0, 1) if 4 <= number - WEEKS < 12 else usual(number)
        said = town.slot(number, persons)
        lines += [line(number, each) for each in said]
        assert all(each.level is Level.NOTICE for each in said)
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(msgspec.json.format(msgspec.json.encode(lines), indent=1).decode() + "\n", "utf-8")
    assert [list(each) for each in lines] == msgspec.json.decode(GOLDEN.read_bytes())
    assert {each[1] for each in lines} == {"market"} and lines[0][0] == 6 and lines[-1][3] == Phase.CLEARED


def test_half_of_the_capacity_is_needed_and_a_capacity_at_all() -> None:
    town = town_that_knows()
    for number in range(WEEKS, WEEKS + 12):
        there = usual(number)
        there[1], there[2] = 47.0, 400.0  # below half of the capacity; in a zone without one
        assert town.slot(number, there) == []
    assert town.state.said.holds[:, unusual.CROWDED].tolist() == [False, True, True]  # unusual, and no alarm
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"use_min": 0.4}, unusual.UnusualSettings)


def test_nobody_where_somebody_usually_is_is_a_matter_of_the_camera() -> None:
    town, lines = town_that_knows(), []
    for number in range(WEEKS, WEEKS + 8):
        for each in town.slot(number, crowded(number, 0.0 if number - WEEKS < 4 else 20.0, 0)):
            assert each.kind == "health.nobody_seen" and each.cameras == ("gate-0",)
            lines.append(line(number, each))
    assert lines[0][:4] == (1, "gallery", "health.nobody_seen", "holds")
    assert lines[-1][3] == Phase.CLEARED


def test_what_was_seen_too_little_says_nothing_and_ends_as_unknown() -> None:
    town, lines = town_that_knows(), []
    for number in range(WEEKS, WEEKS + 12):
        persons = 90.0 if number - WEEKS < 6 else np.nan
        lines += [line(number, each) for each in town.slot(number, crowded(number, persons, 1))]
    assert lines[-1][3] == Phase.UNKNOWN and lines[-1][4] is None


def replace_cameras(given: Zone) -> Zone:
    return msgspec.structs.replace(given, cameras=("gate-0",))


def test_an_unrelated_zone_changes_nothing_for_a_single_site() -> None:
    yard = zone("yard", 100, site="west", cameras=("gate-1",))
    alone, beside = Town((replace_cameras(ZONES[1]),)), Town((replace_cameras(ZONES[1]), yard))
    for number in range(15 * 96):
        there = usual(number)
        one, two = alone.slot(number, there[1:2]), beside.slot(number, there[[1, 0]])
        assert one == [each for each in two if each.subject == "market"]
    assert np.array_equal(alone.state.last.surprise, beside.state.last.surprise[:1], equal_nan=True)


@pytest.mark.parametrize("cut", [1, 5, 6, 9, 13, 20])
def test_a_run_that_is_cut_and_restored_says_the_same(cut: int) -> None:
    def run(town: Town, first: int, last: int) -> list[Condition]:
        return [
            each
            for number in range(WEEKS + first, WEEKS + last)
            for each in town.slot(number, crowded(number, 90.0, 1) if 4 <= number - WEEKS < 12 else usual(number))
        ]

    whole = run(town_that_knows(), 0, 24)
    first = town_that_knows()
    before = run(first, 0, cut)
    second = Town(ZONES)
    parts = first.detector.learned(first.prepared, first.state)
    second.state = second.detector.recall(
        second.prepared,
        second.detector.restore(second.prepared, first.detector.save(first.prepared, first.state)),
        {name: part.encode() for name, part in parts.items()},
    )
    assert before + run(second, cut, 24) == whole


def test_only_one_day_of_what_was_learned_changes_with_a_slot() -> None:
    town = town_that_knows()
    town.slot(WEEKS, usual(WEEKS))
    before = town.detector.learned(town.prepared, town.state)
    for number in (WEEKS + 1, WEEKS + 2):
        town.slot(number, usual(number))
    after = town.detector.learned(town.prepared, town.state)
    changed = {name for name in after if after[name].token is not before[name].token}
    assert changed == {"scores", "hour", "last", *(name for name in changed if name.startswith("day-"))}
    assert sum(name.startswith("day-") for name in changed) == 1


def test_slots_are_those_of_a_wall_clock_that_is_off_by_half_an_hour() -> None:
    town = Town(ZONES, time_zone="Asia/Kathmandu")
    town.slot(0, usual(0))
    town.slot(1, usual(1))
    (row,) = {row for row, day in enumerate(town.state.learned.days) if (day.counts != 255).any()}
    assert np.flatnonzero(town.state.learned.days[row].counts[0] != 255).tolist() == [23]  # 5:45
