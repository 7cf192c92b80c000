"""What the ingest role counts. The metrics' own names and meanings are in `ingest/metrics.py`, which fits this."""

from __future__ import annotations

from typing import Protocol


class IngestMetrics(Protocol):
    def frames_read(self, frames: int) -> None:
        """Frames (pictures or metadata) that became observations."""

    def frames_dropped(self, cause: str, frames: int) -> None:
        """
        `slow`, `corrupt`, `thinned`, `flood`, `document`, `too_large`, `stale`, `outbox`, `inbox`, `picture`,
        `unowned`, `bus`, `live_store`.
        """

    def evidence(self, outcome: str, pictures: int) -> None:
        """Pictures with covered persons: `taken` by the live store, or `shed`, as it was full or not there."""

    def reconnected(self, cause: str) -> None:
        """A stream was lost, by `SourceError` cause."""

    def cameras_by_state(self, counts: dict[str, int]) -> None: ...

    def cameras_by_clock(self, counts: dict[str, int]) -> None:
        """Cameras by how far their clock is off: bucket of seconds, `more`, `unknown`."""

    def cameras_by_picture(self, counts: dict[str, int]) -> None:
        """Live cameras by what is wrong with their last picture; one may be counted for several."""

    def cameras_flooding(self, cameras: int) -> None:
        """Cameras that send more than they may."""

    def held_back(self, seconds: float) -> None:
        """Streams were not read for so long, since they brought more than they may."""

    def ticked(self, ticks: int) -> None:
        """Ticks that the bus took."""

    def fields_dropped(self, field: str, count: int) -> None:
        """Elements of a metadata source that were left out, by kind: `face`, `plate`, `body`, `image`, `box`, ..."""


class NoMetrics:
    def frames_read(self, frames: int) -> None: ...

    def frames_dropped(self, cause: str, frames: int) -> None: ...

    def evidence(self, outcome: str, pictures: int) -> None: ...

    def reconnected(self, cause: str) -> None: ...

    def cameras_by_state(self, counts: dict[str, int]) -> None: ...

    def cameras_by_clock(self, counts: dict[str, int]) -> None: ...

    def cameras_by_picture(self, counts: dict[str, int]) -> None: ...

    def cameras_flooding(self, cameras: int) -> None: ...

    def held_back(self, seconds: float) -> None: ...

    def ticked(self, ticks: int) -> None: ...

    def fields_dropped(self, field: str, count: int) -> None: ...
