"""
The live store: frames and evidence with a time to live, and the present picture of cameras and zones. Never the truth:
flush it and it fills again. In process for one machine, Redis for many.

Frames and evidence are two things under two names, and no name of one finds the other. A frame is as the camera sent
it, for the person detector alone. Evidence has its persons covered: it alone may be shown to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class FramesKept(NamedTuple):
    """The pictures that are there now."""

    frames: int
    size_bytes: int
    longest_s: float  # of the time that they still have


class LiveStore(Protocol):
    """Every method may raise `StoreRetryable` when the store cannot be reached; callers count it and go on."""

    def put_frame(self, reference: str, jpeg: bytes, lifetime_s: float) -> bool:
        """Keep a picture for `lifetime_s`; False where the store is full and the frame was shed."""

    def frame(self, reference: str) -> bytes | None:
        """The picture, or None when its time is over."""

    def frames_kept(self) -> FramesKept:
        """How many frames there are, and for how long yet; for reports, not for every second."""

    def put_evidence(self, reference: str, jpeg: bytes, lifetime_s: float) -> bool:
        """Keep a picture whose persons are covered; False where the store is full and the picture was shed."""

    def replace_evidence(self, reference: str, jpeg: bytes) -> bool:
        """Put a picture in the place of one that is still there, for the rest of its time; False where none is."""

    def evidence(self, reference: str) -> bytes | None:
        """The picture, or None when its time is over."""

    def evidence_kept(self) -> FramesKept:
        """As `frames_kept`, of evidence."""

    def put_states(self, kind: str, states: Mapping[str, bytes], lifetime_s: float) -> None:
        """Set the present state (JSON) of things of one kind (`camera`, `zone`), by id; gone after `lifetime_s`."""

    def states(self, kind: str) -> Mapping[str, bytes]:
        """All present states of one kind."""

    def close(self) -> None: ...
