"""
Which pictures a finding refers to. Pure: the names are computed from what the ticks say, nobody is asked for them.

A worker keeps the first picture of each slot of a camera (`ingest.evidence`). Any frame of that slot whose picture was
looked at therefore names a picture that was made. A finding refers to the newest one of each of its cameras when it
begins, when its level or rule changes, and when it is over; in between it keeps what it had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors import columns
from detectors.district_view import DistrictView
from detectors.geometry.homography import Ints
from detectors.newest import NOT_YET
from ingest.clock import NS_PER_S
from ingest.evidence import EvidenceSettings, reference_of
from ingest.schema.tick import Tick

CAMERAS_MAX = 4  # of one finding: a square with more is not understood better by more pictures
_AHEAD_NS_MAX = 60 * NS_PER_S  # a picture that claims to be later than this has no time that could be believed


@dataclass(frozen=True, slots=True, eq=False)
class State:
    pictured_ns: Ints  # (C,) when the newest picture of each camera was captured; NOT_YET before the first


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """What there is to refer to at one moment."""

    settings: EvidenceSettings | None  # None: no pictures are kept
    district: DistrictView
    state: State
    at_ns: int

    def of(self, cameras: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the newest pictures of these cameras, in their order, that can still be there."""
        if self.settings is None:
            return ()
        oldest_ns = self.at_ns - round(self.settings.lifetime_s * NS_PER_S)
        seen = self.district.camera_ids
        newest = [(name, int(self.state.pictured_ns[seen.index(name)])) for name in cameras if name in seen]
        fresh = [(name, at_ns) for name, at_ns in newest if at_ns >= oldest_ns][:CAMERAS_MAX]
        return tuple(reference_of(self.settings, name, at_ns) for name, at_ns in fresh)


def initial(district: DistrictView) -> State:
    return State(np.full(len(district.cameras), NOT_YET, np.int64))


def observe(state: State, tick: Tick, camera_row: Ints, at_ns: int) -> State:
    """
    The state after a tick. A frame counts whose picture was measured: others have none, or none that can be covered.

    Args:
        camera_row: (N,) row of each frame's camera; -1 for one that is not of the district.
        at_ns: the newest end of a tick.
    """
    pictured = (camera_row >= 0) & ~np.isnan(tick.brightness) & (tick.captured_at_ns <= at_ns + _AHEAD_NS_MAX)
    if not pictured.any():
        return state
    newest_ns = state.pictured_ns.copy()
    np.maximum.at(newest_ns, camera_row[pictured], tick.captured_at_ns[pictured])
    return State(newest_ns)


def save(district: DistrictView, state: State) -> bytes:
    return columns.save(district.camera_ids, state)


def restore(district: DistrictView, snapshot: bytes) -> State:
    """
    Raises:
        RecordError: the snapshot is not whole.
    """
    return columns.restore(district.camera_ids, initial(district), snapshot)
