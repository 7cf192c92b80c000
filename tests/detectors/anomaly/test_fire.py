"""Fire and smoke: from what pictures show, over three of them and more, to a hazard with its witnesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.anomaly import fire, smoke
from detectors.anomaly.candidate import Candidate, CandidateSettings
from detectors.camera import events
from detectors.registry import Configured, settings_of
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.registry.district import district_of
from ingest.schema.finding import Finding
from ingest.schema.tick import EventKind, EventState, Tick
from tests.detectors.plaza import camera, ns, reads, run, tick, told

GATE, HALL, FAR = 7, 8, 9
GOLDEN = Path(__file__).parent / "fire_findings.jsonl"
CAMERAS = [camera(), camera(HALL, "gate-8"), camera(FAR, "far-9", site="harbour")]
BURNS, NOT = 0.01, 0.0


def seeing(at_s: float, shares: Mapping[int, float], column: str = "flame", producer: str = "ingest") -> Tick:
    """A tick that ends at `at_s`, in which these cameras' pictures were looked at."""
    seen = tick(at_s, dict.fromkeys(shares), period_s=1.0, producer=producer)
    return replace(seen, **{column: np.array([*shares.values()], np.float32)})


def saying(at_s: float, kind: EventKind, state: EventState, share: float, confidence: float = 0.8) -> Tick:
    """The same of the first camera, whose own analytics says something."""
    return replace(
        seeing(at_s, {GATE: share}),
        event_start=np.array([0, 1], np.int64),
        event_kind=np.array([kind], np.uint8),
        event_state=np.array([state], np.uint8),
        event_value=np.array([np.nan], np.float32),
        event_confidence=np.array([confidence], np.float16),
        event_at_ns=np.array([ns(at_s - 0.5)], np.int64),
        event_box=np.full((1, 4), np.nan, np.float32),
    )


def stage(detectors: Sequence[Candidate] = (fire.detector,), **more: object) -> DetectStage:
    own = [Configured(each, settings_of(each, dict(more))) for each in detectors]
    return DetectStage(district_of(CAMERAS, []), DetectSettings(), own)


def findings(ticks: Sequence[Tick], **more: object) -> list[Finding]:
    return run(stage(**more), ticks)[1]


def burning(from_s: int, until_s: int, last_s: int, number: int = GATE) -> list[Tick]:
    return [seeing(at, {number: BURNS if from_s <= at <= until_s else NOT}) for at in range(1, last_s + 1)]


def test_a_flame_of_one_camera_is_amber_and_said_to_be_of_one_camera() -> None:
    found = findings(burning(10, 40, 80))
    assert told(found)[0] == ("raised", "amber", 13)
    first, last = found[0].data, found[-1].data
    assert (first.rule, first.cameras, first.detail["cameras_agreeing"]) == ("anomaly.fire.one_camera", ("gate-7",), 1)
    assert last.phase == "cleared" and 60 <= told(found)[-1][2] <= 61
    assert {each.data.condition for each in found} == {found[0].id}


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_what_fewer_than_four_pictures_show_is_nothing(samples: int) -> None:
    assert not findings(burning(10, 9 + samples, 60))


def test_what_comes_and_goes_more_slowly_than_the_gap_is_nothing() -> None:
    ticks = [seeing(at, {GATE: BURNS if at % 4 == 0 else NOT}) for at in range(1, 200)]
    assert not findings(ticks)


def test_a_second_camera_of_the_site_makes_it_red_and_one_of_another_site_does_not() -> None:
    both = [seeing(at, {GATE: BURNS, HALL: BURNS if at > 10 else NOT}) for at in range(1, 30)]
    found = findings(both)
    assert told(found)[0] == ("raised", "amber", 4)
    reds = [each for each in found if each.data.level == "red"]
    assert {each.subject for each in reds} == {"gate-7", "gate-8"}
    assert reds[0].data.rule == "anomaly.fire.two_cameras" and reds[-1].data.detail["cameras_agreeing"] == 2
    apart = [seeing(at, {GATE: BURNS, FAR: BURNS}) for at in range(1, 30)]
    assert {each.data.level for each in findings(apart)} == {"amber"}


def test_the_cameras_own_word_makes_it_red_and_its_confidence_is_kept() -> None:
    ticks = burning(1, 30, 30)
    ticks[9] = saying(10, EventKind.FIRE, EventState.ON, BURNS, 0.75)
    found = findings(ticks)
    assert told(found)[:2] == [("raised", "amber", 4), ("updated", "red", 10)]
    assert found[1].data.rule == "anomaly.fire.camera_agrees"
    assert found[1].data.detail["camera_confidence"] == pytest.approx(0.75, abs=0.001)


def test_the_cameras_own_word_alone_and_a_word_on_another_hazard_are_not_ours_to_tell() -> None:
    assert not findings([saying(at, EventKind.FIRE, EventState.ON, NOT) for at in range(1, 30)])
    found = findings([saying(at, EventKind.SMOKE, EventState.ON, BURNS) for at in range(1, 30)])
    assert {each.data.level for each in found} == {"amber"}


