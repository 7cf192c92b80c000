"""
The child process: some cameras, a thread each, one analyst. It ends when it is told to, or when its parent is gone, or
sleeps so long that another may own the cameras.

It takes itself down when a camera holds it in a call that should long have returned: a thread cannot be killed, a
process can. An alarm of the kernel does it where even that is not possible any more.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

import av.logging

from ingest.cameras.brokers.pool import BrokerPool, broker_of
from ingest.cameras.observation import Observation
from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.analyst import Analyst
from ingest.cameras.workers.danger import Danger
from ingest.cameras.workers.metadata_reader import MetadataReader
from ingest.cameras.workers.outbox import Outbox
from ingest.cameras.workers.reader import CameraReader, Status
from ingest.cameras.workers.tether import Tether
from ingest.cameras.workers.video_reader import VideoReader
from ingest.clock import NS_PER_S, Clock, SystemClock
from ingest.registry.district import Camera

EXIT_HUNG = 70
EXIT_LET_GO = 71
EXIT_FULL = 72
_M_ARENA_MAX = -8  # of glibc's malloc.h
_BEAT_S = 1.0
_BATCH_S = 0.02
_STOP_S = 3.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Add:
    slot: int
    camera: Camera
    wait_s: float


@dataclass(frozen=True, slots=True)
class Remove:
    slot: int


@dataclass(frozen=True, slots=True)
class Stop:
    pass


Order = Add | Remove | Stop


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells; statuses and counts come with each beat."""

    observations: list[Observation] = field(default_factory=list)
    statuses: list[Status] | None = None
    counts: dict[tuple[str, str], int] = field(default_factory=dict)


def run_worker(connection: Connection, settings: IngestSettings, danger: Danger, tether: Tether) -> None:
    """The process's main function."""
    av.logging.set_level(None)  # its lines hold addresses with passwords
    _share_arenas()
    worker = Worker(connection, settings, danger, tether, SystemClock())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, worker.on_signal)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    exit_code = worker.run()
    # Threads that still wait for a dead camera must not hold the process.
    os._exit(exit_code)


def _share_arenas() -> None:
    """Let the threads share two heaps: one for each of them keeps pictures that nobody needs any more."""
    with suppress(OSError, AttributeError):  # another C library has another way
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


class Worker:
    def __init__(
        self, connection: Connection, settings: IngestSettings, danger: Danger, tether: Tether, clock: Clock
    ) -> None:
        self._connection, self._settings, self._danger, self._clock = connection, settings, danger, clock
        self._tether = tether
        self._outbox = Outbox(settings.observations_per_worker_max)
        self._analyst = Analyst(clock, danger)
        self._readers: dict[int, CameraReader] = {}
        self._brokers = BrokerPool(settings, clock, self._outbox)
        self._ended = threading.Event()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self._ended.set()

    def run(self) -> int:
        """Obey until told to stop, then close every camera's session; the exit code."""
        self._analyst.start()
        sender = threading.Thread(target=self._send, name="sender", daemon=True)
        sender.start()
        exit_code = 0
        while not self._ended.is_set():
            signal.alarm(2 * max(1, int(self._settings.heartbeat_s_max)))
            try:
                while self._connection.poll(0.25) and not self._ended.is_set():
                    self._obey(self._connection.recv())
            except (EOFError, OSError):
                break
            if self._tether.slack_ns(self._clock.monotonic_ns()) > self._settings.lease_s * NS_PER_S:
                exit_code = EXIT_LET_GO
                break
            self._check()
        self._ended.set()
        self._stop()
        return exit_code

    def _obey(self, order: Order) -> None:
        if isinstance(order, Stop):
            self._ended.set()
        elif isinstance(order, Remove):
            reader = self._readers.pop(order.slot, None)
            if reader is not None:
                reader.end()
        else:
            self._readers[order.slot] = reader = self._reader(order.camera, order.slot)
            reader.start(order.wait_s)

    def _reader(self, camera: Camera, slot: int) -> CameraReader:
        if broker_of(camera) is not None:
            return self._brokers.reader(camera)
        parts = camera, slot, self._settings, self._clock, self._outbox, self._danger
        if camera.source == "onvif":
            return MetadataReader(*parts)
        return VideoReader(*parts, self._analyst)

    def _check(self) -> None:
        """
        End the process where a call hangs, with the culprit named; and where its memory is beyond its bound, which no
        queue of ours can cause: then it is a stream inside the library, and the group is halved until it stands alone.
        """
        now_ns = self._clock.monotonic_ns()
        if resident_bytes() > self._settings.worker_mib_max * 2**20:
            os._exit(EXIT_FULL)
        if now_ns - self._analyst.beat_ns > self._settings.heartbeat_s_max / 2 * NS_PER_S:
            os._exit(EXIT_HUNG)  # the culprit is in the decoder
        for slot, reader in self._readers.items():
            busy_until_ns = reader.busy_until_ns
            if busy_until_ns is not None and now_ns > busy_until_ns:
                self._danger.decoding(slot)
                os._exit(EXIT_HUNG)

    def _send(self) -> None:
        beat_ns = 0
        try:
            while not self._ended.is_set():
                observations = self._outbox.take(0.2)
                now_ns = self._clock.monotonic_ns()
                if now_ns - beat_ns >= _BEAT_S * NS_PER_S:
                    beat_ns = now_ns
                    statuses = [reader.status() for reader in list(self._readers.values())]
                    self._connection.send(Report(observations, statuses, self._outbox.take_counts()))
                elif observations:
                    self._connection.send(Report(observations))
                self._ended.wait(_BATCH_S)
        except OSError:
            self._ended.set()  # the parent is gone

    def _stop(self) -> None:
        signal.alarm(int(_STOP_S) + 5)
        until_ns = self._clock.monotonic_ns() + int(_STOP_S * NS_PER_S)
        for reader in self._readers.values():
            reader.end()
        for reader in self._readers.values():
            reader.join(max(0.0, (until_ns - self._clock.monotonic_ns()) / NS_PER_S))
        self._analyst.end()


def resident_bytes() -> int:
    """Of this process; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0
