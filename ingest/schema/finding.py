"""
The finding: a condition at a place was raised, updated or cleared, with its measurement.

On the wire it is a CloudEvent 1.0 in structured JSON. Every number in it can be explained from the finding alone.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

VERSION = 1
TYPE = f"drumtower.finding.v{VERSION}"


class Phase(StrEnum):
    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"
    UNKNOWN = "unknown"  # the source went silent: it ended at the last time that it was observed, not "clear"


class Level(StrEnum):
    NOTICE = "notice"
    AMBER = "amber"
    RED = "red"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(Level, start=1)}


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A circle on the ground, WGS 84."""

    lon: float
    lat: float
    radius_m: float


class Measurement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How far the value can be trusted."""

    noise_m: float | None = None  # standard deviation of a ground position
    recall: float | None = None  # share of the persons that the source finds
    calibration: str | None = None  # id of the camera's calibration
    calibration_age_s: float | None = None
    degraded: bool = False
    not_measurable: bool = False
    method: str | None = None  # what counted: "boxes", "foreground"


class FindingData(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    kind: str  # the detector's name, `crowd.capacity`
    phase: Phase
    level: Level
    condition: str  # id of the finding that raised it: the same through raised, updated and cleared
    site: str
    zone: str | None
    cameras: tuple[str, ...]
    place: Place
    onset_at: datetime
    detected_at: datetime
    observed_at: datetime  # the last time that the condition was really observed
    value: float | None
    unit: str  # `persons`, `persons/m2`, `s`
    low: float | None  # 95 %
    high: float | None
    measurement: Measurement
    rule: str
    rule_version: int
    thresholds: dict[str, float]  # what was in force
    detail: dict[str, float] = {}  # further measures of the same moment, units in their names
    evidence: tuple[str, ...] = ()  # references of frames in the live store
    drill: bool = False


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """CloudEvents 1.0, https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md"""

    id: str
    source: str  # `/drumtower/detect/crowd.capacity`
    subject: str  # the zone, or the camera where there is none
    time: datetime
    data: FindingData
    specversion: str = "1.0"
    type: str = TYPE
    datacontenttype: str = "application/json"
    dataschema: str = f"docs/schemas/finding.v{VERSION}.json"
