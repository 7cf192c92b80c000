"""Who went down and stays down: clips, rendered figures, and what only looks like it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.anomaly_fall import FALLS, NO_FALLS, START_NS, clips, played, tick_of, told, watching
from benchmarks.anomaly_fall_figures import RATE_HZ, View, figure, seen
from detectors.anomaly import fall
from detectors.detector import Condition, Moment
from detectors.district_view import district_view
from detectors.geometry.homography import Floats
from ingest.registry.district import district_of
from ingest.schema.finding import Phase
from ingest.schema.tick import EventKind, EventState, Tick
from tests.detectors.plaza import camera, zone
from tests.detectors.vision.real import needs_clips, needs_model

GOLDEN = Path(__file__).parent / "golden/fall.json"
VIEW = View(above_m=3.5, tilt=0.25, roll=0.0, focal=1.2)
PLACE = np.array([0.0, 6.0])


def boxes(*acts: tuple[float, tuple[float, float, float, float] | None], until_s: float = 40.0) -> Iterator[Tick]:
    """Ticks of one camera, five a second: from when on which box (left, top, width, height) is seen."""
    for sample in range(round(until_s * RATE_HZ)):
        at_s = sample / RATE_HZ
        now = [box for since_s, box in acts if since_s <= at_s][-1]
        yield tick_of(at_s, [np.array([now]) if now else np.empty((0, 4))], [])


STANDS, LIES, BENDS = (0.5, 0.3, 0.06, 0.3), (0.45, 0.54, 0.16, 0.06), (0.5, 0.42, 0.09, 0.18)


def signs(said: list[Condition]) -> list[str]:
    return [each.rule.rpartition(".")[2] if each.ends is None else f"{each.ends}" for each in said]


def test_who_stood_and_lies_from_one_second_to_the_next_is_told_after_some_seconds() -> None:
    (one,) = told(watching(1), boxes((0.0, STANDS), (5.0, LIES)))
    assert (one.level, one.value, one.unit, one.rule) == ("amber", 1.0, "persons", "anomaly.fall.flip")
    assert (one.onset_at_ns - START_NS) / 1e9 == pytest.approx(5.0)
    assert (one.observed_at_ns - START_NS) / 1e9 == pytest.approx(16.5, abs=0.5)
    assert 0.0 < one.detail["confidence"] <= 1.0
    assert one.detail["left"] == pytest.approx(LIES[0], abs=0.01)


def test_who_gets_up_within_the_ten_seconds_is_not_told() -> None:
    assert told(watching(1), boxes((0.0, STANDS), (5.0, LIES), (13.0, STANDS))) == []


def test_who_gets_up_later_ends_it() -> None:
    assert signs(told(watching(1), boxes((0.0, STANDS), (5.0, LIES), (25.0, STANDS)))) == ["flip", "cleared"]


def test_who_lay_there_all_the_time_has_not_fallen() -> None:
    assert told(watching(1), boxes((0.0, LIES))) == []


def test_who_lies_down_slowly_has_not_fallen() -> None:
    assert told(watching(1), boxes((0.0, STANDS), (5.0, BENDS), (8.0, LIES))) == []


def test_who_bends_for_a_while_has_not_fallen() -> None:
    assert told(watching(1), boxes((0.0, STANDS), (5.0, BENDS), (30.0, STANDS))) == []


def test_who_walks_out_of_the_picture_or_is_lost_where_nothing_is_known_has_not_fallen() -> None:
    assert told(watching(1), boxes((0.0, STANDS), (5.0, None))) == []
    assert told(watching(1), boxes((0.0, (0.0, 0.3, 0.06, 0.3)), (5.0, None))) == []


def rendered(falls_s: float | None, lying_missed: float, here_until_s: float = 1e9) -> list[Tick]:
    count = 45 * RATE_HZ
    at_s = np.arange(count) / RATE_HZ
    body = figure(
        np.tile(PLACE, (count, 1)), np.zeros(count), np.zeros(count), [(0.0, "stand")], falls_s=falls_s,
        fall_azimuth=1.4, lying_missed=lying_missed, here=at_s < here_until_s,
    )  # fmt: skip
    return list(played([seen(VIEW, [body], np.random.default_rng(3), false_boxes=False)], RATE_HZ))


def test_who_vanishes_from_the_boxes_but_not_from_the_foreground_near_the_ground_is_told() -> None:
    assert signs(told(watching(1), iter(rendered(10.0, 1.0)))) == ["vanished"]
    assert told(watching(1), iter(rendered(10.0, 1.0)), fall.FallSettings(cameras=("*",), vanished=False)) == []


@pytest.mark.parametrize("pose", ["stand", "sit", "bend"])
def test_who_is_not_found_any_more_but_stands_sits_or_bends_is_not_told(pose: str) -> None:
    count = 60 * RATE_HZ
    at_s = np.arange(count) / RATE_HZ
    body = figure(
        np.tile(PLACE, (count, 1)), np.full(count, np.pi), np.zeros(count), [(0.0, "stand"), (10.0, pose)]
    )  # fmt: skip
    body = replace(body, miss=np.where(at_s >= 10.6, 1.0, body.miss))
    scene = seen(VIEW, [body], np.random.default_rng(4), false_boxes=False)
    assert told(watching(1), played([scene], RATE_HZ)) == []


def test_the_foreground_of_somebody_else_who_stands_there_is_not_that_of_who_left() -> None:
    count = 60 * RATE_HZ
    at_s = np.arange(count) / RATE_HZ
    still = np.zeros(count)
    leaves = figure(np.tile(PLACE, (count, 1)), still, still, [(0.0, "stand")], here=at_s < 10.0)
    for east, north in ((0.8, 0.0), (0.0, -1.2), (-0.9, -0.5), (0.5, 1.0)):
        stays = figure(np.tile(np.add(PLACE, (east, north)), (count, 1)), still, still, [(0.0, "stand")])
        scene = seen(VIEW, [leaves, stays], np.random.default_rng(5), false_boxes=False)
        assert told(watching(1), played([scene], RATE_HZ)) == []


def test_who_walked_away_from_the_camera_before_he_fell_is_told() -> None:
    count = 45 * RATE_HZ
    at_s = np.arange(count) / RATE_HZ
    path = np.stack([np.zeros(count), 4.0 + 1.2 * np.clip(at_s - 4.0, 0.0, 6.0)], axis=1)
    body = figure(
        path, np.zeros(count), np.where((at_s > 4.0) & (at_s < 10.0), 1.2, 0.0), [(0.0, "stand")], falls_s=10.0,
        fall_azimuth=1.4, lying_missed=0.3,
    )  # fmt: skip
    scene = seen(VIEW, [body], np.random.default_rng(6), grids=False, false_boxes=False)
    assert signs(told(watching(1), played([scene], RATE_HZ, grids=False))) in (["flip"], ["collapse"])


def test_who_fell_towards_the_camera_does_not_get_up_because_he_is_narrow() -> None:
    falls = (0.5, 0.62, 0.1, 0.27)  # from above: as high as before, his lower edge two thirds lower
    (one,) = told(watching(1), boxes((0.0, STANDS), (5.0, (0.5, 0.58, 0.07, 0.21)), (5.2, falls)))
    assert one.rule == "anomaly.fall.topple"
    walks = [(at / 5.0, (0.5, 0.3 + 0.04 * at, 0.06 + 0.006 * at, 0.3 + 0.025 * at)) for at in range(6)]
    assert told(watching(1), boxes(*[(4.0 * (at > 0) + at_s, box) for at, (at_s, box) in enumerate(walks)])) == []


def test_who_goes_through_a_door_leaves_no_foreground_and_is_not_told() -> None:
    assert told(watching(1), iter(rendered(None, 0.0, here_until_s=10.0))) == []


def test_a_camera_that_sends_nothing_any_more_ends_as_unknown() -> None:
    ticks = [*boxes((0.0, STANDS), (5.0, LIES), until_s=20.0)]
    blank = tick_of(0.0, [], [])
    silent = [
        replace(blank, starts_at_ns=START_NS + at * 10**9, ends_at_ns=START_NS + at * 10**9 + 1) for at in range(21, 60)
    ]
    assert signs(told(watching(1), iter([*ticks, *silent]))) == ["flip", "unknown"]


def test_the_confidence_of_the_cameras_own_word_is_kept_beside_ours() -> None:
    def ticks() -> Iterator[Tick]:
        for tick in boxes((0.0, STANDS), (5.0, LIES)):
            if round((tick.ends_at_ns - START_NS) / 1e9, 1) != 8.0:
                yield tick
                continue
            yield replace(
                tick,
                event_start=np.array([0, 1]),
                event_kind=np.array([EventKind.FALL], np.uint8),
                event_state=np.array([EventState.HAPPENED], np.uint8),
                event_value=np.full(1, np.nan, np.float32),
                event_confidence=np.array([0.75], np.float16),
                event_at_ns=np.array([tick.ends_at_ns]),
                event_box=np.full((1, 4), np.nan, np.float32),
            )

    assert told(watching(1), ticks())[0].detail["camera_confidence"] == 0.75


@needs_model
@needs_clips
def test_three_falls_are_found_in_clips_and_two_days_of_life_are_not() -> None:
    shown = clips(1.0)
    assert [shown[name] for name in FALLS] == [True] * 3
    assert [shown[name] for name in NO_FALLS] == [False] * 2


def some(seed: int, cameras: int = 2, until_s: int = 40) -> list[Tick]:
    """People of some cameras who stand, fall, get up and go, at random."""
    chance = np.random.default_rng(seed)
    shown: list[list[Floats]] = [[] for _ in range(cameras)]
    for own in shown:
        at = chance.uniform(0.1, 0.8, (3, 1))
        for _ in range(until_s):
            lies = chance.random(3) < 0.5
            box = np.where(lies[:, None], np.array(LIES), np.array(STANDS)) + np.hstack([at - 0.5, np.zeros((3, 3))])
            own.append(np.clip(box[chance.random(3) < 0.9] + chance.normal(0, 0.004), 0, 0.99))
    return [tick_of(float(at), [own[at] for own in shown], []) for at in range(until_s)]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_another_camera_changes_nothing(seed: int) -> None:
    both = some(seed)
    first = [replace_objects(each, keep=each.object_frame() == 0) for each in both]
    of_first = [each for each in told(watching(2), iter(both)) if each.subject == "c0"]
    assert [each for each in told(watching(2), iter(first)) if each.subject == "c0"] == of_first


def replace_objects(tick: Tick, keep: np.ndarray) -> Tick:
    counts = np.bincount(tick.object_frame()[keep], minlength=tick.frames)
    return replace(
        tick,
        object_start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        object_class=tick.object_class[keep],
        object_confidence=tick.object_confidence[keep],
        object_box=tick.object_box[keep],
        object_track=tick.object_track[keep],
    )


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_order_of_boxes_changes_nothing(seed: int) -> None:
    ticks, chance = some(seed), np.random.default_rng(seed)

    def mixed(tick: Tick) -> Tick:
        order = np.lexsort((chance.random(len(tick.object_class)), tick.object_frame()))
        return replace(tick, object_box=tick.object_box[order], object_confidence=tick.object_confidence[order])

    assert told(watching(2), iter([mixed(each) for each in ticks])) == told(watching(2), iter(ticks))


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 40))
@settings(max_examples=15, deadline=None)
def test_a_run_that_is_cut_and_restored_says_the_same(seed: int, cut: int) -> None:
    view, rule = watching(2), fall.detector
    own = rule.prepare(fall.FallSettings(cameras=("*",), still_s=3.0), view)

    def run(state: fall.State, ticks: list[Tick]) -> tuple[fall.State, list[Condition]]:
        said: list[Condition] = []
        for tick in ticks:
            blind = np.zeros(2, np.bool_)
            moment = Moment(tick.ends_at_ns, 0, 10**10, view.camera_rows(tick.camera), None, None, blind)  # type: ignore[arg-type]
            state, conditions = rule.step(own, state, moment, tick)
            said += conditions
        return state, said

    ticks = some(seed)
    whole, said = run(rule.initial(own), ticks)
    state, first = run(rule.initial(own), ticks[:cut])
    state, second = run(rule.restore(own, rule.save(own, state)), ticks[cut:])
    assert first + second == said and rule.save(own, state) == rule.save(own, whole)


def test_a_calibrated_camera_says_where_on_the_ground() -> None:
    view = district_view(district_of([camera(0, "c0", calibrated=True)], [zone(cameras=("c0",))]), 0)
    # Seen from straight above nobody has a height: what is tested is where the place is put.
    one = [each for each in told(view, boxes((0.0, STANDS), (5.0, LIES))) if each.ends is None]
    assert all(each.place.radius_m <= 25.0 for each in one)


def test_what_is_said_of_a_rendered_fall_is_what_it_was(update_golden: bool) -> None:
    said = told(watching(1), iter(rendered(10.0, 0.3)))
    shown = [msgspec.to_builtins(each, str_keys=True, enc_hook=str) for each in map(_plain, said)]
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(shown, indent=1) + "\n")
    assert shown == json.loads(GOLDEN.read_text())


def _plain(one: Condition) -> dict[str, object]:
    return {
        "rule": one.rule,
        "ends": None if one.ends is None else Phase(one.ends).value,
        "level": one.level.value,
        "onset_s": round((one.onset_at_ns - START_NS) / 1e9, 1),
        "observed_s": round((one.observed_at_ns - START_NS) / 1e9, 1),
        "value": one.value,
        "detail": {name: round(value, 2) for name, value in one.detail.items()},
    }
