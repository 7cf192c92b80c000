"""A desk for tests: the real API over a real casebook with a correlator behind it, in this process."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry

from correlator.evidence.book import EvidenceBook
from deploy.http.app import Desk, app
from deploy.http.district_view import DistrictView
from deploy.http.evidence import EvidenceRoom
from deploy.http.server import serve
from deploy.http.stream import LiveStream
from deploy.roles import Health
from ingest.bus.contract import Bus
from ingest.cameras.state import CameraState, StreamState, ZoneState
from ingest.clock import utc
from ingest.evidence import EvidenceSettings
from ingest.live.memory import MemoryLiveStore
from ingest.metrics import Metrics
from ingest.registry.district import Camera, Zone, ZoneClass, district_of
from tests.correlator.cases import SQUARE
from tests.correlator.watch import Watch
from tests.support.waiting import until

LIFETIME_S = 1e6
KEPT_S = 3_600.0
HALF_SIDE_DEG = 0.0002
SQUARE_RING = tuple(
    (SQUARE.lon + dx * HALF_SIDE_DEG, SQUARE.lat + dy * HALF_SIDE_DEG)
    for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1))
)


class DeskServer:
    """`watch` takes findings and moves the clock; `start` and `stop` are the server's."""

    def __init__(self, folder: Path) -> None:
        self.watch = Watch(f"sqlite:///{folder}/casebook.db")
        self.live = MemoryLiveStore(self.watch.clock)
        self.book = EvidenceBook(self.watch.url)
        self.evidence: EvidenceRoom | None = EvidenceRoom(self.book, self.live.evidence, EvidenceSettings(), KEPT_S)
        self.district = district_of(
            [
                Camera(
                    id=name, number=number, name=f"Gate {number}", site="north", partition=0,
                    lon=SQUARE.lon, lat=SQUARE.lat + number * 1e-5, source="rtsp", url="rtsp://127.0.0.1/1",
                )
                for number, name in enumerate(("gate-7", "gate-8"), start=7)
            ],
            [
                Zone(
                    id="north-square", name="North square", site="north", partition=0, zone_class=ZoneClass.OPEN,
                    polygon=SQUARE_RING, safe_capacity=100,
                )
            ],
        )  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.bus: Bus | None = None  # of the registry, where a test has one
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def show(self, level: str, occupancy: float, camera_state: StreamState = "live") -> None:
        """The live picture, as the workers would report it."""
        now = utc(self.watch.clock.now_ns())
        zone = ZoneState(
            id="north-square", level=level, occupancy=occupancy, low=occupancy - 20, high=occupancy + 20,
            density_per_m2=1.0, capacity_use=occupancy / 100, degraded=False, observed_at=now, local_per_m2=2.4,
        )  # fmt: skip
        states: dict[str, StreamState] = {"gate-7": "live", "gate-8": camera_state}
        cameras = [CameraState(id=name, state=state, since=now) for name, state in states.items()]
        self.live.put_states("zone", {zone.id: msgspec.json.encode(zone)}, LIFETIME_S)
        self.live.put_states("camera", {state.id: msgspec.json.encode(state) for state in cameras}, LIFETIME_S)

    def start(self) -> None:
        watch, metrics = self.watch, Metrics(CollectorRegistry())
        view = DistrictView(lambda: self.district, self.live, watch.clock)
        stream = LiveStream(watch.casebook, view, watch.clock, metrics)
        desk = Desk(
            "North district", False, watch.casebook, view, stream, watch.clock, metrics, Health(), self.bus,
            evidence=self.evidence,
        )  # fmt: skip
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=serve, args=(app(desk, ("127.0.0.1",)), "127.0.0.1", self.port, self._stop), daemon=True
        )
        self._thread.start()
        until(self._listens, "the API listens")

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=20)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self) -> None:
        self.stop()
        self.book.close()
        self.watch.casebook.close()
