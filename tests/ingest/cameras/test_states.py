"""Each state of a stream is in the live view and in the metrics, and is a finding where something is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from deploy.demo.file_feed import FileFeed
from detectors.health import stream as health
from detectors.registry import Configured
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.topics import OBSERVATIONS, topic_specs
from ingest.cameras import role as roles
from ingest.cameras.settings import IngestSettings
from ingest.cameras.state import CameraState, StreamState
from ingest.cameras.workers.supervisor import Supervisor
from ingest.clock import SystemClock
from ingest.live.memory import MemoryLiveStore
from ingest.metrics import Metrics
from ingest.registry.district import Camera, District, district_of
from ingest.registry.files import registry_drafts
from ingest.schema.finding import Finding, Phase
from ingest.stages.stage import Read
from tests.ingest.cameras.cameras import QUICK, camera, clip, fed
from tests.ingest.cameras.dangerous_worker import run_dangerous_worker
from tests.ingest.cameras.test_role import Log
from tests.support.rtsp import FaultServer
from tests.support.waiting import until

# How it stands, and by which rule of `health.stream` it is told; what its reader says of the cause.
STATES: dict[str, tuple[StreamState, str | None, str]] = {
    "well": ("live", None, ""),
    "absent": ("off", None, ""),
    "never-answers": ("connecting", "stalled", ""),
    "stops-sending": ("stalled", "stalled", "nothing within the deadline"),
    "nobody-there": ("unreachable", "unreachable", "nothing listens there"),
    "wrong-password": ("auth_failed", "auth_failed", "401"),
    "no-session-free": ("refused", "refused", "4xx; 453"),
    "no-such-stream": ("no_video", "no_video", "404"),
    "abort": ("quarantined", "quarantined", "a decoder that died"),
    "mad": ("live", "flooding", "It sends more than it may"),
}


@dataclass
class World:
    """What was seen of each camera, once all of it had come."""

    states: dict[str, CameraState] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)

    def stands(self, camera_id: str) -> bool:
        """Whether something is wrong with it, as last told; a slow start may have been, and is over."""
        found = [one for one in self.findings if one.subject == camera_id]
        return bool(found) and found[-1].data.phase in (Phase.RAISED, Phase.UPDATED)

    def rules(self, camera_id: str) -> set[str]:
        return {one.data.rule.rpartition(".")[2] for one in self.findings if one.subject == camera_id}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One role with a camera in each state, and the detect stage behind it."""
    folder, patch = tmp_path_factory.mktemp("states"), pytest.MonkeyPatch()
    recording = folder / "street.h264"
    recording.write_bytes(b"".join(unit.data for unit in clip(seconds=4.0)))
    patch.setattr(roles, "Supervisor", partial(Supervisor, run=run_dangerous_worker))
    tight = replace(
        QUICK, states_period_s=0.2, crashes_max=1, stream_packets_per_s_max=40.0, open_s_max=60.0, auth_retry_s=60.0,
        busy_retry_s=60.0, metadata_silence_s_max=60.0,
    )  # fmt: skip
    with FaultServer(report_period_s=0.2) as server:
        cameras = list(_cameras(server, str(recording)))
        stalling, mad = server.add_stream("stops-sending"), server.add_stream("mad")
        flood = FileFeed(mad, clip(), 60.0)
        flood.start()
        bus = EmbeddedBus(folder / "bus.sqlite")
        try:
            with fed(stalling):
                yield _seen(bus, cameras, tight, server)
        finally:
            flood.stop()
            bus.close()
            patch.undo()


def _cameras(server: FaultServer, recording: str) -> Iterator[Camera]:
    for number, name in enumerate(STATES):
        if name in ("well", "abort"):
            yield camera(number, "file", recording, id=name)
        elif name == "never-answers":  # whose patience is that of metadata
            yield camera(number, "onvif", server.url_of(name), id=name)
        elif name == "nobody-there":
            yield camera(number, "rtsp", "rtsp://127.0.0.1:1/x", id=name)
        else:
            yield camera(number, "rtsp", server.url_of(name), id=name, enabled=name != "absent")
    for name, status in (("wrong-password", 401), ("no-session-free", 453), ("never-answers", None)):
        server.add_stream(name)
        server.faults(name).status = status
    server.faults("never-answers").is_hanging = True


