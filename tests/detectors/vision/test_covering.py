"""Who stands still is covered by the boxes of the person detector, on top of what the worker has covered."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import pytest

from detectors.settings import PerceiveSettings
from detectors.vision.covering import covering
from detectors.vision.models import Model, read_card
from detectors.vision.person import Persons
from detectors.vision.stage import PerceiveStage
from ingest.cameras.evidence_picture import encoded
from ingest.cameras.privacy import without_persons
from ingest.errors import StoreRetryable
from ingest.live.memory import MemoryLiveStore
from ingest.schema.tick import U8
from tests.detectors.vision.real import CARD
from tests.detectors.vision.test_perceive import batch, frame, jpeg
from tests.support.clock import ManualClock

NAME = "gate-7-1780000000000"
BOX = np.array([[0.4, 0.3, 0.1, 0.4]], np.float32)


def persons(count: int = 1) -> Persons:
    return Persons(BOX[:count], np.full(count, 0.9, np.float16))


def street() -> U8:
    """What the worker let out: the one who stands still is there in every detail."""
    return np.random.default_rng(3).integers(0, 256, (180, 320, 3)).astype(np.uint8)


def decoded(picture: bytes | None) -> U8:
    return np.asarray(cv2.imdecode(np.frombuffer(picture or b"", np.uint8), cv2.IMREAD_COLOR), np.uint8)


def test_who_is_found_is_covered_and_the_rest_stays_as_it_was() -> None:
    live = MemoryLiveStore(ManualClock())
    first = encoded(street(), 90) or b""
    live.put_evidence(NAME, first, 60)
    covering(live, 90)(NAME, persons())
    wanted = without_persons(decoded(first), BOX, None)
    got = decoded(live.evidence(NAME))
    inside, outside = (slice(60, 120), slice(130, 160)), (slice(0, 30), slice(0, 60))
    # JPEG's own noise, but none of the detail: blocks are flat to a few grey levels, where the street was not.
    assert np.abs(got[inside].astype(int) - wanted[inside]).mean() < 8.0
    assert got[inside].std() < street()[inside].std() / 2
    assert np.abs(got[outside].astype(int) - decoded(first)[outside]).mean() < 8.0


def test_a_picture_lives_no_longer_for_being_covered() -> None:
    clock = ManualClock()
    live = MemoryLiveStore(clock)
    live.put_evidence(NAME, encoded(street(), 90) or b"", 60)
    clock.advance(50)
    covering(live, 90)(NAME, persons())
    assert live.evidence(NAME) is not None
    clock.advance(11)
    assert live.evidence(NAME) is None


@pytest.mark.parametrize("kept", [None, b"no picture"])
def test_where_there_is_no_picture_nothing_is_made(kept: bytes | None) -> None:
    live = MemoryLiveStore(ManualClock())
    if kept is not None:
        live.put_evidence(NAME, kept, 60)
    covering(live, 90)(NAME, persons())
    assert live.evidence(NAME) == kept


def test_a_live_store_that_does_not_answer_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    live = MemoryLiveStore(ManualClock())

    def lost(_: str) -> bytes:
        raise StoreRetryable("live store", expected="an answer", got="none", mend="It comes back.")

    monkeypatch.setattr(live, "evidence", lost)
    covering(live, 90)(NAME, persons())


def test_the_stage_tells_the_persons_of_just_the_frames_that_evidence_was_made_of() -> None:
    told: list[tuple[str, int]] = []
    stage = PerceiveStage(
        Model(read_card(CARD), b""),
        lambda reference: jpeg(int(reference)),
        PerceiveSettings(),
        lambda model: lambda picture: persons(int(picture[0, 0, 0])),
        lambda reference, found: told.append((reference, len(found.box))),
    )
    frames = [frame(1.0, 1), msgspec.structs.replace(frame(1.2, 1), evidence=NAME), frame(1.4, 0)]
    _, ticks = stage.step(stage.initial(0), batch(frames))  # type: ignore[no-untyped-call]
    assert told == [(NAME, 1)] and len(ticks) == 3
