"""
The parent of the workers: places cameras, tends what dies, and knows the state of every stream.

    a worker dies     its cameras start again in another; the one that was in the decoder is charged, and runs alone
    crashes_max       such a camera is quarantined, and tried again alone when its time is over
    nobody is known   the group is halved, so that the culprit stands alone after a few deaths; so it is where a
                      worker has outgrown its memory
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ingest.cameras.brokers.pool import broker_of
from ingest.cameras.measures import IngestMetrics, NoMetrics
from ingest.cameras.observation import Observation
from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.cause import source_error
from ingest.cameras.state import CameraState
from ingest.cameras.workers.outbox import PICTURES_MAX
from ingest.cameras.workers.process import WorkerKind, WorkerMain, WorkerProcess
from ingest.cameras.workers.reader import Status
from ingest.cameras.workers.worker import Report, run_worker
from ingest.clock import NS_PER_S, Clock, utc
from ingest.counted import counted
from ingest.registry.district import Camera
from ingest.schema.tick import Picture
from ingest.stages.runner import StageLog

_SUSPECTS_MAX = 4  # more of them say nothing
_STOP_S = 5.0
_SLEPT_NS = 5 * NS_PER_S  # between two calls of `tend`
_YOUNG_NS = 10 * NS_PER_S
_REST_S_MIN, _REST_S_MAX = 0.25, 30.0
_PULLS = 10  # at the tether, within its length
_FLOODS = "It sends more than it may, and is held back: lower its picture and bit rates, or how often it tells."


@dataclass(frozen=True, slots=True)
class _Restart:
    """Cameras of a dead worker, and when they start again (monotonic)."""

    due_ns: int
    kind: WorkerKind
    cameras: list[Camera]


class Supervisor:
    """
    All methods are called from one thread; `tend` often.

    Args:
        run: main function of a worker.
    """

    def __init__(
        self,
        settings: IngestSettings,
        clock: Clock,
        metrics: IngestMetrics | None = None,
        log: StageLog | None = None,
        run: WorkerMain = run_worker,
    ) -> None:
        self._settings, self._clock, self._log, self._run = settings, clock, log, run
        self._metrics = metrics or NoMetrics()
        self._cameras: dict[str, Camera] = {}
        self._worker_of: dict[str, WorkerProcess] = {}
        self._workers: list[WorkerProcess] = []
        self._crashes: dict[str, int] = {}
        self._released_ns: dict[str, int] = {}  # quarantined until, monotonic
        self._leaving: list[tuple[WorkerProcess, int]] = []  # and until when
        self._restarts: list[_Restart] = []
        self._rest_s = _REST_S_MIN
        self._tended_ns = clock.monotonic_ns()
        self._inbox: deque[Observation] = deque()
        self._statuses: dict[str, Status] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        threading.Thread(target=self._pull, name="tether", daemon=True).start()

    def set_cameras(self, cameras: Iterable[Camera]) -> None:
        """Read exactly these; cameras that stay as they were are not touched."""
        wanted = {camera.id: camera for camera in cameras if camera.enabled}
        for camera_id, camera in list(self._cameras.items()):
            if camera_id not in wanted or how_read(wanted[camera_id]) != how_read(camera):
                del self._cameras[camera_id]
                self._leave(camera_id)
        for camera_id, camera in wanted.items():
            if camera_id not in self._cameras:
                self._set_status(Status(camera_id, since_ns=self._clock.now_ns()))
                self._place([camera])
        self._cameras = wanted

    def tend(self) -> None:
        """Bury the dead, kill the hung, start what has rested, release the quarantined."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._tended_ns > _SLEPT_NS:
            for worker in self._workers:
                worker.forgive()
        self._tended_ns = now_ns
        for worker in list(self._workers):
            if worker.exit_code is None and worker.is_silent():
                worker.kill()
            if worker.exit_code is not None:
                self._bury(worker)
            elif not worker.cameras:
                self._workers.remove(worker)
                worker.stop()
                self._leaving.append((worker, now_ns + int(_STOP_S * NS_PER_S)))
        for worker, until_ns in list(self._leaving):
            if worker.exit_code is not None or now_ns > until_ns:
                worker.wait(0.0)
                self._leaving.remove((worker, until_ns))
        for restart in [one for one in self._restarts if one.due_ns <= now_ns]:
            self._restarts.remove(restart)
            self._restart(restart)
        for camera_id in [name for name, until_ns in self._released_ns.items() if until_ns <= now_ns]:
            del self._released_ns[camera_id]
            self._crashes[camera_id] = self._settings.crashes_max - 1  # one more chance
            self._place([self._cameras[camera_id]])

    def take(self) -> list[Observation]:
        """All observations since the last call."""
        with self._lock:
            taken = list(self._inbox)
            self._inbox.clear()
        return taken

    def states(self) -> dict[str, CameraState]:
        """The state of every enabled camera, by id."""
        with self._lock:
            return {name: _state(status) for name, status in self._statuses.items()}

    def workers(self) -> Mapping[int, tuple[str, ...]]:
        """Ids of the cameras of each worker, by process id."""
        return {
            worker.pid: tuple(camera.id for camera in worker.cameras.values())
            for worker in self._workers
            if worker.pid is not None
        }

    def stop(self) -> None:
        """Close every session and end all workers; returns when they are gone."""
        self._stopped.set()
        for worker in self._workers:
            worker.stop()
        self._workers += [worker for worker, _ in self._leaving]
        self._leaving.clear()
        until_ns = self._clock.monotonic_ns() + int(_STOP_S * NS_PER_S)
        for worker in self._workers:
            worker.wait((until_ns - self._clock.monotonic_ns()) / NS_PER_S)
        self._workers.clear()
        self._worker_of.clear()

    def _pull(self) -> None:
        """In a thread of its own: the workers shall know that we sleep, not that the bus is slow."""
        while not self._stopped.wait(self._settings.lease_s / _PULLS):
            now_ns = self._clock.monotonic_ns()
            for worker in tuple(self._workers):
                worker.tether.pull(now_ns)

    def _place(self, cameras: Iterable[Camera], into: WorkerProcess | None = None) -> None:
        for camera in cameras:
            worker = into or self._worker_for(camera)
            worker.add(camera)
            self._worker_of[camera.id] = worker

    def _worker_for(self, camera: Camera) -> WorkerProcess:
        if self._crashes.get(camera.id):
            return self._start("alone")
        broker = broker_of(camera)
        kind: WorkerKind = "metadata" if camera.source == "onvif" else "video"
        kind = kind if broker is None else "broker"
        alike = [worker for worker in self._workers if worker.kind == kind and worker.exit_code is None]
        open_ = [worker for worker in alike if worker.room() > 0]
        if broker is not None:
            # Those of one broker share its connection.
            beside = [one for one in open_ if any(broker_of(other) == broker for other in one.cameras.values())]
            open_ = beside or open_
        emptiest = min(open_, key=lambda worker: len(worker.cameras), default=None)
        spread = kind == "video" and len(alike) < self._settings.workers_spread
        if emptiest is None or (spread and len(emptiest.cameras) >= self._settings.cameras_per_worker // 4):
            return self._start(kind)
        return emptiest

    def _start(self, kind: WorkerKind) -> WorkerProcess:
        worker = WorkerProcess(kind, self._settings, self._clock, self._on_report, self._run)
        self._workers.append(worker)
        return worker

    def _leave(self, camera_id: str) -> None:
        worker = self._worker_of.pop(camera_id, None)
        if worker is not None:
            worker.remove(camera_id)
        self._released_ns.pop(camera_id, None)
        self._crashes.pop(camera_id, None)
        with self._lock:
            self._statuses.pop(camera_id, None)

    def _bury(self, worker: WorkerProcess) -> None:
        """Charge who brought it down, and start the rest again elsewhere."""
        self._workers.remove(worker)
        worker.wait(0.0)
        cameras = list(worker.cameras.values())
        suspects = cameras if len(cameras) == 1 else [] if worker.was_full else worker.suspects()
        # Killed from outside (for memory, or by a person) while nobody was in the decoder, or we slept: nobody's fault.
        killed = worker.exit_code == -signal.SIGKILL and not worker.killed and len(suspects) != 1
        innocent = killed or worker.has_let_go
        if self._log is not None:
            names = [camera.id for camera in suspects[:_SUSPECTS_MAX]]
            self._log.warning("worker.died", exit_code=worker.exit_code, cameras=len(cameras), suspects=names)
        for camera in cameras:
            self._worker_of.pop(camera.id, None)
        due_ns = self._rested_ns(worker)
        if innocent:
            self._restarts.append(_Restart(due_ns, worker.kind, cameras))
            return
        known = suspects if len(suspects) <= _SUSPECTS_MAX else []
        rest = [camera for camera in cameras if camera not in known]
        for camera in known:
            self._charge(camera, due_ns)
        half = len(rest) if known else len(rest) // 2
        self._restarts += [_Restart(due_ns, worker.kind, group) for group in (rest[:half], rest[half:]) if group]

    def _rested_ns(self, dead: WorkerProcess) -> int:
        """When what it did may start again (monotonic). Workers that die young rest longer each time."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - dead.started_ns > _YOUNG_NS:
            self._rest_s = _REST_S_MIN
            return now_ns
        due_ns = now_ns + int(self._rest_s * NS_PER_S)
        self._rest_s = min(self._rest_s * 2, _REST_S_MAX)
        return due_ns

    def _restart(self, restart: _Restart) -> None:
        """Those that nobody has removed, changed or quarantined meanwhile."""
        cameras = [
            self._cameras[camera.id]
            for camera in restart.cameras
            if camera.id in self._cameras and camera.id not in self._worker_of and camera.id not in self._released_ns
        ]
        if not cameras:
            return
        self._place(cameras, self._start(restart.kind))

    def _charge(self, camera: Camera, due_ns: int) -> None:
        crashes = self._crashes[camera.id] = self._crashes.get(camera.id, 0) + 1
        self._metrics.reconnected("crashed")
        if crashes < self._settings.crashes_max:
            self._restarts.append(_Restart(due_ns, "alone", [camera]))
            return
        self._released_ns[camera.id] = self._clock.monotonic_ns() + int(self._settings.quarantine_s * NS_PER_S)
        line = str(source_error(camera, "crashed", f"a decoder that died {counted(crashes, 'time')}"))
        self._set_status(Status(camera.id, "quarantined", line, self._clock.now_ns()))
        if self._log is not None:
            self._log.error("camera.quarantined", camera=camera.id, crashes=crashes, for_s=self._settings.quarantine_s)

    def _set_status(self, status: Status) -> None:
        with self._lock:
            self._statuses[status.camera] = status

    def _on_report(self, report: Report) -> None:
        """From a worker's receiving thread."""
        shed = 0
        with self._lock:
            crowded = len(self._inbox) > PICTURES_MAX
            self._inbox.extend(one.without_pictures() if crowded else one for one in report.observations)
            while len(self._inbox) > self._settings.observations_pending_max:
                self._inbox.popleft()
                shed += 1
            for status in report.statuses or ():
                # Not of a camera that has just left, nor over a quarantine.
                if status.camera in self._statuses and status.camera not in self._released_ns:
                    self._statuses[status.camera] = status
        if shed:
            self._metrics.frames_dropped("inbox", shed)
        for (what, label), count in report.counts.items():
            if what == "frames_read":
                self._metrics.frames_read(count)
            elif what == "frames_dropped":
                self._metrics.frames_dropped(label, count)
            elif what == "held_back":
                self._metrics.held_back(count / 1_000)
            elif what == "fields_dropped":
                self._metrics.fields_dropped(label, count)
            elif what == "reconnected":
                for _ in range(count):
                    self._metrics.reconnected(label)


def how_read(camera: Camera) -> tuple[object, ...]:
    """What a reader needs of a camera: where this is the same, its stream need not be opened again."""
    secret = camera.user, camera.password_file, camera.password_env, camera.password_key
    size = camera.width_px, camera.height_px
    address, learned = (camera.source, camera.url, camera.other_urls), camera.relearned_at_ns
    return camera.number, *address, *secret, camera.sampling_period_s, *size, learned


def _state(status: Status) -> CameraState:
    return CameraState(
        id=status.camera,
        state=status.state,
        cause=status.cause or (_FLOODS if status.is_flooding else ""),
        since=utc(status.since_ns),
        last_frame_at=utc(status.last_frame_at_ns) if status.last_frame_at_ns else None,
        picture=tuple(flag.name.lower() for flag in Picture if flag & status.picture and flag.name),
        offset_s=None if status.offset_ns is None else status.offset_ns / NS_PER_S,
        drift_ppm=status.drift_ppm,
        flooding=status.is_flooding,
        key_gap_s=status.key_gap_s,
    )
