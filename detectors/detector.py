"""
What a detector is. Ours come in by the same door as a user's own: an entry point of the group `drumtower.detectors`.

    [project.entry-points."drumtower.detectors"]
    "crowd.capacity" = "detectors.crowd.rules.capacity:detector"

A detector is pure: no clock, no chance, no I/O; time is `Moment.at_ns`. It says what holds, the stage makes findings
of it. It is asked at each tick, for all zones and cameras of a partition at once, so its arithmetic is in arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from detectors.crowd.motion.zone_motion import Motion
from detectors.crowd.occupancy import Occupancy
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Ints
from ingest.schema.finding import Level, Measurement, Phase, Place
from ingest.schema.tick import Tick
from ingest.stages.learned import Part


@dataclass(frozen=True, slots=True)
class Moment:
    at_ns: int  # the newest end of a tick; it never goes back
    elapsed_ns: int  # since the tick before, 0 at the first
    update_ns: int  # how often a condition that lasts is told again
    camera_row: Ints  # (N,) row of each frame's camera in the `DistrictView`; -1 for one that is not of it
    occupancy: Occupancy  # of all zones at this moment, this tick included: counted once, for all detectors
    motion: Motion | None  # how people move in all zones: at the first tick of each second, None in between
    camera_blind: Bools  # (C,) what comes of such a camera is not to be spoken of: covered, frozen, moved and the like


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """
    Something that holds at a zone or a camera, or has just ended there.

    A detector says it when it begins, when its level or rule changes, about every `Moment.update_ns` while it lasts,
    and when it ends; to say it more often is harmless. What it stays silent about for a minute ends as unknown.
    """

    subject: str  # id of the zone, or of the camera where there is no zone
    kind: str = ""  # of the finding, where it is not the detector's name; the detector names it in `kinds`
    aspect: str = ""  # tells conditions of one subject apart that stand side by side; most detectors know one only
    ends: Phase | None = None  # None: it holds; CLEARED, or UNKNOWN where nothing is observed any more
    level: Level
    site: str
    zone: str | None
    cameras: tuple[str, ...]
    place: Place
    onset_at_ns: int
    observed_at_ns: int  # the last time that it was really observed
    value: float | None
    unit: str
    low: float | None = None  # 95 %
    high: float | None = None
    measurement: Measurement = field(default_factory=Measurement)
    rule: str
    rule_version: int
    thresholds: Mapping[str, float] = field(default_factory=dict)
    detail: Mapping[str, float] = field(default_factory=dict)


class Detector(Protocol):
    """The members speak of types of the detector's own, which nobody else looks into."""

    @property
    def name(self) -> str:
        """As its entry point is called: `crowd.capacity`; the `kind` of its findings."""

    @property
    def version(self) -> int:
        """Another version starts with an empty state."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of the tick that it looks at."""

    @property
    def settings(self) -> type[Any]:
        """A frozen msgspec struct with `forbid_unknown_fields=True` and a default for each field."""

    def prepare(self, settings: Any, district: DistrictView) -> Any:
        """What can be computed once for all zones and cameras of a partition."""

    def initial(self, prepared: Any) -> Any:
        """The state before the first tick."""

    def step(self, prepared: Any, state: Any, moment: Moment, tick: Tick) -> tuple[Any, Sequence[Condition]]:
        """Advance by one tick, whose late rows are gone; at most one condition a subject and aspect begins or lasts."""

    def save(self, prepared: Any, state: Any) -> bytes:
        """The state as bytes, its rows under the ids of zones and cameras (`detectors.columns`)."""

    def restore(self, prepared: Any, snapshot: bytes) -> Any:
        """
        Raises:
            RecordError: the snapshot is not whole.
        """


@runtime_checkable
class Learner(Protocol):
    """A detector that learns over weeks, too much for the snapshot that `save` makes every two seconds."""

    @property
    def name(self) -> str: ...

    def learned(self, prepared: Any, state: Any) -> Mapping[str, Part]:
        """What was learned, in parts that change seldom; none of it need be in `save`."""

    def recall(self, prepared: Any, state: Any, parts: Mapping[str, bytes]) -> Any:
        """The state with what was learned; a part that is missing or cannot be read was never learned."""

    def learning(self, prepared: Any, state: Any) -> Mapping[str, str]:
        """What it still learns, by zone, for people: `9 of 42 days`."""
