"""From the registry on the bus to ticks on the bus."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import redis
import structlog
from msgspec.structs import replace
from structlog.testing import capture_logs

from ingest.bus.contract import Bus, Draft, Producer, Record
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.embedded_consumer import EmbeddedConsumer
from ingest.bus.embedded_producer import EmbeddedProducer
from ingest.bus.topics import CAMERAS, FRAMES, OBSERVATIONS, topic_specs
from ingest.cameras.role import IngestRole
from ingest.cameras.settings import IngestSettings
from ingest.cameras.state import CameraState
from ingest.clock import NS_PER_S, SystemClock, utc
from ingest.errors import BusFenced, BusRetryable, StoreRetryable
from ingest.live.memory import MemoryLiveStore
from ingest.live.redis import open_redis
from ingest.registry.district import Camera, district_of
from ingest.registry.files import registry_drafts
from ingest.schema.codec import decode_tick
from ingest.schema.frame_reference import decode_reference
from ingest.schema.tick import EventKind, Tick
from tests.ingest.cameras.cameras import QUICK, camera, clip
from tests.support.waiting import until

PARTITIONS = 3


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, **facts: object) -> None:
        self.lines.append((event, facts))

    warning = error = info

    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


class Tally:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.states: dict[str, int] = {}
        self.clocks: dict[str, int] = {}

    def frames_read(self, frames: int) -> None:
        self.counts["read"] += frames

    def frames_dropped(self, cause: str, frames: int) -> None:
        self.counts[f"dropped {cause}"] += frames

    def evidence(self, outcome: str, pictures: int) -> None:
        self.counts[f"evidence {outcome}"] += pictures

    def reconnected(self, cause: str) -> None:
        self.counts[f"reconnected {cause}"] += 1

    def cameras_by_state(self, counts: dict[str, int]) -> None:
        self.states = counts

    def cameras_by_clock(self, counts: dict[str, int]) -> None:
        self.clocks = counts

    def cameras_by_picture(self, counts: dict[str, int]) -> None:
        self.pictures = counts

    def cameras_flooding(self, cameras: int) -> None:
        self.counts["flooding"] = cameras

    def held_back(self, seconds: float) -> None:
        self.counts["held back"] += 1

    def ticked(self, ticks: int) -> None:
        self.counts["ticks"] += ticks

    def fields_dropped(self, field: str, count: int) -> None:
        self.counts[f"field {field}"] += count


@contextmanager
def running(role: IngestRole) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=role.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20.0)
    assert not thread.is_alive()


class Place:
    """A bus with a registry, and a live store."""

    def __init__(self, bus: Bus, settings: IngestSettings = QUICK) -> None:
        self.bus, self.settings = bus, settings
        self.clock, self.log, self.tally = SystemClock(), Log(), Tally()
        self.live = MemoryLiveStore(self.clock)
        self._district = district_of([], [])

    def role(self, member: str = "one") -> IngestRole:
        return IngestRole(self.bus, self.live, self.settings, self.clock, self.tally, self.log, member)

    def register(self, *cameras: Camera) -> None:
        district = district_of(cameras, [])
        producer = self.bus.producer()
        for draft in registry_drafts(self._district, district):
            producer.append(draft)
        producer.flush()
        producer.close()
        self._district = district

    def records(self, topic: str, partition: int) -> list[Record]:
        records: list[Record] = []
        while more := self.bus.read(topic, partition, records[-1].position.offset + 1 if records else 0):
            records += more
        return records

    def ticks(self, partition: int) -> list[Tick]:
        return [decode_tick(record) for record in self.records(OBSERVATIONS, partition)]

    def frames_of(self, number: int) -> int:
        return sum(int((tick.camera == number).sum()) for p in range(PARTITIONS) for tick in self.ticks(p))

    def states(self) -> dict[str, CameraState]:
        return {name: msgspec.json.decode(data, type=CameraState) for name, data in self.live.states("camera").items()}


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    opened = EmbeddedBus(tmp_path / "bus.sqlite", session_s=2.0)
    opened.create_topics(topic_specs(PARTITIONS, []))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("clips") / "street.h264"
    path.write_bytes(b"".join(unit.data for unit in clip(seconds=4.0)))
    return str(path)


def test_cameras_of_the_registry_become_ticks_of_their_partitions(bus: EmbeddedBus, recording: str) -> None:
    place = Place(bus)
    place.register(camera(1, "file", recording), camera(2, "file", recording, partition=2))
    with running(place.role()):
        until(lambda: place.frames_of(1) >= 3 and place.frames_of(2) >= 3, "frames of both")
        until(lambda: {s.state for s in place.states().values()} == {"live"}, "both live in the live store")
    for partition, number in ((0, {1}), (1, set()), (2, {2})):
        ticks = place.ticks(partition)
        starts = [tick.starts_at_ns for tick in ticks]
        assert len(ticks) > 3 and {int(one) for tick in ticks for one in tick.camera} == number
        assert all(tick.producer == "ingest" and tick.partition == partition for tick in ticks)
        assert np.diff(starts).tolist() == [200_000_000] * (len(ticks) - 1)
    assert place.tally.clocks["unknown"] == 2 and place.tally.states["live"] == 2 and place.tally.counts["ticks"] > 9


def test_a_partition_without_cameras_ticks_too(bus: EmbeddedBus) -> None:
    place = Place(bus)
    with running(place.role()):
        until(lambda: all(len(place.ticks(p)) >= 3 for p in range(PARTITIONS)), "empty ticks")


def test_the_registry_is_followed_while_it_runs(bus: EmbeddedBus, recording: str) -> None:
    place = Place(bus)
    first = camera(1, "file", recording)
    place.register(first)
    with running(place.role()):
        until(lambda: place.frames_of(1) >= 2, "the first")
        second = camera(2, "file", recording, partition=1)
        place.register(first, second)
        until(lambda: place.frames_of(2) >= 2, "the second")
        place.register(replace(first, enabled=False), second)
        until(lambda: place.states().get("camera-1") and place.states()["camera-1"].state == "off", "the first is off")
        place.register(second)
        seen = place.frames_of(2)
        until(lambda: place.frames_of(2) >= seen + 2, "the second goes on")


def test_a_record_that_cannot_be_read_is_passed_over(bus: EmbeddedBus, recording: str) -> None:
    place = Place(bus)
    place.register(camera(1, "file", recording))
    producer = bus.producer()
    producer.append(Draft(CAMERAS, 0, b"camera-9", b"{}", (("schema", b"camera/1"), ("crc32c", b"00000000"))))
    producer.flush()
    with running(place.role()):
        until(lambda: place.frames_of(1) >= 1, "frames")
    assert "camera.unreadable" in place.log.events()


def test_pictures_go_to_the_live_store_and_only_their_references_to_the_bus(bus: EmbeddedBus, recording: str) -> None:
    place = Place(bus, replace(QUICK, frames=True, frame_width_px=160))
    place.register(camera(1, "file", recording, partition=1))
    with running(place.role()):
        until(lambda: len(place.records(FRAMES, 1)) >= 2, "references")
        record = place.records(FRAMES, 1)[-1]
        frame = decode_reference(record)
        jpeg = place.live.frame(frame.reference)
    assert jpeg is not None and jpeg[:2] == b"\xff\xd8" and jpeg not in (record.value or b"")
    assert record.key == b"camera-1" and (frame.camera, frame.width, frame.height) == (1, 320, 192)


def test_why_a_camera_gives_no_frames_is_told_on_the_bus(bus: EmbeddedBus) -> None:
    place = Place(bus, replace(QUICK, states_period_s=0.1))
    place.register(camera(1, "rtsp", "rtsp://127.0.0.1:1/x"), camera(2, "file", "/no/such/file", partition=1))

    def told(partition: int) -> set[tuple[int, int]]:
        ticks = place.ticks(partition)
        return {(int(n), int(kind)) for t in ticks for n, kind in zip(t.camera, t.event_kind, strict=False)}

    with running(place.role()):
        until(lambda: told(0) == {(1, EventKind.STREAM_UNREACHABLE)}, "the first is unreachable")
        until(lambda: told(1) == {(2, EventKind.STREAM_NO_VIDEO)}, "the second has no video")


def test_two_roles_share_the_partitions_and_one_takes_over(bus: EmbeddedBus, recording: str) -> None:
    place = Place(bus)
    place.register(*(camera(n, "file", recording, partition=n) for n in range(PARTITIONS)))
    with running(place.role("one")):
        with running(place.role("two")):
            until(lambda: len([e for e in place.log.events() if e == "cameras.owned"]) >= 2, "both own some")
            until(lambda: all(place.frames_of(n) >= 2 for n in range(PARTITIONS)), "frames of all")
        seen = [place.frames_of(n) for n in range(PARTITIONS)]
        until(lambda: all(place.frames_of(n) >= seen[n] + 2 for n in range(PARTITIONS)), "one has taken over")


class SleepyClock(SystemClock):
    """A clock that can jump, as it does for who was stopped."""

    slept_ns = 0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.slept_ns


def test_a_role_that_slept_and_lost_its_cameras_says_nothing_more_of_them_and_joins_again(
    bus: EmbeddedBus, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(bus)
    place.clock = SleepyClock()
    place.register(*(camera(n, "file", recording, partition=n) for n in range(PARTITIONS)))
    sent_before_asking: list[str] = []
    commit, append = EmbeddedConsumer.commit, EmbeddedProducer.append
    asleep = threading.Event()

    def refuse_once(self: EmbeddedConsumer, offsets: Any) -> None:
        if asleep.is_set():
            asleep.clear()
            raise BusFenced("group", expected="to be a member", got="another generation", mend="Stop.")
        commit(self, offsets)

    def watch(self: EmbeddedProducer, draft: Draft) -> None:
        if asleep.is_set():
            sent_before_asking.append(draft.topic)
        append(self, draft)

    monkeypatch.setattr(EmbeddedConsumer, "commit", refuse_once)
    monkeypatch.setattr(EmbeddedProducer, "append", watch)
    with running(place.role()):
        until(lambda: all(place.frames_of(n) >= 2 for n in range(PARTITIONS)), "frames of all")
        asleep.set()
        place.clock.slept_ns += 60 * NS_PER_S
        until(lambda: "cameras.lost_to_another" in place.log.events(), "it has asked")
        seen = [place.frames_of(n) for n in range(PARTITIONS)]
        until(lambda: all(place.frames_of(n) >= seen[n] + 2 for n in range(PARTITIONS)), "its cameras again")
    assert len(sent_before_asking) <= PARTITIONS  # those of the very moment in which it fell asleep
    assert [facts["partitions"] for event, facts in place.log.lines if event == "cameras.owned"].count(0) == 1


class FlakyProducer:
    """Appends as long as the bus is there."""

    def __init__(self, producer: Producer, is_down: threading.Event) -> None:
        self._producer, self._is_down = producer, is_down

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def append(self, draft: Draft) -> None:
        if self._is_down.is_set():
            raise BusRetryable("bus", expected="an answer", got="none", mend="It comes back.")
        self._producer.append(draft)


def test_a_lost_bus_costs_the_oldest_frames_counted_and_never_the_role(
    bus: EmbeddedBus, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_down = threading.Event()
    producer = bus.producer
    monkeypatch.setattr(bus, "producer", lambda *names: FlakyProducer(producer(*names), is_down))
    place = Place(bus, replace(QUICK, ticks_pending_max=6))
    producing = registry_drafts(district_of([], []), district_of([camera(1, "file", recording)], []))
    real = producer()
    for draft in producing:
        real.append(draft)
    real.flush()
    with running(place.role()):
        until(lambda: place.frames_of(1) >= 2, "frames")
        is_down.set()
        until(lambda: place.tally.counts["dropped bus"] >= 2, "shed frames")
        is_down.clear()
        newest = place.clock.now_ns()
        until(lambda: place.ticks(0)[-1].ends_at_ns > newest, "ticks again")
    events = place.log.events()
    assert events.count("bus.blocked") == events.count("bus.back") == 1


def test_a_lost_live_store_is_told_once_and_costs_no_tick(
    bus: EmbeddedBus, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(bus, replace(QUICK, frames=True, states_period_s=0.05))

    def lost(*_: object) -> None:
        raise StoreRetryable("live store", expected="an answer", got="none", mend="It comes back.")

    monkeypatch.setattr(place.live, "put_frame", lost)
    monkeypatch.setattr(place.live, "put_states", lost)
    place.register(camera(1, "file", recording))
    with running(place.role()):
        until(lambda: place.frames_of(1) >= 3 and place.tally.counts["dropped live_store"] >= 3, "frames all the same")
    assert place.log.events().count("live.not_shown") == 1


def test_a_full_redis_costs_frames_that_are_counted_and_nothing_else(
    bus: EmbeddedBus, recording: str, redis_url: str
) -> None:
    client = redis.Redis.from_url(redis_url)
    place = Place(bus, replace(QUICK, frames=True, states_period_s=0.1))
    place.live = open_redis(redis_url, place.clock)  # type: ignore[assignment]
    place.register(camera(1, "file", recording))
    try:
        with running(place.role()):
            until(lambda: len(place.records(FRAMES, 0)) >= 2, "references")
            client.config_set("maxmemory", 1)
            until(lambda: place.tally.counts["dropped live_store"] >= 3, "frames that are shed")
            shed, ticks, references = place.tally.counts["dropped live_store"], len(place.ticks(0)), place.frames_of(1)
            until(
                lambda: place.frames_of(1) >= references + 3 and len(place.ticks(0)) > ticks,
                "what was seen all the same",
            )
            assert place.tally.counts["dropped live_store"] >= shed
            told = len(place.log.lines)
            client.config_set("maxmemory", 0)
            before = len(place.records(FRAMES, 0))
            until(lambda: len(place.records(FRAMES, 0)) > before, "references again")
        assert told <= 6 and place.log.events().count("live.not_shown") <= 1
    finally:
        client.config_set("maxmemory", 0)
        place.live.close()


def test_no_password_reaches_the_bus_the_store_or_the_log(
    bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "c4nary p@ss")
    place = Place(bus)
    place.register(camera(1, "rtsp", "rtsp://127.0.0.1:1/x", user="op", password_env="GATE_PASSWORD"))
    with running(place.role()):
        until(lambda: place.states().get("camera-1") and place.states()["camera-1"].cause, "a cause")
        shown = place.live.states("camera")
    heard = repr((place.log.lines, shown, place.tally.counts)).encode()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"c4nary" not in heard + kept


def test_settings_say_what_they_do_not_know() -> None:
    with pytest.raises(msgspec.ValidationError, match="tick_s"):
        msgspec.convert({"tick_s": 1}, IngestSettings)


def test_ticks_come_as_soon_as_their_interval_has_ended(bus: EmbeddedBus, recording: str) -> None:
    place = Place(bus)
    place.register(camera(1, "file", recording))
    with running(place.role()):
        until(lambda: len(place.ticks(0)) >= 12, "ticks")
    late_s = [
        (record.appended_at_ns - decode_tick(record).ends_at_ns) / NS_PER_S for record in place.records(OBSERVATIONS, 0)
    ]
    assert np.median(late_s) < 0.1


def test_a_lost_camera_is_one_line_and_its_return_another(tmp_path: Path) -> None:
    now, clock = utc(0), SystemClock()
    with capture_logs() as logs, EmbeddedBus(tmp_path / "bus.sqlite") as bus:
        role = IngestRole(bus, MemoryLiveStore(clock), IngestSettings(), clock, None, structlog.get_logger())
        for state in (
            "connecting",
            "live",
            "stalled",
            "stalled",
            "connecting",
            "stalled",
            "connecting",
            "live",
            "live",
        ):
            role._tell("gate-7", CameraState(id="gate-7", state=state, since=now, cause="no packet"))  # type: ignore[arg-type]
    assert [entry["event"] for entry in logs] == ["camera.lost", "camera.back"]
