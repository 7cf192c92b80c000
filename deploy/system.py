"""
The composition root: parts are opened here, from the settings, and given to the roles. Nothing else knows which bus,
live store or casebook there is.
"""

from __future__ import annotations

import contextlib
import errno
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog
from detectors.vision.models import ModelCard, chosen_model, load_model
from prometheus_client import CollectorRegistry, ProcessCollector
from sqlalchemy import make_url

from correlator.casebook.contract import Casebook
from correlator.casebook.sql import open_casebook
from correlator.incidents.role import CorrelateRole
from deploy.http.app import Desk, app
from deploy.http.district_view import DistrictView
from deploy.http.server import serve
from deploy.http.stream import LiveStream
from deploy.roles import Health, Role, Run
from deploy.settings import Settings, read_secret
from detectors.stage import DetectStage
from ingest.bus.contract import Bus
from ingest.bus.topics import topic_specs
from ingest.cameras.registry_topics import read_district
from ingest.cameras.role import IngestRole
from ingest.clock import NS_PER_S, Clock, SystemClock
from ingest.errors import SettingsError, SettingsFaults
from ingest.live.contract import LiveStore
from ingest.live.memory import MemoryLiveStore
from ingest.metrics import Metrics
from ingest.stages.runner import Runner

ROLES = ("ingest", "perceive", "detect", "correlate", "serve")
STAGES = ("detect", "perceive")
REGISTRY_PERIOD_NS = 3 * NS_PER_S


@contextlib.contextmanager
def open_registry_bus(settings: Settings) -> Iterator[Bus]:
    """The bus alone, for a command that reads or changes the registry."""
    bus = open_bus(settings)
    try:
        yield bus
    finally:
        bus.close()


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
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"drumtower")
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
    """
    The bus, with its topics: a file makes its own, Kafka's are made by `create_topics`.

    Raises:
        SettingsError: a topic is missing, or has another partition count than the settings.
    """
    if settings.bus.kind == "embedded":
        return create_topics(settings)
    bus = _open_bare_bus(settings)
    check_topics(bus, settings.bus.partitions)
    return bus


def create_topics(settings: Settings) -> Bus:
    """
    The bus, after the topics that were missing have been made.

    Raises:
        SettingsError: a topic is there with another partition count.
    """
    bus = _open_bare_bus(settings)
    bus.create_topics(topic_specs(settings.bus.partitions, STAGES))
    return bus


def _open_bare_bus(settings: Settings) -> Bus:
    if settings.bus.kind == "kafka":
        from ingest.bus.kafka import open_kafka  # only a district on Kafka pays for its import

        return open_kafka(settings.bus.kafka)
    from ingest.bus.embedded import EmbeddedBus

    return EmbeddedBus(data_folder(settings) / "bus.sqlite")


def check_topics(bus: Bus, partitions: int) -> None:
    """
    Raises:
        SettingsFaults: topics that are missing, or have another partition count; all of them.
    """
    counts = bus.partition_counts()
    faults = [
        SettingsError(
            f"topic {spec.name}",
            expected=f"{spec.partitions} partitions",
            got=str(counts.get(spec.name, "no such topic")),
            mend="Run `drumtower topics create`."
            if spec.name not in counts
            else "Mend bus.partitions, or move to new topics: a site's partition cannot change under its snapshots.",
        )
        for spec in topic_specs(partitions, STAGES)
        if counts.get(spec.name) != spec.partitions
    ]
    if faults:
        raise SettingsFaults(faults)


def open_live(settings: Settings, clock: Clock) -> LiveStore:
    if settings.live.kind == "redis":
        from ingest.live.redis import open_redis

        return open_redis(settings.live.redis_url, clock, read_secret(settings.live.password_file))
    return MemoryLiveStore(clock, settings.live.frame_bytes_max)


def open_book(settings: Settings) -> Casebook:
    url = settings.casebook.url or f"sqlite:///{data_folder(settings) / 'casebook.sqlite'}"
    password = read_secret(settings.casebook.password_file)
    if password is not None:
        url = make_url(url).set(password=password).render_as_string(hide_password=False)
    return open_casebook(url, settings.correlate)


