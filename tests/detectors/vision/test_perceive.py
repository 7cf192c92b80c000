"""The perceive stage: what it makes of frames, and which it lets go."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.settings import PerceiveSettings
from detectors.vision.models import Model, read_card
from detectors.vision.person import Persons
from detectors.vision.stage import PerceiveStage
from ingest.bus.contract import Position, Record
from ingest.errors import StoreRetryable
from ingest.schema.codec import decode_tick
from ingest.schema.frame_reference import FrameReference, encode_reference
from ingest.stages.stage import Read
from tests.detectors.plaza import detect, ns, plaza, run, tick
from tests.detectors.vision.real import CARD


def jpeg(persons: int) -> bytes:
    """A picture whose grey says how many persons the finder below finds in it."""
    return cv2.imencode(".png", np.full((4, 4, 3), persons, np.uint8))[1].tobytes()


def find(picture):
    count = int(picture[0, 0, 0])
    return Persons(np.tile(np.array([[0.4, 0.4, 0.02, 0.1]], np.float32), (count, 1)), np.full(count, 0.9, np.float16))


def frame(at_s: float, persons: int = 1, camera: int = 7) -> FrameReference:
    """A frame that arrived at `at_s`; its reference says what is to be seen."""
    return FrameReference(
        camera=camera,
        captured_at_ns=ns(at_s - 0.1),
        arrived_at_ns=ns(at_s),
        reference=f"{persons}",
        width=768,
        height=432,
    )


def stage(**given) -> PerceiveStage:
    return looking_at(lambda reference: jpeg(int(reference)), **given)


def looking_at(pictures, **given) -> PerceiveStage:
    return PerceiveStage(Model(read_card(CARD), b""), pictures, PerceiveSettings(**given), lambda model: find)


def batch(frames, first=0):
    return [Read(Position("dt.frames", 0, offset), each) for offset, each in enumerate(frames, first)]


def test_a_frame_becomes_a_tick_with_its_persons_and_nothing_else():
    perceive = stage()
    value, headers = encode_reference(frame(5.0, 3))
    read = perceive.decode(Record(Position("dt.frames", 0, 0), b"gate-7", value, headers, 0))
    _, ticks = perceive.step(perceive.initial(0), batch([read]))
    draft = perceive.encode(0, ticks[0])
    assert (draft.topic, draft.partition) == ("dt.observations", 0)
    seen = decode_tick(Record(Position("dt.observations", 0, 0), draft.key, draft.value, draft.headers, 0))
    assert (seen.producer, seen.camera.tolist(), seen.objects_known.tolist()) == ("perceive", [7], [True])
    assert len(seen.object_box) == 3 and (seen.object_track == -1).all()
    assert np.isnan(seen.brightness).all() and not seen.grid_known.any()
    assert (seen.captured_at_ns[0], seen.ends_at_ns) == (ns(4.9), ns(5.0) + 1)


def test_a_frame_without_anybody_says_nobody_and_not_unknown():
    perceive = stage()
    _, (seen,) = perceive.step(perceive.initial(0), batch([frame(1.0, 0)]))
    assert seen.objects_known.all() and not len(seen.object_box)


@given(st.lists(st.floats(10, 11), min_size=1, max_size=20), st.integers(0, 20))
@settings(deadline=None)
def test_cut_anywhere_the_ticks_are_the_same_and_each_ends_after_the_one_before(times, cut):
    frames = [frame(at, camera=index % 3) for index, at in enumerate(times)]
    perceive = stage()
    whole, ticks = perceive.step(perceive.initial(0), batch(frames))
    state, first = perceive.step(perceive.initial(0), batch(frames[:cut]))
    state, second = perceive.step(perceive.restore(0, perceive.save(state)), batch(frames[cut:], cut))
    assert [perceive.encode(0, each) for each in (*first, *second)] == [perceive.encode(0, each) for each in ticks]
    assert perceive.save(state) == perceive.save(whole)
    ends = [each.ends_at_ns for each in ticks]
    assert ends == sorted(set(ends))


def test_frames_too_old_beside_the_newest_are_shed_and_counted():
    perceive = stage(age_ms_max=2_000)
    state, ticks = perceive.step(perceive.initial(0), batch([frame(1.0), frame(2.9), frame(5.0), frame(4.0)]))
    assert [each.arrived_at_ns[0] for each in ticks] == [ns(5.0), ns(4.0)]
    assert state.counts.shed == 2
    state, ticks = perceive.step(state, batch([frame(2.0)], 4))
    assert (len(ticks), state.counts.shed) == (0, 3)


def test_of_too_many_frames_the_oldest_are_shed():
    perceive = stage(frames_max=3)
    frames = [frame(5.0 - index / 10, camera=index) for index in range(10)]
    state, ticks = perceive.step(perceive.initial(0), batch(frames))
    assert sorted(int(each.camera[0]) for each in ticks) == [0, 1, 2]
    assert (state.counts.shed, state.counts.looked) == (7, 3)


def test_pictures_that_are_gone_or_broken_are_counted_and_say_nothing():
    def pictures(reference):
        if reference == "4":
            raise StoreRetryable("live store", expected="an answer", got="none", mend="Wait.")
        return {"1": None, "2": b"no picture", "3": jpeg(3)}[reference]

    perceive = looking_at(pictures)
    state, ticks = perceive.step(perceive.initial(0), batch([frame(1.0 + n / 10, n) for n in (1, 2, 3, 4)]))
    assert len(ticks) == 1
    assert msgspec.structs.asdict(state.counts) == {"looked": 1, "shed": 0, "gone": 2, "broken": 1, "turned": 0}


def test_what_it_sees_reaches_the_zone_beside_the_ticks_of_the_readers():
    perceive, detector = stage(), detect(plaza(100), only=("crowd.capacity",))
    state, ticks = perceive.initial(0), []
    for at in range(1, 31):
        ticks.append(tick(at, {7: None}))
        state, seen = perceive.step(state, batch([frame(at - 0.1, 110)], at))
        ticks += seen
    _, findings = run(detector, ticks)
    assert findings[0].data.level == "red" and findings[0].data.measurement.method == "boxes"
    # Silence of the perceive stage is not an empty square.
    after, _ = run(detector, [*ticks, *[tick(30 + at, {7: None}) for at in range(1, 20)]])
    assert not any(key[0] == "crowd.capacity" for key in after.opened)
