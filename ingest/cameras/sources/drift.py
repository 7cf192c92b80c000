"""How fast a camera's clock runs away from ours. Pure."""

from __future__ import annotations

from collections import deque

import numpy as np

from ingest.clock import NS_PER_S

SAMPLES_MAX = 60
APART_NS = 10 * NS_PER_S
SPAN_NS_MIN = 60 * NS_PER_S  # less says more of the network than of the clock
STEP_NS = NS_PER_S  # a clock that was set, not one that drifts


class Drift:
    """The slope of the offset over the last ten minutes. A clock that is set begins anew."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES_MAX)

    def add(self, at_ns: int, offset_ns: int | None) -> None:
        """
        Args:
            at_ns: of a clock that grows.
            offset_ns: camera less ours at that time; None where it is not known.
        """
        if offset_ns is None:
            self._samples.clear()
            return
        if self._samples:
            last_ns, last_offset_ns = self._samples[-1]
            if abs(offset_ns - last_offset_ns) > STEP_NS:
                self._samples.clear()
            elif at_ns - last_ns < APART_NS:
                return
        self._samples.append((at_ns, offset_ns))

    def ppm(self) -> float | None:
        """Microseconds per second, > 0 where the camera's clock is fast; None while it is not known."""
        if len(self._samples) < 3 or self._samples[-1][0] - self._samples[0][0] < SPAN_NS_MIN:
            return None
        first_ns, first_offset_ns = self._samples[0]
        # Less the first: what is left fits a float to the nanosecond.
        at_s = np.array([(at_ns - first_ns) / NS_PER_S for at_ns, _ in self._samples])
        offset_us = np.array([(offset_ns - first_offset_ns) / 1e3 for _, offset_ns in self._samples])
        slope = np.polynomial.Polynomial.fit(at_s, offset_us, 1).convert().coef
        return float(slope[1]) if len(slope) > 1 else 0.0
