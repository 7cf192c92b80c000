"""Nobody can be recognised in a picture that leaves the worker as evidence."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.cameras.privacy import BLOCK_PX_MIN, BLOCKS_PER_PERSON, MARGIN, moving, without_persons
from ingest.schema.tick import F32, U8

BOXES = st.lists(
    st.tuples(st.floats(-0.2, 1.1), st.floats(-0.2, 1.1), st.floats(0.0, 1.0), st.floats(0.0, 1.0)), max_size=6
)


def picture(seed: int, height: int = 180, width: int = 320) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def array(boxes: list[tuple[float, ...]]) -> F32:
    return np.array(boxes, np.float32).reshape(-1, 4)


def shuffled(image: U8, block_px: int, seed: int) -> U8:
    """The pixels of each block in another order: all detail is another, all means are the same."""
    random, mixed = np.random.default_rng(seed), image.copy()
    for top in range(0, image.shape[0], block_px):
        for left in range(0, image.shape[1], block_px):
            block = mixed[top : top + block_px, left : left + block_px]
            block[:] = random.permutation(block.reshape(-1, 3)).reshape(block.shape)
    return mixed


@settings(deadline=None, max_examples=40)
@given(st.floats(0.1, 0.9), st.floats(0.0, 0.4), st.floats(0.05, 0.5), st.floats(0.05, 0.6), st.integers(0, 99))
def test_of_a_person_nothing_is_shown_but_the_means_of_blocks(
    left: float, top: float, wide: float, high: float, seed: int
) -> None:
    image, box = picture(seed), array([(left, top, wide, high)])
    block_px = max(BLOCK_PX_MIN, -(-round(float(box[0, 3]) * 180) // BLOCKS_PER_PERSON))
    one = without_persons(image, box, None)
    other = without_persons(shuffled(image, block_px, seed), box, None)
    x0, x1 = int(max(0, left * 320)), int(min(320, (left + wide) * 320))
    y0, y1 = int(max(0, top * 180)), int(min(180, (top + high) * 180))
    assert np.array_equal(one[y0:y1, x0:x1], other[y0:y1, x0:x1])
    assert len(np.unique(one[y0:y1, x0:x1].reshape(-1, 3), axis=0)) <= (BLOCKS_PER_PERSON + 2) * (320 // block_px + 2)


@settings(deadline=None, max_examples=60)
@given(BOXES, st.integers(0, 99))
def test_any_boxes_are_covered_and_what_is_far_from_them_stays(boxes: list[tuple[float, ...]], seed: int) -> None:
    image = picture(seed)
    covered = without_persons(image, array(boxes), None)
    assert covered.shape == image.shape and covered.dtype == np.uint8
    near = np.zeros(image.shape[:2], np.bool_)
    for left, top, wide, high in boxes:
        block_px = max(BLOCK_PX_MIN, high * 180 / BLOCKS_PER_PERSON + 1)
        x0, x1 = (left - MARGIN * wide) * 320 - block_px, (left + (1 + MARGIN) * wide) * 320 + block_px
        y0, y1 = (top - MARGIN * high) * 180 - block_px, (top + (1 + MARGIN) * high) * 180 + block_px
        near[max(0, int(y0)) : max(0, int(y1) + 2), max(0, int(x0)) : max(0, int(x1) + 2)] = True
    assert np.array_equal(covered[~near], image[~near])


def test_no_sharpening_brings_the_detail_back() -> None:
    # A face-like pattern of fine stripes, and another one that is its negative: after covering both are one grey.
    stripes = np.where(np.arange(64)[:, None] % 2 == 0, 40, 215).astype(np.uint8).repeat(64, 1)
    shown = []
    for pattern in (stripes, 255 - stripes):
        image = np.full((180, 320, 3), 90, np.uint8)
        image[40:104, 100:164] = pattern[..., None]
        covered = without_persons(image, array([(100 / 320, 40 / 180, 64 / 320, 64 / 180)]), None)
        small = cv2.resize(covered[40:104, 100:164], (8, 8), interpolation=cv2.INTER_AREA)
        shown.append(cv2.resize(small, (64, 64), interpolation=cv2.INTER_CUBIC).astype(int))
    assert np.abs(shown[0] - shown[1]).max() <= 1


def test_without_a_model_all_that_moves_is_covered_and_what_is_around_it() -> None:
    image, grid = picture(1), np.zeros((9, 16), np.uint8)
    grid[4, 8] = 255
    covered = without_persons(image, None, grid)
    changed = (covered != image).any(axis=2)
    assert changed[60:120, 140:200].mean() > 0.99 and not changed[:40].any() and not changed[:, :100].any()


def test_where_nobody_knows_anything_all_is_covered() -> None:
    image = picture(2)
    for covered in (without_persons(image, None, None), without_persons(image, array([(np.nan, 0, 1, 1)]), None)):
        assert (covered != image).any(axis=2).mean() > 0.99
    assert moving(None, 5, 7).all()


def test_where_somebody_looked_and_found_nobody_the_picture_stays() -> None:
    image = picture(3)
    assert np.array_equal(without_persons(image, array([]), None), image)


@pytest.mark.parametrize("size", [(1, 1), (9, 16), (17, 5), (1080, 1920)])
def test_pictures_of_every_size(size: tuple[int, int]) -> None:
    image = picture(4, *size)
    grid = np.full((9, 16), 255, np.uint8)
    assert without_persons(image, None, grid).shape == image.shape
    assert without_persons(image, array([(0.0, 0.0, 1.0, 1.0)]), None).shape == image.shape
