"""
Who owns which cameras: ingest workers in processes of their own, over a real Kafka, reading real RTSP.

One group for all tests, in their order: a worker, a second one, a change of the registry, one that sleeps, and one that
dies.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.parts import create_topics
from deploy.settings import load_settings
from ingest.bus.contract import Bus
from ingest.bus.topics import OBSERVATIONS
from ingest.clock import NS_PER_S
from ingest.registry.district import Camera, district_of
from ingest.registry.topics import registry_drafts
from ingest.schema.codec import decode_tick
from ingest.schema.tick import Tick
from tests.ingest.cameras.cameras import camera, fed
from tests.process.programs import Programs
from tests.process.replaying import whole
from tests.support import parts
from tests.support.kafka_jars import PartMissingError
from tests.support.rtsp import FaultServer, FaultyStream
from tests.support.waiting import until

PARTITIONS = 6
START_S_MAX = 40.0
HANDOVER_S_MAX = 10.0  # of a machine that is not overloaded
_SETTINGS = """
data = {data}
[bus]
kind = "kafka"
partitions = {partitions}
[bus.kafka]
bootstrap_servers = [{kafka}]
[ingest]
read_s_max = 2.0
"""

pytestmark = pytest.mark.timeout(300)


def handover_s_max() -> float:
    """Ten seconds; more, by as much, where more programs want to run than there are cores."""
    return HANDOVER_S_MAX * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Workers:
    """Ingest workers, their cameras, and the bus as a test sees it."""

    def __init__(self, folder: Path, programs: Programs, server: FaultServer, kafka: str) -> None:
        self.programs, self.server, self._settings_path = programs, server, folder / "drumtower.toml"
        text = _SETTINGS.format(data=json.dumps(str(folder)), partitions=PARTITIONS, kafka=json.dumps(kafka))
        self._settings_path.write_text(text)
        self.bus: Bus = create_topics(load_settings(self._settings_path))
        self.streams: dict[str, FaultyStream] = {}
        self._registered: list[Camera] = []

    def stream_of(self, name: str) -> FaultyStream:
        if name not in self.streams:
            made = self.server.add_stream(name)
            assert isinstance(made, FaultyStream)
            self.streams[name] = made
        return self.streams[name]

    def register(self, *cameras: Camera) -> None:
        before, after = district_of(self._registered, []), district_of(cameras, [])
        producer = self.bus.producer()
        for draft in registry_drafts(before, after):
            producer.append(draft)
        producer.flush()
        producer.close()
        self._registered = list(cameras)

    def start(self, name: str) -> None:
        command = [sys.executable, "-m", "deploy", "--log-json", "run", "ingest", "--member", name, "--port", "0"]
        self.programs.start(name, [*command, "--settings", str(self._settings_path)])

    def said(self, name: str, event: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.programs.log(name).read_text().splitlines() if line[:1] == "{"]
        return [line for line in lines if line.get("event") == event]

    def owned(self, name: str) -> int:
        """How many partitions the worker last said to own."""
        said = self.said(name, "cameras.owned")
        return int(str(said[-1]["partitions"])) if said else 0

    def plays(self) -> Counter[str]:
        return Counter({name: stream.plays for name, stream in self.streams.items()})

    def ticks(self, partition: int) -> list[Tick]:
        return [decode_tick(record) for record in whole(self.bus, OBSERVATIONS)[partition]]

    def first_frames(self, after_ns: int) -> dict[int, int]:
        """When the first tick with a frame of each camera came to the bus after a moment (UTC ns), by camera number."""
        first: dict[int, int] = {}
        for records in whole(self.bus, OBSERVATIONS).values():
            for record in records:
                if record.appended_at_ns > after_ns:
                    for number in decode_tick(record).camera.tolist():
                        first.setdefault(number, record.appended_at_ns)
        return first


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    try:
        parts.find_kafka()
    except PartMissingError as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("ownership")
    (folder / "logs").mkdir()
    with (
        parts.kafka(folder / "kafka") as broker,
        FaultServer() as server,
        Programs(folder / "logs") as programs,
    ):
        here = Workers(folder, programs, server, broker.bootstrap_servers)
        names = [f"gate-{n}" for n in range(PARTITIONS)]
        with fed(*(here.stream_of(name) for name in [*names, "late"])):
            here.register(*(gate(here, n) for n in range(PARTITIONS)))
            yield here
        here.bus.close()


def gate(here: Workers, number: int, **more: object) -> Camera:
    """One camera a partition."""
    return camera(number, "rtsp", here.server.url_of(f"gate-{number}"), partition=number, **more)


def test_a_second_worker_takes_its_share_and_nobody_else_is_moved(workers: Workers) -> None:
    workers.start("one")
    until(lambda: sum(workers.plays().values()) == PARTITIONS, "the first reads all", START_S_MAX)
    workers.start("two")
    until(lambda: workers.owned("two") == PARTITIONS // 2, "the second has its share", START_S_MAX)
    until(lambda: sum(workers.plays().values()) == PARTITIONS * 3 // 2, "it reads them")
    assert sorted(workers.plays().values()) == [0, *[1] * (PARTITIONS // 2), *[2] * (PARTITIONS // 2)]
    until(lambda: workers.server.teardowns == PARTITIONS // 2, "the first has closed what it gave away")


def test_a_change_of_the_registry_touches_no_other_camera(workers: Workers) -> None:
    before = workers.plays()
    cameras = [gate(workers, n) for n in range(PARTITIONS)]
    late = camera(90, "rtsp", workers.server.url_of("late"), partition=0)
    workers.register(*cameras, late)
    until(lambda: workers.plays()["late"] == 1, "the new camera is read")
    workers.register(*cameras[:-1], replace(cameras[-1], name="North gate"), replace(late, sampling_period_s=0.4))
    until(lambda: workers.plays()["late"] == 2, "the changed camera is read anew")
    workers.register(*cameras)
    until(lambda: workers.stream_of("late").teardowns == 2, "the removed camera is let go")
    assert workers.plays() - before == Counter({"late": 2})


def test_a_worker_that_slept_stops_at_once_and_doubles_nothing(workers: Workers) -> None:
    before, teardowns, started_s = workers.plays(), workers.server.teardowns, time.monotonic()
    workers.programs.signal("one", signal.SIGSTOP)
    until(lambda: sum((workers.plays() - before).values()) == PARTITIONS // 2, "the other reads its cameras")
    moved = workers.plays() - before
    assert set(moved.values()) == {1}, "who already had cameras keeps them untouched"
    # Its sessions were closed before the other came: cameras that give one only were free.
    assert workers.server.teardowns - teardowns == PARTITIONS // 2
    until(lambda: time.monotonic() - started_s > 15.0, "the end of its sleep", 30.0)
    workers.programs.signal("one", signal.SIGCONT)
    until(lambda: workers.said("one", "cameras.owned")[-2:][0]["partitions"] == 0, "it has let go", START_S_MAX)
    until(lambda: workers.owned("one") == PARTITIONS // 2, "it has joined again", START_S_MAX)

    for partition in range(PARTITIONS):
        newest_ns, stale = 0, 0
        for tick in workers.ticks(partition):
            stale += tick.ends_at_ns <= newest_ns
            newest_ns = max(newest_ns, tick.ends_at_ns)
        assert stale == 0, f"partition {partition}: two owners spoke of the same time"
        seen = Counter(int(at) for tick in workers.ticks(partition) for at in tick.captured_at_ns)
        assert not seen or max(seen.values()) == 1, f"partition {partition}: a frame was told twice"


def test_the_cameras_of_a_worker_that_dies_live_on_within_ten_seconds(workers: Workers) -> None:
    until(lambda: workers.owned("two") == PARTITIONS // 2, "both have their share", START_S_MAX)
    before, killed_ns = workers.plays(), time.time_ns()
    group = workers.programs.kill("two")
    until(lambda: sum((workers.plays() - before).values()) == PARTITIONS // 2, "its cameras are read by the other")
    moved = workers.plays() - before
    assert set(moved.values()) == {1}, "who already had cameras keeps them untouched"
    played_ns = killed_ns + NS_PER_S  # what the dead one had on its way is long there
    numbers = {int(name.removeprefix("gate-")) for name in moved}
    until(lambda: numbers <= workers.first_frames(played_ns).keys(), "frames of them on the bus", period_s=0.2)
    took_s = (max(workers.first_frames(played_ns)[number] for number in numbers) - killed_ns) / NS_PER_S
    assert took_s < handover_s_max(), f"took {took_s:.1f} s"
    until(lambda: workers.programs.is_gone(group), "nothing of the dead one is left")
