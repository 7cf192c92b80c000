"""One connection to a broker for all cameras behind it: it is held, lost, rested and taken up again here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from ingest.cameras.brokers.station import Count, Desk, Station
from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.backoff import rest_s
from ingest.clock import NS_PER_S, Clock
from ingest.errors import SourceError
from ingest.registry.district import Camera

_MEND = {
    "unreachable": "Check the broker and the network; it is tried again.",
    "auth_failed": "Check user and password; tries are slow now, so that the account is not locked.",
    "refused": "Check the broker's access rules and its limits of clients.",
    "not_found": "Check the topic in the camera's address.",
    "closed": "Check the broker and the network; it is tried again.",
    "stalled": "Check the sender and that its name is the one in the camera's address.",
    "broken_stream": "Check that the topic carries what the camera's source says.",
}


class Loss(Exception):
    """Why a connection is not there."""

    def __init__(self, cause: str, got: str) -> None:
        super().__init__(f"{cause}: {got}")
        self.cause, self.got = cause, got


class BrokerKey(NamedTuple):
    """What tells two connections apart."""

    scheme: str
    servers: tuple[str, ...]
    user: str | None
    secret: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class LinkState:
    loss: Loss | None = None
    connected_ns: int | None = None  # since when, monotonic


def broker_error(camera: Camera, cause: str, got: str, expected: str) -> SourceError:
    return SourceError(camera.id, cause, expected=expected, got=got, mend=_MEND[cause])


class Link:
    """
    A subclass has `session`, which connects, says so by `connected`, hands on what comes, and ends by a `Loss` or when
    `ended` is set. `subscribe` and `unsubscribe` are told of changes while it lives.

    Attributes:
        state: how the connection stands.
        granted, refused: topics that the broker gives us, and those that it does not; of others there is no word yet.
    """

    def __init__(
        self, key: BrokerKey, password: Callable[[], str | None], settings: IngestSettings, clock: Clock, count: Count
    ) -> None:
        self.key, self.settings, self.clock, self.count = key, settings, clock, count
        self.password = password
        self.state = LinkState()
        self.granted: frozenset[str] = frozenset()
        self.refused: frozenset[str] = frozenset()
        self.ended = threading.Event()
        self.desk = Desk(settings.metadata_pending_max, clock.now_ns, count, "broker-desk")
        self._listeners: dict[str, tuple[Station, ...]] = {}  # by filter
        self._qos: dict[str, int] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._live, name="broker-link", daemon=True)

    def start(self) -> None:
        self.desk.start()
        self._thread.start()

    def add(self, station: Station) -> None:
        self.desk.add(station)
        for topic, qos in station.filters:
            with self._lock:
                self._listeners[topic] = (*self._listeners.get(topic, ()), station)
                self._qos[topic] = max(qos, self._qos.get(topic, 0))
            self.subscribe(topic, qos)

    def remove(self, station: Station) -> None:
        self.desk.remove(station)
        for topic, _ in station.filters:
            with self._lock:
                left = tuple(one for one in self._listeners.get(topic, ()) if one is not station)
                if left:
                    self._listeners[topic] = left
                    continue
                self._listeners.pop(topic, None)
                self._qos.pop(topic, None)
            self.unsubscribe(topic)

    def listeners(self, topic_filter: str) -> tuple[Station, ...]:
        return self._listeners.get(topic_filter, ())

    def filters(self) -> dict[str, int]:
        """Quality of service of each topic that is listened to."""
        with self._lock:
            return dict(self._qos)

    def end(self) -> None:
        """Ask it to disconnect; returns at once."""
        self.ended.set()
        self.desk.end()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        self.desk.join(timeout_s)

    def session(self) -> None:
        raise NotImplementedError

    def subscribe(self, topic: str, qos: int) -> None:
        raise NotImplementedError

    def unsubscribe(self, topic: str) -> None:
        raise NotImplementedError

    def connected(self) -> None:
        """From within `session`."""
        self.state = LinkState(connected_ns=self.clock.monotonic_ns())
        with self._lock:
            stations = {station for listeners in self._listeners.values() for station in listeners}
        for station in stations:
            self.desk.offer(station, None)

    def _live(self) -> None:
        random = Random(hash(self.key) ^ self.clock.monotonic_ns())
        failures, last_cause = 0, ""
        while not self.ended.is_set():
            try:
                self.session()
                continue
            except Loss as error:
                loss = error
            except SourceError as error:  # the password cannot be had
                loss = Loss(error.cause, error.got)
            # A stranger's broker may set off anything in a library; it must not end this thread unseen.
            except Exception as error:
                loss = Loss("closed", type(error).__name__)
            since_ns = self.state.connected_ns
            steady_ns = self.settings.steady_s * NS_PER_S
            lived = since_ns is not None and self.clock.monotonic_ns() - since_ns >= steady_ns
            failures = 1 if lived or loss.cause != last_cause else failures + 1
            last_cause = loss.cause
            self.state = LinkState(loss=loss)
            self.granted = self.refused = frozenset()
            self.count("reconnected", loss.cause)
            self.ended.wait(rest_s(self.settings, loss.cause, failures, random))