def roles(parts: Parts, names: tuple[str, ...]) -> list[Role]:
    """The roles of these names, ready to run."""
    makers = {"ingest": _ingest, "perceive": _perceive, "detect": _detect, "correlate": _correlate, "serve": _serve}
    return [Role(name, makers[name](parts)) for name in names]


def _ingest(parts: Parts) -> Run:
    # Pictures leave the workers only where a model looks at them: what nobody needs is not kept.
    settings = parts.settings.ingest
    settings = msgspec.structs.replace(settings, frames=settings.frames or _model(parts.settings) is not None)
    log = structlog.get_logger().bind(role="ingest")
    return IngestRole(parts.bus, parts.live, settings, parts.clock, parts.metrics, log, parts.member).run


def _detect(parts: Parts) -> Run:
    def run(stop: threading.Event) -> None:
        # A changed registry is a new stage over the same snapshots: the runner drains and is built again.
        while not stop.is_set():
            district = read_district(parts.bus)
            stage = DetectStage(district, parts.settings.detect)
            log = structlog.get_logger().bind(stage=stage.name)
            log.info(
                "district.taken", version=district.version, cameras=len(district.cameras), zones=len(district.zones)
            )
            watch = _RegistryWatch(parts, district.version, stop)
            _runner(parts, stage, log).run(watch.ended, watch.look)

    return run


def _perceive(parts: Parts) -> Run:
    def run(stop: threading.Event) -> None:
        log = structlog.get_logger().bind(stage="perceive")
        card = _model(parts.settings)
        if card is None:
            log.info("model.none", meaning="occupancy is estimated from the foreground", mend="drumtower models add")
            stop.wait()
            return
        from detectors.vision.stage import PerceiveStage

        stage = PerceiveStage(
            load_model(_model_store(parts.settings), card.name), parts.live.frame, parts.settings.perceive
        )
        log.info("model.loaded", model=card.name, licence=card.licence)
        _runner(parts, stage, log).run(stop)

    return run


def _correlate(parts: Parts) -> Run:
    def run(stop: threading.Event) -> None:
        casebook = open_book(parts.settings)
        log = structlog.get_logger().bind(role="correlate")
        role = CorrelateRole(
            parts.bus, casebook, parts.settings.correlate, parts.clock, parts.metrics, log, parts.member
        )
        try:
            role.run(stop)
        finally:
            casebook.close()

    return run


def _serve(parts: Parts) -> Run:
    def run(stop: threading.Event) -> None:
        casebook = open_book(parts.settings)
        view = DistrictView(lambda: read_district(parts.bus), parts.live, parts.clock)
        stream = LiveStream(casebook, view, parts.clock, parts.metrics)
        http = parts.settings.http
        desk = Desk(parts.settings.name, parts.demo, casebook, view, stream, parts.clock, parts.metrics, parts.health)
        try:
            serve(app(desk, http.allowed_hosts), http.host, http.port, stop)
        finally:
            casebook.close()

    return run


def _runner(parts: Parts, stage: Any, log: Any) -> Runner[Any, Any, Any]:
    return Runner(
        parts.bus, stage, member=parts.member, clock=parts.clock, metrics=parts.metrics, log=log, live=parts.live
    )


class _RegistryWatch:
    """Ends a run when the district is no longer the one that it began with, or when all is to stop."""

    def __init__(self, parts: Parts, version: str, stop: threading.Event) -> None:
        self._parts, self._version, self._stop = parts, version, stop
        self._due_ns = parts.clock.monotonic_ns() + REGISTRY_PERIOD_NS
        self.ended = threading.Event()

    def look(self) -> None:
        if self._stop.is_set():
            self.ended.set()
        elif self._parts.clock.monotonic_ns() >= self._due_ns:
            self._due_ns = self._parts.clock.monotonic_ns() + REGISTRY_PERIOD_NS
            if read_district(self._parts.bus).version != self._version:
                self.ended.set()


def _model_store(settings: Settings) -> Path:
    return Path(settings.data) / "models"


def _model(settings: Settings) -> ModelCard | None:
    """The model that the settings name; without a name the only one in the store; None where there is none."""
    return chosen_model(_model_store(settings), settings.perceive.model)
