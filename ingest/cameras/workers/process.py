"""The parent's hold on one worker: its process, its pipe, and which camera sits in which slot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Literal

from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.danger import Danger
from ingest.cameras.workers.tether import Tether
from ingest.cameras.workers.worker import EXIT_FULL, EXIT_LET_GO, Add, Order, Remove, Report, Stop, run_worker
from ingest.clock import NS_PER_S, Clock
from ingest.registry.district import Camera

WorkerKind = Literal["video", "metadata", "broker", "alone"]
WorkerMain = Callable[[Connection, IngestSettings, Danger, Tether], None]
_SLOTS = 2_048


class WorkerProcess:
    """
    Started when made. Safe for one thread; `on_report` is called from the worker's own receiving thread.

    Attributes:
        kind: what it is for; `alone` holds one camera that is suspected of crashes.
        cameras: by slot.
    """

    def __init__(
        self,
        kind: WorkerKind,
        settings: IngestSettings,
        clock: Clock,
        on_report: Callable[[Report], None],
        run: WorkerMain = run_worker,
    ) -> None:
        self.kind, self.cameras = kind, dict[int, Camera]()
        self._settings, self._clock, self._on_report = settings, clock, on_report
        context = get_context("spawn")
        self.danger = Danger(context, _SLOTS)
        self.tether = Tether(context, clock)
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=run, args=(theirs, settings, self.danger, self.tether), name=f"ingest-{kind}", daemon=True
        )
        self._process.start()
        theirs.close()
        self.started_ns = self._beat_ns = clock.monotonic_ns()
        self._added_ns = 0
        self._slot = -1
        self.killed = False
        self._receiver = threading.Thread(target=self._receive, args=(self._connection,), daemon=True)
        self._receiver.start()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it lives; negative for a signal."""
        return self._process.exitcode

    @property
    def has_let_go(self) -> bool:
        """Whether it ended because its role slept."""
        return self._process.exitcode == EXIT_LET_GO

    @property
    def was_full(self) -> bool:
        """Whether it ended because its memory was beyond its bound: who was in the decoder then says nothing."""
        return self._process.exitcode == EXIT_FULL

    def room(self) -> int:
        """How many more cameras it takes."""
        limits = {
            "video": self._settings.cameras_per_worker,
            "metadata": self._settings.metadata_cameras_per_worker,
            "broker": self._settings.broker_cameras_per_worker,
            "alone": 1,
        }
        return limits[self.kind] - len(self.cameras)

    def add(self, camera: Camera) -> None:
        """Read this camera; openings are spread in time."""
        self._slot = next(n for i in range(1, _SLOTS) if (n := (self._slot + i) % _SLOTS) not in self.cameras)
        self.cameras[self._slot] = camera
        now_ns = self._clock.monotonic_ns()
        self._added_ns = max(now_ns, self._added_ns + int(self._settings.open_spread_s * NS_PER_S))
        self._order(Add(self._slot, camera, (self._added_ns - now_ns) / NS_PER_S))

    def remove(self, camera_id: str) -> None:
        slot = next(slot for slot, camera in self.cameras.items() if camera.id == camera_id)
        del self.cameras[slot]
        self._order(Remove(slot))

    def is_silent(self) -> bool:
        """Whether no report came for too long."""
        return self._clock.monotonic_ns() - self._beat_ns > self._settings.heartbeat_s_max * NS_PER_S

    def forgive(self) -> None:
        """Forget its silence: it was the parent that slept."""
        self._beat_ns = self._clock.monotonic_ns()

    def suspects(self) -> list[Camera]:
        """Cameras that its death may be due to; empty where nothing is known."""
        return [self.cameras[slot] for slot in self.danger.suspects() if slot in self.cameras]

    def kill(self) -> None:
        """End it at once."""
        self.killed = True
        self._process.kill()
        self._process.join(5.0)

    def stop(self) -> None:
        """Ask it to close every session and end; returns at once."""
        self._order(Stop())

    def wait(self, timeout_s: float) -> None:
        """Wait for its end; kill it when that does not come."""
        self._process.join(max(timeout_s, 0.0))
        if self._process.exitcode is None:
            self.kill()
        self._receiver.join(2.0)
        self._connection.close()

    def _order(self, order: Order) -> None:
        with suppress(OSError):  # it is dead; whoever tends it will see
            self._connection.send(order)

    def _receive(self, connection: Connection) -> None:
        try:
            while True:
                report = connection.recv()
                self._beat_ns = self._clock.monotonic_ns()
                self._on_report(report)
        except (EOFError, OSError):
            return
