"""Readers in this process, so that a test sees their states and observations without a worker around them."""

from __future__ import annotations

from collections import Counter
from multiprocessing import get_context
from types import TracebackType
from typing import Self

from ingest.cameras.observation import Observation
from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.analyst import Analyst
from ingest.cameras.workers.danger import Danger
from ingest.cameras.workers.metadata_reader import MetadataReader
from ingest.cameras.workers.outbox import Outbox
from ingest.cameras.workers.reader import Reader, Status
from ingest.cameras.workers.video_reader import VideoReader
from ingest.clock import SystemClock
from ingest.registry.district import Camera
from tests.ingest.cameras.cameras import QUICK
from tests.support.waiting import until


class Bench:
    def __init__(self, *cameras: Camera, settings: IngestSettings = QUICK) -> None:
        clock = SystemClock()
        self.outbox = Outbox(10_000)
        danger = Danger(get_context("spawn"), len(cameras))
        self._analyst = Analyst(clock, danger)
        self.readers: dict[int, Reader] = {}
        self.seen: list[Observation] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        for slot, camera in enumerate(cameras):
            if camera.source == "onvif":
                self.readers[camera.number] = MetadataReader(camera, slot, settings, clock, self.outbox, danger)
            else:
                self.readers[camera.number] = VideoReader(
                    camera, slot, settings, clock, self.outbox, danger, self._analyst
                )

    def __enter__(self) -> Self:
        self._analyst.start()
        for reader in self.readers.values():
            reader.start(0.0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for reader in self.readers.values():
            reader.end()
        for reader in self.readers.values():
            reader.join(5.0)
        self._analyst.end()

    def status(self, number: int) -> Status:
        return self.readers[number].status()

    def of(self, number: int) -> list[Observation]:
        """All observations of a camera so far."""
        self.seen += self.outbox.take(0.0)
        self.counts.update(self.outbox.take_counts())
        return [one for one in self.seen if one.camera == number]

    def wait_for(self, number: int, more: int = 3) -> list[Observation]:
        """The next `more` observations of a camera."""
        before = len(self.of(number))
        until(lambda: len(self.of(number)) >= before + more, f"{more} more observations of camera {number}")
        return self.of(number)[before:]

    def wait_state(self, number: int, state: str) -> Status:
        try:
            until(lambda: self.status(number).state == state, f"camera {number} {state}")
        except AssertionError:
            raise AssertionError(f"camera {number}: expected {state}, got {self.status(number)}") from None
        return self.status(number)
