"""Records of `dt.findings`, checked once where they come in, and put on the board in a stable order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from correlator.incidents.board import Board
from correlator.incidents.merge import take
from ingest.bus.contract import Record, TopicPartition
from ingest.errors import RecordError
from ingest.schema.codec import decode_finding
from ingest.schema.finding import Finding

NAME = "correlate"
VERSION = 1
_RADIUS_M_MAX = 50_000.0
_NAME_CHARACTERS_MAX = 128


@dataclass(frozen=True, slots=True)
class Arrival:
    """One finding and where it came from."""

    finding: Finding
    record: Record


def read_finding(record: Record) -> Finding:
    """
    Raises:
        RecordError: not a finding, or one whose place or times cannot be.
    """
    finding = decode_finding(record)
    data, place = finding.data, finding.data.place
    fault = None
    if not _are_names(data.condition, finding.id, data.kind, data.site):
        fault = f"condition, id, kind and site of 1 to {_NAME_CHARACTERS_MAX} printable ASCII characters", "another one"
    elif None in (data.onset_at.tzinfo, data.detected_at.tzinfo, data.observed_at.tzinfo):
        fault = "times with their zone", "one without"
    elif not (isfinite(place.lon) and isfinite(place.lat) and abs(place.lon) <= 180 and abs(place.lat) <= 90):
        fault = "a place on the earth", f"lon {place.lon}, lat {place.lat}"
    elif not 0 <= place.radius_m <= _RADIUS_M_MAX:
        fault = f"a radius of 0 to {_RADIUS_M_MAX:.0f} m", str(place.radius_m)
    if fault is not None:
        raise RecordError(
            f"record {record.position}: finding",
            expected=fault[0],
            got=fault[1],
            mend="Look at who wrote it; the line goes on without it.",
            position=record.position,
        )
    return finding


def _are_names(*texts: str) -> bool:
    whole = "".join(texts)
    lengths = [len(text) for text in texts]
    return whole.isascii() and whole.isprintable() and min(lengths) > 0 and max(lengths) <= _NAME_CHARACTERS_MAX


def in_order(records: Sequence[Record]) -> list[Record]:
    """
    Records of several partitions as they came to the bus, those of one partition as they stand in it.

    A finding that is appended later never goes before; so a replay meets them much as the first run did.
    """
    newest: dict[tuple[str, int], int] = {}
    keyed = []
    for record in sorted(records, key=lambda one: one.position):
        at = record.position[:2]
        newest[at] = max(newest.get(at, 0), record.appended_at_ns)
        keyed.append((newest[at], record.position, record))
    return [record for _, _, record in sorted(keyed, key=lambda one: one[:2])]


def advance(board: Board, arrivals: Sequence[Arrival], now_ns: Mapping[TopicPartition, int]) -> None:
    """
    Put findings on the board, one after the other: how they are cut into batches changes nothing.

    Args:
        now_ns: by partition, the time that lateness is held against.
    """
    for arrival in arrivals:
        topic, partition, _ = arrival.record.position
        take(board, arrival.finding, partition, arrival.record.appended_at_ns, now_ns[TopicPartition(topic, partition)])
