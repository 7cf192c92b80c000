"""
Where each person of a camera was in the last few seconds: places of the camera's own tracks, about one a second.

A camera is sampled when a second has gone by since its last sample, however many frames it sends, so that a changed
frame rate changes nothing. What is older than `MEMORY_S` is gone; a camera that sent nothing for so long that its ids
may mean others starts afresh, and so does an id that jumps faster than a person runs. An id that a frame has twice is
nobody's. Tracks are of one camera, never joined with those of another, and never leave the detect stage.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import msgspec
import numpy as np
import numpy.typing as npt

from detectors import columns
from detectors.geometry.homography import Floats, Ints
from detectors.newest import NOT_YET
from ingest.errors import RecordError

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]

SLOTS = 6  # samples of a camera, the newest first
MEMORY_S = 5.0
SAMPLE_S = 0.8  # at least between two samples: 5 frames/s give 0.8 s, 1 frame/s with jitter gives 1 s
ABSENT = np.iinfo(np.int16).min
CM_MAX = 32_000  # places are whole centimetres from the middle of what the camera sees


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """T tracks of C cameras, by camera and id; those of camera c are rows `start[c]:start[c + 1]`."""

    start: Ints  # (C + 1,)
    id: I32  # (T,) given by the camera >= 0, or by `linking` < -1
    place_cm: I16  # (T, SLOTS, 2) east and north of the camera's middle; ABSENT where it was not seen
    sampled_ns: Ints  # (C, SLOTS) when; NOT_YET


def no_tracks(cameras: int) -> Tracks:
    """Nothing seen yet."""
    return Tracks(
        np.zeros(cameras + 1, np.int64),
        np.empty(0, np.int32),
        np.empty((0, SLOTS, 2), np.int16),
        np.full((cameras, SLOTS), NOT_YET, np.int64),
    )


def due(tracks: Tracks, camera: Ints, captured_ns: Ints, gap_ns: Ints) -> npt.NDArray[np.bool_]:
    """
    (N,) which frames are the next sample of their camera.

    Args:
        camera: (N,) row of the camera.
        gap_ns: (C,) after so long without a sample, or so far back in time, a camera starts afresh.
    """
    since_ns = captured_ns - tracks.sampled_ns[camera, 0]
    result: npt.NDArray[np.bool_] = (since_ns >= int(SAMPLE_S * 1e9)) | (since_ns < -gap_ns[camera])
    return result


def advance(
    tracks: Tracks, camera: Ints, captured_ns: Ints, frame: Ints, id: I32, place_cm: I16, gap_ns: Ints
) -> tuple[Tracks, Ints]:
    """
    The tracks after a sample of some cameras, and (N, 2) how many ids of each went on, and how many of these jumped.

    Args:
        camera: (N,) row of each sampled camera, ascending, each once.
        captured_ns: (N,) time of its frame.
        frame: (P,) row in `camera` of each person.
        id: (P,) the track; -1 is left out, as is one that its frame has twice.
        place_cm: (P, 2)
        gap_ns: (C,) as for `due`.
    """
    from detectors.crowd.loops.track import merge

    kept = np.flatnonzero(id != -1)
    # Stable, so that what comes sorted, as it mostly does, costs one pass; of the same ids none is kept below.
    order = kept[np.argsort((frame[kept] << 32) + id[kept], kind="stable")]
    frame, id, place_cm = frame[order], id[order], place_cm[order]
    same = (frame[1:] == frame[:-1]) & (id[1:] == id[:-1])
    single = ~(np.append(same, False) | np.append(False, same)) if len(order) else np.empty(0, np.bool_)
    frame, id, place_cm = frame[single], id[single], place_cm[single]
    first = np.searchsorted(frame, np.arange(len(camera) + 1))
    to_start, to_id, to_cm, to_ns, went_on = merge(
        tracks.start, tracks.id, tracks.place_cm, tracks.sampled_ns, camera, captured_ns, first, id, place_cm, gap_ns
    )
    return Tracks(to_start, to_id, to_cm, to_ns), went_on


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    cameras: list[str]
    count: list[int]
    id: bytes
    place_cm: bytes
    sampled_ns: bytes


def save(cameras: tuple[str, ...], tracks: Tracks) -> bytes:
    """The tracks as bytes; equal tracks are equal bytes."""
    saved = _Saved(
        list(cameras),
        np.diff(tracks.start).tolist(),
        tracks.id.astype("<i4").tobytes(),
        tracks.place_cm.astype("<i2").tobytes(),
        tracks.sampled_ns.astype("<i8").tobytes(),
    )
    return msgspec.msgpack.encode(saved)


def restore(cameras: tuple[str, ...], snapshot: bytes) -> Tracks:
    """
    The tracks of the cameras that are still there.

    Raises:
        RecordError: the snapshot is not whole.
    """
    try:
        saved = msgspec.msgpack.decode(snapshot, type=_Saved)
        start = np.concatenate([[0], np.cumsum(saved.count)]).astype(np.int64)
        id = np.frombuffer(saved.id, "<i4").astype(np.int32)
        place_cm = np.frombuffer(saved.place_cm, "<i2").astype(np.int16).reshape(len(id), SLOTS, 2)
        sampled_ns = np.frombuffer(saved.sampled_ns, "<i8").astype(np.int64).reshape(len(saved.cameras), SLOTS)
        if start[-1] != len(id) or len(start) != len(saved.cameras) + 1:
            raise ValueError(f"{start[-1]} tracks announced, {len(id)} there")
    except (msgspec.DecodeError, ValueError) as error:
        raise RecordError(
            "snapshot of the tracks", expected="tracks of each camera", got=str(error)[:200],
            mend="The stage starts afresh.",
        ) from error  # fmt: skip
    kept, blank = columns.kept(cameras, saved.cameras, start), no_tracks(len(cameras))
    blank.sampled_ns[kept.known] = sampled_ns[kept.old]
    return Tracks(kept.start, id[kept.row], place_cm[kept.row], blank.sampled_ns)


def is_same(a: Tracks, b: Tracks) -> bool:
    """Whether both say the same."""
    return all(np.array_equal(getattr(a, each.name), getattr(b, each.name)) for each in fields(Tracks))


def metres(place_cm: I16) -> Floats:
    """(..., 2) metres from the camera's middle; NaN where absent."""
    return np.where(place_cm == ABSENT, np.nan, place_cm / 100.0)
