"""What each stage costs on one thread, without waiting: CPU time of a tick, of a finding, of an incident."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
from prometheus_client import CollectorRegistry

from benchmarks.crowds import AT_ONCE, CROWDED, QUIET, captures, crowd_district, persons
from benchmarks.measuring import Figures
from correlator.casebook.sql import open_casebook
from correlator.incidents.role import CorrelateRole
from correlator.incidents.settings import CorrelateSettings
from detectors.stage import DetectStage
from ingest.bus.contract import Bus, Draft, Position, Record
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.topics import OBSERVATIONS, topic_specs
from ingest.cameras.observation import Observation
from ingest.cameras.ticker import Ticker, assemble
from ingest.clock import NS_PER_S, SystemClock
from ingest.metrics import Metrics
from ingest.schema.codec import encode_tick
from ingest.schema.tick import TimeSource
from ingest.stages.runner import Runner
from ingest.stages.stage import Read

CAMERAS, OBJECTS = 119, 10  # a partition of 64 of the full district: 7,600 cameras
TICK_NS = 200_000_000
BATCH = 100


@dataclass(slots=True)
class _Stopwatch:
    cpu_ns: int = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the CPU time of this thread."""
        from_ns = time.thread_time_ns()
        try:
            yield
        finally:
            self.cpu_ns += time.thread_time_ns() - from_ns

    def ms_per(self, count: int) -> float:
        return self.cpu_ns / 1e6 / count


def tick_cost(folder: Path, ticks: int) -> Figures:
    """CPU ms of a tick of 119 cameras x 10 objects: made, detected, and detected with its commit on a SQLite bus."""
    random, now_ns = np.random.default_rng(1), time.time_ns()
    stage = DetectStage(crowd_district(CAMERAS, 1, now_ns), AT_ONCE)
    state = stage.initial(0)
    make, decode, step, save = (_Stopwatch() for _ in range(4))
    records, first_ns = [], now_ns - now_ns % TICK_NS - ticks * TICK_NS
    for n in range(ticks):
        starts_ns = first_ns + n * TICK_NS
        seen = [
            Observation(
                camera, at_ns := starts_ns + camera * 1_000_000, at_ns, TimeSource.CAMERA, 1920, 1080,
                brightness=110.0, objects=persons(OBJECTS, random),
            )
            for camera in range(CAMERAS)
        ]  # fmt: skip
        with make.running():
            value, headers = encode_tick(assemble(seen, 0, "ingest", starts_ns, starts_ns + TICK_NS))
        records.append(Record(Position(OBSERVATIONS, 0, n), b"0", value, headers, starts_ns + TICK_NS))
    for record in records:
        with decode.running():
            read = Read(record.position, stage.decode(record))
        with step.running():
            state, findings = stage.step(state, [read])
        with save.running():
            stage.save(state)
        assert not findings, "a quiet district has no findings"
    drafts = [Draft(OBSERVATIONS, 0, record.key, record.value, record.headers) for record in records]
    return {
        "cpu_ms_per_tick_detect": sum(part.ms_per(ticks) for part in (decode, step, save)),
        "cpu_ms_per_tick_detect_decode": decode.ms_per(ticks),
        "cpu_ms_per_tick_detect_step": step.ms_per(ticks),
        "cpu_ms_per_tick_detect_save": save.ms_per(ticks),
        "cpu_ms_per_tick_detect_and_commit": _runner_cost(folder, stage, drafts),
        "cpu_ms_per_tick_ingest": make.ms_per(ticks),
        "tick_bytes": float(len(records[-1].value or b"")),
    }


def _runner_cost(folder: Path, stage: DetectStage, drafts: Sequence[Draft]) -> float:
    """CPU ms of each tick in the runner's thread: poll, step, commit; one tick a transaction."""
    clock, carry = SystemClock(), _Stopwatch()
    with _bus(folder / "detect.sqlite", 1) as bus:
        runner = Runner(
            bus, stage, member="bench", clock=clock, metrics=Metrics(CollectorRegistry()), log=structlog.get_logger()
        )
        _one_by_one(bus, runner.run_once, drafts, carry, 1)
        runner.close()
    return carry.ms_per(len(drafts))


def finding_cost(folder: Path, findings: int) -> Figures:
    """
    CPU ms of a finding in the correlator, SQLite casebook and publishing of its alerts included: one by one, as they
    come, and in batches of 100, as after a pause. Every second one opens an incident, the other ends it.
    """
    drafts = _findings(findings)
    figures = {}
    for name, batch in (("", 1), ("_in_batches", BATCH)):
        take = _Stopwatch()
        with _bus(folder / f"correlate{name}.sqlite", 1) as bus:
            casebook = open_casebook(f"sqlite:///{folder / f'casebook{name}.sqlite'}")
            metrics, clock = Metrics(CollectorRegistry()), SystemClock()
            role = CorrelateRole(bus, casebook, CorrelateSettings(), clock, metrics, structlog.get_logger(), "bench")
            _one_by_one(bus, role.run_once, drafts, take, batch)
            assert casebook.sequence() >= len(drafts), "each finding is an alert; a response that is late is one more"
            role.close()
            casebook.close()
        figures[f"cpu_ms_per_finding_correlate{name}"] = take.ms_per(len(drafts))
    return figures


def _findings(count: int) -> list[Draft]:
    """What the detect stage says of `count` changes of a district, just now."""
    zones, random, rate_hz = count // 2, np.random.default_rng(1), 20.0
    seconds = zones / rate_hz + 4.0
    from_ns = time.time_ns() - int(seconds * NS_PER_S)
    played = captures(zones, from_ns, seconds, 1.0, rate_hz, random)
    stage, ticker = DetectStage(crowd_district(zones, 1, from_ns), AT_ONCE), Ticker("ingest", TICK_NS)
    ticker.own([0], dict.fromkeys(range(zones), 0))
    quiet, crowd = persons(QUIET, random), persons(CROWDED, random)
    state, found, done = stage.initial(0), list[Draft](), 0
    ends = range(from_ns + TICK_NS, from_ns + int(seconds * NS_PER_S), TICK_NS)
    for offset, end_ns in enumerate(ends):
        due = int(np.searchsorted(played.at_ns, end_ns))
        ticker.add(played.observations(slice(done, due), quiet, crowd))
        done = due
        for tick in ticker.cut(end_ns):
            state, said = stage.step(state, [Read(Position(OBSERVATIONS, 0, offset), tick)])
            found += [stage.encode(0, finding) for finding in said]
    return found


def _one_by_one(
    bus: Bus, run_once: Callable[[float], int], drafts: Sequence[Draft], watch: _Stopwatch, batch: int
) -> None:
    """Append `batch` records at a time and have them taken; only the taking is counted."""
    producer = bus.producer()
    run_once(0.0)  # joins its group
    for n in range(0, len(drafts), batch):
        for draft in drafts[n : n + batch]:
            producer.append(draft)
        producer.flush()
        left = len(drafts[n : n + batch])
        with watch.running():
            while left > 0:
                left -= run_once(0.0)
    producer.close()


@contextmanager
def _bus(path: Path, partitions: int) -> Iterator[Bus]:
    bus = EmbeddedBus(path)
    bus.create_topics(topic_specs(partitions, ("detect", "perceive")))
    try:
        yield bus
    finally:
        bus.close()
