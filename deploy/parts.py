"""
The parts of the system, opened from the settings: bus, live store, casebook. Nothing else knows which ones there are.
"""

from __future__ import annotations

import contextlib
import errno
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from sqlalchemy import make_url

from correlator.casebook.contract import Casebook
from correlator.casebook.sql import open_casebook
from correlator.evidence.book import EvidenceBook
from deploy.roles import Health
from deploy.settings import Settings, read_secret
from ingest.bus.contract import Bus
from ingest.bus.topics import topic_specs
from ingest.clock import Clock, SystemClock
from ingest.counted import counted
from ingest.errors import SettingsError, SettingsFaults
from ingest.live.contract import LiveStore
from ingest.live.memory import MemoryLiveStore
from ingest.metrics import Metrics

STAGES = ("detect", "perceive")


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
            expected=counted(spec.partitions, "partition"),
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
    return MemoryLiveStore(clock, settings.live.frame_bytes_max, settings.live.evidence_bytes_max)


def open_book(settings: Settings) -> Casebook:
    return open_casebook(book_url(settings), settings.correlate)


def open_evidence(settings: Settings) -> EvidenceBook:
    """The pictures of incidents, in the casebook's database."""
    return EvidenceBook(book_url(settings))


def signing_key_file(settings: Settings) -> Path:
    """Where the key of the bundles is, or will be made."""
    named = settings.casebook.signing_key_file
    return Path(named) if named else data_folder(settings) / "keys" / "bundle.pem"


def book_url(settings: Settings) -> str:
    url = settings.casebook.url or f"sqlite:///{data_folder(settings) / 'casebook.sqlite'}"
    password = read_secret(settings.casebook.password_file)
    if password is not None:
        url = make_url(url).set(password=password).render_as_string(hide_password=False)
    return url
