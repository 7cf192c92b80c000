"""
The whole line in real time: frames into a ticker, ticks on a bus, findings, incidents, alerts in the outbox.

Each part is the product's own, in a thread, as `drumtower up` runs it; the cameras are played. Time is taken from the
capture of the frame that caused a finding

    to the finding:  a consumer of `dt.findings` has it in its hands
    to the alert:    a reader has `incident.opened` from the outbox, which it asks for every 50 ms, as the live stream

Waiting for the end of the tick is part of both: 0 to 200 ms, 100 ms on average.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import structlog
from prometheus_client import CollectorRegistry

from benchmarks.crowds import AT_ONCE, CROWDED, QUIET, Captures, captures, crowd_district, persons, zone_id
from benchmarks.measuring import Figures, percentiles_ms, talk
from correlator.casebook.contract import Casebook
from correlator.incidents.role import CorrelateRole
from correlator.incidents.settings import CorrelateSettings
from deploy.http.stream import ALERT_PERIOD_S, PAGE
from deploy.roles import Health, Role, RoleThreads
from detectors.stage import DetectStage
from ingest.bus.contract import Bus, Draft
from ingest.bus.topics import FINDINGS, OBSERVATIONS, topic_specs
from ingest.cameras.measures import NoMetrics
from ingest.cameras.sender import Pending, Sender
from ingest.cameras.settings import IngestSettings
from ingest.cameras.ticker import Ticker
from ingest.clock import NS_PER_S, Clock, SystemClock
from ingest.live.contract import LiveStore
from ingest.metrics import Metrics
from ingest.schema.codec import decode_finding, encode_tick
from ingest.schema.finding import Phase
from ingest.stages.runner import Runner

CAMERAS = 595  # 5 x 119, once a second: as many frames as a partition of the full district has, on 4 partitions
PARTITIONS, PERIOD_S, RAISES_PER_S = 4, 1.0, 7.0
TICK_NS = 200_000_000
_LOOKS = 4  # at the frames, in each interval, as the ingest role does
_READY_S_MAX, _DRAIN_S_MAX = 25.0, 15.0


@cache
def _stage() -> DetectStage:
    """The stage over the district of all runs; its views are made before the clock runs."""
    stage = DetectStage(crowd_district(CAMERAS, PARTITIONS, SystemClock().now_ns()), AT_ONCE)
    for partition in range(PARTITIONS):
        stage.initial(partition)
    return stage


class LineFailed(Exception):
    """The line did not come up, or a part of it ended; the text says which."""


@dataclass(frozen=True)
class LineParts:
    bus: Bus
    live: LiveStore
    open_casebook: Callable[[], Casebook]


@dataclass(eq=False)
class _Seen:
    """UTC, ns, by zone and phase; a later copy changes nothing."""

    findings: dict[tuple[str, Phase], int] = field(default_factory=dict)
    alerts: dict[str, int] = field(default_factory=dict)
    first_alert: threading.Event = field(default_factory=threading.Event)


def measured_line(name: str, parts: LineParts, settle_s: float, measured_s: float, seed: int = 1) -> Figures:
    """
    Figures of one run, their names beginning with `name`.

    Args:
        settle_s: from the first alert of all to the first frame that counts.
        measured_s: frames of so many seconds count.

    Raises:
        LineFailed: there was no alert within 25 s, or a part ended.
    """
    clock, seen, random = SystemClock(), _Seen(), np.random.default_rng(seed)
    _stage()
    run = _Run(parts, clock, seen, _played(clock, measured_s + settle_s, random), random)
    threads = RoleThreads(run.roles(), Health())
    begun_ns = clock.now_ns()
    threads.start()
    try:
        _wait(lambda: seen.first_alert.is_set(), threads, _READY_S_MAX, "a first alert")
        first_alert_s = (clock.now_ns() - begun_ns) / NS_PER_S
        time.sleep(settle_s)
        from_ns, cpu_ns = clock.now_ns(), time.process_time_ns()
        talk(f"{name}: first alert after {first_alert_s:.1f} s; now frames of {measured_s:.0f} s count")
        time.sleep(measured_s)
        until_ns, cpu_ns = clock.now_ns(), time.process_time_ns() - cpu_ns
        wanted = _wanted(run.played, from_ns, until_ns)
        _wait(lambda: _all_there(wanted, seen), threads, _DRAIN_S_MAX, None)
    finally:
        threads.stop.set()
        threads.wait()
    if threads.failure is not None:
        raise LineFailed(f"{name}: a part ended") from threads.failure
    cores = {f"{name}_cpu_cores": cpu_ns / (until_ns - from_ns), f"{name}_first_alert_s": first_alert_s}
    return _figures(name, wanted, seen) | cores


def _played(clock: Clock, seconds: float, random: np.random.Generator) -> Captures:
    length_s = seconds + _READY_S_MAX + 3.0
    return captures(CAMERAS, clock.now_ns() + NS_PER_S // 2, length_s, PERIOD_S, RAISES_PER_S, random)


@dataclass(eq=False)
class _Run:
    parts: LineParts
    clock: Clock
    seen: _Seen
    played: Captures
    random: np.random.Generator

    def roles(self) -> list[Role]:
        """All threads. The readers come first, so that nothing is there before them."""
        parts, clock = self.parts, self.clock
        parts.bus.create_topics(topic_specs(PARTITIONS, ("detect", "perceive")))
        log, metrics = structlog.get_logger(), Metrics(CollectorRegistry())
        apart_s = _stage().settings.snapshots_apart_s
        runner = Runner(
            parts.bus,
            _stage(),
            member="slice",
            clock=clock,
            metrics=metrics,
            log=log,
            live=parts.live,
            snapshots_apart_s=apart_s,
        )

        def correlate(stop: threading.Event) -> None:
            casebook = parts.open_casebook()
            try:
                CorrelateRole(parts.bus, casebook, CorrelateSettings(), clock, metrics, log, "slice").run(stop)
            finally:
                casebook.close()

        return [
            Role("findings", self._read_findings),
            Role("alerts", self._read_alerts),
            Role("correlate", correlate),
            Role("detect", runner.run),
            Role("cameras", self._play),
        ]

    def _play(self, stop: threading.Event) -> None:
        """Observations into ticks, as `IngestRole.run`; frames arrive the moment that they are captured."""
        settings, played = IngestSettings(), self.played
        sender = Sender(
            self.parts.bus, settings.ticks_pending_max, settings.flush_s_max, NoMetrics(), structlog.get_logger()
        )
        ticker = Ticker("ingest", TICK_NS)
        ticker.own(range(PARTITIONS), {camera: camera % PARTITIONS for camera in range(CAMERAS)})
        quiet, crowd = persons(QUIET, self.random), persons(CROWDED, self.random)
        done = 0
        try:
            while not stop.is_set():
                now_ns = self.clock.now_ns()
                due = int(np.searchsorted(played.at_ns, now_ns))
                ticker.add(played.observations(slice(done, due), quiet, crowd))
                done = due
                encoded = [(tick, *encode_tick(tick)) for tick in ticker.cut(now_ns)]
                sender.send(
                    Pending(Draft(OBSERVATIONS, tick.partition, b"%d" % tick.partition, value, headers), tick.frames)
                    for tick, value, headers in encoded
                )
                step_ns = TICK_NS // _LOOKS
                stop.wait((step_ns - self.clock.now_ns() % step_ns) / NS_PER_S)
        finally:
            sender.close()

    def _read_findings(self, stop: threading.Event) -> None:
        consumer = self.parts.bus.consumer("slice-findings", [FINDINGS], "slice")
        try:
            while not stop.is_set():
                records = consumer.poll(0.1)
                now_ns = self.clock.now_ns()
                for record in records:
                    data = decode_finding(record).data
                    self.seen.findings.setdefault((data.zone or "", data.phase), now_ns)
        finally:
            consumer.close()

    def _read_alerts(self, stop: threading.Event) -> None:
        casebook, sequence = self.parts.open_casebook(), 0
        try:
            while not stop.is_set():
                alerts = casebook.alerts_after(sequence, PAGE)
                now_ns = self.clock.now_ns()
                for alert in alerts:
                    sequence = alert.sequence
                    if alert.type == "incident.opened":
                        self.seen.alerts.setdefault(alert.incident.zone or "", now_ns)
                        self.seen.first_alert.set()
                stop.wait(ALERT_PERIOD_S)
        finally:
            casebook.close()


def _wanted(played: Captures, from_ns: int, until_ns: int) -> dict[tuple[str, Phase], int]:
    """When the frame was captured that causes each finding of the time that counts."""
    columns = {Phase.RAISED: played.raised_ns, Phase.CLEARED: played.cleared_ns}
    return {
        (zone_id(camera), phase): at_ns
        for phase, column in columns.items()
        for camera, at_ns in enumerate(column.tolist())
        if from_ns <= at_ns < until_ns
    }


def _all_there(wanted: dict[tuple[str, Phase], int], seen: _Seen) -> bool:
    raised = {zone for zone, phase in wanted if phase is Phase.RAISED}
    return wanted.keys() <= seen.findings.keys() and raised <= seen.alerts.keys()


def _wait(is_so: Callable[[], bool], threads: RoleThreads, seconds: float, what: str | None) -> None:
    """Until `is_so`; after so many seconds raise, or go on where `what` is None."""
    give_up_s = time.monotonic() + seconds
    while not is_so():
        if threads.stop.is_set():
            raise LineFailed("a part of the line ended; see the lines above") from threads.failure
        if time.monotonic() > give_up_s:
            if what is None:
                return
            raise LineFailed(f"expected {what} within {seconds:.0f} s, got none; is the machine overloaded?")
        time.sleep(0.05)


def _figures(name: str, wanted: dict[tuple[str, Phase], int], seen: _Seen) -> Figures:
    tick_end_ns = {which: at_ns - at_ns % TICK_NS + TICK_NS for which, at_ns in wanted.items()}
    told = {which: seen.findings[which] for which in wanted if which in seen.findings}
    opened = {
        (zone, phase): seen.alerts[zone] for zone, phase in wanted if phase is Phase.RAISED and zone in seen.alerts
    }
    raised = sum(phase is Phase.RAISED for _, phase in wanted)
    return (
        percentiles_ms(f"{name}_finding", (at_ns - wanted[which] for which, at_ns in told.items()))
        | percentiles_ms(f"{name}_alert", (at_ns - wanted[which] for which, at_ns in opened.items()))
        | percentiles_ms(f"{name}_wait_for_tick", (tick_end_ns[which] - wanted[which] for which in told))
        | percentiles_ms(f"{name}_tick_to_finding", (at_ns - tick_end_ns[which] for which, at_ns in told.items()))
        | percentiles_ms(
            f"{name}_finding_to_alert",
            (at_ns - told[which] for which, at_ns in opened.items() if which in told),
        )
        | {
            f"{name}_findings": float(len(told)),
            f"{name}_alerts": float(len(opened)),
            f"{name}_findings_missing": float(len(wanted) - len(told)),
            f"{name}_alerts_missing": float(raised - len(opened)),
        }
    )
