"""Cameras behind brokers in workers of their own process."""

from __future__ import annotations

from datetime import UTC, datetime

from ingest.cameras.workers.supervisor import Supervisor, how_read
from ingest.clock import SystemClock
from tests.ingest.cameras.brokers_bench import PATIENT
from tests.ingest.cameras.cameras import camera
from tests.ingest.cameras.metadata import samples
from tests.ingest.cameras.metadata.samples import encoded
from tests.support.mqtt_broker import MqttBroker
from tests.support.waiting import until


def test_cameras_of_one_broker_are_in_one_worker_and_come_back_when_it_dies(mqtt_broker: MqttBroker) -> None:
    cameras = [camera(n, "onvif", f"mqtt://127.0.0.1:{mqtt_broker.port}/worker-{n}") for n in (1, 2, 3)]
    supervisor = Supervisor(PATIENT, SystemClock())
    try:
        supervisor.set_cameras(cameras)
        (pid,) = supervisor.workers()
        assert len(supervisor.workers()[pid]) == 3

        def hears() -> bool:
            body = samples.onvif_frame(samples.onvif_object(), at=datetime.now(UTC).isoformat())
            for n in (1, 2, 3):
                mqtt_broker.publish(f"worker-{n}/onvif-mj/VideoAnalytics/1/C", encoded(body))
            supervisor.tend()
            return {one.camera for one in supervisor.take()} == {1, 2, 3}

        until(hears, "a frame of each")
        until(lambda: {state.state for state in supervisor.states().values()} == {"live"}, "live cameras")
        supervisor._workers[0].kill()
        until(hears, "a frame of each, from another worker")
        assert pid not in supervisor.workers()
    finally:
        supervisor.stop()


def test_another_size_of_the_frame_is_another_way_to_read() -> None:
    one = camera(1, "frigate", "mqtt://127.0.0.1/frigate/gate", width_px=1280, height_px=720)
    other = camera(1, "frigate", "mqtt://127.0.0.1/frigate/gate", width_px=640, height_px=360)
    assert how_read(one) != how_read(other)
