"""Cameras behind brokers in this process, so that a test sees their states and observations."""

from __future__ import annotations

from collections import Counter
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from ingest.cameras.brokers.pool import BrokerPool, BrokerReader
from ingest.cameras.observation import Observation
from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.outbox import Outbox
from ingest.cameras.workers.reader import Status
from ingest.clock import SystemClock
from ingest.registry.district import Camera
from tests.ingest.cameras.cameras import QUICK
from tests.support.waiting import until

PATIENT = replace(QUICK, metadata_silence_s_max=20.0, metadata_period_s=0.001, read_s_max=2.0, open_s_max=5.0)


class BrokersBench:
    def __init__(self, *cameras: Camera, settings: IngestSettings = PATIENT) -> None:
        self.outbox = Outbox(10_000)
        self.pool = BrokerPool(settings, SystemClock(), self.outbox)
        self.readers: dict[int, BrokerReader] = {camera.number: self.pool.reader(camera) for camera in cameras}
        self.seen: list[Observation] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self._told: Counter[tuple[int, bool]] = Counter()

    def __enter__(self) -> Self:
        for reader in self.readers.values():
            reader.start(0.0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for reader in self.readers.values():
            reader.end()
        for reader in self.readers.values():
            reader.join(5.0)

    def status(self, number: int = 1) -> Status:
        return self.readers[number].status()

    def of(self, number: int = 1) -> list[Observation]:
        self.seen += self.outbox.take(0.0)
        self.counts.update(self.outbox.take_counts())
        return [one for one in self.seen if one.camera == number]

    def wait_ready(self, *numbers: int) -> None:
        """Until the broker has answered every subscription."""
        for number in numbers or tuple(self.readers):
            link = self.readers[number]._held[0].link  # type: ignore[index]
            until(lambda link=link: link.granted >= link.filters().keys(), f"{sorted(link.filters())} subscribed")

    def wait_state(self, state: str, number: int = 1) -> Status:
        try:
            until(lambda: self.status(number).state == state, f"camera {number} {state}")
        except AssertionError:
            raise AssertionError(f"camera {number}: expected {state}, got {self.status(number)}") from None
        return self.status(number)

    def wait_for(self, number: int = 1, more: int = 1, events: bool = False) -> list[Any]:
        """The next `more` that were not waited for before."""
        before = self._told[number, events]
        until(lambda: len(self._those(number, events)) >= before + more, f"{more} more of camera {number}")
        seen = self._those(number, events)
        self._told[number, events] = len(seen)
        return seen[before:]

    def wait_count(self, what: str, label: str, at_least: int = 1) -> None:
        until(lambda: self.of(-1) == [] and self.counts[what, label] >= at_least, f"{what} {label}: {self.counts}")

    def _those(self, number: int, events: bool) -> list[Observation]:
        return [one for one in self.of(number) if bool(one.events) == events]
