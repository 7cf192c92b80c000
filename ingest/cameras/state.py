"""The state of a camera's stream, as the live store, the metrics and the console show it."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Literal

import msgspec

from ingest.schema.tick import EventKind, Picture

StreamState = Literal[
    "connecting", "live", "stalled", "no_video", "auth_failed", "refused", "quarantined", "off", "unreachable"
]

# What the bus is told of a camera without frames; the others are silent for a reason, or not at all.
_STREAM_KIND: dict[StreamState, EventKind] = {
    "stalled": EventKind.STREAM_STALLED,
    "unreachable": EventKind.STREAM_UNREACHABLE,
    "refused": EventKind.STREAM_REFUSED,
    "auth_failed": EventKind.STREAM_AUTH_FAILED,
    "no_video": EventKind.STREAM_NO_VIDEO,
    "quarantined": EventKind.STREAM_QUARANTINED,
}


PICTURE_FLAGS = tuple(flag.name.lower() for flag in Picture if flag.name)


class CameraState(msgspec.Struct, frozen=True, kw_only=True):
    """Kept in the live store under kind `camera`, by camera id, JSON."""

    id: str
    state: StreamState
    cause: str = ""  # one clear line, without any secret
    since: datetime
    last_frame_at: datetime | None = None
    picture: tuple[str, ...] = ()  # names of the `Picture` flags of the last frame
    offset_s: float | None = None  # camera clock less ours
    drift_ppm: float | None = None  # how fast the offset grows, microseconds per second
    flooding: bool = False  # it sends more than it may, and is held back
    key_gap_s: float | None = None  # between two pictures that stand for themselves


def stream_kind(state: CameraState) -> EventKind | None:
    """What the bus is told of a camera beside its frames, or in their place."""
    return _STREAM_KIND.get(state.state) or (EventKind.STREAM_FLOODING if state.flooding else None)


def words_of(state: CameraState, clock_offset_s_max: float, key_gap_s_max: float) -> list[tuple[EventKind, float]]:
    """All that the bus is told of a camera beside its frames, or in their place, each with its number or NaN."""
    kind = stream_kind(state)
    words = [] if kind is None else [(kind, math.nan)]
    if state.state == "live":
        if state.offset_s is not None and abs(state.offset_s) > clock_offset_s_max:
            words.append((EventKind.STREAM_CLOCK_OFF, state.offset_s))
        if state.key_gap_s is not None and state.key_gap_s > key_gap_s_max:
            words.append((EventKind.STREAM_KEY_GAP, state.key_gap_s))
    return words


# Upper ends of the offsets that are counted together, s, with their names.
CLOCK_BUCKETS = ((0.1, "0.1"), (1.0, "1"), (10.0, "10"), (60.0, "60"), (3_600.0, "3600"), (math.inf, "more"))


def clock_bucket(state: CameraState) -> str:
    """The bucket of a camera's clock: the least number of seconds, of those counted, that it is off at most."""
    if state.offset_s is None:
        return "unknown"
    return next(name for end_s, name in CLOCK_BUCKETS if abs(state.offset_s) <= end_s)


class ZoneState(msgspec.Struct, frozen=True, kw_only=True):
    """Kept in the live store under kind `zone`, by zone id, JSON."""

    id: str
    level: str  # normal, notice, amber, red, critical, unknown
    occupancy: float | None
    low: float | None
    high: float | None
    density_per_m2: float | None
    capacity_use: float | None
    degraded: bool
    observed_at: datetime | None
    local_per_m2: float | None = None  # where people stand most densely; None: not measurable
    learning: dict[str, str] = {}  # detectors that still learn here, and how far they are: `9 of 42 days`
