"""Of several entries about the same thing, the newest: whatever order they came in."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from detectors.geometry.homography import Bools, Floats, Ints

NOT_YET = -(2**62)  # before any time; an age counted from it does not overflow

Kind = TypeVar("Kind", bound=np.generic)


def newest(row: Ints, at_ns: Ints, value: Ints | Floats | Bools, last_ns: Ints) -> tuple[Ints, Ints]:
    """
    Which of K entries to keep: for each row the newest, of those at one time the greatest, unless older than before.

    Args:
        row: (K,) what each entry is about.
        at_ns: (K,) its time.
        value: (K,) what it says.
        last_ns: (R,) time of what is known of each row already.

    Returns:
        (J,) the rows, each once, and (J,) their entries.
    """
    entry = np.flatnonzero(at_ns >= last_ns[row])
    about = row[entry]
    if len(entry) > 1 and (about[1:] <= about[:-1]).any():
        entry = entry[np.lexsort((value[entry], at_ns[entry], about))]
        about = row[entry]
        entry = entry[np.append(about[1:] != about[:-1], True)]
        about = row[entry]
    return about, entry


def put(column: npt.NDArray[Kind], value: npt.NDArray[Kind], kept: tuple[Ints, Ints]) -> npt.NDArray[Kind]:
    """A copy of `column` (R,) with the kept entries of `value` (K,) in their rows."""
    rows, entries = kept
    result = column.copy()
    result[rows] = value[entries]
    return result
