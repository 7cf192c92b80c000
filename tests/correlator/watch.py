"""A correlator on a simulated bus and clock: findings go in, time passes, it is killed and started again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from correlator.casebook.contract import Casebook
from correlator.casebook.sql import open_casebook
from correlator.incidents.role import CorrelateRole
from correlator.incidents.settings import CorrelateSettings
from ingest.bus.contract import Bus, Draft
from ingest.bus.topics import ALERTS, FINDINGS, topic_specs
from ingest.clock import NS_PER_S, Clock
from ingest.errors import BusError, StoreConflict, StoreRetryable
from ingest.schema.alert import Alert, IncidentView
from ingest.schema.codec import decode_alert
from ingest.schema.finding import Finding
from tests.correlator.cases import START_NS, draft
from tests.support.clock import ManualClock
from tests.support.simulated_bus import SimulatedBus

Wrap = Callable[[Any], Any]


class Watch:
    def __init__(
        self, url: str, settings: CorrelateSettings | None = None, *, partitions: int = 2, seed: int = 0
    ) -> None:
        self.url, self.settings, self.partitions = url, settings or CorrelateSettings(), partitions
        self.clock = ManualClock(START_NS)
        self.role_clock: Clock = self.clock  # of the machine that the role runs on
        self.bus = SimulatedBus(self.clock, seed)
        self.bus.create_topics(topic_specs(partitions, []))
        self._producer = self.bus.producer()
        self.casebook: Casebook
        self.role: CorrelateRole
        self.start()

    @property
    def t_s(self) -> float:
        return (self.clock.monotonic_ns() - NS_PER_S) / NS_PER_S

    def start(self, wrap_bus: Wrap = lambda bus: bus, wrap_casebook: Wrap = lambda book: book) -> None:
        self.casebook = open_casebook(self.url, self.settings)
        bus: Bus = wrap_bus(self.bus)
        log = structlog.wrap_logger(structlog.ReturnLogger())
        self.role = CorrelateRole(bus, wrap_casebook(self.casebook), self.settings, self.role_clock, None, log)

    def kill(self) -> None:
        """The process is gone: nothing is flushed, nothing is left in good order."""
        self.casebook.close()

    def push(self, *findings: Finding, partition: int = 0) -> None:
        for finding in findings:
            self._producer.append(draft(finding, partition))
        self._producer.flush()

    def push_broken(self, partition: int = 0) -> None:
        """Something that is no finding."""
        self._producer.append(Draft(FINDINGS, partition, None, b"not a finding"))
        self._producer.flush()

    def turn(self) -> None:
        """One turn of the role's loop, as `run` does it."""
        try:
            self.role.run_once()
        except (BusError, StoreRetryable, StoreConflict) as error:
            self.role.reset(leave=isinstance(error, BusError))

    def until(self, t_s: float, step_s: float = 1.0) -> None:
        """Let the role work until `t_s`."""
        self.turn()
        while self.t_s < t_s - 1e-6:
            self.clock.advance(min(step_s, t_s - self.t_s))
            self.turn()

    def play(self, *findings: Finding, partition: int = 0) -> None:
        """Findings, each when it was detected; the role works in between."""
        for finding in findings:
            self.until((finding.data.detected_at.timestamp() * NS_PER_S - START_NS) / NS_PER_S)
            self.push(finding, partition=partition)
        self.turn()

    def said(self) -> list[Alert]:
        """All alerts in the outbox."""
        return list(self.casebook.alerts_after(0, 100_000))

    def heard(self) -> list[Alert]:
        """All alerts on the bus, repeated ones too."""
        return [
            decode_alert(record)
            for partition in range(self.partitions)
            for record in self.bus.read(ALERTS, partition, 0, 1_000_000)
        ]

    def open(self) -> list[IncidentView]:
        return list(self.casebook.incidents(state="open", limit=1_000).items)

    def all(self) -> list[IncidentView]:
        return list(self.casebook.incidents(state="all", limit=1_000).items)
