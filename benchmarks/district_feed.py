"""
The cameras of the district, in a process of their own: what they saw is made in columns, encoded and sent live.

`send_ticks` sends what the product's ingest role sends: a tick of each partition every 200 ms. `send_json` sends each
frame as a message of its own the moment that it is captured, as most of the field does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import kafka
import msgspec
import numpy as np

from benchmarks.crowds import CROWDED
from benchmarks.district_board import Board, Slot
from benchmarks.district_load import PERSONS, TICK_NS, Load
from ingest.bus.contract import Draft
from ingest.bus.kafka import open_kafka
from ingest.bus.kafka_settings import KafkaSettings
from ingest.bus.topics import OBSERVATIONS
from ingest.clock import NS_PER_S
from ingest.schema.codec import encode_tick
from ingest.schema.tick import TimeSource

FRAME_TOPIC = "frames-json"
_LOOK_S = 0.02
# As many bytes and as long a wait as help the messages most: their batches are what they live on.
_JSON_LINGER_MS, _JSON_BATCH_BYTES = 50, 256 * 1024
_JSON_IN_FLIGHT_MAX = 20_000  # messages; the client alone would buffer without end
_LISTS = 512  # of objects, made before the clock runs


class FrameObject(msgspec.Struct, gc=False):
    kind: int
    confidence: float
    box: tuple[float, float, float, float]
    track: int


class FrameMessage(msgspec.Struct, gc=False):
    camera: int
    captured_at_ns: int
    arrived_at_ns: int
    time_source: int
    width: int
    height: int
    brightness: float
    objects: list[FrameObject]


def send_ticks(settings: KafkaSettings, load: Load, board: Board) -> None:
    """Until the board says stop."""
    bus = open_kafka(settings)
    producer = bus.producer()
    keys = [b"%d" % partition for partition in range(load.partitions)]
    for from_ns, until_ns, start_ns, rate_hz in _intervals(board):
        frames = size = 0
        for partition, key in enumerate(keys if rate_hz else []):
            tick = load.tick(partition, start_ns, from_ns, until_ns, rate_hz)
            value, headers = encode_tick(tick)
            producer.append(Draft(OBSERVATIONS, partition, key, value, headers))
            frames += tick.frames
            size += len(value)
        producer.flush()
        _sent(board, until_ns, frames, size)
    producer.close()
    bus.close()


def _intervals(board: Board) -> Iterator[tuple[int, int, int, float]]:
    """From, until, start and rate of each, once it is over; one that is late comes at once."""
    start_ns = from_ns = _start_ns(board)
    while not board[Slot.STOP]:
        until_ns, rate_hz = from_ns + TICK_NS, board.rate_hz
        time.sleep(max(0.0, (until_ns - time.time_ns()) / NS_PER_S))
        yield from_ns, until_ns, start_ns, rate_hz
        from_ns = until_ns


def _start_ns(board: Board) -> int:
    while not board[Slot.START_NS] and not board[Slot.STOP]:
        time.sleep(_LOOK_S)
    return board[Slot.START_NS]


def send_json(settings: KafkaSettings, load: Load, board: Board) -> None:
    """Until the board says stop."""
    producer = kafka.KafkaProducer(
        bootstrap_servers=list(settings.bootstrap_servers), acks="all", enable_idempotence=True,
        linger_ms=_JSON_LINGER_MS, batch_size=_JSON_BATCH_BYTES, metrics_enabled=False,
    )  # fmt: skip
    encode = msgspec.json.Encoder().encode
    quiet, crowd = _object_lists(load, PERSONS), _object_lists(load, CROWDED)
    answered = n = 0  # a writer each: the client's thread, and we

    def answer(_: object) -> None:
        nonlocal answered
        answered += 1

    start_ns = from_ns = _start_ns(board)
    while not board[Slot.STOP]:
        time.sleep(max(0.0, (from_ns - time.time_ns()) / NS_PER_S + _LOOK_S))
        until_ns, rate_hz = min(time.time_ns(), from_ns + TICK_NS), board.rate_hz
        frames = size = 0
        for partition in range(load.partitions if rate_hz else 0):
            seen = load.frames(partition, start_ns, from_ns, until_ns, rate_hz)
            for camera, at_ns, crowded in zip(
                seen.camera.tolist(), seen.captured_at_ns.tolist(), seen.crowded.tolist(), strict=True
            ):
                objects = (crowd if crowded else quiet)[n % _LISTS]
                n += 1
                value = encode(FrameMessage(camera, at_ns, at_ns, TimeSource.CAMERA, 1920, 1080, 110.0, objects))
                producer.send(FRAME_TOPIC, value, partition=partition).add_both(answer)
                frames += 1
                size += len(value)
        while n - answered > _JSON_IN_FLIGHT_MAX and not board[Slot.STOP]:
            time.sleep(_LOOK_S / 4)
        _sent(board, until_ns, frames, size)
        from_ns = until_ns
    producer.close(timeout=5.0)


def _sent(board: Board, until_ns: int, frames: int, size: int) -> None:
    board.add(Slot.SENT_FRAMES, frames)
    board.add(Slot.SENT_BYTES, size)
    board[Slot.SENT_UNTIL_NS] = until_ns


def _object_lists(load: Load, count: int) -> list[list[FrameObject]]:
    """Lists of as many persons, their numbers as short as a careful writer makes them."""
    lists = []
    for _ in range(_LISTS):
        boxes = np.round(load.pool.box[load.drawn(count)].astype(np.float64), 4).tolist()
        lists.append([FrameObject(0, 0.9, tuple(box), -1) for box in boxes])
    return lists
