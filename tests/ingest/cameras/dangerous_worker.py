"""A worker whose decoder dies or hangs for cameras of certain names, as a broken library would."""

from __future__ import annotations

import os
import threading
from multiprocessing.connection import Connection

from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.sampler import Sampler
from ingest.cameras.sources.stream import StreamPacket, VideoStream
from ingest.cameras.workers.analyst import Job
from ingest.cameras.workers.danger import Danger
from ingest.cameras.workers.tether import Tether
from ingest.cameras.workers.video_reader import VideoReader
from ingest.cameras.workers.worker import run_worker

_look, _open, _offer = VideoReader.look, VideoReader._open, VideoReader._offer


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

    def _offer(self, stream: VideoStream, packet: StreamPacket, sampler: Sampler) -> None:
        if "reading-dies" in self.camera.id:
            os.abort()
        _offer(self, stream, packet, sampler)


def run_dangerous_worker(connection: Connection, settings: IngestSettings, danger: Danger, tether: Tether) -> None:
    for name in ("look", "_open", "_offer"):
        setattr(VideoReader, name, getattr(_DangerousReader, name))
    run_worker(connection, settings, danger, tether)
