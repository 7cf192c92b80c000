"""The connections of one worker: one for each broker and user, whatever number of cameras is behind it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial

from ingest.cameras.brokers.feed import Feed
from ingest.cameras.brokers.kafka_topics import KafkaLink
from ingest.cameras.brokers.link import BrokerKey, Link
from ingest.cameras.brokers.mqtt import MqttLink
from ingest.cameras.brokers.station import Station
from ingest.cameras.brokers.stations import DeepStreamStation, FrigateStation, OwnStation, SharedStation
from ingest.cameras.metadata.event_rules import EventTable
from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.address import password_of
from ingest.cameras.workers.outbox import Outbox
from ingest.cameras.workers.reader import Status
from ingest.clock import Clock
from ingest.registry.broker_url import BrokerUrl, broker_url
from ingest.registry.district import Camera


def broker_of(camera: Camera) -> BrokerKey | None:
    """The broker that a camera is behind, and as whom we come to it; None where it is behind none."""
    url = broker_url(camera.url) if camera.source in ("onvif", "axis", "frigate", "deepstream") else None
    if url is None:
        return None
    secret = camera.password_file, camera.password_env, camera.password_key
    return BrokerKey(url.scheme, url.servers, camera.user, secret)


@dataclass(eq=False)
class _Open:
    link: Link
    cameras: int = 0
    shared: dict[str, SharedStation] = field(default_factory=dict)  # by topic


class BrokerPool:
    """Safe for several threads."""

    def __init__(self, settings: IngestSettings, clock: Clock, outbox: Outbox) -> None:
        self._settings, self._clock, self._outbox = settings, clock, outbox
        self._table = EventTable(settings.events)
        self._open: dict[BrokerKey, _Open] = {}
        self._lock = threading.Lock()

    def reader(self, camera: Camera) -> BrokerReader:
        return BrokerReader(self, camera)

    def links(self) -> int:
        """How many connections there are."""
        with self._lock:
            return len(self._open)

    def take(self, camera: Camera) -> tuple[Feed, Station]:
        """Listen to a camera; the first one behind its broker opens the connection."""
        key, url = broker_of(camera), broker_url(camera.url)
        assert key is not None and url is not None, f"camera {camera.id} is behind no broker"
        with self._lock:
            if key not in self._open:
                self._open[key] = _Open(self._link(key, camera))
                self._open[key].link.start()
            held = self._open[key]
            held.cameras += 1
            feed = Feed(camera, self._settings, self._clock, self._outbox, self._table, held.link)
            if camera.source in ("onvif", "axis"):
                station: Station = OwnStation(feed, url)
                held.link.add(station)
                return feed, station
            shared = held.shared.get(url.prefix)
            if shared is None:
                kind = FrigateStation if camera.source == "frigate" else DeepStreamStation
                shared = held.shared[url.prefix] = kind(
                    url.prefix, self._outbox.count, self._settings.metadata_documents_per_s_max
                )
                shared.add(_name(url), feed)
                held.link.add(shared)
            else:
                shared.add(_name(url), feed)
            return feed, shared

    def leave(self, camera: Camera, feed: Feed, station: Station) -> Link | None:
        """Listen to it no more; the connection that this ends, if any."""
        key = broker_of(camera)
        assert key is not None
        with self._lock:
            held = self._open[key]
            if not isinstance(station, SharedStation) or station.remove(feed):
                held.link.remove(station)
                held.shared = {topic: one for topic, one in held.shared.items() if one is not station}
            held.cameras -= 1
            if held.cameras:
                return None
            del self._open[key]
        held.link.end()
        return held.link

    def _link(self, key: BrokerKey, camera: Camera) -> Link:
        kind = KafkaLink if key.scheme.startswith("kafka") else MqttLink
        password = partial(password_of, camera, self._settings.password_command)
        return kind(key, password, self._settings, self._clock, self._outbox.count)


class BrokerReader:
    """A camera behind a broker, as a worker holds it: see `workers.reader.Reader`."""

    busy_until_ns: int | None = None  # it is in no call that could hang

    def __init__(self, pool: BrokerPool, camera: Camera) -> None:
        self._pool, self.camera = pool, camera
        self._held: tuple[Feed, Station] | None = None
        self._ending: Link | None = None
        self._waiting = Status(camera.id, since_ns=0)

    def start(self, wait_s: float) -> None:
        """At once: a topic more costs a broker little."""
        self._held = self._pool.take(self.camera)

    def end(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._waiting = held[0].status()
            self._ending = self._pool.leave(self.camera, *held)

    def join(self, timeout_s: float) -> None:
        if self._ending is not None:
            self._ending.join(timeout_s)

    def status(self) -> Status:
        held = self._held
        return self._waiting if held is None else held[0].status()


def _name(url: BrokerUrl) -> str:
    """What a shared topic's messages call the camera."""
    return url.path[-1]
