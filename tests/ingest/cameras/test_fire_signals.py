"""The look at pictures for flames and smoke: what it sees in rendered scenes, and what it says nothing of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.scenes_fire import Scene, frames
from ingest.cameras.signals import SignalReader, SignalSettings
from ingest.cameras.signals.flame import NO_SIGNS, Flame, is_flame, signs_of
from ingest.cameras.signals.sample import NS_PER_S, Sample
from ingest.cameras.signals.smoke import Smoke
from ingest.schema.tick import U8, Picture

START_NS = 1_800_000_000 * NS_PER_S
QUIET = Scene("neither", "quiet", "day", 1.0, (104, 1))


def shares(scene: Scene, part: Flame | Smoke) -> Iterator[tuple[float, float]]:
    """Second and share of the picture that a part tells of each sample of a scene."""
    for at_s, colour in frames(scene):
        grey = colour.mean(axis=2).astype(np.uint8)
        told = part.read(Sample(grey, colour, elapsed_s=1 / scene.rate_hz), START_NS + int(at_s * NS_PER_S))
        yield at_s, told.flame if isinstance(part, Flame) else told.smoke


@pytest.mark.parametrize("light", ["day", "dusk", "night"])
def test_a_flame_is_seen_in_most_pictures_once_it_burns_and_in_none_before(light):
    scene = Scene("fire", "fire", light, 1.0, (104, 2))
    seen = list(shares(scene, Flame()))
    assert not any(share > 0 for at_s, share in seen if at_s < scene.begins_s)
    assert np.mean([share > 0 for at_s, share in seen if at_s > scene.begins_s + 12]) > 0.5


def test_smoke_is_seen_once_it_rises_and_not_before():
    scene = Scene("smoke", "smoke", "day", 1.0, (104, 8))
    seen = list(shares(scene, Smoke()))
    assert not any(share > 0 for at_s, share in seen if at_s < scene.begins_s)
    assert np.mean([share > 0 for at_s, share in seen if at_s > scene.begins_s + 18]) > 0.5


@pytest.mark.parametrize("kind", ["red_coats", "vests", "flags", "indicator", "amber_beacon", "orange_vehicles"])
def test_what_is_red_or_flashes_is_no_flame(kind):
    assert not any(share > 0 for _, share in shares(Scene("neither", kind, "day", 1.0, (104, 4)), Flame()))


@pytest.mark.parametrize("kind", ["fog", "rain", "misted_lens", "moving_shadow", "exposure", "lens_drops"])
def test_what_dims_or_hides_is_no_smoke(kind):
    assert not any(share > 0 for _, share in shares(Scene("neither", kind, "day", 1.0, (104, 5)), Smoke()))


def test_before_the_background_is_known_nothing_is_said():
    told = [share for _, share in shares(QUIET, Flame())][:8], [share for _, share in shares(QUIET, Smoke())][:8]
    assert np.isnan(told).all()


def test_a_picture_without_colour_is_not_looked_at_for_flames():
    night_mode = np.repeat(np.full((180, 320, 1), 90, np.uint8), 3, axis=2)
    for at, part in enumerate((Flame(), Smoke())):
        for second in range(20):
            told = part.read(
                Sample(night_mode[..., 0], night_mode if not at else None, elapsed_s=1.0), second * NS_PER_S
            )
            assert np.isnan(told.flame) and np.isnan(told.smoke)


@pytest.mark.parametrize("flag", [Picture.COVERED, Picture.FROZEN, Picture.DARK, Picture.CORRUPT, Picture.MOVED])
def test_a_blind_picture_says_nothing(flag):
    grey = np.full((180, 320), 90, np.uint8)
    colour = np.dstack([grey, grey, grey + 40])
    for part in (Flame(), Smoke()):
        told = [part.read(Sample(grey, colour, elapsed_s=1.0, flags=flag), at * NS_PER_S) for at in range(12)]
        assert all(np.isnan(each.flame) and np.isnan(each.smoke) for each in told)


def shape(*, tongue_px: int, left: int = 20) -> U8:
    """Marks of a bright foot with a tongue above it, and orange around."""
    marks = np.zeros((60, 80), np.uint8)
    marks[20 - tongue_px : 42, left - 3 : left + 13] = 8
    marks[30:40, left : left + 10] = 1 | 2 | 16
    sways = left + 5 * (tongue_px % 2)  # as gas does; what only swells and shrinks is a lamp
    marks[30 - tongue_px : 30, sways : sways + 5] = 1 | 2 | 16
    return marks


def test_tongues_over_a_foot_that_stays_are_the_signs_of_a_flame():
    tongues = (12, 7, 16, 5, 14, 11, 8, 13)
    assert is_flame(signs_of(np.stack([shape(tongue_px=each) for each in tongues]), 1))
    still = np.stack([shape(tongue_px=8)] * 8)
    moving = np.stack([shape(tongue_px=each, left=5 + 8 * at) for at, each in enumerate(tongues)])
    upside_down = np.stack([shape(tongue_px=each)[::-1] for each in tongues])
    for other in (still, moving, upside_down):
        assert not is_flame(signs_of(other, 1))
    assert signs_of(np.zeros((8, 10, 10), np.uint8), 1) == NO_SIGNS


def test_the_reader_of_a_camera_tells_both():
    reader = SignalReader(SignalSettings())
    *_, last = (reader.read(each[..., 1].copy(), START_NS + int(at * NS_PER_S), each) for at, each in frames(QUIET))
    assert (last.flame, last.smoke) == (0.0, 0.0)
