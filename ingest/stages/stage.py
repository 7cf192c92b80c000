"""
A stage is `(settings, state, batch) -> (state, output)`: pure, no clock, no I/O. One runner drives them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ingest.bus.contract import Draft, Position, Record

State = TypeVar("State")
Input = TypeVar("Input")
Output = TypeVar("Output")


@dataclass(frozen=True, slots=True)
class Read(Generic[Input]):
    """One decoded record and where it stood: ids are computed from the position."""

    position: Position
    value: Input


@dataclass(frozen=True, slots=True)
class Progress:
    """What operators want to know of a state; the runner makes metrics of it."""

    watermark_ns: int | None = None  # how far event time has come; None where the stage has none
    dropped: Mapping[str, int] = field(default_factory=dict)  # rows passed over since the beginning, by cause


class Stage(Protocol[State, Input, Output]):
    name: str  # names the consumer group and the snapshot topic `dt.state.<name>`
    version: int
    reads: str  # topic; partition p of it feeds partition p of `writes`
    writes: str

    def initial(self, partition: int) -> State: ...

    def decode(self, record: Record) -> Input:
        """
        Raises:
            RecordError: the record is broken; it goes to the dead-letter topic and the line goes on.
        """

    def step(self, state: State, batch: Sequence[Read[Input]]) -> tuple[State, Sequence[Output]]:
        """Advance over one partition's batch; the same inputs give the same bytes, whatever the batches."""

    def encode(self, partition: int, output: Output) -> Draft: ...

    def save(self, state: State) -> bytes:
        """The state as bytes."""

    def restore(self, partition: int, snapshot: bytes) -> State:
        """
        Raises:
            RecordError: the snapshot is of a version that this stage cannot read.
        """

    def live(self, state: State) -> Mapping[str, bytes]:
        """What the live store should show of this state, by zone id; no truth, may be lost."""

    def progress(self, state: State) -> Progress: ...
