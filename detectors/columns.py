"""
State as bytes, row by row under the id of its zone or camera: a changed district keeps the rows that are still there.

The bytes are canonical: equal states of one district are equal bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import msgspec
import numpy as np

from detectors.geometry.homography import Bools, Ints
from ingest.errors import RecordError

Columns = TypeVar("Columns")


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    keys: list[str]
    columns: list[tuple[str, str, list[int], bytes]]  # name, type, shape of a row, values


def save(keys: Sequence[str], columns: Any) -> bytes:
    """
    The bytes of a dataclass of arrays.

    Args:
        keys: (N,) id of each row.
        columns: a dataclass whose fields are arrays with N rows.
    """
    saved = []
    for each in fields(columns):
        column = getattr(columns, each.name)
        values = np.ascontiguousarray(column, column.dtype.newbyteorder("<"))
        saved.append((each.name, values.dtype.str, list(values.shape[1:]), values.tobytes()))
    return msgspec.msgpack.encode(_Saved(list(keys), saved))


def restore(keys: Sequence[str], blank: Columns, snapshot: bytes) -> Columns:
    """
    `blank` (a dataclass of arrays with a row for each key) with the rows that the snapshot knows. A column that the
    snapshot lacks, or has in another type or shape, stays blank.

    Raises:
        RecordError: the snapshot is not whole.
    """
    try:
        saved = msgspec.msgpack.decode(snapshot, type=_Saved)
        given = {
            name: np.frombuffer(values, np.dtype(kind)).reshape(len(saved.keys), *shape)
            for name, kind, shape, values in saved.columns
        }
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise RecordError(
            f"snapshot of {type(blank).__module__}",
            expected="columns with a row for each zone or camera",
            got=str(error)[:200],
            mend="The stage starts afresh.",
        ) from error
    row_of = {key: row for row, key in enumerate(saved.keys)}
    both = [(new, row_of[key]) for new, key in enumerate(keys) if key in row_of]
    new_rows = np.array([new for new, _ in both], np.int64)
    old_rows = np.array([old for _, old in both], np.int64)
    columns = {}
    for each in fields(blank):  # type: ignore[arg-type]
        column = getattr(blank, each.name).copy()
        values = given.get(each.name)
        if values is not None and values.shape[1:] == column.shape[1:] and values.dtype == column.dtype:
            column[new_rows] = values[old_rows]
        columns[each.name] = column
    return type(blank)(**columns)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Of ragged rows that were saved by key, those of the keys that are still there."""

    known: Bools  # (N,) keys of now that were saved
    old: Ints  # (K,) where each known one was then
    start: Ints  # (N + 1,) rows of key n are now `start[n]:start[n + 1]`; none for one that was not saved
    row: Ints  # (start[N],) where each of them was then


def kept(keys: Sequence[str], saved_keys: Sequence[str], start: Ints) -> Kept:
    """
    Args:
        keys: (N,) of now.
        saved_keys: (S,) of then.
        start: (S + 1,) rows of saved key s were `start[s]:start[s + 1]`.
    """
    row_of = {key: row for row, key in enumerate(saved_keys)}
    old = np.array([row_of.get(key, -1) for key in keys], np.int64)
    known = old >= 0
    length = np.zeros(len(keys), np.int64)
    length[known] = np.diff(start)[old[known]]
    to_start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    row = np.repeat(np.where(known, start[old], 0) - to_start[:-1], length) + np.arange(to_start[-1])
    return Kept(known, old[known], to_start, row)


def parts(snapshot: bytes, count: int) -> list[bytes]:
    """
    The byte strings that were saved together, as a list in msgpack.

    Raises:
        RecordError: there are not `count` of them.
    """
    try:
        found = msgspec.msgpack.decode(snapshot, type=list[bytes])
    except msgspec.DecodeError:
        found = []
    if len(found) != count:
        raise RecordError(
            "snapshot of a detector",
            expected=f"{count} parts",
            got=f"{len(found)}, or bytes of another kind",
            mend="The stage starts afresh.",
        )
    return found