@pytest.mark.parametrize(
    ("share", "level", "rule"), [(0.02, "red", "model_agrees"), (0.0, "notice", "model_disagrees")]
)
def test_a_model_that_looks_too_confirms_or_calms(share: float, level: str, rule: str) -> None:
    ticks: list[Tick] = []
    for at in range(1, 30):
        ticks += [seeing(at, {GATE: BURNS}), seeing(at + 0.1, {GATE: share}, producer="perceive")]
    found = findings(ticks)
    assert {each.data.level for each in found} == {level}
    assert found[0].data.rule == f"anomaly.fire.{rule}"


def test_a_model_alone_is_a_witness_of_nothing() -> None:
    assert not findings([seeing(at, {GATE: BURNS}, producer="perceive") for at in range(1, 30)])


def test_a_camera_that_is_not_looked_at_any_more_ends_as_unknown() -> None:
    ticks = [*burning(1, 10, 10), *(seeing(at, {GATE: np.nan}) for at in range(11, 100))]
    assert told(findings(ticks))[-1][0] == "unknown"


def test_smoke_is_told_by_its_own_detector_from_its_own_column() -> None:
    ticks = [seeing(at, {GATE: 0.05}, "smoke") for at in range(1, 20)]
    found = run(stage((fire.detector, smoke.detector)), ticks)[1]
    assert {each.data.kind for each in found} == {"anomaly.smoke"}


def test_a_fire_of_two_cameras_and_a_word_of_one_is_told_as_it_was(update_golden: bool) -> None:
    ticks = [
        seeing(at, {GATE: BURNS if 5 <= at <= 40 else NOT, HALL: 0.02 if 12 <= at <= 30 else NOT})
        for at in range(1, 70)
    ]
    ticks[19] = saying(20, EventKind.FIRE, EventState.HAPPENED, BURNS)
    lines = [msgspec.json.encode(each).decode() for each in findings(ticks)]
    if update_golden:
        GOLDEN.write_text("\n".join(lines) + "\n")
    assert lines == GOLDEN.read_text().splitlines()


def test_what_a_camera_says_and_what_we_see_are_findings_of_one_kind() -> None:
    own = [Configured(each, settings_of(each, {})) for each in (fire.detector, events.detector)]
    ticks = burning(1, 30, 30)
    ticks[9] = saying(10, EventKind.FIRE, EventState.ON, BURNS)
    found = run(DetectStage(district_of(CAMERAS, []), DetectSettings(), own), ticks)[1]
    assert {(each.data.kind, each.subject) for each in found} == {("anomaly.fire", "gate-7")}
    assert {each.data.rule for each in found if each.data.level == "red"} == {
        "anomaly.fire.camera_agrees",
        "camera.events.fire",
    }


@st.composite
def lines(draw: st.DrawFn) -> list[Tick]:
    """What two cameras of a site and one of another show: a tick a second, in any order within it."""
    count = draw(st.integers(10, 40))
    share = st.sampled_from([NOT, BURNS, BURNS, 0.3, float("nan")])
    ticks = []
    for at in range(1, count + 1):
        numbers = draw(st.lists(st.sampled_from([GATE, HALL]), unique=True, max_size=2))
        model = draw(st.integers(0, 9)) == 0
        shares = {number: draw(share) for number in numbers}
        ticks.append(seeing(at, shares, producer="perceive" if model else "ingest"))
    return ticks


@given(lines())
@settings(max_examples=30, deadline=None)
def test_a_camera_of_another_site_changes_nothing(ticks: list[Tick]) -> None:
    chance = np.random.default_rng(len(ticks))
    more = [
        seeing(
            float(at),
            dict(zip([*each.camera.tolist(), FAR], [*each.flame.tolist(), chance.choice([0.0, 0.2])], strict=True)),
            producer=each.producer,
        )
        for at, each in enumerate(ticks, 1)
    ]
    plain = [each for each in findings(ticks) if each.subject != "far-9"]
    assert [each.data for each in findings(more) if each.subject != "far-9"] == [each.data for each in plain]


@given(lines())
@settings(max_examples=30, deadline=None)
def test_the_order_of_a_ticks_frames_changes_nothing(ticks: list[Tick]) -> None:
    turned = [
        seeing(
            float(at),
            dict(reversed(list(zip(each.camera.tolist(), each.flame.tolist(), strict=True)))),
            producer=each.producer,
        )
        for at, each in enumerate(ticks, 1)
    ]
    assert findings(turned) == findings(ticks)


@given(lines(), st.integers(1, 39))
@settings(max_examples=30, deadline=None)
def test_a_cut_at_any_tick_changes_nothing(ticks: list[Tick], cut: int) -> None:
    whole = stage()
    cut = min(cut, len(ticks))
    state, first = whole.step(whole.initial(0), reads(ticks[:cut]))
    _, rest = whole.step(whole.restore(0, whole.save(state)), reads(ticks[cut:], cut))
    assert [*first, *rest] == findings(ticks)


@pytest.mark.parametrize("bad", [{"samples_min": 2}, {"hold_s": 0.0}, {"share_min": 2.0}, {"colour": "red"}])
def test_settings_that_would_tell_a_single_picture_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, CandidateSettings)
