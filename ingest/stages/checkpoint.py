"""A snapshot carries its position: state and input offset are one record of the compacted topic `dt.state.<stage>`."""

from __future__ import annotations

import msgspec

from ingest.bus.contract import Bus, Draft, Record
from ingest.bus.topics import state_topic
from ingest.errors import RecordError
from ingest.schema.codec import checked, headers

VERSION = 1


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    stage: str
    stage_version: int
    next_offset: int  # of the input: the first record that this state has not seen
    state: bytes


def snapshot_draft(snapshot: Snapshot, partition: int) -> Draft:
    value = msgspec.msgpack.encode(snapshot)
    key = str(partition).encode()
    return Draft(state_topic(snapshot.stage), partition, key, value, headers(f"snapshot/{VERSION}", value))


def snapshot_of(record: Record) -> Snapshot:
    """
    Raises:
        RecordError: the record is not a whole snapshot.
    """
    value = checked(record, "snapshot", VERSION)
    try:
        return msgspec.msgpack.decode(value, type=Snapshot)
    except msgspec.DecodeError as error:
        raise RecordError(
            f"record {record.position}: snapshot",
            expected="a snapshot of this stage",
            got=str(error)[:200],
            mend="The stage starts afresh at its group's offset.",
            position=record.position,
        ) from error


def last_snapshot(bus: Bus, stage: str, partition: int) -> Snapshot | None:
    """
    The newest snapshot of a stage's partition; None before the first.

    Raises:
        RecordError: it is there, but broken.
    """
    record = bus.last_record(state_topic(stage), partition, str(partition).encode())
    return None if record is None else snapshot_of(record)
