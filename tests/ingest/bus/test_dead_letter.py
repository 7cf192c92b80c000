from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.bus.contract import Draft, Position, Record
from ingest.bus.dead_letter import VALUE_BYTES_MAX, dead_letter, parse_dead_letter
from ingest.bus.topics import DEAD
from ingest.errors import RecordError

headers = st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=20)), max_size=5).map(tuple)
records = st.builds(
    Record,
    position=st.builds(
        Position, st.sampled_from(["dt.observations", "dt.findings"]), st.integers(0, 63), st.integers(0)
    ),
    key=st.none() | st.binary(max_size=30),
    value=st.none() | st.binary(max_size=100),
    headers=headers,
    appended_at_ns=st.just(0),
)


def buried(draft: Draft) -> Record:
    return Record(Position(draft.topic, draft.partition, 7), draft.key, draft.value, draft.headers, 0)


@given(records.filter(lambda record: record.position.offset < 2**63), st.text(), st.text(max_size=10))
def test_a_dead_letter_can_be_read_and_the_record_delivered_again_as_it_was(
    record: Record, reason: str, stage: str
) -> None:
    draft = dead_letter(record, reason, stage)
    assert (draft.topic, draft.partition, draft.key) == (DEAD, 0, record.position.topic.encode())
    assert draft.value is not None
    letter = parse_dead_letter(buried(draft))
    assert letter.source == record.position
    assert not letter.is_truncated
    again = Draft(record.position.topic, record.position.partition, record.key, record.value, record.headers)
    assert letter.redelivery() == again


def test_a_huge_record_is_cut_and_cannot_be_delivered_again() -> None:
    huge = Record(Position("dt.observations", 3, 42), b"3", bytes(3 * VALUE_BYTES_MAX), (("schema", b"tick/1"),), 0)
    letter = parse_dead_letter(buried(dead_letter(huge, "too long", "detect")))
    assert letter.is_truncated
    assert letter.value == bytes(VALUE_BYTES_MAX)
    assert letter.headers == huge.headers
    with pytest.raises(RecordError, match=r"dt\.observations/3/42"):
        letter.redelivery()


def test_headers_without_end_are_cut_too() -> None:
    many = tuple((f"h{i}", bytes(1_000)) for i in range(1_000))
    draft = dead_letter(Record(Position("dt.findings", 0, 1), bytes(100_000), b"v", many, 0), "too many", "detect")
    assert draft.size_bytes < 200_000
    assert parse_dead_letter(buried(draft)).is_truncated


def test_no_password_is_buried() -> None:
    record = Record(Position("dt.observations", 0, 1), None, b"v", (), 0)
    draft = dead_letter(record, "cannot open rtsp://user:p@ss@10.0.4.7/stream1", "detect")
    assert b"p@ss" not in dict(draft.headers)["reason"]
    assert b"10.0.4.7" in dict(draft.headers)["reason"]


def test_what_is_no_dead_letter_is_refused_with_its_position() -> None:
    with pytest.raises(RecordError, match=r"dt\.dead/0/7"):
        parse_dead_letter(buried(Draft(DEAD, 0, None, b"x")))
    cut = buried(dead_letter(Record(Position("t", 0, 1), None, b"v", (), 0), "r", "s"))
    broken = tuple((name, b"") if name == "source-offset" else (name, content) for name, content in cut.headers)
    with pytest.raises(RecordError, match="cannot be read"):
        parse_dead_letter(Record(cut.position, cut.key, cut.value, broken, 0))
