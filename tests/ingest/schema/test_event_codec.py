from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.bus.contract import Headers, Position, Record
from ingest.clock import utc, utc_ns
from ingest.errors import RecordError
from ingest.schema import finding as words
from ingest.schema.codec import decode_finding, encode_finding, headers
from ingest.schema.finding import Finding, FindingData, Level, Measurement, Phase, Place
from ingest.schema.ids import derived_id, record_id

AT = Position("dt.findings", 2, 17)
TEXT = st.text(max_size=12)
NUMBER = st.floats(-1e6, 1e6)
MAYBE = st.none() | NUMBER
MOMENT = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))

PLACES = st.builds(Place, lon=NUMBER, lat=NUMBER, radius_m=NUMBER)
MEASUREMENTS = st.builds(
    Measurement,
    noise_m=MAYBE,
    recall=MAYBE,
    calibration=st.none() | TEXT,
    degraded=st.booleans(),
    method=st.none() | TEXT,
)
DATA = st.builds(
    FindingData,
    kind=TEXT,
    phase=st.sampled_from(Phase),
    level=st.sampled_from(Level),
    condition=TEXT,
    site=TEXT,
    zone=st.none() | TEXT,
    cameras=st.lists(TEXT, max_size=3).map(tuple),
    place=PLACES,
    onset_at=MOMENT,
    detected_at=MOMENT,
    observed_at=MOMENT,
    value=MAYBE,
    unit=TEXT,
    low=MAYBE,
    high=MAYBE,
    measurement=MEASUREMENTS,
    rule=TEXT,
    rule_version=st.integers(0, 99),
    thresholds=st.dictionaries(TEXT, NUMBER, max_size=3),
    detail=st.dictionaries(TEXT, NUMBER, max_size=3),
    evidence=st.lists(TEXT, max_size=2).map(tuple),
    drill=st.booleans(),
)
FINDINGS = st.builds(Finding, id=TEXT, source=TEXT, subject=TEXT, time=MOMENT, data=DATA)


def record(value: bytes | None, given_headers: Headers) -> Record:
    return Record(AT, None, value, given_headers, 0)


@given(FINDINGS)
def test_a_finding_comes_back_as_it_was(finding: Finding) -> None:
    assert decode_finding(record(*encode_finding(finding))) == finding


@settings(max_examples=200)
@given(FINDINGS, st.data())
def test_a_finding_that_is_cut_or_has_a_flipped_bit_is_refused_with_its_position(
    finding: Finding, data: st.DataObject
) -> None:
    value, given_headers = encode_finding(finding)
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    flipped = bytearray(value)
    flipped[bit // 8] ^= 1 << bit % 8
    for broken in (bytes(flipped), value[: bit // 8]):
        with pytest.raises(RecordError) as refused:
            decode_finding(record(broken, given_headers))
        assert refused.value.position == AT and str(AT) in str(refused.value)


def example() -> Finding:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    data = FindingData(
        kind="crowd.capacity",
        phase=Phase.RAISED,
        level=Level.RED,
        condition="c",
        site="square",
        zone="north",
        cameras=("gate-7",),
        place=Place(lon=13.0, lat=52.0, radius_m=20.0),
        onset_at=moment,
        detected_at=moment,
        observed_at=moment,
        value=128.0,
        unit="persons",
        low=104.0,
        high=150.0,
        measurement=Measurement(degraded=True, method="foreground"),
        rule="crowd.capacity.red",
        rule_version=1,
        thresholds={"use": 1.0},
    )
    return Finding(id="f", source="/drumtower/detect/crowd.capacity", subject="north", time=moment, data=data)


def test_a_finding_is_a_cloudevent_of_version_1_0() -> None:
    event = json.loads(encode_finding(example())[0])
    # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md: required attributes, and names of [a-z0-9].
    assert {"specversion", "id", "source", "type"} <= set(event) and event["specversion"] == "1.0"
    assert all(name.isalnum() and name.islower() for name in event)
    assert event["time"] == "2026-01-02T03:04:05.678901Z" and event["type"] == words.TYPE
    assert dict(encode_finding(example())[1])["content-type"] == b"application/cloudevents+json"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"data": None}, "object"),
        ({"time": "yesterday"}, "RFC3339"),
        ({"data": {"phase": "raised"}}, "missing required field"),
    ],
)
def test_json_that_is_no_finding_is_refused_by_the_field(change: dict[str, Any], what: str) -> None:
    event = json.loads(encode_finding(example())[0]) | change
    value = json.dumps(event).encode()
    with pytest.raises(RecordError, match=what):
        decode_finding(record(value, headers("finding/1", value)))


@pytest.mark.parametrize("value", [b"", b"null", b'{"id": ', b"[]", b"\xff\xfe", b" " * 5_000_000, b'{"id": 1e400}'])
def test_bytes_that_are_no_finding_are_refused_and_never_crash(value: bytes) -> None:
    with pytest.raises(RecordError):
        decode_finding(record(value, headers("finding/1", value)))


@given(st.integers(0, 2**62))
def test_a_moment_goes_to_utc_and_back_to_the_microsecond(at_ns: int) -> None:
    assert utc_ns(utc(at_ns)) == at_ns // 1000 * 1000


@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=4))
def test_ids_are_the_same_only_for_the_same_parts(a: list[str], b: list[str]) -> None:
    assert (derived_id(*a) == derived_id(*b)) == (a == b)


def test_an_id_is_what_it_was_in_the_last_release() -> None:
    # A changed id would tell every open incident again after an upgrade.
    assert record_id("detect", 1, "dt.observations", 3, 42, 0) == "8958839299b3cafdab1ae855af45ef56"
