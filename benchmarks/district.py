"""
A whole district through a real Kafka, detectors on, on the cores of this machine: does it hold, and what would be the
greatest load that holds?

    python -m benchmarks.district                  # a table, within 8 minutes
    python -m benchmarks.district --quick --json   # shorter windows, within 45 s

7,600 cameras x 5 frames/s x 10 objects in 64 partitions. The broker, the cameras and this program (which reads the
findings) are a process each, the detectors are two, which share the partitions. What is measured, all in one run:

- **The district.** Lag is how far the detectors are behind the wall clock: what is not yet sent, and what is sent and
  not yet committed, in seconds. `lag_growth` is the slope of its least-squares line, seconds a second: 0 holds.
  `p50_ms` and `p99_ms` are from the capture of the frame that causes a finding to the finding in the hands of a
  reader of `dt.findings`, both ends on one clock; the wait for the end of the tick, 100 ms on average, is part of it.
  `cpu_share` is the CPU time of broker, cameras and detectors over the time of all cores.
- **The greatest load.** The cameras' frame rate is raised in steps until the lag grows, then the last step is halved;
  the same for one JSON message a frame, the usual design, through the same client, with the same cameras, crowds and
  detectors. A step holds if the median lag of its second half is at most 0.15 s above that of its first,
  and under a second. `ratio_to_per_frame_json` is of the frames/s that were then really done.

The usual design is given what helps it: the quickest JSON codec, objects that are made before and that no garbage
collection looks at, a linger of 50 ms, no snapshot, no transaction (at least once), and a tick made of all that a
partition sent in 200 ms, so that its detectors work on columns. `ratio_to_unbatched_json` is to the same without that
last help: a step for each message as it comes.

The rule of the findings is at once (no hold), as in `benchmarks.slice`. Cold starts are left out.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from benchmarks.crowds import AT_ONCE, crowd_district
from benchmarks.district_detect import JSON_FINDING_TOPIC, CountedStage, detect_json, detect_ticks
from benchmarks.district_feed import FRAME_TOPIC, send_json, send_ticks
from benchmarks.district_load import Load
from benchmarks.district_run import Design, DistrictFailed, Search, designed
from benchmarks.measuring import Figures, machine, percentiles_ms, show, talk
from deploy.logs import set_up_logs
from ingest.bus.contract import Bus, TopicSpec
from ingest.bus.kafka import open_kafka
from ingest.bus.kafka_settings import KafkaSettings
from ingest.bus.topics import DEAD, FINDINGS, OBSERVATIONS, learned_topic, state_topic, topic_specs
from ingest.clock import NS_PER_S
from ingest.errors import DrumtowerError
from ingest.schema.codec import decode_finding
from ingest.schema.finding import Phase
from tests.support import parts
from tests.support.kafka_jars import PartMissingError

CAMERAS, PARTITIONS, RATE_HZ = 7_600, 64, 5.0
WORKERS = 2  # detect processes, as many as there are cores
_KIND = "crowd.capacity"  # the findings that the crowds cause
_DRAIN_S_MAX = 5.0


@dataclass(frozen=True)
class Size:
    settle_s: float  # before the district's own window
    district_s: float
    ticks: Search
    json: Search
    unbatched: Search | None


FULL = Size(
    10.0, 60.0,
    Search(10.0, 1.5, 3, 4.0, 10.0), Search(1.0, 1.4, 3, 4.0, 10.0), Search(0.1, 1.5, 2, 4.0, 8.0),
)  # fmt: skip
QUICK = Size(
    1.0, 3.5,
    Search(18.0, 1.5, 1, 0.8, 1.8, seconds_max=3.5), Search(1.0, 1.4, 1, 0.8, 1.8, seconds_max=3.5), None,
)  # fmt: skip


@click.command()
@click.option("--quick", is_flag=True, help="Shorter windows: within 45 s, the broker's start included.")
@click.option("--json", "as_json", is_flag=True, help="One flat JSON object of numbers as the last line.")
def main(quick: bool, as_json: bool) -> None:
    """
    Measure a district of 7,600 cameras, and the greatest load that holds.

    Example:  python -m benchmarks.district --quick --json
    """
    set_up_logs("error")
    try:
        parts.find_kafka()
        show(measured(QUICK if quick else FULL), as_json=as_json)
    except (PartMissingError, DistrictFailed, DrumtowerError, RuntimeError) as error:
        talk(f"district: {error}")
        sys.exit(1)


def measured(size: Size, cameras: int = CAMERAS, partitions: int = PARTITIONS) -> Figures:
    """
    All figures.

    Raises:
        PartMissingError: Kafka cannot be started here.
        DistrictFailed: a process of the benchmark ended, or did not come up.
    """
    begun_s, figures = time.monotonic(), machine()
    with tempfile.TemporaryDirectory(prefix="drumtower-bench-") as folder, ExitStack() as stack:
        with ThreadPoolExecutor(1) as beside:
            starting = beside.submit(stack.enter_context, parts.kafka(Path(folder) / "kafka"))
            talk(f"views of {cameras} cameras")
            stage = CountedStage(crowd_district(cameras, partitions, time.time_ns()), AT_ONCE)
            for partition in range(partitions):
                stage.initial(partition)
            broker = starting.result()
        settings = KafkaSettings(bootstrap_servers=(broker.bootstrap_servers,))
        load = Load(cameras, partitions)
        # All are forked before this process opens a client or a thread of its own.
        sends = {True: partial(send_ticks, settings, load), False: partial(send_json, settings, load)}
        shares = [slice(n, None, WORKERS) for n in range(WORKERS)]
        batched_json, each_json = (
            [partial(detect_json, settings, stage, partitions, share, windows=windows) for share in shares]
            for windows in (True, False)
        )
        ours, batched, unbatched = (
            stack.enter_context(designed(broker, cameras, partitions, sends[is_ours], detects))
            for is_ours, detects in (
                (True, [partial(detect_ticks, settings, stage, f"detect-{n}") for n in range(WORKERS)]),
                (False, batched_json),
                (False, each_json),
            )
        )
        bus = open_kafka(settings)
        stack.callback(bus.close)
        bus.create_topics(_topics(partitions))
        talk("topics are there; the district begins")
        figures |= _district(ours, bus, load, size) | ours.greatest(size.ticks, "")
        ours.end()
        talk("one JSON message a frame")
        batched.begin(size.json.begins_hz)
        batched.settle(size.json.settle_s)
        figures |= batched.greatest(size.json, "json_")
        batched.end()
        figures["ratio_to_per_frame_json"] = figures["frames_per_s_max"] / figures["json_frames_per_s_max"]
        if size.unbatched is not None:
            talk("one JSON message a frame, and a step for each")
            unbatched.begin(size.unbatched.begins_hz)
            unbatched.settle(size.unbatched.settle_s)
            figures |= unbatched.greatest(size.unbatched, "unbatched_json_")
            figures["ratio_to_unbatched_json"] = (
                figures["frames_per_s_max"] / figures["unbatched_json_frames_per_s_max"]
            )
        talk("done; ending the parts")
    return figures | {"load_average_end_1m": machine()["load_average_1m"], "measured_s": time.monotonic() - begun_s}


def _topics(partitions: int) -> list[TopicSpec]:
    """Those of the detect stage, and those of the other design."""
    own = (OBSERVATIONS, FINDINGS, state_topic("detect"), learned_topic("detect"), DEAD)
    others = [TopicSpec(name, partitions, 3_600) for name in (FRAME_TOPIC, JSON_FINDING_TOPIC)]
    return [spec for spec in topic_specs(partitions, ["detect"]) if spec.name in own] + others


def _district(design: Design, bus: Bus, load: Load, size: Size) -> Figures:
    """The district at its own rate."""
    with _read_findings(bus) as seen:
        design.begin(RATE_HZ)
        design.settle(size.settle_s)
        talk(f"settled: lag {design.lag_s():.2f} s; now frames of {size.district_s:.0f} s count")
        from_ns = time.time_ns()
        window = design.window(size.district_s)
        wanted = load.wanted(design.start_ns, from_ns, time.time_ns() - NS_PER_S, RATE_HZ)
        give_up_s = time.monotonic() + _DRAIN_S_MAX
        while not wanted.keys() <= seen.keys() and time.monotonic() < give_up_s:
            time.sleep(0.05)
    latency_ns = [seen[which] - at_ns for which, at_ns in wanted.items() if which in seen]
    if not latency_ns:
        raise DistrictFailed(f"findings: expected {len(wanted)} in time, got none; is the machine overloaded?")
    latency = percentiles_ms("finding", latency_ns)
    growth, p99_ms = window.lag_growth, latency["finding_p99_ms"]
    talk(f"{window.frames_per_s:,.0f} frames/s; lag growth {growth:.4f} s/s; p99 {p99_ms:.0f} ms")
    cores = window.cpu_cores
    return {
        "frames_per_s": window.frames_per_s,
        "lag_growth": window.lag_growth,
        "lag_mean_s": float(window.lag_s.mean()),
        "lag_max_s": float(window.lag_s.max()),
        "p50_ms": latency["finding_p50_ms"],
        "p99_ms": latency["finding_p99_ms"],
        "findings": float(len(latency_ns)),
        "findings_missing": float(len(wanted) - len(latency_ns)),
        "cpu_share": sum(cores.values()) / machine()["cores"],
        "bytes_per_frame": window.bytes_per_frame,
        "ticks_per_s": window.records_per_s,
        "ticks_per_commit": window.records_per_commit,
    } | {f"{name}_cpu_cores": value for name, value in cores.items()}


@contextmanager
def _read_findings(bus: Bus) -> Iterator[dict[tuple[str, Phase], int]]:
    """When each finding of a crowd came first, UTC ns, by zone and phase; grows until the block ends."""
    seen: dict[tuple[str, Phase], int] = {}
    stop = threading.Event()

    def read() -> None:
        consumer = bus.consumer("district-findings", [FINDINGS], "district")
        while not stop.is_set():
            records = consumer.poll(0.1)
            now_ns = time.time_ns()
            for record in records:
                data = decode_finding(record).data
                if data.kind == _KIND:
                    seen.setdefault((data.zone or "", data.phase), now_ns)
        consumer.close()

    thread = threading.Thread(target=read, name="findings", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(10.0)


if __name__ == "__main__":
    main()
