"""Things that are left, taken, or only look like it, in pictures of 320 x 180 whose truth is known."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from ingest.cameras.observation import CameraEvent
from ingest.cameras.signals.sample import HEIGHT, NS_PER_S, WIDTH, Sample
from ingest.cameras.signals.static_object import StaticObject
from ingest.schema.tick import EventKind, EventState, Picture

Grey = npt.NDArray[np.uint8]
START_NS = 1_800_000_000 * NS_PER_S
GROUND = cv2.GaussianBlur(np.random.default_rng(1).normal(120, 35, (HEIGHT, WIDTH)), (0, 0), 1.5).astype(np.float64)
BAG = (150, 100, 18, 14)


class Street:
    """Pictures of a street, one a second, with boxes of a grey level (left, top, width, height, level)."""

    def __init__(self, seed: int = 3) -> None:
        self.look, self.at_ns, self.noise = StaticObject(), START_NS, np.random.default_rng(seed)

    def see(self, *boxes: tuple[int, int, int, int, float], light: float = 1.0, flags: int = 0) -> list[CameraEvent]:
        picture = GROUND * light
        for left, top, width, height, level in boxes:
            picture[top : top + height, left : left + width] = level
        picture = np.clip(picture + self.noise.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
        self.at_ns += NS_PER_S
        return list(self.look.read(Sample(picture, elapsed_s=1.0, flags=flags), self.at_ns).events)

    def empty(self, seconds: int, **given: float) -> list[CameraEvent]:
        return [each for _ in range(seconds) for each in self.see(**given)]  # type: ignore[arg-type]

    def passes(self, *boxes: tuple[int, int, int, int, float]) -> None:
        """Somebody walks to the bag's place and on."""
        for x in (110, 130, 140, 140, 170, 200):
            self.see(*boxes, (x, 70, 14, 46, 40.0))


def kinds(events: list[CameraEvent]) -> set[tuple[EventKind, EventState]]:
    return {(EventKind(each.kind), EventState(each.state)) for each in events}


def left_there() -> tuple[Street, list[CameraEvent]]:
    street = Street()
    street.empty(20)
    street.passes((*BAG, 220.0))
    return street, [each for _ in range(40) for each in street.see((*BAG, 220.0))]


def test_what_is_brought_and_stays_is_told_with_its_place_and_for_how_long() -> None:
    _, events = left_there()
    assert kinds(events) == {(EventKind.LEFT_BEHIND, EventState.ON)}
    last = events[-1]
    left, top, width, height = BAG
    assert last.box == pytest.approx((left / WIDTH, top / HEIGHT, width / WIDTH, height / HEIGHT), abs=0.02)
    assert 30 <= last.value <= 45 and 0.5 < last.confidence <= 1.0
    assert [each.value for each in events] == sorted(each.value for each in events)


def test_when_it_is_taken_again_it_is_over() -> None:
    street, _ = left_there()
    street.passes()
    assert (EventKind.LEFT_BEHIND, EventState.OFF) in kinds(street.empty(10)) or not kinds(street.empty(10))
    assert street.empty(20) == []


def test_what_belonged_there_and_is_gone_was_taken() -> None:
    street = Street()
    for _ in range(20):
        street.see((*BAG, 220.0))
    street.passes()
    assert kinds(street.empty(40)) == {(EventKind.TAKEN_AWAY, EventState.ON)}


def test_people_who_pass_before_it_change_nothing() -> None:
    street, _ = left_there()
    events = [street.see((*BAG, 220.0), ((n * 37) % 300, 80, 14, 46, 40.0 + n * 3)) for n in range(40)]
    assert sum(bool(each) for each in events) > 30


def test_light_that_changes_is_nothing() -> None:
    street = Street()
    street.empty(20)
    assert street.empty(30, light=0.7) == [] and street.empty(30, light=1.2) == []


def test_a_shadow_under_which_the_ground_is_still_seen_is_nothing() -> None:
    street = Street()
    street.empty(20)
    for x in (110, 130, 140, 170):
        street.see((x, 70, 14, 46, 40.0))
    left, top, width, height = 140, 90, 30, 24
    shade = GROUND[top : top + height, left : left + width] * 0.6
    told = []
    for _ in range(40):
        picture = GROUND.copy()
        picture[top : top + height, left : left + width] = shade
        street.at_ns += NS_PER_S
        noisy = np.clip(picture + street.noise.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
        told += street.look.read(Sample(noisy, elapsed_s=1.0), street.at_ns).events
    assert told == []


def test_what_appears_where_nobody_was_is_nothing() -> None:
    street = Street()
    street.empty(20)
    assert [each for _ in range(40) for each in street.see((*BAG, 220.0))] == []


def test_what_is_as_large_as_a_vehicle_or_as_small_as_litter_is_nothing() -> None:
    for box in ((60, 60, 90, 50, 220.0), (150, 104, 4, 4, 220.0)):
        street = Street()
        street.empty(20)
        street.passes(box)
        assert [each for _ in range(40) for each in street.see(box)] == []


def test_what_stirs_is_nothing() -> None:
    street = Street()
    street.empty(20)
    street.passes((*BAG, 220.0))
    told = [street.see((150, 78, 12, 36, 220.0), (150 + (n // 6 % 2) * 4, 78, 12, 12, 60.0)) for n in range(60)]
    assert max((each.value for events in told for each in events), default=0.0) < 30.0


def test_a_blind_picture_says_nothing_and_a_turned_camera_forgets() -> None:
    street, _ = left_there()
    assert street.see((*BAG, 220.0), flags=Picture.COVERED) == []
    assert kinds(street.see((*BAG, 220.0), flags=Picture.MOVED)) == {(EventKind.LEFT_BEHIND, EventState.OFF)}
    assert street.empty(30) == []
