"""A worker whose decoder dies or hangs for cameras of certain names, as a broken library would."""

from __future__ import annotations

import os
import threading
from multiprocessing.connection import Connection

from ingest.cameras.analyst import Job
from ingest.cameras.danger import Danger
from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.stream import VideoStream
from ingest.cameras.video_reader import VideoReader
from ingest.cameras.worker import run_worker

_look, _open = VideoReader.look, VideoReader._open


class _DangerousReader(VideoReader):
    def look(self, job: Job) -> None:
        if "abort" in self.camera.id:
            os.abort()
        if "hang" in self.camera.id:
            threading.Event().wait()
        _look(self, job)

    def _open(self) -> VideoStream:
        if "opening-dies" in self.camera.id:
            os.abort()
        return _open(self)


def run_dangerous_worker(connection: Connection, settings: IngestSettings, danger: Danger) -> None:
    VideoReader.look, VideoReader._open = _DangerousReader.look, _DangerousReader._open  # type: ignore[method-assign]
    run_worker(connection, settings, danger)
