"""What every detector is held to; add yours to the list, and this suite is for it."""

from __future__ import annotations

import re
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.anomaly import abandoned_object, fall, fire, intrusion, smoke, unusual_occupancy
from detectors.camera import events
from detectors.crowd import occupancy
from detectors.crowd.motion import zone_motion as motion
from detectors.crowd.rules import capacity, congestion, counterflow, gathering, growth, oscillation, pressure, surge
from detectors.detector import Condition, Detector, Moment
from detectors.district_view import district_view
from detectors.health import calibration, clock, objects, picture, stream
from detectors.registry import settings_of
from ingest.clock import NS_PER_S
from ingest.registry.district import District, district_of
from ingest.schema.finding import Phase
from ingest.schema.tick import Tick
from tests.detectors.plaza import EXACT, tick
from tests.detectors.test_stage import QUICK, history, two_zones

PAGE = Path(__file__).parents[2] / "docs/detectors.md"


def published_example() -> Detector:
    """The detector of the page that tells how to write one."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    module = ModuleType("my_package")
    sys.modules[module.__name__] = module  # a dataclass looks up its module
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    return module.detector


RULES = (congestion, counterflow, gathering, growth, oscillation, pressure, surge)
DETECTORS = [
    fire.detector,
    smoke.detector,
    intrusion.detector,
    fall.detector,
    abandoned_object.abandoned,
    abandoned_object.removed,
    unusual_occupancy.detector,
    capacity.detector,
    events.detector,
    *(each.detector for each in RULES),
    calibration.detector,
    clock.detector,
    objects.detector,
    picture.detector,
    stream.detector,
    published_example(),
]
every_detector = pytest.mark.parametrize("detector", DETECTORS, ids=lambda each: each.name)


def frozen(value: object) -> object:
    """The same value, its arrays closed to writing."""
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif is_dataclass(value):
        for field in fields(value):
            frozen(getattr(value, field.name))
    return value


def run(detector: Detector, district: District, ticks: list[Tick]) -> tuple[object, object, list[Condition]]:
    """Prepared, the last state, and all that was said; what is given to the detector cannot be written to."""
    view = district_view(district, 0)
    prepared = detector.prepare(settings_of(detector, QUICK.detectors.get(detector.name, {})), view)
    seeing = occupancy.prepare(EXACT, view)
    following = motion.prepare(view, EXACT.confidence_min)
    seen, followed = occupancy.initial(seeing), motion.initial(following)
    state, at_ns, said = detector.initial(prepared), None, []
    for each in ticks:
        if at_ns is not None and each.ends_at_ns <= at_ns:
            continue
        rows = view.camera_rows(each.camera)
        before, seen = seen, occupancy.observe(seeing, seen, each, rows, each.ends_at_ns)
        followed = motion.observe(following, followed, each, rows, each.ends_at_ns)
        elapsed_ns = 0 if at_ns is None else each.ends_at_ns - at_ns
        is_new_second = at_ns is None or each.ends_at_ns // NS_PER_S > at_ns // NS_PER_S
        at_ns = each.ends_at_ns
        counted = occupancy.measure(seeing, before, seen, at_ns)
        moving = motion.measure(following, followed, at_ns) if is_new_second else None
        blind = occupancy.blind_cameras(seeing, seen, at_ns)
        moment = Moment(at_ns, elapsed_ns, 2_000_000_000, rows, counted, moving, blind)
        state, conditions = detector.step(prepared, frozen(state), frozen(moment), frozen(each))
        said += conditions
    return prepared, state, said


@every_detector
def test_it_says_who_it_is_and_what_it_reads(detector):
    assert detector.name and detector.version >= 1
    assert set(detector.reads) <= set(Tick.__slots__[4:])
    assert settings_of(detector, {}) is not None


@every_detector
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_it_changes_nothing_that_it_was_given_and_says_the_same_again(detector, seed):
    first, second = (run(detector, two_zones(), history(seed)) for _ in range(2))
    assert first[2] == second[2]
    assert detector.save(*first[:2]) == detector.save(*second[:2])


@every_detector
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_its_saved_state_is_canonical_and_comes_back_whole(detector, seed):
    prepared, state, _ = run(detector, two_zones(), history(seed))
    saved = detector.save(prepared, state)
    assert detector.save(prepared, detector.restore(prepared, saved)) == saved


@every_detector
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_a_changed_district_keeps_what_it_can_of_the_state(detector, seed):
    prepared, state, _ = run(detector, two_zones(), history(seed))
    saved = detector.save(prepared, state)
    smaller = district_of(two_zones().cameras[1:], two_zones().zones[1:])
    other, _, _ = run(detector, smaller, [])
    cut = detector.save(other, detector.restore(other, saved))
    # Through the smaller district and back, what was in both is as it was: saving it again is the same.
    assert detector.save(other, detector.restore(other, cut)) == cut


@every_detector
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_what_it_says_can_be_written_as_json_and_is_about_the_district(detector, seed):
    district = two_zones()
    subjects = {each.id for each in (*district.cameras, *district.zones)}
    for each in run(detector, district, history(seed))[2]:
        assert each.subject in subjects
        assert each.ends in (None, Phase.CLEARED, Phase.UNKNOWN)
        assert each.onset_at_ns <= each.observed_at_ns
        assert each.place.radius_m > 0
        numbers = [each.value, each.low, each.high, *each.detail.values(), *each.thresholds.values()]
        assert all(number is None or np.isfinite(number) for number in numbers)
        assert msgspec.json.encode(dict(each.detail))


@every_detector
def test_a_district_of_nothing_and_a_tick_of_nothing_are_no_trouble(detector):
    nothing = history(1)[0]
    empty = replace(
        nothing, **{name: getattr(nothing, name)[:0] for name in Tick.__slots__[4:] if name != "object_start"}
    )
    empty = replace(empty, object_start=np.zeros(1, np.int64))
    for district in (district_of([], []), district_of(two_zones().cameras, []), district_of([], two_zones().zones)):
        assert run(detector, district, [empty, *history(2, 5)[2:]])[2] is not None


def test_the_published_example_finds_what_it_says():
    dim = published_example()
    ticks = [dimmed(each, 10.0 if index >= 3 else 90.0) for index, each in enumerate(quiet(100))]
    _, _, said = run(dim, two_zones(), ticks)
    assert {each.subject for each in said} == {"west"}
    assert all(each.ends is None and each.onset_at_ns == ticks[3].ends_at_ns for each in said)


def quiet(count: int) -> list[Tick]:
    return [tick(at / 2, {7: 0}, period_s=0.5) for at in range(1, count + 1)]


def dimmed(given_tick: Tick, brightness: float) -> Tick:
    return replace(given_tick, brightness=np.full(given_tick.frames, brightness, np.float32))
