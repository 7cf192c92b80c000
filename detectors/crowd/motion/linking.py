"""
Numbers for boxes that their source does not track: who is who in the next frame of the same camera.

Two boxes are one person if each is the other's nearest, near enough to be walked to, and clearly nearer than the next
best. Where people stand closer than they walk between two frames, few are; then there are few tracks, and what needs
them is not measurable. Boxes are linked from one frame to the next only, and a number is drawn, never derived from what
somebody looks like.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import columns
from detectors.crowd.motion.tracks import I16, I32
from detectors.geometry.homography import Ints
from detectors.newest import NOT_YET
from ingest.errors import RecordError

WALK_M_S_MAX = 3.0  # between two frames
JITTER_M = 0.3
CLEARLY = 1.5  # times farther must the next best be
LINKED_S_MAX = 1.5  # frames farther apart are not linked: everybody may be everybody
FIRST = -2  # -1 is nobody's


@dataclass(frozen=True, slots=True, eq=False)
class Untracked:
    """The last frame of each of C cameras whose source gives no tracks; rows of camera c as in `Tracks`."""

    start: Ints  # (C + 1,)
    id: I32  # (P,) < -1
    place_cm: I16  # (P, 2)
    seen_ns: Ints  # (C,) NOT_YET
    next_id: I32  # (C,) the next number, counting down


def none_untracked(cameras: int) -> Untracked:
    return Untracked(
        np.zeros(cameras + 1, np.int64),
        np.empty(0, np.int32),
        np.empty((0, 2), np.int16),
        np.full(cameras, NOT_YET, np.int64),
        np.full(cameras, FIRST, np.int32),
    )


def link(before: Untracked, camera: Ints, captured_ns: Ints, frame: Ints, place_cm: I16) -> tuple[Untracked, I32]:
    """
    The frames with numbers for their persons.

    Args:
        camera: (N,) row of the camera of each frame, ascending, each once.
        captured_ns: (N,)
        frame: (P,) row in `camera` of each untracked person, ascending.
        place_cm: (P, 2)

    Returns:
        What to remember, and (P,) the numbers; they do not depend on the order of the persons of a frame.
    """
    from detectors.crowd.loops.linking import nearest

    order = np.lexsort((place_cm[:, 1], place_cm[:, 0], frame))
    first = np.searchsorted(frame, np.arange(len(camera) + 1))  # `frame` is ascending, and stays so
    start, id, kept_cm, seen_ns, next_id, given = nearest(
        before.start, before.id, before.place_cm, before.seen_ns, before.next_id,
        camera, captured_ns, first, place_cm[order],
    )  # fmt: skip
    number = np.empty(len(order), np.int32)
    number[order] = given
    return Untracked(start, id, kept_cm, seen_ns, next_id), number


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    cameras: list[str]
    count: list[int]
    id: bytes
    place_cm: bytes
    seen_ns: list[int]
    next_id: list[int]


def save(cameras: tuple[str, ...], untracked: Untracked) -> bytes:
    """As bytes; equal states are equal bytes."""
    saved = _Saved(
        list(cameras),
        np.diff(untracked.start).tolist(),
        untracked.id.astype("<i4").tobytes(),
        untracked.place_cm.astype("<i2").tobytes(),
        untracked.seen_ns.tolist(),
        untracked.next_id.tolist(),
    )
    return msgspec.msgpack.encode(saved)


def restore(cameras: tuple[str, ...], snapshot: bytes) -> Untracked:
    """
    What was remembered of the cameras that are still there.

    Raises:
        RecordError: the snapshot is not whole.
    """
    try:
        saved = msgspec.msgpack.decode(snapshot, type=_Saved)
        start = np.concatenate([[0], np.cumsum(saved.count)]).astype(np.int64)
        id = np.frombuffer(saved.id, "<i4").astype(np.int32)
        place_cm = np.frombuffer(saved.place_cm, "<i2").astype(np.int16).reshape(len(id), 2)
        if start[-1] != len(id) or not len(saved.cameras) == len(saved.seen_ns) == len(saved.next_id) == len(start) - 1:
            raise ValueError(f"{start[-1]} persons announced, {len(id)} there")
    except (msgspec.DecodeError, ValueError) as error:
        raise RecordError(
            "snapshot of the untracked", expected="persons of each camera", got=str(error)[:200],
            mend="The stage starts afresh.",
        ) from error  # fmt: skip
    kept, blank = columns.kept(cameras, saved.cameras, start), none_untracked(len(cameras))
    blank.seen_ns[kept.known] = np.array(saved.seen_ns, np.int64)[kept.old]
    blank.next_id[kept.known] = np.array(saved.next_id, np.int32)[kept.old]
    return Untracked(kept.start, id[kept.row], place_cm[kept.row], blank.seen_ns, blank.next_id)
