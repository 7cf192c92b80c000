"""What was learned as parts: a day of the ring each, the scores, and the last hour; rows under the ids of zones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from detectors import columns
from detectors.anomaly.baseline.model import Learned, Recent
from ingest.errors import RecordError
from ingest.stages.learned import Part

Columns = TypeVar("Columns")


def parts_of(ids: Sequence[str], learned: Learned, recent: Recent) -> dict[str, Part]:
    """The parts: of a day that goes on one row of 49 changes, 11 kB for 119 zones."""
    named: dict[str, Any] = {f"day-{row:02}": day for row, day in enumerate(learned.days)}
    named |= {"scores": learned.scores, "hour": recent}
    return {name: Part(what, partial(columns.save, ids, what)) for name, what in named.items()}


def recalled(
    ids: Sequence[str], learned: Learned, recent: Recent, parts: Mapping[str, bytes]
) -> tuple[Learned, Recent]:
    """`learned` and `recent` with what the parts say of the zones that are still there."""

    days = tuple(known(ids, day, parts, f"day-{row:02}") for row, day in enumerate(learned.days))
    scores = known(ids, learned.scores, parts, "scores")
    return replace(learned, days=days, scores=scores), known(ids, recent, parts, "hour")


def known(ids: Sequence[str], blank: Columns, parts: Mapping[str, bytes], name: str) -> Columns:
    """A part, or `blank` where it is missing or broken: weeks are learned again, but the stage starts."""
    try:
        return columns.restore(ids, blank, parts[name]) if name in parts else blank
    except RecordError:
        return blank
