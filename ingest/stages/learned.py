"""
What a stage learns over weeks, beside its snapshot: parts of the compacted topic `dt.learned.<stage>`.

A snapshot is written every two seconds and must be small. What is large changes seldom, and not all of it at once: it
is kept in parts, and a part is written only with the snapshot after it changed, in the same transaction. So the parts
on the bus are always those of the last snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ingest.bus.contract import Bus, Draft
from ingest.bus.topics import learned_topic
from ingest.errors import RecordError
from ingest.stages.checkpoint import Snapshot, packed_draft, snapshot_of


@dataclass(frozen=True, slots=True)
class Part:
    token: object  # another object whenever the part has changed
    encode: Callable[[], bytes]


@runtime_checkable
class Learning(Protocol):
    """A stage that learns. What it learned outlives its snapshot, also where that cannot be read any more."""

    def learned(self, state: Any) -> Mapping[str, Part]:
        """All parts, by name; asked at each snapshot, so encoding waits until it is needed."""

    def recall(self, state: Any, parts: Mapping[str, bytes]) -> Any:
        """The state with what was learned; a part that cannot be read is as if it had not been."""


def changed_drafts(
    stage: Any, partition: int, next_offset: int, parts: Mapping[str, Part], written: Mapping[str, object]
) -> list[Draft]:
    """
    Drafts of the parts that are not as they were last written.

    Args:
        written: the token of each part as it was last written.
    """
    return [
        packed_draft(
            learned_topic(stage.name),
            partition,
            name.encode(),
            Snapshot(stage.name, stage.version, next_offset, part.encode()),
        )
        for name, part in parts.items()
        if part.token is not written.get(name)
    ]


def last_parts(bus: Bus, stage: str, partition: int) -> tuple[dict[str, bytes], list[RecordError]]:
    """The parts of a stage's partition as last written, and what is broken among them."""
    parts, faults = dict[str, bytes](), list[RecordError]()
    for key, record in bus.last_records(learned_topic(stage), partition).items():
        try:
            parts[key.decode(errors="replace")] = snapshot_of(record).state
        except RecordError as error:
            faults.append(error)
    return parts, faults
