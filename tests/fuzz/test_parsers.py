"""The laws that fuzzing by hand holds at length, in little; and what it has found."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.parsers import PARSERS, read, seeds
from tests.ingest.cameras.metadata import samples

ROOT = Path(__file__).parents[2]
every_parser = pytest.mark.parametrize("parser", PARSERS)
bounded = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.just([]),
    st.just({}),
    st.lists(st.integers(), max_size=5),
    st.sampled_from([10**400, 2**64 - 1, "NaN", "1e999", "9999-12-31T23:59:59-23:59", "1|2|3|4|5|person", "|" * 30]),
)


def places(tree: Any) -> list[tuple[Any, Any]]:
    found, waiting = [], [tree]
    while waiting:
        one = waiting.pop()
        for key, value in one.items() if isinstance(one, dict) else enumerate(one):
            found.append((one, key))
            if isinstance(value, dict | list):
                waiting.append(value)
    return found


@every_parser
@given(document=st.binary(max_size=300))
@bounded
def test_any_bytes_are_read_or_refused(parser: str, document: bytes) -> None:
    read(parser, document)


@every_parser
@given(data=st.data())
@bounded
def test_a_message_with_odd_things_in_it_is_read_or_refused(parser: str, data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(seeds(parser)))
    if parser == "onvif_xml":
        at = data.draw(st.integers(0, len(sample)))
        cut = data.draw(st.integers(0, 40))
        read(parser, sample[:at] + data.draw(st.binary(max_size=20)) + sample[at + cut :])
        return
    tree = json.loads(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        there = places(tree)
        if not there:
            break
        holder, key = there[data.draw(st.integers(0, len(there) - 1))]
        holder[key] = data.draw(ODD)
    read(parser, json.dumps(tree).encode())


@every_parser
def test_every_sample_is_read(parser: str) -> None:
    taken = [read(parser, sample) for sample in seeds(parser)]
    # Among the recorded ones is one with a document type, which is refused.
    assert sum(taken) >= max(1, len(taken) - 1)


def test_every_parser_of_strangers_bytes_is_fuzzed_and_its_count_is_written_down() -> None:
    page = (ROOT / "docs" / "sources.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `") and "1,000,000" in line]
    assert {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} == set(PARSERS)
    readers = {
        str(path.relative_to(ROOT))
        for folder in ("metadata", "sources")
        for path in (ROOT / "ingest" / "cameras" / folder).glob("*.py")
        if re.search(r"^def read_(message|document|event|stats)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert readers == {path for row in rows for path in re.findall(r"`(ingest/[a-z_/]+\.py)`", row)}


# Found by fuzzing


def test_a_time_that_no_column_holds_is_none() -> None:
    for at in ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z"):
        assert read("onvif_mj", samples.encoded(samples.onvif_frame(samples.onvif_object(), at=at)))
        assert read("axis", samples.encoded(samples.axis_v1(samples.axis_detection()) | {"timestamp": at}))
