"""
A snapshot carries its position: state and input offset are one record of the compacted topic `dt.state.<stage>`.

It is written with each commit, and most of it is the same again and again (ids, times that never were), so it is
packed: 65 kB of a partition of 119 cameras become 3 kB in 20 us, and the bus has a twentieth of the bytes to carry.
"""

from __future__ import annotations

import msgspec
import pyarrow as pa

from ingest.bus.contract import Bus, Draft, Record
from ingest.bus.topics import state_topic
from ingest.errors import RecordError
from ingest.schema.codec import checked, headers

VERSION = 2  # 1 was not packed
_PACKED = "lz4"
_SIZE_BYTES, _BYTES_MAX = 4, 1 << 28


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    stage: str
    stage_version: int
    next_offset: int  # of the input: the first record that this state has not seen
    state: bytes


def snapshot_draft(snapshot: Snapshot, partition: int) -> Draft:
    return packed_draft(state_topic(snapshot.stage), partition, str(partition).encode(), snapshot)


def packed_draft(topic: str, partition: int, key: bytes, snapshot: Snapshot) -> Draft:
    plain = msgspec.msgpack.encode(snapshot)
    value = len(plain).to_bytes(_SIZE_BYTES, "little") + pa.compress(plain, _PACKED, asbytes=True)
    return Draft(topic, partition, key, value, headers(f"snapshot/{VERSION}", value))


def snapshot_of(record: Record) -> Snapshot:
    """
    Raises:
        RecordError: the record is not a whole snapshot.
    """
    value = checked(record, "snapshot", VERSION)
    try:
        is_packed = dict(record.headers)["schema"] != b"snapshot/1"
        return msgspec.msgpack.decode(_unpacked(value) if is_packed else value, type=Snapshot)
    except (msgspec.DecodeError, pa.ArrowException, OSError, ValueError) as error:
        raise RecordError(
            f"record {record.position}: snapshot",
            expected="a snapshot of this stage",
            got=str(error)[:200],
            mend="The stage starts afresh at its group's offset.",
            position=record.position,
        ) from error


def _unpacked(value: bytes) -> bytes:
    size = int.from_bytes(value[:_SIZE_BYTES], "little")
    if size > _BYTES_MAX:
        raise ValueError(f"{size} bytes when unpacked")
    unpacked: bytes = pa.decompress(value[_SIZE_BYTES:], size, _PACKED, asbytes=True)
    return unpacked


def last_snapshot(bus: Bus, stage: str, partition: int) -> Snapshot | None:
    """
    The newest snapshot of a stage's partition; None before the first.

    Raises:
        RecordError: it is there, but broken.
    """
    record = bus.last_record(state_topic(stage), partition, str(partition).encode())
    return None if record is None else snapshot_of(record)
