"""
The composition root: parts are opened here, from the settings, and given to the roles. Nothing else knows which bus,
live store or casebook there is.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn
from prometheus_client import CollectorRegistry, ProcessCollector

from correlator.casebook.contract import Casebook
from correlator.casebook.sql import open_casebook
from correlator.incidents.role import CorrelateRole
from deploy.http.app import Desk, app
from deploy.http.district_view import DistrictView
from deploy.http.stream import LiveStream
from deploy.roles import Health, Role
from deploy.settings import Settings, read_secret
from detectors.stage import DetectStage
from ingest.bus.contract import Bus
from ingest.bus.topics import topic_specs
from ingest.cameras.registry_topics import read_district
from ingest.cameras.role import IngestRole
from ingest.clock import Clock, SystemClock
from ingest.errors import SettingsError
from ingest.live.contract import LiveStore
from ingest.live.memory import MemoryLiveStore
from ingest.metrics import Metrics
from ingest.stages.runner import Runner

ROLES = ("ingest", "perceive", "detect", "correlate", "serve")
STAGES = ("detect", "perceive")
REGISTRY_PERIOD_S = 3.0


@dataclass(frozen=True)
class Parts:
    """What every role shares in one process."""

    settings: Settings
    bus: Bus
    live: LiveStore
    clock: Clock
    metrics: Metrics
    health: Health
    member: str  # stable name of this process in its groups
    demo: bool = False


@contextlib.contextmanager
def open_parts(settings: Settings, member: str, demo: bool = False) -> Iterator[Parts]:
    """
    The parts that the settings name, open.

    Raises:
        SettingsError: one of them is not there, or not as the settings say.
    """
    clock = SystemClock()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    data_folder(settings)
    with ExitStack() as stack:
        bus = open_bus(settings)
        stack.callback(bus.close)
        live = open_live(settings, clock)
        stack.callback(live.close)
        yield Parts(settings, bus, live, clock, Metrics(registry), Health(), member, demo)


def data_folder(settings: Settings) -> Path:
    """
    The folder of everything that this machine keeps.

    Raises:
        SettingsError: it cannot be made or written.
    """
    folder = Path(settings.data)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_bytes(b"drumtower")
        probe.unlink()
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise SettingsError(
            f"data folder {folder}",
            expected="a folder that we may write",
            got=error.strerror or type(error).__name__,
            mend="Free some space on this disk." if full else "Mend `data` or the folder's owner.",
        ) from error
    return folder


def open_bus(settings: Settings) -> Bus:
    if settings.bus.kind == "kafka":
        from ingest.bus.kafka import open_kafka  # only a district on Kafka pays for its import

        return open_kafka(settings.bus.kafka)
    from ingest.bus.embedded import EmbeddedBus

    bus = EmbeddedBus(data_folder(settings) / "bus.sqlite")
    bus.create_topics(topic_specs(settings.bus.partitions, STAGES))
    return bus


def open_live(settings: Settings, clock: Clock) -> LiveStore:
    if settings.live.kind == "redis":
        from ingest.live.redis import open_redis

        return open_redis(settings.live.redis_url, clock, read_secret(settings.live.password_file))
    return MemoryLiveStore(clock, settings.live.frame_bytes_max)


def open_book(settings: Settings) -> Casebook:
    url = settings.casebook.url or f"sqlite:///{data_folder(settings) / 'casebook.sqlite'}"
    return open_casebook(url, password=read_secret(settings.casebook.password_file))


def roles(parts: Parts, names: tuple[str, ...]) -> list[Role]:
    """The roles of these names, ready to run; `perceive` only where there is a model."""
    makers = {"ingest": _ingest, "perceive": _perceive, "detect": _detect, "correlate": _correlate, "serve": _serve}
    return [Role(name, makers[name](parts)) for name in names]


def _ingest(parts: Parts):  # type: ignore[no-untyped-def]
    role = IngestRole(
        parts.bus, parts.live, parts.settings.ingest, parts.clock, parts.metrics, structlog.get_logger(), parts.member
    )
    return role.run


def _detect(parts: Parts):  # type: ignore[no-untyped-def]
    def run(stop: threading.Event) -> None:
        """A changed registry is a new stage over the same snapshots: the runner is drained and built again."""
        while not stop.is_set():
            district = read_district(parts.bus)
            changed = threading.Event()
            stage = DetectStage(district, parts.settings.detect)
            log = structlog.get_logger().bind(stage="detect")
            runner = Runner(
                parts.bus, stage, member=parts.member, clock=parts.clock, metrics=parts.metrics, log=log, live=parts.live
            )
            log.info("district.taken", version=district.version, cameras=len(district.cameras), zones=len(district.zones))
            runner.run(_Either(stop, changed), _watch_registry(parts, district.version, changed))

    return run


def _serve(parts: Parts):  # type: ignore[no-untyped-def]
    def run(stop: threading.Event) -> None:
        casebook = open_book(parts.settings)
        view = DistrictView(lambda: read_district(parts.bus), parts.live, parts.clock)
        stream = LiveStream(casebook, view, parts.clock, parts.metrics)
        http = parts.settings.http
        desk = Desk(parts.settings.name, parts.demo, casebook, view, stream, parts.clock, parts.metrics, parts.health)
        config = uvicorn.Config(
            app(desk, http.allowed_hosts),
            host=http.host,
            port=http.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        serve(config, stop)
        casebook.close()

    return run
