"""
Loops that numpy has no words for, as machine code.

A module of such loops is imported only inside the functions that need it: importing it compiles it, or takes it from
the cache of an earlier start. So a program that measures nothing starts at once, and a stage that does compiles when it
is prepared, never in the middle of a stream. Each loop says its types, so that no other is compiled later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])

# Types of arguments; those of arrays that are only read take closed arrays as well.
FLOATS = numba.types.Array(numba.float64, 1, "C", readonly=True)
FLOATS_2D = numba.types.Array(numba.float64, 2, "C", readonly=True)
SINGLES_2D = numba.types.Array(numba.float32, 2, "C", readonly=True)
INTS = numba.types.Array(numba.int64, 1, "C", readonly=True)
BOOLS = numba.types.Array(numba.boolean, 1, "C", readonly=True)
WRITTEN = numba.types.Array(numba.float64, 1, "C")
WRITTEN_2D = numba.types.Array(numba.float64, 2, "C")
WRITTEN_BOOLS = numba.types.Array(numba.boolean, 1, "C")
WRITTEN_INTS = numba.types.Array(numba.int64, 1, "C")
WRITTEN_INTS_2D = numba.types.Array(numba.int64, 2, "C")
FLOAT, INT, BOOL, NONE = numba.float64, numba.int64, numba.boolean, numba.void


def compiled(returns: Any, *arguments: Any) -> Callable[[Loop], Loop]:
    """The loop as machine code of just these types; kept for the next start where a place to keep it can be written."""
    signature = returns(*arguments)

    def compile_loop(loop: Loop) -> Loop:
        try:
            made: Loop = numba.njit(signature, cache=True, nogil=True)(loop)
        except RuntimeError:  # neither the package's folder nor the user's cache can be written
            made = numba.njit(signature, nogil=True)(loop)
        return made

    return compile_loop
