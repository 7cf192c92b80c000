"""Workers die; cameras do not notice, but for the one that is to blame."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.supervisor import Supervisor
from ingest.clock import SystemClock
from ingest.registry.district import Camera
from tests.ingest.cameras.cameras import QUICK, camera, clip, fed, shared
from tests.ingest.cameras.dangerous_worker import run_dangerous_worker
from tests.support.rtsp import FaultServer
from tests.support.waiting import until


class Ward:
    """A supervisor that is tended while a test waits."""

    def __init__(self, settings: IngestSettings) -> None:
        self.supervisor = Supervisor(settings, SystemClock(), run=run_dangerous_worker)
        self.frames: Counter[int] = Counter()

    def tend(self) -> None:
        self.supervisor.tend()
        self.frames.update(one.camera for one in self.supervisor.take())

    def wait(self, what: str, *numbers: int, more: int = 2, timeout_s: float = 30.0) -> None:
        """For more frames of these cameras."""
        before = self.frames.copy()

        def came() -> bool:
            self.tend()
            return all(self.frames[number] >= before[number] + more for number in numbers)

        until(came, what, timeout_s)

    def wait_state(self, camera_id: str, state: str) -> None:
        def is_so() -> bool:
            self.tend()
            return self.supervisor.states()[camera_id].state == state

        until(is_so, f"{camera_id} {state}", 40.0)


@contextmanager
def ward(cameras: list[Camera], settings: IngestSettings = QUICK) -> Iterator[Ward]:
    made = Ward(settings)
    try:
        made.supervisor.set_cameras(cameras)
        yield made
    finally:
        made.supervisor.stop()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("clips") / "street.h264"
    path.write_bytes(b"".join(unit.data for unit in clip(seconds=4.0)))
    return str(path)


def test_a_camera_that_crashes_its_worker_is_quarantined_and_the_others_go_on(recording: str) -> None:
    cameras = [camera(n, "file", recording) for n in range(4)] + [camera(9, "file", recording, id="abort-9")]
    with ward(cameras) as here:
        here.wait_state("abort-9", "quarantined")
        here.wait("the others", 0, 1, 2, 3)
        assert here.frames[9] == 0
        assert "died 3 times" in here.supervisor.states()["abort-9"].cause
        # The first death took the others along; from then on the culprit ran alone.
        assert all("abort-9" not in names for names in here.supervisor.workers().values())


def test_a_quarantined_camera_is_tried_again_and_quarantined_at_its_next_crash(recording: str) -> None:
    settings = replace(QUICK, quarantine_s=0.2, crashes_max=1)
    with ward([camera(9, "file", recording, id="abort-9")], settings) as here:
        here.wait_state("abort-9", "quarantined")
        since = here.supervisor.states()["abort-9"].since
        until(lambda: (here.tend(), here.supervisor.states()["abort-9"].since > since)[1], "a second try")


def test_a_camera_that_dies_while_it_opens_is_found(recording: str) -> None:
    cameras = [camera(n, "file", recording) for n in range(3)] + [camera(9, "file", recording, id="opening-dies")]
    with ward(cameras) as here:
        here.wait_state("opening-dies", "quarantined")
        here.wait("the others", 0, 1, 2)


def test_a_camera_that_hangs_in_the_decoder_is_killed_and_charged(recording: str) -> None:
    settings = replace(QUICK, heartbeat_s_max=2.0, crashes_max=1)
    cameras = [camera(1, "file", recording), camera(9, "file", recording, id="hang-9")]
    with ward(cameras, settings) as here:
        here.wait_state("hang-9", "quarantined")
        here.wait("the other", 1)


def test_a_worker_that_is_stopped_by_the_system_is_killed_and_its_cameras_come_back(recording: str) -> None:
    with ward([camera(1, "file", recording)], replace(QUICK, heartbeat_s_max=2.0)) as here:
        here.wait("frames", 1)
        (pid,) = here.supervisor.workers()
        os.kill(pid, signal.SIGSTOP)
        until(lambda: (here.tend(), pid not in here.supervisor.workers())[1], "another worker")
        here.wait("frames again", 1)


def test_a_killed_worker_comes_back_with_all_its_cameras(recording: str) -> None:
    with ward([camera(n, "file", recording) for n in range(4)]) as here:
        here.wait("frames", 0, 1, 2, 3)
        (pid,) = here.supervisor.workers()
        os.kill(pid, signal.SIGKILL)
        here.wait("frames again", 0, 1, 2, 3)
        assert "quarantined" not in {state.state for state in here.supervisor.states().values()}


def test_cameras_are_added_changed_and_removed_without_touching_the_others() -> None:
    with FaultServer() as server:
        streams = [server.add_stream(f"gate-{n}") for n in range(4)]
        cameras = [camera(n, "rtsp", server.url_of(f"gate-{n}")) for n in range(3)]
        with fed(*streams), ward(cameras) as here:
            here.wait("three", 0, 1, 2)
            renamed = replace(cameras[0], name="North gate", partition=3)
            moved = replace(cameras[1], url=server.url_of("gate-3"))
            here.supervisor.set_cameras([renamed, moved, camera(7, "rtsp", server.url_of("gate-2"))])
            here.wait("the new ones", 0, 1, 7)
            until(lambda: streams[1].teardowns == 1 and streams[2].teardowns == 1, "sessions of the old ones closed")
            assert streams[0].plays == 1 and streams[3].plays == 1
            assert here.supervisor.states().keys() == {"camera-0", "camera-1", "camera-7"}
            here.supervisor.set_cameras([replace(renamed, enabled=False)])
            until(lambda: streams[0].teardowns == 1, "the disabled one closed")
        assert server.plays == server.teardowns


def test_every_session_is_closed_when_the_role_stops() -> None:
    with FaultServer() as server:
        streams = [server.add_stream(f"gate-{n}") for n in range(5)]
        cameras = [camera(n, "rtsp", server.url_of(f"gate-{n}")) for n in range(5)]
        with fed(*streams):
            with ward(cameras) as here:
                here.wait("all", *range(5))
                pids = list(here.supervisor.workers())
            until(lambda: server.teardowns == 5, "five teardowns")
        assert not any(is_alive(pid) for pid in pids)


def test_a_worker_told_to_end_by_the_system_closes_its_sessions() -> None:
    with (
        FaultServer() as server,
        fed(server.add_stream("gate")),
        ward([camera(1, "rtsp", server.url_of("gate"))]) as here,
    ):
        here.wait("frames", 1)
        (pid,) = here.supervisor.workers()
        os.kill(pid, signal.SIGTERM)
        until(lambda: server.teardowns == 1, "a teardown")


def test_workers_let_their_cameras_go_while_their_parent_sleeps(recording: str) -> None:
    with FaultServer() as server, fed(server.add_stream("gate")):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                made = Ward(replace(QUICK, lease_s=1.0))
                made.supervisor.set_cameras([camera(1, "rtsp", server.url_of("gate"))])
                made.wait("frames", 1)
                os.write(write, b"x")
                made.wait("frames for ever", 1, more=10**9, timeout_s=60.0)
            finally:
                os._exit(0)
        os.close(write)
        assert os.read(read, 1) == b"x"
        os.kill(child, signal.SIGSTOP)
        try:
            until(lambda: server.teardowns == 1, "the session closed")
            assert server.plays == 1
            os.kill(child, signal.SIGCONT)
            until(lambda: server.plays == 2, "the camera is read again by who is awake")
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(read)


def test_workers_do_not_outlive_their_parent(recording: str) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            made = Ward(QUICK)
            made.supervisor.set_cameras([camera(1, "file", recording)])
            made.wait("frames", 1)
            os.write(write, str(next(iter(made.supervisor.workers()))).encode())
            code = 0
            signal.pause()
        finally:
            os._exit(code)
    os.close(write)
    pid = int(os.read(read, 20))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(read)
    until(lambda: not is_alive(pid), "the worker's end")


def test_the_hostile_file_harms_nobody(recording: str) -> None:
    hostile = str(shared("clips", "hostile_rawvideo_crashes_cv2.avi"))
    with ward([camera(1, "file", hostile), camera(2, "file", recording)]) as here:
        here.wait("both", 1, 2, more=4)


def test_metadata_cameras_have_workers_of_their_own(recording: str) -> None:
    cameras = [camera(n, "onvif", "rtsp://127.0.0.1:1/x") for n in range(101)] + [camera(200, "file", recording)]
    with ward(cameras) as here:
        sizes = sorted(len(names) for names in here.supervisor.workers().values())
    assert sizes == [1, 1, 100]


def test_a_worker_without_cameras_is_let_go(recording: str) -> None:
    with ward([camera(1, "file", recording), camera(2, "onvif", "rtsp://127.0.0.1:1/x")]) as here:
        here.wait("frames", 1)
        pids = set(here.supervisor.workers())
        here.supervisor.set_cameras([])
        until(lambda: (here.tend(), not any(map(is_alive, pids)))[1], "both ended")
        assert here.supervisor.workers() == {} and here.supervisor.states() == {}


def test_a_crash_that_names_nobody_halves_the_group_until_the_culprit_stands_alone(recording: str) -> None:
    cameras = [camera(n, "file", recording) for n in range(4)] + [camera(9, "file", recording, id="reading-dies")]
    with ward(cameras, replace(QUICK, crashes_max=2)) as here:
        here.wait_state("reading-dies", "quarantined")
        here.wait("the others", 0, 1, 2, 3)
