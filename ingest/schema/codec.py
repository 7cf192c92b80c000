"""
Bytes on the wire: ticks as Arrow IPC, findings and alerts as CloudEvents in JSON.

Each record carries headers: `schema` (`tick/1`) and `crc32c` of its value, so that a truncated or bit-flipped record is
refused, with its position, and never half-read. A reader accepts its own version and the one before.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import crc32c
import msgspec
import numpy as np
import pyarrow as pa

from ingest.bus.contract import Headers, Record
from ingest.errors import RecordError
from ingest.schema import alert, finding
from ingest.schema.tick import F32, GRID_COLUMNS, GRID_ROWS, Tick, empty_tick

TICK_VERSION = 3  # 2 has events, 3 says where in the picture they are
_CELLS = GRID_ROWS * GRID_COLUMNS
_FACTS = 4  # fields of a tick before its columns
_COLUMNS = frozenset(Tick.__slots__[_FACTS:])
_TICK_FLOATS = ("foreground", "flame", "smoke", "sharpness", "brightness")
_TICK_PLAIN = ("camera", "captured_at_ns", "arrived_at_ns", "time_source", "width", "height", "picture")

_OBJECT = pa.struct(
    [
        pa.field("object_class", pa.uint8(), nullable=False),
        pa.field("object_confidence", pa.float16(), nullable=False),
        pa.field("object_box", pa.list_(pa.float32(), 4), nullable=False),
        pa.field("object_track", pa.int32(), nullable=False),
    ]
)
_EVENT = pa.struct(
    [
        pa.field("event_kind", pa.uint8(), nullable=False),
        pa.field("event_state", pa.uint8(), nullable=False),
        pa.field("event_value", pa.float32(), nullable=False),
        pa.field("event_confidence", pa.float16(), nullable=False),
        pa.field("event_at_ns", pa.int64(), nullable=False),
        pa.field("event_box", pa.list_(pa.float32(), 4), nullable=False),
    ]
)
_EVENT_PLAIN = tuple(field.name for field in _EVENT)[:-1]
TICK_SCHEMA = pa.schema(
    [
        pa.field("camera", pa.uint32(), nullable=False),
        pa.field("captured_at_ns", pa.int64(), nullable=False),
        pa.field("arrived_at_ns", pa.int64(), nullable=False),
        pa.field("time_source", pa.uint8(), nullable=False),
        pa.field("width", pa.uint16(), nullable=False),
        pa.field("height", pa.uint16(), nullable=False),
        pa.field("picture", pa.uint16(), nullable=False),
        pa.field("foreground", pa.float32()),
        pa.field("flame", pa.float32()),
        pa.field("smoke", pa.float32()),
        pa.field("sharpness", pa.float32()),
        pa.field("brightness", pa.float32()),
        pa.field("foreground_grid", pa.list_(pa.uint8(), _CELLS)),
        pa.field("flow_grid", pa.list_(pa.float16(), _CELLS * 2)),
        pa.field("objects", pa.list_(_OBJECT)),
        pa.field("events", pa.list_(_EVENT)),
    ]
)


def headers(schema: str, value: bytes) -> Headers:
    return (("schema", schema.encode()), ("crc32c", b"%08x" % crc32c.crc32c(value)))


def checked(record: Record, schema: str, newest: int) -> bytes:
    """
    The value of a record that says it is `schema` in version `newest` or the one before, and whose checksum agrees.

    Raises:
        RecordError: no value, another schema, another version, another checksum.
    """
    given = dict(record.headers)
    position, thing = record.position, f"record {record.position}"
    name, _, version = given.get("schema", b"").decode("ascii", "replace").partition("/")
    if name != schema or version not in (str(newest), str(newest - 1)):
        raise RecordError(
            f"{thing}: schema",
            expected=f"{schema}/{newest} or the version before",
            got=f"{name}/{version}" if name else "none",
            mend="Upgrade the readers before the writers, or remove the foreign writer.",
            position=position,
        )
    if not record.value:
        raise RecordError(
            thing, expected="bytes", got="none", mend="Look at who wrote it; the line goes on.", position=position
        )
    checksum = b"%08x" % crc32c.crc32c(record.value)
    if given.get("crc32c") != checksum:
        raise RecordError(
            f"{thing}: crc32c",
            expected=given.get("crc32c", b"a checksum").decode("ascii", "replace"),
            got=checksum.decode(),
            mend="The bytes changed on the way or were cut; the line goes on without them.",
            position=position,
        )
    return record.value


def encode_tick(tick: Tick) -> tuple[bytes, Headers]:
    """
    An Arrow IPC stream of one record batch, and its headers. A grid that no frame has is left out: it would be half of
    the bytes, all of them null. So are events where there are none.
    """
    frames = tick.frames
    columns: list[pa.Array] = [pa.array(getattr(tick, name)) for name in _TICK_PLAIN]
    columns += [pa.array(value := getattr(tick, name), mask=np.isnan(value)) for name in _TICK_FLOATS]
    fields = list(TICK_SCHEMA)
    for name, known, values, width in (
        ("foreground_grid", tick.grid_known, tick.foreground_grid, _CELLS),
        ("flow_grid", tick.flow_known, tick.flow_grid, _CELLS * 2),
    ):
        if known.any():
            columns.append(_fixed(values.reshape(-1), width, known))
        else:
            fields.remove(TICK_SCHEMA.field(name))
    columns.append(_objects(tick))
    if len(tick.event_kind):
        columns.append(_events(tick))
    else:
        fields.remove(TICK_SCHEMA.field("events"))
    facts = {
        "partition": str(tick.partition),
        "producer": tick.producer,
        "starts_at_ns": str(tick.starts_at_ns),
        "ends_at_ns": str(tick.ends_at_ns),
    }
    schema = pa.schema(fields, metadata=facts)
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    assert batch.num_rows == frames
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(batch)
    value = sink.getvalue().to_pybytes()
    return value, headers(f"tick/{TICK_VERSION}", value)


def decode_tick(record: Record, newest: int = TICK_VERSION) -> Tick:
    """
    The tick of a record, as views on its bytes. A nullable column that the writer did not know is unknown in each row;
    one that this reader does not know is passed over.

    Raises:
        RecordError: not a tick of a version that this reader accepts, or not whole.
    """
    value = checked(record, "tick", newest)
    try:
        with pa.ipc.open_stream(value) as reader:
            batch = reader.read_next_batch()
        batch.validate(full=True)
        tick = _tick_of(batch, {key.decode(): text.decode() for key, text in (batch.schema.metadata or {}).items()})
        tick.check()
    except (pa.ArrowException, OSError, StopIteration, LookupError, ValueError, TypeError, MemoryError) as error:
        raise RecordError(
            f"record {record.position}: tick",
            expected="an Arrow stream of one record batch with the published columns",
            got=f"{type(error).__name__}: {str(error)[:200]}",
            mend="Look at who wrote it; the line goes on without it.",
            position=record.position,
        ) from error
    return tick


def _fixed(values: np.ndarray, width: int, known: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values), width, mask=pa.array(~known))


def _objects(tick: Tick) -> pa.Array:
    flat = pa.StructArray.from_arrays(
        [
            pa.array(tick.object_class),
            pa.array(tick.object_confidence),
            pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(tick.object_box).reshape(-1)), 4),
            pa.array(tick.object_track),
        ],
        fields=list(_OBJECT),
    )
    offsets = pa.array(tick.object_start.astype(np.int32))
    return pa.ListArray.from_arrays(
        offsets, flat, type=TICK_SCHEMA.field("objects").type, mask=pa.array(~tick.objects_known)
    )


def _events(tick: Tick) -> pa.Array:
    flat = pa.StructArray.from_arrays(
        [
            *(pa.array(np.ascontiguousarray(getattr(tick, name))) for name in _EVENT_PLAIN),
            pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(tick.event_box).reshape(-1)), 4),
        ],
        fields=list(_EVENT),
    )
    return pa.ListArray.from_arrays(
        pa.array(tick.event_start.astype(np.int32)), flat, type=TICK_SCHEMA.field("events").type
    )


def _tick_of(batch: pa.RecordBatch, facts: dict[str, str]) -> Tick:
    frames = batch.num_rows
    present = set(batch.schema.names)
    columns: dict[str, np.ndarray] = {}
    for name in _TICK_PLAIN:
        column = batch.column(name)
        if column.null_count:
            raise ValueError(f"{name}: expected no nulls, got {column.null_count}")
        columns[name] = column.to_numpy()
    for name in _TICK_FLOATS:
        if name in present:
            columns[name] = _nullable(batch.column(name))
    for name, known, shape in (
        ("foreground_grid", "grid_known", (frames, GRID_ROWS, GRID_COLUMNS)),
        ("flow_grid", "flow_known", (frames, GRID_ROWS, GRID_COLUMNS, 2)),
    ):
        if name in present:
            column = batch.column(name)
            # The values behind a null are there too: a fixed-size list keeps its stride.
            width = int(np.prod(shape[1:]))
            flat = column.values[column.offset * width : (column.offset + frames) * width]
            columns[name] = flat.to_numpy(zero_copy_only=False).reshape(shape)
            columns[known] = column.is_valid().to_numpy(zero_copy_only=False)
    if "objects" in present:
        columns |= _object_columns(batch.column("objects"))
    if "events" in present:
        columns |= _event_columns(batch.column("events"))
    if columns.keys() != _COLUMNS:
        columns = {**_unknown(frames), **columns}
    return Tick(
        int(facts["partition"]), facts["producer"], int(facts["starts_at_ns"]), int(facts["ends_at_ns"]), **columns
    )


@lru_cache(maxsize=16)
def _unknown(frames: int) -> dict[str, np.ndarray]:
    """
    The columns of frames about which nothing is known. They are shared: most ticks of a line have as many frames as the
    one before, and to make the grids, which most do not have, would cost as much as to read all the rest.
    """
    blank = empty_tick(0, "", 0, 0, frames)
    columns = {name: getattr(blank, name) for name in Tick.__slots__[_FACTS:]}
    for column in columns.values():
        column.flags.writeable = False
    return columns


def _nullable(column: pa.Array) -> F32:
    values: F32 = column.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return values


def _object_columns(column: pa.ListArray) -> dict[str, np.ndarray]:
    start = column.offsets.to_numpy().astype(np.int64)
    objects = column.values[start[0] : start[-1]]
    box = objects.field("object_box")
    return {
        "objects_known": column.is_valid().to_numpy(zero_copy_only=False),
        "object_start": start - start[0],
        "object_class": objects.field("object_class").to_numpy(),
        "object_confidence": objects.field("object_confidence").to_numpy(),
        "object_box": box.flatten().to_numpy().reshape(-1, 4),
        "object_track": objects.field("object_track").to_numpy(),
    }


def _event_columns(column: pa.ListArray) -> dict[str, np.ndarray]:
    start = column.offsets.to_numpy().astype(np.int64)
    events = column.values[start[0] : start[-1]]
    columns = {name: events.field(name).to_numpy() for name in _EVENT_PLAIN}
    if "event_box" in {field.name for field in events.type}:
        box = events.field("event_box").flatten().to_numpy().reshape(-1, 4)
    else:  # version 2 does not know where
        box = np.full((len(events), 4), np.nan, np.float32)
    return {"event_start": start - start[0], **columns, "event_box": box}


Event = TypeVar("Event", bound=msgspec.Struct)


def encode_event(schema: str, version: int, event: msgspec.Struct) -> tuple[bytes, Headers]:
    value = msgspec.json.encode(event)
    return value, (*headers(f"{schema}/{version}", value), ("content-type", b"application/cloudevents+json"))


def decode_event(record: Record, schema: str, newest: int, kind: type[Event]) -> Event:
    """
    Raises:
        RecordError: not such an event of a version that this reader accepts, or not whole.
    """
    value = checked(record, schema, newest)
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordError(
            f"record {record.position}: {schema}",
            expected=f"JSON as docs/schemas/{schema}.v{newest}.json says",
            got=str(error)[:200],
            mend="Look at who wrote it; the line goes on without it.",
            position=record.position,
        ) from error


def encode_finding(event: finding.Finding) -> tuple[bytes, Headers]:
    return encode_event("finding", finding.VERSION, event)


def decode_finding(record: Record) -> finding.Finding:
    return decode_event(record, "finding", finding.VERSION, finding.Finding)


def encode_alert(event: alert.Alert) -> tuple[bytes, Headers]:
    return encode_event("alert", alert.VERSION, event)


def decode_alert(record: Record) -> alert.Alert:
    return decode_event(record, "alert", alert.VERSION, alert.Alert)
