"""What cameras' own rules say becomes findings: once, with an end, and never of what was so before we asked."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.camera import events
from detectors.registry import Configured
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.registry.district import district_of
from ingest.schema.finding import Finding
from ingest.schema.tick import EventKind, EventState, Tick
from tests.detectors.plaza import camera, ns, plaza, reads, run, seconds, tick, told

K, S = EventKind, EventState
GATE = 7


def saying(
    at_s: float, *said: tuple[int, int], number: int = GATE, value: float = np.nan, confidence: float = np.nan
) -> Tick:
    """A tick that ends at `at_s`, with a frame of a camera in which it says (kind, state)."""
    count = len(said)
    return replace(
        tick(at_s, {number: None}, period_s=1.0),
        event_start=np.array([0, count], np.int64),
        event_kind=np.array([kind for kind, _ in said], np.uint8),
        event_state=np.array([state for _, state in said], np.uint8),
        event_value=np.full(count, value, np.float32),
        event_confidence=np.full(count, confidence, np.float16),
        event_at_ns=np.full(count, ns(at_s - 0.5), np.int64),
        event_box=np.full((count, 4), np.nan, np.float32),
    )


def line(said: dict[int, Tick], until_s: int) -> list[Tick]:
    """A tick a second; where nothing is said, a frame without events."""
    return [said.get(at, tick(float(at), {GATE: None}, period_s=1.0)) for at in range(1, until_s + 1)]


def stage(**more: object) -> DetectStage:
    district = district_of([camera(), camera(8, "gate-8")], plaza().zones)
    own = Configured(events.detector, events.EventSettings(**more))  # type: ignore[arg-type]
    return DetectStage(district, DetectSettings(), [own])


def findings(said: dict[int, Tick], until_s: int, **more: object) -> list[Finding]:
    return run(stage(**more), line(said, until_s))[1]


def test_a_state_is_told_when_it_begins_while_it_lasts_and_when_it_ends() -> None:
    found = findings({5: saying(5, (K.TAMPER, S.ON)), 20: saying(20, (K.TAMPER, S.OFF))}, 30)
    assert told(found) == [("raised", "amber", 5), ("updated", "amber", 15), ("cleared", "amber", 23)]
    first = found[0].data
    assert (first.kind, first.rule, first.cameras) == ("camera.events", "camera.events.tamper", ("gate-7",))
    assert seconds(first.onset_at) == 4.5 and first.zone is None and found[0].subject == "gate-7"
    assert len({each.data.condition for each in found}) == 1


def test_what_was_so_before_we_asked_is_no_new_alarm() -> None:
    assert findings({5: saying(5, (K.TAMPER, S.KNOWN_ON))}, 20) == []
    assert findings({5: saying(5, (K.TAMPER, S.KNOWN_OFF)), 6: saying(6, (K.TAMPER, S.OFF))}, 20) == []


def test_what_is_known_goes_on_or_ends_what_is_open() -> None:
    on = saying(5, (K.TAMPER, S.ON))
    assert told(findings({5: on, 8: saying(8, (K.TAMPER, S.KNOWN_ON))}, 12)) == [("raised", "amber", 5)]
    assert told(findings({5: on, 8: saying(8, (K.TAMPER, S.KNOWN_OFF))}, 12))[-1] == ("cleared", "amber", 11)
    # After a new connection one rule of a camera may say off before the other says on.
    both = {5: on, 8: saying(8, (K.TAMPER, S.KNOWN_OFF)), 9: saying(9, (K.TAMPER, S.KNOWN_ON))}
    assert told(findings(both, 14)) == [("raised", "amber", 5)]


def test_what_happens_at_a_moment_is_over_some_time_after_the_last() -> None:
    said = {at: saying(at, (K.LINE_CROSSED, S.HAPPENED)) for at in (5, 9, 20)}
    found = findings(said, 60, pulse_s=12.0)
    assert told(found) == [
        ("raised", "notice", 5),
        ("updated", "notice", 15),
        ("updated", "notice", 25),
        ("cleared", "notice", 32),
    ]
    assert found[-1].data.detail["times"] == 3


def test_a_state_that_flickers_is_one_condition() -> None:
    said = {5: saying(5, (K.DARK, S.ON)), 7: saying(7, (K.DARK, S.OFF)), 8: saying(8, (K.DARK, S.ON))}
    assert told(findings(said, 14)) == [("raised", "notice", 5)]


def test_a_state_must_hold_before_it_is_told() -> None:
    short = {5: saying(5, (K.MOTION, S.ON)), 7: saying(7, (K.MOTION, S.OFF))}
    more = {"hold_s": 8.0, "levels": {"motion": "notice"}}
    assert findings(short, 30, **more) == []
    assert told(findings({5: saying(5, (K.MOTION, S.ON))}, 14, **more)) == [("raised", "notice", 13)]


def by_kind(found: list[Finding]) -> dict[str, list[Finding]]:
    """Findings of each kind of event."""
    kinds = {each.data.rule.rpartition(".")[2]: [] for each in found}  # type: dict[str, list[Finding]]
    for each in found:
        kinds[each.data.rule.rpartition(".")[2]].append(each)
    return kinds


def test_what_stands_at_one_camera_at_once_is_a_condition_each() -> None:
    said = {
        5: saying(5, (K.OBJECTS_INSIDE, S.ON), value=3.0),
        8: saying(8, (K.TAMPER, S.ON), (K.ABANDONED_OBJECT, S.ON)),
        12: saying(12, (K.TAMPER, S.OFF)),
    }
    found = findings(said, 17)
    kinds = by_kind(found)
    assert told(kinds["objects_inside"]) == [("raised", "notice", 5), ("updated", "notice", 15)]
    assert told(kinds["tamper"]) == [("raised", "amber", 8), ("cleared", "amber", 15)]
    assert told(kinds["abandoned_object"]) == [("raised", "amber", 8)]
    assert (found[0].data.value, found[0].data.unit) == (3.0, "objects")
    assert len({each.data.condition for each in found}) == 3 and {each.subject for each in found} == {"gate-7"}


def test_a_camera_that_falls_silent_leaves_each_of_its_states_unknown() -> None:
    said = saying(1, (K.TAMPER, S.ON), (K.ABANDONED_OBJECT, S.ON))
    ticks = [said, *(tick(float(at), {8: None}, period_s=1.0) for at in range(2, 40))]
    kinds = by_kind(run(stage(silent_s=20.0), ticks)[1])
    assert [told(kinds[kind])[-1] for kind in ("tamper", "abandoned_object")] == [("unknown", "amber", 22)] * 2


def test_a_snapshot_of_before_conditions_had_aspects_ends_what_it_knew() -> None:
    made = stage()
    state, _ = made.step(made.initial(0), reads(line({1: saying(1, (K.TAMPER, S.ON))}, 3)))
    older = msgspec.msgpack.decode(made.save(state))
    assert older[6][0][:2] == ["camera.events", "gate-7"]
    older[6][0][2] = older[6][0][2][:3]  # it said nothing of an aspect
    older[5] = [[name, 1, saved] for name, _, saved in older[5]]
    restored = made.restore(0, msgspec.msgpack.encode(older))
    _, after = made.step(restored, reads([tick(4.0, {GATE: None}, period_s=1.0)], 3))
    assert [each.data.phase for each in after] == ["unknown"]  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("kind", [K.OCCUPANCY, K.COUNT, K.MOTION, K.CLOCK_SYNC])
def test_a_number_or_a_set_clock_alone_is_no_alarm(kind: EventKind) -> None:
    assert findings({5: saying(5, (kind, S.HAPPENED), value=400.0)}, 12) == []
    assert len(findings({5: saying(5, (kind, S.HAPPENED))}, 12, levels={kind.name.lower(): "amber"})) == 1


def test_a_camera_that_falls_silent_leaves_its_states_unknown() -> None:
    district_ticks = [saying(1, (K.TAMPER, S.ON)), *(tick(float(at), {8: None}, period_s=1.0) for at in range(2, 40))]
    found = run(stage(silent_s=20.0), district_ticks)[1]
    assert told(found)[-1] == ("unknown", "amber", 22)


def test_the_confidence_of_the_camera_is_kept_and_what_is_too_unsure_is_passed_over() -> None:
    (found,) = findings({5: saying(5, (K.FALL, S.HAPPENED), confidence=0.75)}, 10)
    assert found.data.detail["confidence"] == 0.75
    assert findings({5: saying(5, (K.FALL, S.HAPPENED), confidence=0.3)}, 10, confidence_min=0.5) == []
    assert len(findings({5: saying(5, (K.FALL, S.HAPPENED))}, 10, confidence_min=0.5)) == 1


def test_a_kind_that_a_newer_writer_knows_is_passed_over() -> None:
    assert findings({5: saying(5, (200, S.ON))}, 8) == []


def test_levels_of_kinds_that_are_none_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="Expected kinds of events"):
        msgspec.convert({"levels": {"face": "red"}}, events.EventSettings)


def test_what_our_own_readers_say_is_no_event_of_a_camera_and_no_sign_of_its_life() -> None:
    said = [saying(1, (K.TAMPER, S.ON)), *(saying(float(at), (K.STREAM_STALLED, S.ON)) for at in range(2, 40))]
    assert told(run(stage(silent_s=20.0), said)[1])[-1] == ("unknown", "amber", 22)


SAID = st.lists(
    st.tuples(
        st.integers(1, 40), st.sampled_from([GATE, 8]), st.sampled_from([*events.LEVELS]), st.sampled_from(EventState)
    ),
    max_size=15,
)


@given(SAID, st.integers(1, 39))
@settings(max_examples=40, deadline=None)
def test_a_run_that_is_cut_and_restored_says_the_same(said: list[tuple[int, int, int, int]], cut: int) -> None:
    by_second = {at: saying(at, (kind, state), number=number) for at, number, kind, state in said}
    ticks, made = line(by_second, 40), stage(pulse_s=5.0, silent_s=8.0)
    state, whole = run(made, ticks)
    first, before = made.step(made.initial(0), reads(ticks[:cut]))
    last, after = made.step(made.restore(0, made.save(first)), reads(ticks[cut:], cut))
    assert [*before, *after] == whole and made.save(last) == made.save(state)


AT_ONCE = st.dictionaries(st.sampled_from([*events.LEVELS]), st.sampled_from(EventState), max_size=8)


@given(st.lists(AT_ONCE, min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_kinds_within_a_frame_and_a_tick_that_comes_twice_change_nothing(
    said: list[dict[EventKind, EventState]], random: Random
) -> None:
    shuffled = [random.sample([*each.items()], len(each)) for each in said]
    first = [saying(float(at), *each.items()) for at, each in enumerate(said, start=1)]
    other = [saying(float(at), *each) for at, each in enumerate(shuffled, start=1)]
    doubled = [each for each in other for _ in range(random.choice([1, 2]))]
    made = stage(pulse_s=3.0)
    state, found = run(made, first)
    again, same = run(made, doubled)
    assert [facts(each) for each in same] == [facts(each) for each in found]
    assert again.opened.keys() == state.opened.keys()


def facts(found: Finding) -> dict[str, object]:
    """All but the ids, which hang on offsets."""
    return {**msgspec.to_builtins(found.data), "condition": ""}


@given(SAID)
@settings(max_examples=40, deadline=None)
def test_every_condition_has_one_beginning_and_at_most_one_end(said: list[tuple[int, int, int, int]]) -> None:
    by_second = {at: saying(at, (kind, state), number=number) for at, number, kind, state in said}
    _, found = run(stage(pulse_s=5.0, silent_s=8.0), line(by_second, 60))
    for condition in {each.data.condition for each in found}:
        phases = [each.data.phase for each in found if each.data.condition == condition]
        assert phases[0] == "raised" and phases.count("raised") == 1  # type: ignore[comparison-overlap]
        assert sum(phase in ("cleared", "unknown") for phase in phases) <= 1
    for each in found:
        assert each.data.onset_at <= each.data.observed_at <= each.data.detected_at


@pytest.mark.parametrize(
    ("kind", "told_as"),
    [
        (K.FIRE, "anomaly.fire"),
        (K.SMOKE, "anomaly.smoke"),
        (K.FALL, "anomaly.fall"),
        (K.ABANDONED_OBJECT, "anomaly.abandoned_object"),
        (K.REMOVED_OBJECT, "anomaly.removed_object"),
        (K.WRONG_WAY, "anomaly.intrusion"),
        (K.LINE_CROSSED, "camera.events"),
    ],
)
def test_what_our_own_detectors_see_too_is_a_finding_of_the_same_kind_with_the_cameras_confidence(
    kind: EventKind, told_as: str
) -> None:
    found = findings({5: saying(5, (kind, S.ON), confidence=0.5), 9: saying(9, (kind, S.OFF))}, 20)
    assert {each.data.kind for each in found} == {told_as}
    assert found[0].data.rule == f"camera.events.{kind.name.lower()}" and found[0].data.detail["confidence"] == 0.5
    assert [each.data.phase for each in found] == ["raised", "cleared"]  # type: ignore[comparison-overlap]


def test_such_a_finding_goes_on_over_a_restart() -> None:
    made, ticks = stage(), line({5: saying(5, (K.FIRE, S.ON)), 20: saying(20, (K.FIRE, S.OFF))}, 30)
    first, before = made.step(made.initial(0), reads(ticks[:10]))
    _, after = made.step(made.restore(0, made.save(first)), reads(ticks[10:], 10))
    assert told([*before, *after]) == [("raised", "red", 5), ("updated", "red", 15), ("cleared", "red", 23)]
