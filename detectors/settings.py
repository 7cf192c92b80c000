"""What the detect and the perceive stage may be told."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from detectors.calendar import CalendarSettings
from detectors.crowd.occupancy import OccupancySettings


class DetectSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lateness_ms: Annotated[int, msgspec.Meta(ge=0)] = 2_000  # rows so far behind the newest tick are dropped
    update_s: Annotated[float, msgspec.Meta(gt=0.0)] = 10.0  # how often a condition that lasts is told again
    silent_s: Annotated[float, msgspec.Meta(gt=0.0)] = 60.0  # a condition of which its detector says nothing ends so
    # least time between two snapshots of a partition; who takes over after a crash steps so much again, in silence
    snapshots_apart_s: Annotated[float, msgspec.Meta(ge=0.0, le=60.0)] = 2.0
    occupancy: OccupancySettings = OccupancySettings()
    calendar: CalendarSettings = CalendarSettings()
    off: tuple[str, ...] = ()  # detectors that are installed and shall not run
    detectors: dict[str, dict[str, Any]] = {}  # settings of each detector, by its name

    def __post_init__(self) -> None:
        if self.silent_s < 2 * self.update_s:
            raise ValueError("Expected silent_s >= 2 * update_s")


class PerceiveSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    model: str = ""  # name of a model in the store; empty: the only one there that knows persons
    hazard_model: str = ""  # the same for fire and smoke; it looks where a model for persons looks too
    age_ms_max: Annotated[int, msgspec.Meta(ge=100)] = 2_000  # frames so much older than the newest are shed
    frames_max: Annotated[int, msgspec.Meta(ge=1)] = 64  # looked at in one step; more are shed, oldest first
    # of those who were there a moment ago and are not found, so many are looked for in a picture turned by a quarter:
    # who lies is found so; each costs two more runs of the model, in pictures where somebody is missed only; 0: off
    lying_looks_max: Annotated[int, msgspec.Meta(ge=0, le=8)] = 1
