"""The second look for people who lie, with a model that knows standing people only."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.settings import PerceiveSettings
from detectors.vision import lying
from detectors.vision.lying import Recent
from detectors.vision.models import Model, read_card
from detectors.vision.person import Persons, person_finder
from detectors.vision.stage import PerceiveStage
from ingest.schema.frame_reference import FrameReference
from tests.detectors.plaza import ns
from tests.detectors.vision.real import CARD, needs_clips, needs_model, pictures, yolox_nano
from tests.detectors.vision.test_perceive import batch

WIDTH, HEIGHT = 320, 180


def street(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """A grey street with a bright body in each box (left, top, width, height), px."""
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    for left, top, width, height in boxes:
        picture[top : top + height, left : left + width] = 220
    return picture


def find_standing(picture: np.ndarray) -> Persons:
    """Bright things that are higher than wide."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((picture[:, :, 0] > 140).astype(np.uint8))
    size = np.array([picture.shape[1], picture.shape[0]] * 2)
    box = np.array([row[:4] / size for row in stats[1:] if row[3] > row[2]], np.float32).reshape(-1, 4)
    return Persons(box, np.full(len(box), 0.8, np.float16))


def recent(*boxes: tuple[int, int, int, int], seen_s: float = 1.0) -> Recent:
    box = np.array(boxes, np.float32).reshape(-1, 4) / np.array([WIDTH, HEIGHT] * 2, np.float32)
    return Recent(box.astype(np.float32), np.full(len(box), ns(seen_s), np.int64))


def missed(who: Recent, *found: tuple[int, int, int, int], at_s: float = 2.0) -> list[bool]:
    return lying.missed(who, recent(*found).box, ns(at_s)).tolist()


@given(left=st.integers(40, 180), top=st.integers(70, 150), length=st.integers(40, 80))
@settings(deadline=None, max_examples=40)
def test_who_lies_where_he_stood_is_found_where_he_lies(left, top, length):
    picture = street((left, top, length, 16))
    stood = recent((left, top - length + 16, 18, length))
    nobody = find_standing(picture)
    assert not len(nobody.box)
    found = lying.look_again(find_standing, picture, stood.box[0], nobody)
    assert (found.box[0] * [WIDTH, HEIGHT, WIDTH, HEIGHT]).tolist() == pytest.approx([left, top, length, 16], abs=1.5)


def test_an_empty_place_stays_empty():
    nobody = find_standing(street())
    assert lying.look_again(find_standing, street(), recent((150, 60, 20, 60)).box[0], nobody) is nobody


def test_what_is_a_part_of_somebody_who_is_found_is_nobody_else():
    picture = street((100, 100, 70, 16))
    other = Persons(recent((95, 60, 80, 60)).box, np.full(1, 0.9, np.float16))
    assert len(lying.look_again(find_standing, picture, recent((120, 60, 20, 60)).box[0], other).box) == 1


def test_who_walks_out_at_the_border_is_not_looked_for_and_who_lies_there_is():
    assert missed(recent((0, 60, 20, 60), (302, 60, 18, 60), (0, 120, 70, 20))) == [False, False, True]


def test_who_is_found_again_or_stands_behind_somebody_is_not_looked_for():
    assert missed(recent((100, 60, 20, 60), (200, 60, 20, 60)), (104, 62, 20, 60)) == [False, True]


def test_nobody_is_looked_for_in_a_crowd_or_after_three_seconds():
    crowd = [(20 * n, 20, 10, 30) for n in range(1, 10)]
    assert missed(recent((100, 90, 20, 60)), *crowd) == [False]
    assert missed(recent((100, 90, 20, 60)), at_s=3.9) == [True]
    assert missed(recent((100, 90, 20, 60)), at_s=4.1) == [False]


STOOD, LIES = (150, 70, 20, 70), (150, 122, 70, 18)


def watching(**given_settings: int) -> PerceiveStage:
    """A stage that sees a body which stands until 3.5 s, and lies from then on."""

    def picture(reference: str) -> bytes:
        return cv2.imencode(".png", street(STOOD if float(reference) < 3.5 else LIES))[1].tobytes()

    return PerceiveStage(
        Model(read_card(CARD), b""),
        picture,
        PerceiveSettings(age_ms_max=60_000, **given_settings),
        lambda model: find_standing,
    )


def frames(until_s: int) -> list[FrameReference]:
    return [
        FrameReference(
            camera=7, captured_at_ns=ns(at), arrived_at_ns=ns(at), reference=f"{at}", width=WIDTH, height=HEIGHT
        )
        for at in range(1, until_s + 1)
    ]


def test_who_falls_is_found_as_long_as_he_lies_and_each_second_look_is_counted():
    stage = watching()
    state, ticks = stage.step(stage.initial(0), batch(frames(12)))
    assert [len(each.object_box) for each in ticks] == [1] * 12
    assert all(each.object_box[0, 2] > each.object_box[0, 3] for each in ticks[3:])
    assert state.counts.turned == 9


def test_without_second_looks_who_falls_is_lost():
    stage = watching(lying_looks_max=0)
    state, ticks = stage.step(stage.initial(0), batch(frames(12)))
    assert [len(each.object_box) for each in ticks] == [1] * 3 + [0] * 9
    assert state.counts.turned == 0 and not state.recent


@given(st.integers(0, 12))
@settings(deadline=None)
def test_cut_anywhere_it_finds_the_same(cut):
    stage, all_frames = watching(), frames(12)
    whole, ticks = stage.step(stage.initial(0), batch(all_frames))
    state, first = stage.step(stage.initial(0), batch(all_frames[:cut]))
    state, second = stage.step(stage.restore(0, stage.save(state)), batch(all_frames[cut:], cut))
    assert [stage.encode(0, each) for each in (*first, *second)] == [stage.encode(0, each) for each in ticks]
    assert stage.save(state) == stage.save(whole)


@needs_model
@needs_clips
def test_a_real_body_beside_a_bed_is_found_in_a_turned_picture_only(tmp_path: Path) -> None:
    find = person_finder(yolox_nano(tmp_path))
    last = list(pictures("fall_from_bed_s4_02.mp4", 20))[-1]
    assert not len(find(last).box)
    lay = np.array([0.05, 0.42, 0.55, 0.2], np.float32)
    found = lying.look_again(find, last, lay, find(last))
    assert len(found.box) == 1 and found.confidence[0] > 0.6
    # By eye: from 0.05 to 0.62 across and from 0.63 to 0.94 down.
    left, top, width, height = found.box[0]
    assert (left, top, left + width, top + height) == pytest.approx((0.05, 0.63, 0.62, 0.94), abs=0.05)
