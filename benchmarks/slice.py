"""
How long from the capture of a frame to its finding and to its alert, and what each stage costs.

    python -m benchmarks.slice                  # a table, within 4 minutes
    python -m benchmarks.slice --quick --json   # fewer samples, within 45 s; the last line is one flat JSON object

Embedded as `drumtower up` (SQLite bus, SQLite casebook), and over a real Kafka with Redis and PostgreSQL where these
are on this machine. Standard error says what was measured and how.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.camera_cost import CameraSilent, ingest_cost
from benchmarks.crowds import thresholds_at_once
from benchmarks.line import CAMERAS, PARTITIONS, RAISES_PER_S, LineFailed, LineParts, measured_line
from benchmarks.measuring import Figures, machine, show, talk
from benchmarks.stage_cost import finding_cost, tick_cost
from correlator.casebook.sql import open_casebook
from deploy.logs import set_up_logs
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.kafka import open_kafka
from ingest.bus.kafka_settings import KafkaSettings
from ingest.clock import SystemClock
from ingest.live.contract import LiveStore
from ingest.live.memory import MemoryLiveStore
from ingest.live.redis import open_redis
from tests.support import parts
from tests.support.kafka_jars import PartMissingError


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    ticks: int
    findings: int
    camera_s: float
    line_s: float
    embedded_settle_s: float
    kafka_settle_s: float  # a broker that has just started needs some seconds before it is warm
    at_once: bool  # costs are measured at one time, while the broker starts: quicker, and less quiet


FULL = Size(500, 400, 12.0, 60.0, 4.0, 8.0, at_once=False)
QUICK = Size(100, 100, 2.0, 5.0, 1.0, 3.0, at_once=True)


@click.command()
@click.option("--quick", is_flag=True, help="Fewer samples: within 45 s, the broker's start included.")
@click.option("--json", "as_json", is_flag=True, help="One flat JSON object of numbers as the last line.")
def main(quick: bool, as_json: bool) -> None:
    """
    Measure latency and cost of the whole line.

    Example:  python -m benchmarks.slice --quick --json
    """
    set_up_logs("error")
    try:
        parts.find_kafka()
        show(measured(QUICK if quick else FULL), as_json=as_json)
    except (PartMissingError, LineFailed, CameraSilent, RuntimeError) as error:
        talk(f"slice: {error}")
        sys.exit(1)


def measured(size: Size) -> Figures:
    """
    All figures.

    Raises:
        PartMissingError: Kafka cannot be started here.
        LineFailed, CameraSilent: something that is measured did not work.
        RuntimeError: a real part did not come up.
    """
    _introduce(size)
    begun_s, figures = time.monotonic(), machine()
    with tempfile.TemporaryDirectory(prefix="drumtower-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with ExitStack() as stack:
            beside = stack.enter_context(ThreadPoolExecutor(2))
            starting = beside.submit(stack.enter_context, _distributed(folder))
            if not size.at_once:
                wait([starting])
            talk("cost of a camera's frame")
            reading = beside.submit(ingest_cost, size.camera_s)
            if not size.at_once:
                wait([reading])
            talk("cost of each stage")
            figures |= tick_cost(folder, size.ticks) | finding_cost(folder, size.findings)
            figures |= reading.result()
            distributed, kinds = starting.result()
            talk("latency, embedded")
            with _embedded(folder) as line:
                figures |= measured_line("embedded", line, size.embedded_settle_s, size.line_s)
            talk("latency over Kafka")
            figures |= kinds | measured_line("kafka", distributed, size.kafka_settle_s, size.line_s)
            talk("done; ending the parts")
    return figures | {"load_average_end_1m": machine()["load_average_1m"], "measured_s": time.monotonic() - begun_s}


def _introduce(size: Size) -> None:
    rules = ", ".join(f"{name} = {value:g}" for name, value in thresholds_at_once().items() if isinstance(value, float))
    for line in (
        f"{CAMERAS} cameras, a frame a second each, 9 objects a frame, {PARTITIONS} partitions, ticks of 200 ms;",
        f"{RAISES_PER_S:g} zones a second go over their capacity, each once: a new incident each.",
        f"Rule at once ({rules}); all else is the product's default.",
        "Latency is from the capture of the frame: the wait for the tick's end, 100 ms on average, is part of it;",
        "the way from the camera to the ingest role is not: that is `capture_to_ingest`.",
        f"The first {size.embedded_settle_s:g} s (embedded) and {size.kafka_settle_s:g} s (Kafka) after the first alert"
        " are left out: cold caches, a cold broker.",
    ):
        talk(line)


@contextmanager
def _embedded(folder: Path) -> Iterator[LineParts]:
    home = folder / "embedded"
    bus = EmbeddedBus(home / "bus.sqlite")
    try:
        yield LineParts(
            bus, MemoryLiveStore(SystemClock()), lambda: open_casebook(f"sqlite:///{home / 'casebook.sqlite'}")
        )
    finally:
        bus.close()


@contextmanager
def _distributed(folder: Path) -> Iterator[tuple[LineParts, Figures]]:
    """Kafka, and Redis and PostgreSQL where they are here; which, as figures."""
    with ExitStack() as stack:
        begun_s = time.monotonic()
        broker = stack.enter_context(parts.kafka(_made(folder / "kafka")))
        started_s = time.monotonic() - begun_s
        live, is_redis = _live(stack, folder)
        url, is_postgresql = _casebook(stack, folder)
        bus = open_kafka(KafkaSettings(bootstrap_servers=(broker.bootstrap_servers,)))
        stack.callback(bus.close)
        kinds = {
            "kafka_broker_start_s": started_s,
            "kafka_live_is_redis": float(is_redis),
            "kafka_casebook_is_postgresql": float(is_postgresql),
        }
        yield LineParts(bus, live, lambda: open_casebook(url)), kinds


def _live(stack: ExitStack, folder: Path) -> tuple[LiveStore, bool]:
    clock = SystemClock()
    try:
        store: LiveStore = open_redis(stack.enter_context(parts.redis(_made(folder / "redis"))), clock, None)
    except PartMissingError as missing:
        talk(f"kafka: live store in memory: {missing}")
        return MemoryLiveStore(clock), False
    stack.callback(store.close)
    return store, True


def _casebook(stack: ExitStack, folder: Path) -> tuple[str, bool]:
    try:
        url = stack.enter_context(parts.postgres())
    except PartMissingError as missing:
        talk(f"kafka: casebook in SQLite: {missing}")
        return f"sqlite:///{folder / 'kafka-casebook.sqlite'}", False
    talk("kafka: one broker; casebook in PostgreSQL without fsync, as the test bench starts it")
    return url, True


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
