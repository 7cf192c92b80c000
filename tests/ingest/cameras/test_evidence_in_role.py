"""From a camera to the live store: pictures with covered persons under names that can be computed, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from msgspec.structs import replace

from ingest.bus.embedded import EmbeddedBus
from ingest.bus.topics import FRAMES, OBSERVATIONS, topic_specs
from ingest.errors import StoreRetryable
from ingest.evidence import EvidenceSettings, reference_of
from ingest.live.redis import open_redis
from ingest.schema.frame_reference import decode_reference
from tests.ingest.cameras.cameras import QUICK, camera, clip
from tests.ingest.cameras.test_role import PARTITIONS, Place, running
from tests.support.waiting import until

OFTEN = EvidenceSettings(period_s=1.0, lifetime_s=5.0)
# A loaded machine takes its time to start a worker.
SETTINGS = replace(QUICK, evidence=OFTEN, states_period_s=0.1, heartbeat_s_max=20.0)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("clips") / "street.h264"
    path.write_bytes(b"".join(unit.data for unit in clip(seconds=1.0)))
    return str(path)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    opened = EmbeddedBus(tmp_path / "bus.sqlite", session_s=2.0)
    opened.create_topics(topic_specs(PARTITIONS, []))
    yield opened
    opened.close()


def named(place: Place, number: int = 1) -> set[str]:
    """The evidence that whoever reads the ticks would name."""
    times_ns = {
        int(at_ns)
        for tick in place.ticks(0)
        for number_of, at_ns in zip(tick.camera, tick.captured_at_ns, strict=True)
        if number_of == number
    }
    return {reference_of(OFTEN, f"camera-{number}", at_ns) for at_ns in times_ns}


def test_every_frame_on_the_bus_names_evidence_that_is_there_and_no_frame_is_kept(
    bus: EmbeddedBus, recording: str
) -> None:
    place = Place(bus, SETTINGS)
    place.register(camera(1, "file", recording))
    with running(place.role()):
        until(lambda: len(named(place)) >= 2, "frames of two slots")
        pictures = [place.live.evidence(reference) for reference in named(place)]
    assert all(jpeg is not None and jpeg[:2] == b"\xff\xd8" for jpeg in pictures)
    assert place.live.frames_kept().frames == 0 and not place.records(FRAMES, 0)
    assert place.tally.counts["evidence taken"] >= 2
    assert not any(b"\xff\xd8\xff" in (record.value or b"") for record in place.records(OBSERVATIONS, 0))


def test_who_looks_for_persons_is_told_which_evidence_was_made_of_the_frame(bus: EmbeddedBus, recording: str) -> None:
    place = Place(bus, replace(SETTINGS, frames=True, frame_width_px=160))
    place.register(camera(1, "file", recording))
    with running(place.role()):
        until(lambda: len(named(place)) >= 2 and len(place.records(FRAMES, 0)) >= 6, "frames of two slots")
        frames = [decode_reference(record) for record in place.records(FRAMES, 0)]
    made = [frame for frame in frames if frame.evidence is not None]
    assert 1 <= len(made) < len(frames)
    assert all(frame.evidence == reference_of(OFTEN, "camera-1", frame.captured_at_ns) for frame in made)
    # A frame and the evidence of it are two things under two names, also where the names are alike.
    assert all(place.live.evidence(frame.reference) is None for frame in frames)
    assert all(place.live.frame(reference) is None for reference in named(place))


def test_a_full_redis_costs_evidence_that_is_counted_and_no_tick(
    bus: EmbeddedBus, recording: str, redis_url: str
) -> None:
    client = redis.Redis.from_url(redis_url)
    place = Place(bus, SETTINGS)
    place.live = open_redis(redis_url, place.clock)  # type: ignore[assignment]
    place.register(camera(1, "file", recording))
    try:
        with running(place.role()):
            until(lambda: place.tally.counts["evidence taken"] >= 1, "evidence")
            client.config_set("maxmemory", 1)
            until(lambda: place.tally.counts["evidence shed"] >= 2, "evidence that is shed")
            ticks = place.frames_of(1)
            until(lambda: place.frames_of(1) >= ticks + 3, "what was seen all the same")
            taken = place.tally.counts["evidence taken"]
            client.config_set("maxmemory", 0)
            until(lambda: place.tally.counts["evidence taken"] > taken, "evidence again")
        assert place.log.events().count("live.not_shown") <= 1
        until(lambda: not list(client.scan_iter("dt:evidence:camera-1-*")), "that nothing survives its time")
    finally:
        client.config_set("maxmemory", 0)
        place.live.close()


def test_a_live_store_that_does_not_answer_is_asked_once_and_not_for_every_picture(
    bus: EmbeddedBus, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, asked = Place(bus, replace(SETTINGS, frames=True, states_period_s=60.0)), []

    def lost(*_: object) -> None:
        asked.append(1)
        raise StoreRetryable("live store", expected="an answer", got="none", mend="It comes back.")

    for name in ("put_evidence", "put_frame", "put_states"):
        monkeypatch.setattr(place.live, name, lost)
    place.register(camera(1, "file", recording))
    with running(place.role()):
        until(lambda: place.tally.counts["dropped live_store"] >= 5, "frames that are shed")
    assert len(asked) <= 2
