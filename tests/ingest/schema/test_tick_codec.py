from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.bus.contract import Headers, Position, Record
from ingest.errors import RecordError
from ingest.schema import codec
from ingest.schema.codec import decode_tick, encode_tick, headers
from ingest.schema.tick import Tick, empty_tick, equal
from tests.ingest.schema.ticks import ticks

AT = Position("dt.observations", 3, 41)


def record(value: bytes | None, given_headers: Headers) -> Record:
    return Record(AT, None, value, given_headers, 0)


@given(ticks())
def test_a_tick_comes_back_as_it_was(tick: Tick) -> None:
    tick.check()
    assert equal(decode_tick(record(*encode_tick(tick))), tick)


@given(ticks())
def test_a_decoded_tick_is_encoded_to_the_same_bytes(tick: Tick) -> None:
    value, _ = encode_tick(tick)
    again, _ = encode_tick(decode_tick(record(*encode_tick(tick))))
    assert again == value


@settings(max_examples=200)
@given(ticks(), st.data())
def test_a_truncated_tick_is_refused_with_its_position(tick: Tick, data: st.DataObject) -> None:
    value, given_headers = encode_tick(tick)
    cut = data.draw(st.integers(0, len(value) - 1))
    with pytest.raises(RecordError) as refused:
        decode_tick(record(value[:cut], given_headers))
    assert refused.value.position == AT and "dt.observations/3/41" in str(refused.value)


@settings(max_examples=300)
@given(ticks(), st.data())
def test_a_tick_with_a_flipped_bit_is_refused_with_its_position(tick: Tick, data: st.DataObject) -> None:
    value, given_headers = encode_tick(tick)
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    flipped = bytearray(value)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RecordError) as refused:
        decode_tick(record(bytes(flipped), given_headers))
    assert refused.value.position == AT


@given(st.binary(max_size=400))
def test_any_bytes_with_a_right_checksum_are_a_tick_or_refused(value: bytes) -> None:
    with pytest.raises(RecordError):
        decode_tick(record(value, headers("tick/3", value)))


@settings(max_examples=200)
@given(ticks(), st.data())
def test_damage_before_the_checksum_was_made_is_a_tick_or_refused_and_never_a_crash(
    tick: Tick, data: st.DataObject
) -> None:
    value = bytearray(encode_tick(tick)[0])
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decode_tick(record(bytes(value), headers("tick/3", bytes(value)))).check()
    except RecordError as error:
        assert error.position == AT


@pytest.mark.parametrize("schema", ["tick/1", "tick/4", "finding/2", "tick", ""])
def test_another_schema_or_version_is_refused_by_name(schema: str) -> None:
    value, _ = encode_tick(empty_tick(0, "ingest", 0, 1))
    with pytest.raises(RecordError, match="schema: expected tick/3 or the version before"):
        decode_tick(record(value, headers(schema, value)))


def test_a_record_without_a_value_is_refused() -> None:
    with pytest.raises(RecordError, match="expected bytes, got none"):
        decode_tick(record(None, headers("tick/3", b"")))


@given(ticks())
def test_a_reader_of_the_next_version_accepts_this_one(tick: Tick) -> None:
    value, given_headers = encode_tick(tick)
    assert equal(decode_tick(record(value, given_headers), newest=codec.TICK_VERSION + 1), tick)


@pytest.mark.parametrize("column", ["smoke", "foreground_grid", "flow_grid", "objects", "events"])
def test_a_nullable_column_that_the_writer_did_not_know_is_unknown_in_each_row(column: str) -> None:
    tick = empty_tick(1, "ingest", 0, 200, frames=2)
    with pa.ipc.open_stream(encode_tick(tick)[0]) as reader:
        batch = reader.read_next_batch()
    kept = [name for name in batch.schema.names if name != column]
    value = _stream(batch.select(kept).replace_schema_metadata(batch.schema.metadata))
    assert equal(decode_tick(record(value, headers("tick/3", value)), newest=codec.TICK_VERSION + 1), tick)


def test_a_grid_that_no_frame_has_is_not_on_the_wire() -> None:
    blank = empty_tick(1, "ingest", 0, 200, frames=119)
    one = dataclasses.replace(blank, flow_known=np.arange(119) == 7)
    with pa.ipc.open_stream(encode_tick(blank)[0]) as reader:
        assert not {"foreground_grid", "flow_grid", "events"} & set(reader.schema.names)
    with pa.ipc.open_stream(encode_tick(one)[0]) as reader:
        assert set(codec.TICK_SCHEMA.names) - set(reader.schema.names) == {"foreground_grid", "events"}


@settings(deadline=None)
@given(ticks())
def test_a_record_of_version_2_is_read_and_does_not_say_where_its_events_are(tick: Tick) -> None:
    with pa.ipc.open_stream(encode_tick(tick)[0]) as reader:
        batch = reader.read_next_batch()
    if "events" in batch.schema.names:
        place = batch.schema.get_field_index("events")
        column = batch.column(place)
        kept = [field.name for field in column.type.value_type][:-1]
        flat = pa.StructArray.from_arrays([column.values.field(name) for name in kept], kept)
        batch = batch.set_column(place, "events", pa.ListArray.from_arrays(column.offsets, flat))
    value = _stream(batch.replace_schema_metadata(batch.schema.metadata))
    read = decode_tick(record(value, headers("tick/2", value)))
    nowhere = np.full((len(tick.event_kind), 4), np.nan, np.float32)
    assert equal(read, dataclasses.replace(tick, event_box=nowhere))


def test_a_column_of_a_newer_writer_is_passed_over() -> None:
    tick = empty_tick(1, "ingest", 0, 200, frames=2)
    with pa.ipc.open_stream(encode_tick(tick)[0]) as reader:
        batch = reader.read_next_batch()
    value = _stream(batch.append_column("humidity", pa.array([1.0, 2.0])))
    assert equal(decode_tick(record(value, headers("tick/3", value))), tick)


def test_a_box_that_is_not_finite_is_refused() -> None:
    tick = dataclasses.replace(
        empty_tick(0, "ingest", 0, 1, frames=1),
        objects_known=np.array([True]),
        object_start=np.array([0, 1]),
        object_class=np.zeros(1, np.uint8),
        object_confidence=np.zeros(1, np.float16),
        object_box=np.array([[0, np.nan, 1, 1]], np.float32),
        object_track=np.zeros(1, np.int32),
    )
    with pytest.raises(RecordError, match="object_box: expected finite numbers"):
        decode_tick(record(*encode_tick(tick)))


def _stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())
