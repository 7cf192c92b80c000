"""What stands alone for long enough, and who stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.anomaly import abandoned_object
from detectors.anomaly.abandoned_object import ObjectSettings, State
from detectors.detector import Condition, Moment
from detectors.district_view import DistrictView, district_view
from ingest.registry.district import district_of
from ingest.schema.finding import Level
from ingest.schema.tick import EventKind, EventState, Tick
from tests.detectors.plaza import camera, ns, tick, zone

K, S = EventKind, EventState
BAG = (0.5, 0.5, 0.04, 0.05)
BESIDE = np.array([[0.47, 0.35, 0.05, 0.2]])
VIEW = district_view(district_of([camera(7), camera(8, "gate-8")], [zone(cameras=("gate-7", "gate-8"))]), 0)


def saying(
    at_s: float,
    *said: tuple[EventKind, EventState, float, tuple[float, float, float, float]],
    persons: np.ndarray | None = None,
    number: int = 7,
) -> Tick:
    """A tick in which our own look says (kind, state, alone for so long, box), and a model sees these boxes."""
    count = len(said)
    return replace(
        tick(at_s, {number: persons}, period_s=1.0, captured_s=at_s),
        event_start=np.array([0, count]),
        event_kind=np.array([each[0] for each in said], np.uint8),
        event_state=np.array([each[1] for each in said], np.uint8),
        event_value=np.array([each[2] for each in said], np.float32),
        event_confidence=np.full(count, 0.875, np.float16),
        event_at_ns=np.full(count, ns(at_s), np.int64),
        event_box=np.array([each[3] for each in said], np.float32).reshape(-1, 4),
    )


def run(
    ticks: Sequence[Tick], view: DistrictView = VIEW, state: State | None = None, **given: float
) -> tuple[State, list[Condition]]:
    rule = abandoned_object.abandoned
    own = rule.prepare(ObjectSettings(**given), view)  # type: ignore[arg-type]
    state, said = rule.initial(own) if state is None else state, []
    for each in ticks:
        blind = np.zeros(len(view.cameras), np.bool_)
        moment = Moment(each.ends_at_ns, 0, 10**15, view.camera_rows(each.camera), None, None, blind)  # type: ignore[arg-type]
        state, conditions = rule.step(own, state, moment, each)
        said += conditions
    return state, said


def stands(until_s: int, since_s: int = 0, persons: np.ndarray | None = None) -> list[Tick]:
    return [
        saying(float(at), (K.LEFT_BEHIND, S.ON, float(at - since_s), BAG), persons=persons)
        for at in range(since_s + 1, until_s + 1)
    ]


def test_what_stands_alone_for_a_minute_is_told_once_with_its_place_in_the_picture() -> None:
    (one,) = run(stands(90))[1]
    assert (one.subject, one.level, one.unit, one.rule) == ("gate-7", Level.AMBER, "s", "anomaly.abandoned_object")
    assert one.value == pytest.approx(60.0) and one.detail["confidence"] == pytest.approx(0.875)
    assert (one.detail["left"], one.detail["width"]) == pytest.approx((0.5, 0.04), abs=1e-3)


def test_while_somebody_is_beside_it_time_does_not_count() -> None:
    assert run(stands(90, persons=BESIDE))[1] == []
    late = run([*stands(40, persons=BESIDE), *stands(120)[40:]])[1]
    assert [each.value for each in late] == [pytest.approx(60.0)]


def test_somebody_who_passes_far_away_is_not_with_it() -> None:
    assert len(run(stands(90, persons=np.array([[0.1, 0.3, 0.05, 0.2]])))[1]) == 1


def test_a_person_who_stands_still_is_no_thing() -> None:
    assert run(stands(90, persons=np.array([[0.49, 0.44, 0.06, 0.13]])))[1] == []


def test_when_it_is_seen_no_more_it_is_over() -> None:
    gone = [saying(float(at)) for at in range(91, 110)]
    assert [each.ends for each in run([*stands(90), *gone])[1]] == [None, "cleared"]


def test_a_camera_that_shows_nothing_any_more_ends_as_unknown() -> None:
    silent = [tick(float(at), {}, period_s=1.0) for at in range(91, 140)]
    assert [each.ends for each in run([*stands(90), *silent])[1]] == [None, "unknown"]


def test_what_is_hardly_an_edge_is_not_told() -> None:
    assert run(stands(90), confidence_min=0.9)[1] == []


def test_what_is_gone_is_no_thing_left() -> None:
    taken = [saying(float(at), (K.TAKEN_AWAY, S.ON, float(at), BAG)) for at in range(1, 91)]
    assert run(taken)[1] == []


def test_on_a_calibrated_camera_what_is_as_large_as_a_vehicle_is_not_told() -> None:
    seen_from_above = camera(7, calibrated=True)
    view = district_view(district_of([seen_from_above], [zone(cameras=("gate-7",))]), 0)
    # 30 m across: 0.04 are 1.2 m, 0.16 are 4.8 m.
    large = [saying(float(at), (K.LEFT_BEHIND, S.ON, float(at), (0.4, 0.45, 0.16, 0.06))) for at in range(1, 91)]
    assert len(run(stands(90), view)[1]) == 1 and run(large, view)[1] == []
    assert run(stands(90), view)[1][0].place.radius_m == 1.0


def some(seed: int) -> list[Tick]:
    """Two cameras, things that come and go, people beside them."""
    chance, ticks = np.random.default_rng(seed), []
    for at in range(1, 60):
        places = np.round(chance.uniform(0.3, 0.5, (int(chance.integers(0, 3)), 2)), 1)
        states = [S(int(chance.choice([1, 1, 1, 2]))) for _ in places]
        said = [
            (K.LEFT_BEHIND, state, float(at), (left, top, 0.05, 0.05))
            for (left, top), state in zip(places.tolist(), states, strict=True)
        ]
        persons = BESIDE if chance.random() < 0.1 else None
        ticks.append(saying(float(at), *said, persons=persons, number=int(chance.choice([7, 8]))))
    return ticks


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 58))
@settings(max_examples=25, deadline=None)
def test_a_run_that_is_cut_and_restored_says_the_same(seed: int, cut: int) -> None:
    rule, ticks = abandoned_object.abandoned, some(seed)
    own = rule.prepare(ObjectSettings(alone_s=20.0), VIEW)
    whole, said = run(ticks, alone_s=20.0)
    state, first = run(ticks[:cut], alone_s=20.0)
    state, second = run(ticks[cut:], state=rule.restore(own, rule.save(own, state)), alone_s=20.0)
    assert first + second == said and rule.save(own, state) == rule.save(own, whole)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_another_camera_and_the_order_of_events_change_nothing(seed: int) -> None:
    ticks = some(seed)
    said = [each for each in run(ticks, alone_s=20.0)[1] if each.subject == "gate-7"]
    others = [
        each if 7 in each.camera else tick(round(n + 1.0), {8: None}, period_s=1.0) for n, each in enumerate(ticks)
    ]
    assert [each for each in run(others, alone_s=20.0)[1] if each.subject == "gate-7"] == said
    names = ("event_kind", "event_state", "event_value", "event_confidence", "event_at_ns", "event_box")
    turned = [replace(each, **{name: getattr(each, name)[::-1] for name in names}) for each in ticks]
    assert [each for each in run(turned, alone_s=20.0)[1] if each.subject == "gate-7"] == said
