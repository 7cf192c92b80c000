"""
When a frame was captured: by the camera's clock while it can be believed, else by ours.

A stamp is believed within a bound of arrival. One bad stamp is ignored; three in a row start a new time line, in which
arrival counts, until three good ones in a row give the camera its word back. Captured time never goes back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ingest.clock import NS_PER_S
from ingest.schema.tick import TimeSource

STRIKES = 3


@dataclass(frozen=True, slots=True)
class TimeLine:
    """What is known of a camera's clock. `offset_ns` is camera less arrival, None where the camera sends no time."""

    bound_ns: int = 2 * NS_PER_S
    trusted: bool = True
    strikes: int = 0  # stamps in a row that speak against `trusted`
    offset_ns: int | None = None
    captured_at_ns: int = 0


def place(line: TimeLine, camera_at_ns: int | None, arrived_at_ns: int) -> tuple[TimeLine, int, TimeSource]:
    """The next time line, when the frame was captured (UTC ns, later than the one before), and by which clock."""
    offset_ns = None if camera_at_ns is None else camera_at_ns - arrived_at_ns
    good = offset_ns is not None and abs(offset_ns) <= line.bound_ns
    strikes = 0 if good == line.trusted else line.strikes + 1
    turned = strikes >= STRIKES
    trusted = line.trusted != turned
    # An offset is told once it is established: a single wild stamp says nothing about the clock.
    known_ns = offset_ns if strikes == 0 or turned else line.offset_ns
    is_camera = good and trusted
    # A clock that runs ahead within the bound: nothing is captured after it has arrived, and time must not run ahead
    # of the other cameras'.
    at_ns = min(camera_at_ns, arrived_at_ns) if is_camera and camera_at_ns is not None else arrived_at_ns
    # A step back within the bound (a change of clock) would make durations negative; a larger one is our own clock's.
    if 0 <= line.captured_at_ns - at_ns <= 2 * line.bound_ns:
        at_ns = line.captured_at_ns + 1
    moved = replace(line, trusted=trusted, strikes=0 if turned else strikes, offset_ns=known_ns, captured_at_ns=at_ns)
    return moved, at_ns, TimeSource.CAMERA if is_camera else TimeSource.ARRIVAL
