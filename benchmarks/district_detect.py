"""
The detectors of the district, in a process of their own.

`detect_ticks` is the product's runner and its detect stage. `detect_json` takes a message a frame through the same
client and gives it to the same stage: what a partition sent within a window of 200 ms as one tick, which helps it most,
or each frame alone, as it comes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import kafka
import msgspec
import numpy as np
import structlog
from prometheus_client import CollectorRegistry

from benchmarks.district_board import Board, Slot
from benchmarks.district_feed import FRAME_TOPIC, FrameMessage
from benchmarks.district_load import TICK_NS
from detectors.stage import DetectStage, State
from ingest.bus.contract import Position
from ingest.bus.kafka import open_kafka
from ingest.bus.kafka_settings import KafkaSettings
from ingest.clock import NS_PER_S, SystemClock
from ingest.metrics import Metrics
from ingest.schema.finding import Finding
from ingest.schema.tick import Tick, empty_tick
from ingest.stages.runner import Runner
from ingest.stages.stage import Read

JSON_GROUP = "detect-json"
JSON_FINDING_TOPIC = "findings-json"
_POLL_S = 0.05
_RECORDS_MAX = 5_000
_COMMIT_S = 1.0


class CountedStage(DetectStage):
    """The stage, which adds up the frames that it steps over."""

    frames = 0

    def step(self, state: State, batch: Sequence[Read[Tick]]) -> tuple[State, Sequence[Finding]]:
        self.frames += sum(read.value.frames for read in batch)
        return super().step(state, batch)


class _BoardMetrics(Metrics):
    """The product's metrics; a commit puts on the board what it made durable."""

    def __init__(self, stage: CountedStage, board: Board) -> None:
        super().__init__(CollectorRegistry())
        self._stage, self._board, self._taken = stage, board, 0

    def stepped(self, stage: str, records: int, outputs: int, dead: int, seconds: float) -> None:
        super().stepped(stage, records, outputs, dead, seconds)
        self._taken += records

    def committed(self, stage: str, seconds: float) -> None:
        super().committed(stage, seconds)
        self._board[Slot.DONE_FRAMES], self._board[Slot.DONE_RECORDS] = self._stage.frames, self._taken
        self._board.add(Slot.COMMITS, 1)


def detect_ticks(settings: KafkaSettings, stage: CountedStage, member: str, board: Board) -> None:
    """Until the board says stop."""
    bus, stop = open_kafka(settings), threading.Event()
    metrics, log = _BoardMetrics(stage, board), structlog.get_logger()
    apart_s = stage.settings.snapshots_apart_s
    runner = Runner(bus, stage, member=member, clock=SystemClock(), metrics=metrics, log=log, snapshots_apart_s=apart_s)

    def look() -> None:
        board[Slot.READY] = len(runner.states)
        if board[Slot.STOP]:
            stop.set()

    runner.run(stop, idle=look)
    bus.close()


def detect_json(
    settings: KafkaSettings, stage: DetectStage, partitions: int, share: slice, board: Board, *, windows: bool
) -> None:
    """
    Until the board says stop. At least once, its offsets committed each second, as is usual.

    Args:
        share: of the partitions, which are its own from the start: two that must first agree did not always.
    """
    servers = list(settings.bootstrap_servers)
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=servers, group_id=JSON_GROUP, enable_auto_commit=False,
        auto_offset_reset="earliest", metrics_enabled=False, heartbeat_interval_ms=300,
        fetch_max_bytes=settings.fetch_bytes_max, max_partition_fetch_bytes=settings.fetch_bytes_max,
    )  # fmt: skip
    consumer.assign([kafka.TopicPartition(FRAME_TOPIC, partition) for partition in range(partitions)[share]])
    producer = kafka.KafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=5, metrics_enabled=False)
    decode = msgspec.json.Decoder(FrameMessage).decode
    states = {partition: stage.initial(partition) for partition in range(partitions)}
    waiting: dict[int, list[FrameMessage]] = {partition: [] for partition in range(partitions)}
    ends_ns = dict.fromkeys(range(partitions), 0)
    done = offset = 0
    committed_s, window_s = time.monotonic(), time.monotonic() + TICK_NS / NS_PER_S

    def step(partition: int, frames: list[FrameMessage]) -> None:
        nonlocal offset
        offset += 1
        tick = _tick_of(partition, frames, ends_ns[partition])
        ends_ns[partition] = tick.ends_at_ns
        states[partition], findings = stage.step(
            states[partition], [Read(Position(FRAME_TOPIC, partition, offset), tick)]
        )
        for finding in findings:
            producer.send(JSON_FINDING_TOPIC, stage.encode(partition, finding).value, partition=partition)

    while not board[Slot.STOP]:
        batches = consumer.poll(timeout_ms=int(_POLL_S * 1_000), max_records=_RECORDS_MAX)
        board[Slot.READY] = len(consumer.assignment())
        for at, messages in batches.items():
            frames = [decode(message.value) for message in messages]
            if windows:
                waiting[at.partition] += frames
                continue
            for frame in frames:
                step(at.partition, [frame])
            done += len(frames)
            board[Slot.DONE_FRAMES] = board[Slot.DONE_RECORDS] = done
        now_s = time.monotonic()
        if windows and now_s >= window_s:
            window_s = now_s + TICK_NS / NS_PER_S
            for partition, frames in waiting.items():
                if frames:
                    step(partition, frames)
                    done += len(frames)
                    waiting[partition] = []
            board[Slot.DONE_FRAMES] = board[Slot.DONE_RECORDS] = done
        if now_s - committed_s > _COMMIT_S:
            consumer.commit_async()
            board.add(Slot.COMMITS, 1)
            committed_s = now_s
    consumer.close()
    producer.close(timeout=5.0)


def _tick_of(partition: int, frames: list[FrameMessage], after_ns: int) -> Tick:
    """The messages of a partition in columns; it ends with its newest frame."""
    ends_ns = max(after_ns, max(frame.arrived_at_ns for frame in frames)) + 1
    objects = [each for frame in frames for each in frame.objects]
    start = np.concatenate([[0], np.cumsum([len(frame.objects) for frame in frames])])
    blank = empty_tick(partition, "ingest", min(after_ns, ends_ns), ends_ns, len(frames))
    columns = {name: getattr(blank, name) for name in Tick.__slots__[4:]} | {
        "camera": np.array([frame.camera for frame in frames], np.uint32),
        "captured_at_ns": np.array([frame.captured_at_ns for frame in frames], np.int64),
        "arrived_at_ns": np.array([frame.arrived_at_ns for frame in frames], np.int64),
        "time_source": np.array([frame.time_source for frame in frames], np.uint8),
        "width": np.array([frame.width for frame in frames], np.uint16),
        "height": np.array([frame.height for frame in frames], np.uint16),
        "brightness": np.array([frame.brightness for frame in frames], np.float32),
        "objects_known": np.ones(len(frames), np.bool_),
        "object_start": start,
        "object_class": np.array([each.kind for each in objects], np.uint8),
        "object_confidence": np.array([each.confidence for each in objects], np.float16),
        "object_box": np.array([each.box for each in objects], np.float32).reshape(-1, 4),
        "object_track": np.array([each.track for each in objects], np.int32),
    }
    return Tick(blank.partition, blank.producer, blank.starts_at_ns, ends_ns, **columns)
