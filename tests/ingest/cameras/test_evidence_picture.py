"""The picture that a worker lets out for people to see."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.cameras.evidence_picture import EvidenceSlots, evidence_picture, shape
from ingest.cameras.signals import Signals
from ingest.clock import NS_PER_S
from ingest.evidence import EvidenceSettings, reference_of
from ingest.schema.tick import U8, Picture
from tests.ingest.cameras.bench import Bench
from tests.ingest.cameras.cameras import QUICK, camera, clip
from tests.ingest.cameras.test_privacy import picture, shuffled

AT_NS = 1_780_000_000 * NS_PER_S
BLOCK_PX = 10  # of a picture of 180 px where nobody knows more


def signals(flags: int = 0, grid: U8 | None = None) -> Signals:
    return Signals(flags, 10.0, 100.0, 0.1, grid)


def covered(image: U8, seen: Signals, width: int = 1_920, height: int = 1_080) -> bytes | None:
    return evidence_picture(image, width, height, seen, 70)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99), st.sampled_from([Picture.LEARNING, Picture.LEARNING | Picture.BLURRED]))
def test_while_it_is_not_known_who_stands_there_all_of_the_picture_is_covered(seed: int, flags: Picture) -> None:
    image, grid = picture(seed), np.zeros((9, 16), np.uint8)  # the grid says that nobody is there: it cannot know yet
    one = covered(image, signals(flags, grid))
    other = covered(shuffled(image, BLOCK_PX, seed), signals(flags, grid))
    assert one == other != covered(image, signals(0, grid))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99))
def test_without_a_foreground_all_of_the_picture_is_covered(seed: int) -> None:
    image = picture(seed)
    one = covered(image, signals(Picture.COVERED))
    assert one == covered(shuffled(image, BLOCK_PX, seed), signals(Picture.COVERED))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 8), st.integers(0, 15), st.integers(13, 255), st.integers(0, 99))
def test_what_moves_leaves_nothing_but_the_means_of_its_blocks(row: int, column: int, share: int, seed: int) -> None:
    image, grid = picture(seed), np.zeros((9, 16), np.uint8)
    grid[row, column] = share
    other = image.copy()
    y, x = slice(row * 20, row * 20 + 20), slice(column * 20, column * 20 + 20)
    other[y, x] = shuffled(image[y, x], BLOCK_PX, seed)
    assert covered(image, signals(grid=grid)) == covered(other, signals(grid=grid))


@given(st.integers(16, 7_680), st.integers(16, 4_320))
def test_a_picture_is_small_and_keeps_the_shape_of_its_stream(width: int, height: int) -> None:
    wide, high = shape(width, height)
    assert wide <= 320 and high <= 180 and (wide == 320 or high == 180)
    assert abs(high - height * wide / width) <= max(0.6, 0.6 * height / width)


def test_a_picture_of_another_shape_is_covered_before_it_is_scaled() -> None:
    image, seen = picture(5), signals(Picture.LEARNING)
    one, other = covered(image, seen, 640, 480), covered(shuffled(image, BLOCK_PX, 5), seen, 640, 480)
    assert one == other and one is not None
    decoded = cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None and decoded.shape == (180, 240, 3)


def test_nothing_but_the_picture_is_in_the_file() -> None:
    jpeg = covered(picture(1), signals())
    assert jpeg is not None and jpeg[:2] == b"\xff\xd8"
    assert b"Exif" not in jpeg and b"\xff\xfe" not in jpeg[:64]  # no metadata, no comment


@given(st.lists(st.floats(0.0, 40.0), min_size=1, max_size=60), st.floats(1.0, 20.0))
def test_of_each_slot_one_picture_is_wanted(offsets_s: list[float], period_s: float) -> None:
    settings, name = EvidenceSettings(period_s=period_s), "gate-7"
    slots = EvidenceSlots(settings, name)
    times_ns = [AT_NS + round(offset_s * NS_PER_S) for offset_s in sorted(offsets_s)]
    wanted = [at_ns for at_ns in times_ns if slots.is_new(at_ns)]
    every = [reference_of(settings, name, at_ns) for at_ns in times_ns]
    assert [reference_of(settings, name, at_ns) for at_ns in wanted] == list(dict.fromkeys(every))
    assert wanted[0] == times_ns[0]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "street.h264"
    path.write_bytes(b"".join(unit.data for unit in clip(seconds=1.0)))
    return path


def test_a_camera_gives_its_evidence_at_a_low_rate_beside_what_is_seen(recording: Path) -> None:
    settings = replace(QUICK, evidence=EvidenceSettings(period_s=1.0))
    with Bench(camera(1, "file", str(recording)), settings=settings) as bench:
        seen = bench.wait_for(1, 12)
    made = [one for one in seen if one.evidence is not None]
    assert 1 <= len(made) <= 4 and all(one.jpeg is None for one in seen)
    assert {reference_of(settings.evidence, "camera-1", one.captured_at_ns) for one in seen} == {
        reference_of(settings.evidence, "camera-1", one.captured_at_ns) for one in made
    }
    decoded = cv2.imdecode(np.frombuffer(made[0].evidence or b"", np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None and decoded.shape == (180, 300, 3)


@pytest.mark.parametrize(
    "more", [{"signals": False}, {"evidence": EvidenceSettings(pictures=False)}], ids=["blind", "off"]
)
def test_a_camera_whose_persons_cannot_be_covered_gives_none(more: dict[str, object], recording: Path) -> None:
    with Bench(camera(1, "file", str(recording)), settings=replace(QUICK, **more)) as bench:
        assert all(one.evidence is None for one in bench.wait_for(1, 3))
