"""
Evidence: which pictures of a camera are kept for a short while, and what they are called. Pure.

Time is cut into slots of `period_s`, shifted for each camera so that thousands of them do not come at once. The worker
keeps the first picture of each slot, with its persons covered. The name of a picture is its camera and the beginning
of its slot: whoever knows when a frame was captured can name the picture without asking anybody, today as in a replay.
"""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple
from zlib import crc32

import msgspec

from ingest.clock import NS_PER_S
from ingest.errors import RecordError

_NS_PER_MS = 1_000_000
_REFERENCE = re.compile(r"(?P<camera>[A-Za-z0-9._-]{1,64})-(?P<from_ms>0|[1-9][0-9]{0,15})", re.ASCII)


class EvidenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `[ingest.evidence]`; detect, correlate and serve go by it too, so it is the same for all roles."""

    pictures: bool = True  # whether pictures with covered persons are kept at all; they need ingest.signals
    period_s: Annotated[float, msgspec.Meta(ge=1.0, le=3_600.0)] = 10.0  # of a camera, one picture in so long
    lifetime_s: Annotated[float, msgspec.Meta(ge=5.0, le=3_600.0)] = 60.0  # in the live store; then it is gone
    quality: Annotated[int, msgspec.Meta(ge=1, le=90)] = 70  # of the JPEG

    def __post_init__(self) -> None:
        # Else a finding would refer to the picture of a slot that has begun, but whose picture is gone already.
        if self.lifetime_s < 2 * self.period_s:
            raise ValueError("Expected lifetime_s >= 2 * period_s")


class EvidenceReference(NamedTuple):
    camera: str
    from_ns: int  # UTC; the picture was captured within `period_s` after this


def reference_of(settings: EvidenceSettings, camera: str, captured_at_ns: int) -> str:
    """The name of the picture that stands for what `camera` saw at `captured_at_ns`."""
    period_ms = round(settings.period_s * 1_000)
    shift_ms = crc32(camera.encode()) % period_ms
    slot = (captured_at_ns // _NS_PER_MS - shift_ms) // period_ms
    return f"{camera}-{max(0, slot * period_ms + shift_ms)}"


def read_reference(text: str) -> EvidenceReference:
    """
    Raises:
        RecordError: not a name of a picture.
    """
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise RecordError(
            "evidence reference",
            expected="CAMERA-MILLISECONDS, as a finding has it",
            got=repr(text[:80]),
            mend="Take it from `evidence` of an incident.",
        )
    return EvidenceReference(found["camera"], int(found["from_ms"]) * _NS_PER_MS)


def gone_at_ns(settings: EvidenceSettings, reference: EvidenceReference) -> int:
    """When the live store has surely forgotten the picture, UTC."""
    return reference.from_ns + round((settings.period_s + settings.lifetime_s) * NS_PER_S)
