"""The one thread of a worker that decodes and looks: cameras in turn, the newest picture of each."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from ingest.cameras.sources.sampler import Want
from ingest.cameras.sources.stream import StreamPacket, VideoStream
from ingest.cameras.workers.danger import NOBODY, Danger
from ingest.clock import Clock


@dataclass(frozen=True, slots=True)
class Job:
    """A packet for the decoder of its connection."""

    stream: VideoStream
    packet: StreamPacket
    want: Want
    keys_only: bool


class Subject(Protocol):
    """A camera with something to look at."""

    slot: int

    def next_job(self) -> Job | None: ...

    def look(self, job: Job) -> None: ...

    def failed(self, error: Exception) -> None:
        """Its stream set off something that nobody foresaw."""


class Analyst:
    """`beat_ns` grows while it is not stuck in a decoder."""

    def __init__(self, clock: Clock, danger: Danger) -> None:
        self._clock, self._danger = clock, danger
        self._ready = threading.Condition()
        self._turns: deque[Subject] = deque()
        self._ended = False
        self.beat_ns = clock.monotonic_ns()
        self._thread = threading.Thread(target=self._run, name="analyst", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def call(self, subject: Subject) -> None:
        """`subject` has a job."""
        with self._ready:
            if subject not in self._turns:
                self._turns.append(subject)
                self._ready.notify()

    def end(self) -> None:
        with self._ready:
            self._ended = True
            self._ready.notify()
        self._thread.join(2.0)

    def _run(self) -> None:
        while True:
            with self._ready:
                if not self._turns and not self._ended:
                    self._ready.wait(1.0)
                if self._ended:
                    return
                subject = self._turns.popleft() if self._turns else None
            self.beat_ns = self._clock.monotonic_ns()
            if subject is None:
                continue
            job = subject.next_job()
            if job is not None:
                self._danger.decoding(subject.slot)
                try:
                    subject.look(job)
                # The runner of all cameras here: one of them must not stop the others.
                except Exception as error:
                    subject.failed(error)
                self._danger.decoding(NOBODY)
                self.call(subject)
