"""What is seen in rendered pictures, where the truth is known, and in a recorded clip."""

from __future__ import annotations

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from ingest.cameras.signals import HEIGHT, NS_PER_S, WIDTH, SignalReader, Signals, SignalSettings
from ingest.schema.tick import Picture
from tests.ingest.cameras.cameras import shared

Grey = npt.NDArray[np.uint8]
START_NS = 1_800_000_000 * NS_PER_S
NOISE = np.random.default_rng(3)
STREET = np.kron(np.random.default_rng(1).integers(60, 180, (HEIGHT // 6, WIDTH // 8)), np.ones((6, 8))).astype(
    np.float64
)


def street(light: float = 1.0, noise: float = 2.0, **box: int) -> Grey:
    """The street, with a textured crowd in `box` (left, top, right, bottom)."""
    picture = STREET * light
    if box:
        people = np.random.default_rng(9).integers(0, 2, STREET.shape) * 190.0 + 30
        place = slice(box["top"], box["bottom"]), slice(box["left"], box["right"])
        picture[place] = people[place] * light
    return np.clip(picture + NOISE.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)


class Watch:
    """A reader that has learned the empty street, one picture a second."""

    def __init__(self, seconds: int = 60, **settings: object) -> None:
        self.reader = SignalReader(SignalSettings(**settings))  # type: ignore[arg-type]
        self.at_ns = START_NS
        for _ in range(seconds):
            self.see(street())

    def see(self, picture: Grey, after_s: float = 1.0) -> Signals:
        self.at_ns += round(after_s * NS_PER_S)
        return self.reader.read(picture, self.at_ns)


CROWD = {"left": 100, "top": 60, "right": 220, "bottom": 180}
CROWD_SHARE = 120 * 120 / (WIDTH * HEIGHT)


def test_an_empty_street_has_no_foreground() -> None:
    assert Watch().see(street()).foreground < 0.02


def test_a_crowd_is_seen_where_it_stands() -> None:
    seen = Watch().see(street(**CROWD))
    assert seen.foreground == pytest.approx(CROWD_SHARE, abs=0.06)
    assert seen.foreground_grid is not None and seen.foreground_grid.shape == (9, 16)
    assert seen.foreground_grid[4, 7] > 200 and seen.foreground_grid[0, 0] < 30
    assert seen.foreground_grid.mean() / 255 == pytest.approx(seen.foreground, abs=0.01)


def test_a_crowd_that_stands_still_is_still_there_after_a_quarter_of_an_hour() -> None:
    watch = Watch()
    for _ in range(15 * 60):
        seen = watch.see(street(**CROWD))
    assert seen.foreground > 0.7 * CROWD_SHARE


def test_a_bench_that_stays_for_hours_becomes_background() -> None:
    watch = Watch(absorb_s=300.0)
    for _ in range(900):
        seen = watch.see(street(**CROWD))
    assert seen.foreground < 0.3 * CROWD_SHARE


def test_dusk_is_not_a_crowd() -> None:
    watch = Watch()
    shares = [watch.see(street(light=1.0 - n / 1_200)).foreground for n in range(600)]
    assert np.nanmax(shares) < 0.05


def test_a_crowd_that_comes_slowly_and_fills_the_place_is_kept() -> None:
    watch = Watch()
    for n in range(120):
        seen = watch.see(street(left=0, top=0, right=max(8, min(WIDTH, n * 4)), bottom=HEIGHT))
    assert seen.foreground > 0.6


def test_a_lamp_that_is_switched_on_is_learned_and_is_no_crowd() -> None:
    watch = Watch()
    gradient = np.clip(street().astype(np.float64) * np.linspace(0.3, 3.0, WIDTH), 0, 255)
    lit = [
        watch.see(np.clip(gradient + NOISE.normal(0, 2, gradient.shape), 0, 255).astype(np.uint8)) for _ in range(30)
    ]
    known = [seen.foreground for seen in lit if seen.foreground_grid is not None]
    assert np.isnan(lit[0].foreground) and max(known[-5:]) < 0.05


def test_the_first_pictures_say_nothing_of_the_foreground() -> None:
    seen = Watch(seconds=0).see(street())
    assert np.isnan(seen.foreground) and seen.foreground_grid is None and seen.sharpness > 0


def test_a_repeated_picture_is_frozen_after_its_time_and_noise_is_not() -> None:
    watch, still = Watch(), street()
    seen = [watch.see(still) for _ in range(15)]
    assert not any(one.picture & Picture.FROZEN for one in seen[:3]) and seen[-1].picture & Picture.FROZEN
    assert not watch.see(street()).picture & Picture.FROZEN


def test_a_dark_picture_is_dark_and_its_foreground_unknown() -> None:
    seen = Watch().see(street(light=0.05))
    assert seen.picture & Picture.DARK and np.isnan(seen.foreground)


def test_a_covered_lens_is_covered_until_it_is_free_and_the_crowd_is_not_forgotten() -> None:
    watch = Watch()
    watch.see(street(**CROWD))
    hand = [watch.see(np.clip(90 + NOISE.normal(0, 1, STREET.shape), 0, 255).astype(np.uint8)) for _ in range(120)]
    assert all(one.picture & Picture.COVERED for one in hand)
    free = watch.see(street(**CROWD))
    assert not free.picture & Picture.COVERED
    assert watch.see(street(**CROWD)).foreground == pytest.approx(CROWD_SHARE, abs=0.08)


def test_a_picture_out_of_focus_is_blurred_after_some_seconds_and_a_moment_is_not() -> None:
    watch = Watch()
    soft = [watch.see(np.asarray(cv2.GaussianBlur(street(), (0, 0), 6), np.uint8)) for _ in range(15)]
    assert not soft[0].picture & Picture.BLURRED and soft[-1].picture & Picture.BLURRED
    assert not watch.see(street()).picture & ~Picture.LEARNING


def test_flow_says_where_the_crowd_moves_in_picture_widths_a_second() -> None:
    watch = Watch(flow=True)
    step = 4
    for n in range(8):
        seen = watch.see(street(noise=1.0, left=60 + n * step, top=60, right=180 + n * step, bottom=170), after_s=0.2)
    # The texture stands still in `street`, so move a picture as a whole for the measurement.
    picture = street(noise=0.0, **CROWD)
    watch.see(picture, after_s=0.2)
    seen = watch.see(np.roll(picture, step, axis=1), after_s=0.2)
    assert seen.flow_grid is not None and seen.flow_grid.dtype == np.float16
    moving = seen.flow_grid[4:8, 6:10].astype(np.float64)
    assert moving[..., 0].mean() == pytest.approx(step / WIDTH / 0.2, rel=0.3)
    assert abs(moving[..., 1].mean()) < 0.02


def test_pictures_too_far_apart_have_no_flow() -> None:
    watch = Watch(flow=True)
    assert watch.see(street(**CROWD), after_s=1.0).flow_grid is None


def test_people_in_a_recorded_clip_are_foreground_and_the_empty_place_is_not() -> None:
    reader, shares = SignalReader(SignalSettings()), []
    with av.open(str(shared("clips", "person_one_by_one_768x432.mp4"))) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        for frame in container.decode(stream):
            grey = frame.reformat(width=WIDTH, height=HEIGHT, format="gray", interpolation="AREA").to_ndarray()
            seen = reader.read(grey, START_NS + round(float(frame.time or 0) * NS_PER_S))
            assert seen.picture & ~Picture.LEARNING == 0
            shares.append(seen.foreground)
    assert np.nanmax(shares) > 0.02 and np.nanpercentile(shares, 10) < 0.01


def test_while_the_background_is_learned_each_picture_says_so() -> None:
    watch = Watch()
    watch.reader.reset()
    learning = [bool(watch.see(street()).picture & Picture.LEARNING) for _ in range(40)]
    assert learning == [True] * 30 + [False] * 10
