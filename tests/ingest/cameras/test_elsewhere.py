"""A reader goes where its camera is registered, and nowhere else."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ingest.cameras.bench import Bench
from tests.ingest.cameras.cameras import QUICK, camera, clip
from tests.support.waiting import until


class Redirecting:
    """Answers each request by a redirect to another door, and counts who comes there."""

    def __init__(self, code: int) -> None:
        self.doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.came = [0, 0]
        head = f"RTSP/1.0 {code} Moved\r\nCSeq: 1\r\nLocation: rtsp://127.0.0.1:{self.port(1)}/x\r\n\r\n".encode()
        for number in (0, 1):
            threading.Thread(target=self._serve, args=(number, head), daemon=True).start()

    def port(self, number: int) -> int:
        return int(self.doors[number].getsockname()[1])

    def _serve(self, number: int, head: bytes) -> None:
        with suppress(OSError):
            while True:
                link, _ = self.doors[number].accept()
                self.came[number] += 1
                with link:
                    while b"\r\n\r\n" in link.recv(4_096):
                        link.sendall(head)

    def close(self) -> None:
        for door in self.doors:
            door.close()


@pytest.mark.parametrize("code", [301, 302, 303, 305])
@pytest.mark.parametrize("source", ["rtsp", "onvif"])
def test_a_camera_that_redirects_is_refused_and_nobody_knocks_at_the_other_door(source: str, code: int) -> None:
    server = Redirecting(code)
    try:
        with Bench(camera(1, source, f"rtsp://127.0.0.1:{server.port(0)}/gate")) as bench:
            assert "a redirect to another address" in bench.wait_state(1, "refused").cause
            until(lambda: server.came[0] >= 2, "another try")
        assert server.came[1] == 0
    finally:
        server.close()


@pytest.mark.parametrize("folders", [(), ("/nowhere",)])
def test_a_recording_outside_of_the_folders_is_not_opened(tmp_path: Path, folders: tuple[str, ...]) -> None:
    secret = tmp_path / "outside" / "street.h264"
    secret.parent.mkdir()
    secret.write_bytes(b"".join(unit.data for unit in clip()))
    within = tmp_path / "within"
    within.mkdir()
    (within / "link.h264").symlink_to(secret)
    for path in (str(secret), secret.as_uri(), f"{within}/../outside/street.h264", str(within / "link.h264")):
        settings = replace(QUICK, file_folders=(*folders, *([str(within)] if folders else [])))
        with Bench(camera(1, "file", path), settings=settings) as bench:
            assert "file_folders" in bench.wait_state(1, "no_video").cause
            assert bench.of(1) == []


def test_a_recording_below_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "a street.h264").write_bytes(b"".join(unit.data for unit in clip()))
    settings = replace(QUICK, file_folders=("/nowhere", str(tmp_path)))
    with Bench(camera(1, "file", (tmp_path / "a street.h264").as_uri()), settings=settings) as bench:
        bench.wait_for(1, 2)
