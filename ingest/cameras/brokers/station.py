"""
What waits between a broker's connection and the parsers: a bounded queue for each topic, read in turn, so that one that
floods holds up and pushes out no other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ingest.cameras.sources.assembly import DOCUMENT_BYTES_MAX

QUEUED_BYTES_MAX = 32 * 1024 * 1024  # of all topics of a connection
Count = Callable[[str, str], None]


class Message(NamedTuple):
    topic: str
    payload: bytes
    retained: bool  # the broker had it before we asked
    arrived_ns: int
    appended_ns: int  # when the broker got it, where it says so; else as `arrived_ns`


class Station:
    """
    What listens to some topics of a broker. `work` and `idle` are called by the connection's one reading thread,
    `admits` by that of the connection.

    Attributes:
        filters: topics to subscribe to, each with its quality of service.
    """

    def __init__(self, filters: tuple[tuple[str, int], ...]) -> None:
        self.filters = filters
        self.waiting: deque[Message | None] = deque()  # None: a new connection begins
        self.waiting_bytes = 0

    def admits(self, message: Message) -> bool:
        """Whether it may wait to be read; what is not is counted. Of a flood each message costs this, and no parse."""
        return True

    def work(self, message: Message) -> None:
        """Read one message."""
        raise NotImplementedError

    def begin(self) -> None:
        """A new connection begins."""
        raise NotImplementedError

    def idle(self, now_ns: int) -> None:
        """Called several times a second."""


class Desk:
    """The queues of all stations of one connection, and the thread that reads them in turn."""

    def __init__(self, pending_max: int, now_ns: Callable[[], int], count: Count, name: str) -> None:
        self._pending_max, self._now_ns, self._count = pending_max, now_ns, count
        self._ready: deque[Station] = deque()
        self._stations: set[Station] = set()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, station: Station) -> None:
        with self._changed:
            self._stations.add(station)

    def remove(self, station: Station) -> None:
        with self._changed:
            self._stations.discard(station)
            while station.waiting:
                self._take(station)

    def offer(self, station: Station, message: Message | None) -> None:
        """
        From the connection's thread. Too large is dropped, too many push out the oldest of the same station, too many
        bytes the oldest of the station that holds most of them.
        """
        if message is not None and len(message.payload) > DOCUMENT_BYTES_MAX:
            self._count("frames_dropped", "too_large")
            return
        if message is not None and not station.admits(message):
            return
        with self._changed:
            if station not in self._stations:
                return
            if not station.waiting:
                self._ready.append(station)
            station.waiting.append(message)
            size = len(message.payload) if message else 0
            station.waiting_bytes += size
            self._bytes += size
            while len(station.waiting) > self._pending_max:
                self._shed(station)
            while self._bytes > QUEUED_BYTES_MAX:
                self._shed(max(self._stations, key=lambda one: one.waiting_bytes))
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        idle_ns = 0
        while not self._ended:
            self._one()
            now_ns = self._now_ns()
            if abs(now_ns - idle_ns) >= 100_000_000:
                idle_ns = now_ns
                for station in list(self._stations):
                    station.idle(now_ns)

    def _one(self) -> None:
        """The next message of the station whose turn it is; waits a little where there is none."""
        with self._changed:
            if not self._ready:
                self._changed.wait(0.1)
            if not self._ready:
                return
            station = self._ready.popleft()
            if not station.waiting:
                return
            message = self._take(station)
            if station.waiting:
                self._ready.append(station)
        try:
            if message is None:
                station.begin()
            else:
                station.work(message)
        # The reader of a topic is the runner of its cameras: no message must end the thread of all others.
        except Exception:
            self._count("frames_dropped", "document")

    def _take(self, station: Station) -> Message | None:
        """Its oldest, which waits no longer."""
        message = station.waiting.popleft()
        size = len(message.payload) if message else 0
        station.waiting_bytes -= size
        self._bytes -= size
        return message

    def _shed(self, station: Station) -> None:
        if self._take(station) is not None:
            self._count("frames_dropped", "inbox")