def _seen(bus: EmbeddedBus, cameras: list[Camera], settings: IngestSettings, server: FaultServer) -> World:
    bus.create_topics(topic_specs(1, ("detect",)))
    producer, district = bus.producer(), district_of(cameras, [])
    for draft in registry_drafts(District((), ()), district):
        producer.append(draft)
    producer.flush()
    only = health.StreamSettings(stalled_s=3.0, flooding_s=1.0)
    stage = DetectStage(district, DetectSettings(), [Configured(health.detector, only)])
    clock, stop, live, registry = SystemClock(), threading.Event(), MemoryLiveStore(SystemClock()), CollectorRegistry()
    role = roles.IngestRole(bus, live, settings, clock, Metrics(registry), Log())
    thread = threading.Thread(target=role.run, args=(stop,))
    thread.start()
    seen, state, offset = World(), stage.initial(0), 0

    def all_told() -> bool:
        nonlocal state, offset
        seen.states = {
            name: msgspec.json.decode(data, type=CameraState) for name, data in live.states("camera").items()
        }
        if "stops-sending" in seen.states and seen.states["stops-sending"].state == "live":
            server.faults("stops-sending").is_stalled = True
        for record in bus.read(OBSERVATIONS, 0, offset):
            state, told = stage.step(state, [Read(record.position, stage.decode(record))])
            seen.findings += told
            offset = record.position.offset + 1
        is_so = {name: (is_told.state, is_told.cause) for name, is_told in seen.states.items()}
        return all(
            name in is_so
            and is_so[name][0] == expected
            and words in is_so[name][1]
            and (rule is None or rule in seen.rules(name))
            and seen.stands(name) == (rule is not None)
            for name, (expected, rule, words) in STATES.items()
        )

    try:
        until(all_told, "every state to be told", 60.0)
        seen.metrics = {
            f"{name} {label}".strip(): registry.get_sample_value(name, {"state": label} if label else {}) or 0.0
            for name, label in (
                *(("drumtower_cameras", state) for state in get_args(StreamState)),
                ("drumtower_cameras_flooding", ""),
                ("drumtower_held_back_seconds_total", ""),
            )
        }
    except AssertionError:
        told = {name: (one.state, one.cause, seen.rules(name)) for name, one in seen.states.items()}
        raise AssertionError(f"expected {STATES}, got {told}") from None
    finally:
        stop.set()
        thread.join(20.0)
    return seen


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_in_the_live_view_in_the_metrics_and_a_finding_where_it_is_trouble(world: World, name: str) -> None:
    expected, rule, words = STATES[name]
    shown = world.states[name]
    assert shown.state == expected and words in shown.cause and "rtsp://" not in shown.cause
    assert world.metrics[f"drumtower_cameras {expected}"] >= 1
    assert (shown.flooding, rule == "flooding") in ((True, True), (False, False))
    found = [one for one in world.findings if one.subject == name]
    assert world.stands(name) == (rule is not None)
    for one in found:
        assert one.data.kind == "health.stream" and one.data.cameras == (name,) and one.data.zone is None


def test_every_state_that_there_is_stands_in_the_table(world: World) -> None:
    assert {state for state, _, _ in STATES.values()} == set(get_args(StreamState))
    told = {rule for _, rule, _ in STATES.values() if rule}
    assert told == {*health._CAUSES, "stalled", "flooding"}  # what is left is seen in pictures
    assert world.metrics["drumtower_cameras_flooding"] == 1 and world.metrics["drumtower_held_back_seconds_total"] > 0


def test_no_password_or_address_is_in_a_finding(world: World, tmp_path: Path) -> None:
    assert all("rtsp:" not in msgspec.json.encode(one).decode() for one in world.findings)
