"""From a message at a real broker, over the bus, to a finding."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

from detectors.camera import events
from detectors.registry import Configured
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.topics import OBSERVATIONS, topic_specs
from ingest.cameras.role import IngestRole
from ingest.clock import SystemClock
from ingest.live.memory import MemoryLiveStore
from ingest.registry.district import District, district_of
from ingest.registry.files import registry_drafts
from ingest.schema.finding import Finding
from ingest.stages.stage import Read
from tests.ingest.cameras.brokers_bench import PATIENT
from tests.ingest.cameras.cameras import camera
from tests.ingest.cameras.metadata import samples
from tests.ingest.cameras.metadata.samples import encoded
from tests.ingest.cameras.test_role import Log, Tally
from tests.support.mqtt_broker import MqttBroker
from tests.support.waiting import until


def test_a_tamper_that_a_camera_tells_is_a_finding(mqtt_broker: MqttBroker, tmp_path: Path) -> None:
    gate = camera(1, "onvif", f"mqtt://127.0.0.1:{mqtt_broker.port}/on-the-bus")
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    bus.create_topics(topic_specs(1, ("detect",)))
    producer, district = bus.producer(), district_of([gate], [])
    for draft in registry_drafts(District((), ()), district):
        producer.append(draft)
    producer.flush()
    stage = DetectStage(district, DetectSettings(), [Configured(events.detector, events.EventSettings())])
    clock, stop = SystemClock(), threading.Event()
    role = IngestRole(bus, MemoryLiveStore(clock), PATIENT, clock, Tally(), Log())  # type: ignore[arg-type]
    thread = threading.Thread(target=role.run, args=(stop,))
    thread.start()
    state, offset = stage.initial(0), 0
    found: list[Finding] = []

    def look() -> list[Finding]:
        nonlocal state, offset
        body = samples.onvif_event({"IsTamper": True, "Confidence": "0.9"}, at=datetime.now(UTC).isoformat())
        mqtt_broker.publish("on-the-bus/onvif-ej/RuleEngine/TamperDetector/Tamper/&1/R", encoded(body))
        for record in bus.read(OBSERVATIONS, 0, offset):
            state, told = stage.step(state, [Read(record.position, stage.decode(record))])
            found.extend(told)
            offset = record.position.offset + 1
        return found

    try:
        first = until(look, "a finding")[0]
    finally:
        stop.set()
        thread.join(20.0)
        bus.close()
    assert first.data.rule == "camera.events.tamper" and first.subject == "camera-1"
    assert first.data.phase == "raised" and abs(first.data.detail["confidence"] - 0.9) < 1e-3
