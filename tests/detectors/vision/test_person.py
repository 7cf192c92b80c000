"""From the model's output to boxes."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.vision.models import Model, read_card
from detectors.vision.person import GREY, letterbox, person_finder, persons_of, picture_of
from ingest.errors import SettingsError
from tests.detectors.vision.real import CARD, WEIGHTS, needs_model

NANO = read_card(CARD)
CELLS = [(416 // stride) ** 2 for stride in (8, 16, 32)]


def output(*cells: tuple[int, float, float, int]) -> np.ndarray:
    """
    An output in which these cells see something: row, objectness, score of the class, class. Each is a box of one
    stride around the cell's corner.
    """
    result = np.zeros((sum(CELLS), 85), np.float32)
    for row, objectness, score, kind in cells:
        result[row, 4] = objectness
        result[row, 5 + kind] = score
    return result


def test_a_cell_of_each_grid_is_decoded_to_its_place():
    rows = (0 * 52 + 13, CELLS[0] + 26 * 3 + 4, CELLS[0] + CELLS[1] + 13 * 6 + 7)
    found = persons_of(NANO, output(*[(row, 0.9, 0.9, 0) for row in rows]), 1.0, 416, 416)
    middles = found.box[:, :2] + found.box[:, 2:] / 2
    assert middles * 416 == pytest.approx(np.array([[13 * 8, 2], [4 * 16, 3 * 16], [7 * 32, 6 * 32]]), abs=1e-3)
    assert found.box[1:, 2] * 416 == pytest.approx([16, 32])


def test_only_the_class_of_persons_and_only_sure_ones_count():
    seen = output((100, 0.9, 0.9, 0), (800, 0.9, 0.9, 2), (1500, 0.5, 0.5, 0))
    assert len(persons_of(NANO, seen, 1.0, 416, 416).box) == 1
    other = output((100, 0.9, 0.6, 0))
    other[100, 5 + 16] = 0.7
    assert len(persons_of(NANO, other, 1.0, 416, 416).box) == 0


def test_boxes_of_one_person_become_one_the_surest():
    seen = output((100, 0.9, 0.8, 0), (101, 0.9, 0.9, 0), (103, 0.9, 0.7, 0))
    seen[100:102, 2:4] = np.log(10.0)  # 80 px wide, 8 px apart
    found = persons_of(NANO, seen, 1.0, 416, 416)
    assert len(found.box) == 2
    assert found.confidence.astype(float) == pytest.approx([0.81, 0.63], abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_no_two_persons_overlap_more_than_the_card_says(seed, count):
    chance = np.random.default_rng(seed)
    rows = chance.choice(sum(CELLS), count, replace=False)
    seen = output(*[(int(row), float(chance.uniform(0.6, 1)), 0.9, 0) for row in rows])
    seen[:, :4] = chance.normal(0, 1, (len(seen), 4))
    found = persons_of(NANO, seen, 0.5, 800, 700)
    low, high = found.box[:, :2].astype(float), (found.box[:, :2] + found.box[:, 2:]).astype(float)
    shared = np.prod(np.maximum(np.minimum(high[:, None], high) - np.maximum(low[:, None], low), 0), axis=2)
    area = np.prod(high - low, axis=1)
    overlap = shared / np.maximum(area[:, None] + area - shared, 1e-12)
    assert (overlap[np.triu_indices(len(low), 1)] <= NANO.overlap_max + 1e-4).all()
    assert (found.box >= 0).all() and (high <= 1 + 1e-6).all()
    assert (np.diff(found.confidence.astype(float)) <= 0).all()


@pytest.mark.parametrize(("width", "height"), [(768, 432), (480, 640), (416, 416), (1, 900)])
def test_a_picture_of_any_shape_is_scaled_into_the_corner(width, height):
    blob, scale = letterbox(NANO, np.full((height, width, 3), 200, np.uint8))
    assert blob.shape == (1, 3, 416, 416)
    inner = blob[0, :, : max(1, int(height * scale)), : max(1, int(width * scale))]
    assert (inner == 200).all()
    assert (blob == GREY).sum() == blob.size - inner.size


def test_bytes_that_are_no_picture_are_none():
    assert picture_of(b"") is None
    assert picture_of(b"\xff\xd8\xff nothing") is None


@needs_model
def test_a_card_that_does_not_fit_its_weights_is_refused():
    wrong = msgspec.structs.replace(NANO, classes=20)
    with pytest.raises(
        SettingsError, match=r"model yolox-nano: output: expected \(1, 3549, 25\).* got \(1, 3549, 85\)"
    ):
        person_finder(Model(wrong, WEIGHTS.read_bytes()))


def test_weights_that_opencv_cannot_read_are_refused():
    with pytest.raises(SettingsError, match="model yolox-nano: expected weights in ONNX"):
        person_finder(Model(NANO, b"not a model"))
