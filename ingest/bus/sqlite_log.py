"""Partitions in SQLite: append, read, compact, prune. Each function runs inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from ingest.bus.contract import Draft, Headers, Position, Record, TopicPartition, TopicSpec
from ingest.bus.sqlite_file import OFFSET_BITS
from ingest.clock import NS_PER_S

_OFFSETS = 1 << OFFSET_BITS
# As in Kafka: a deletion stays visible for a day, so that a reader that is behind sees it too.
_TOMBSTONE_KEPT_NS = 24 * 3600 * NS_PER_S
_headers_encoder = msgspec.msgpack.Encoder()
_headers_decoder = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...])


@dataclass(frozen=True, slots=True)
class Log:
    """One partition's rows."""

    at: TopicPartition
    id: int
    is_compacted: bool
    retention_s: int | None
    message_bytes_max: int

    @property
    def first_id(self) -> int:
        return self.id << OFFSET_BITS


def specs(connection: sqlite3.Connection) -> dict[str, TopicSpec]:
    rows = connection.execute("SELECT name, partitions, retention_s, message_bytes_max FROM topic")
    return {row[0]: TopicSpec(*row) for row in rows}


def logs(connection: sqlite3.Connection) -> dict[TopicPartition, Log]:
    rows = connection.execute(
        "SELECT topic, number, id, retention_s, message_bytes_max FROM partition JOIN topic ON topic.name = topic"
    )
    found = {}
    for topic, number, partition_id, retention_s, bytes_max in rows:
        at = TopicPartition(topic, number)
        found[at] = Log(at, partition_id, retention_s is None, retention_s, bytes_max)
    return found


def create(connection: sqlite3.Connection, spec: TopicSpec) -> None:
    connection.execute(
        "INSERT INTO topic VALUES (?, ?, ?, ?)", (spec.name, spec.partitions, spec.retention_s, spec.message_bytes_max)
    )
    connection.executemany(
        "INSERT INTO partition(topic, number, next_offset) VALUES (?, ?, 0)",
        ((spec.name, number) for number in range(spec.partitions)),
    )


def append(connection: sqlite3.Connection, log: Log, drafts: Sequence[Draft], at_ns: int) -> None:
    """Append `drafts`, all of this partition; of a compacted one drop the records that they supersede."""
    (offset,) = connection.execute("SELECT next_offset FROM partition WHERE id = ?", (log.id,)).fetchone()
    rows = [
        (log.first_id + offset + i, draft.key, draft.value, _headers_encoder.encode(draft.headers), at_ns)
        for i, draft in enumerate(drafts)
    ]
    connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?)", rows)
    connection.execute("UPDATE partition SET next_offset = ? WHERE id = ?", (offset + len(rows), log.id))
    if log.is_compacted:
        for record_id, key, *_ in rows:
            if key is not None:
                _supersede(connection, log, key, record_id)


def _supersede(connection: sqlite3.Connection, log: Log, key: bytes, record_id: int) -> None:
    former = connection.execute("SELECT id FROM latest WHERE partition_id = ? AND key = ?", (log.id, key)).fetchone()
    if former:
        connection.execute("DELETE FROM record WHERE id = ?", former)
    connection.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?)", (log.id, key, record_id))


def read(
    connection: sqlite3.Connection, log: Log, offset: int, records_max: int, bytes_max: int | None = None
) -> list[Record]:
    """Records from `offset` on; at least one if there is one, then none beyond `bytes_max`."""
    rows = connection.execute(
        "SELECT id, key, value, headers, appended_at_ns FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (log.first_id + max(offset, 0), log.first_id + _OFFSETS, records_max),
    )
    found: list[Record] = []
    size = 0
    for row in rows:
        record = _record(log.at, row)
        size += len(record.value or b"")
        if found and bytes_max is not None and size > bytes_max:
            break
        found.append(record)
    rows.close()
    return found


def _record(at: TopicPartition, row: tuple[int, bytes | None, bytes | None, bytes, int]) -> Record:
    headers: Headers = _headers_decoder.decode(row[3])
    return Record(Position(*at, row[0] & (_OFFSETS - 1)), row[1], row[2], headers, row[4])


def last_records(connection: sqlite3.Connection, log: Log) -> dict[bytes, Record]:
    return {key: record for key, record in _last(connection, log, "", ()) if record.value is not None}


def last_record(connection: sqlite3.Connection, log: Log, key: bytes) -> Record | None:
    for _, record in _last(connection, log, " AND latest.key = ?", (key,)):
        return record if record.value is not None else None
    return None


def _last(
    connection: sqlite3.Connection, log: Log, condition: str, values: tuple[bytes, ...]
) -> Iterable[tuple[bytes, Record]]:
    rows = connection.execute(
        "SELECT record.id, record.key, value, headers, appended_at_ns FROM latest JOIN record ON record.id = latest.id "
        f"WHERE partition_id = ?{condition} ORDER BY record.id",
        (log.id, *values),
    )
    return [(row[1], _record(log.at, row)) for row in rows]


def end_offset(connection: sqlite3.Connection, log: Log) -> int:
    (offset,) = connection.execute("SELECT next_offset FROM partition WHERE id = ?", (log.id,)).fetchone()
    return int(offset)


def prune(connection: sqlite3.Connection, log: Log, now_ns: int, records_max: int) -> int:
    """Delete up to `records_max` records past their time; return how many went. Offsets are never used again."""
    first, last = log.first_id, log.first_id + _OFFSETS
    if log.is_compacted:
        gone = connection.execute(
            "SELECT record.id FROM record JOIN latest ON latest.id = record.id WHERE latest.partition_id = ? "
            "AND value IS NULL AND appended_at_ns < ? LIMIT ?",
            (log.id, now_ns - _TOMBSTONE_KEPT_NS, records_max),
        ).fetchall()
        connection.executemany("DELETE FROM record WHERE id = ?", gone)
        connection.executemany("DELETE FROM latest WHERE partition_id = ? AND id = ?", ((log.id, i) for (i,) in gone))
        return len(gone)
    assert log.retention_s is not None
    oldest = connection.execute(
        "SELECT id, appended_at_ns FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", (first, last, records_max)
    ).fetchall()
    horizon_ns = now_ns - log.retention_s * NS_PER_S
    # Only the oldest in a row: a clock that was set back must not tear a hole into the middle.
    count = next((i for i, (_, at_ns) in enumerate(oldest) if at_ns >= horizon_ns), len(oldest))
    if count:
        connection.execute("DELETE FROM record WHERE id >= ? AND id <= ?", (first, oldest[count - 1][0]))
    return count
