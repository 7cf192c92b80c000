"""The district on the bus: one record a camera or zone on the compacted topics, in the partition of its site."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from ingest.bus.contract import Bus, Draft, Record
from ingest.bus.topics import CAMERAS, ZONES
from ingest.errors import RecordError
from ingest.registry.district import VERSION, Camera, District, Zone, district_of
from ingest.registry.zones import ring_fault
from ingest.schema import codec

Entry = TypeVar("Entry", Camera, Zone)


def registry_drafts(previous: District, next_: District) -> list[Draft]:
    """
    What to append so that the topics say `next_` where they said `previous`: the entries that differ, and no value for
    those that are gone or have moved to another partition.
    """
    return [
        *_drafts(CAMERAS, "camera", previous.cameras, next_.cameras),
        *_drafts(ZONES, "zone", previous.zones, next_.zones),
    ]


def read_district(bus: Bus) -> District:
    """The district as the topics say it; what is broken there is left out. `read_registry` tells what that was."""
    return read_registry(bus)[0]


def read_registry(bus: Bus) -> tuple[District, list[RecordError]]:
    """
    The district as the topics say it, and the records that were left out: not readable, under a key that is not their
    id, in a partition that is not theirs, an id or number that another entry has already, a polygon that is none.
    """
    counts, faults = bus.partition_counts(), list[RecordError]()
    cameras, zones = dict[str, Camera](), dict[str, Zone]()
    numbers: set[int] = set()
    for partition in range(counts.get(CAMERAS, 0)):
        for record in _in_order(bus, CAMERAS, partition):
            try:
                camera = _entry(record, "camera", Camera)
                _claim(record, camera.id in cameras or camera.number in numbers, "an id and a number of its own")
            except RecordError as error:
                faults.append(error)
                continue
            cameras[camera.id] = camera
            numbers.add(camera.number)
    for partition in range(counts.get(ZONES, 0)):
        for record in _in_order(bus, ZONES, partition):
            try:
                zone = _entry(record, "zone", Zone)
                _claim(record, zone.id in zones, "an id of its own")
                _claim(record, ring_fault(zone.polygon) is not None, "a polygon that does not cross itself")
            except RecordError as error:
                faults.append(error)
                continue
            zones[zone.id] = zone
    return district_of(cameras.values(), zones.values()), faults


def _drafts(topic: str, schema: str, before: Iterable[Entry], after: Iterable[Entry]) -> list[Draft]:
    former = {(entry.partition, entry.id): entry for entry in before}
    latter = {(entry.partition, entry.id): entry for entry in after}
    gone = [Draft(topic, partition, id_.encode(), None) for partition, id_ in sorted(former.keys() - latter.keys())]
    drafts = []
    for (partition, id_), entry in sorted(latter.items()):
        if former.get((partition, id_)) != entry:
            value = msgspec.json.encode(entry)
            drafts.append(Draft(topic, partition, id_.encode(), value, codec.headers(f"{schema}/{VERSION}", value)))
    # The old place is emptied first: whoever reads in between finds an entry missing, never twice.
    return gone + drafts


def _in_order(bus: Bus, topic: str, partition: int) -> list[Record]:
    return sorted(bus.last_records(topic, partition).values(), key=lambda record: record.position.offset)


def _entry(record: Record, schema: str, kind: type[Entry]) -> Entry:
    value = codec.checked(record, schema, VERSION)
    try:
        entry = msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            f"record {record.position}: {schema}",
            expected="its JSON as published",
            got=str(error)[:200],
            mend="Import the registry again.",
            position=record.position,
        ) from error
    _claim(record, (record.key or b"") != entry.id.encode(), "its id as the key")
    _claim(record, record.position.partition != entry.partition, "the partition of its site")
    return entry


def _claim(record: Record, is_broken: bool, expected: str) -> None:
    if is_broken:
        raise RecordError(
            f"record {record.position}",
            expected=expected,
            got="another",
            mend="Import the registry again.",
            position=record.position,
        )
