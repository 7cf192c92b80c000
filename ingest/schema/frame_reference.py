"""A record of `dt.frames`: where in the live store a frame's picture is, for the perceive stage. JSON."""

from __future__ import annotations

import msgspec

from ingest.bus.contract import Headers, Record
from ingest.schema.codec import decode_event, encode_event

VERSION = 1


class FrameReference(msgspec.Struct, frozen=True, kw_only=True):
    camera: int  # the camera's number in the registry
    captured_at_ns: int  # UTC
    arrived_at_ns: int  # UTC
    reference: str  # name of the JPEG in the live store; it is gone after some seconds
    width: int  # px of the stream's picture; the JPEG may be smaller
    height: int
    time_source: int = 1  # TimeSource
    evidence: str | None = None  # name of the evidence that was made of this frame, where there is one


def encode_reference(frame: FrameReference) -> tuple[bytes, Headers]:
    return encode_event("frame", VERSION, frame)


def decode_reference(record: Record) -> FrameReference:
    """
    Raises:
        RecordError: not a frame reference of a version that this reader accepts, or not whole.
    """
    return decode_event(record, "frame", VERSION, FrameReference)
