"""Snapshots as records: packed, whole or refused, and readable from the version before."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.bus.contract import Draft, Headers, Position, Record
from ingest.errors import RecordError
from ingest.schema.codec import headers
from ingest.stages.checkpoint import Snapshot, snapshot_draft, snapshot_of


def _record(value: bytes | None, given: Headers) -> Record:
    return Record(Position("dt.state.detect", 3, 7), b"3", value, given, 0)


def _read(draft: Draft) -> Snapshot:
    return snapshot_of(_record(draft.value, draft.headers))


@given(st.binary(max_size=5_000), st.integers(0, 2**62))
def test_a_snapshot_comes_back_as_it_was(state: bytes, next_offset: int) -> None:
    snapshot = Snapshot("detect", 1, next_offset, state)
    assert _read(snapshot_draft(snapshot, 3)) == snapshot


def test_a_snapshot_that_repeats_itself_is_small_on_the_wire() -> None:
    draft = snapshot_draft(Snapshot("detect", 1, 5, b"never never never" * 4_000), 3)
    assert draft.size_bytes < 1_000


def test_a_snapshot_of_the_version_before_is_read() -> None:
    snapshot = Snapshot("detect", 1, 5, b"state")
    value = msgspec.msgpack.encode(snapshot)
    assert snapshot_of(_record(value, headers("snapshot/1", value))) == snapshot


@given(st.binary(max_size=200))
def test_bytes_that_are_no_snapshot_are_refused(value: bytes) -> None:
    with pytest.raises(RecordError):
        snapshot_of(_record(value, headers("snapshot/2", value)))


@pytest.mark.parametrize("size", [0, 1, 2**28, 2**28 + 1, 2**32 - 1])
def test_a_snapshot_that_lies_about_its_size_is_refused(size: int) -> None:
    packed = snapshot_draft(Snapshot("detect", 1, 5, b"state"), 3).value or b""
    value = size.to_bytes(4, "little") + packed[4:]
    with pytest.raises(RecordError):
        snapshot_of(_record(value, headers("snapshot/2", value)))
