"""What all benchmarks share: percentiles, CPU clocks, and how figures are shown."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

Figures = dict[str, float]
_SIGNIFICANT_DIGITS = 4
_STARTED_S = time.monotonic()
_CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the time that the scheduler gave to a process


def percentiles_ms(name: str, durations_ns: Iterable[int], at: tuple[int, ...] = (50, 99)) -> Figures:
    """
    `<name>_p<percent>_ms` of durations in ns, linear between samples.

    Raises:
        ValueError: there are no samples.
    """
    samples = np.fromiter(durations_ns, np.int64)
    if not len(samples):
        raise ValueError(f"{name}: expected samples, got none. Did the part that makes them run?")
    return {f"{name}_p{percent}_ms": float(np.percentile(samples, percent)) / 1e6 for percent in at}


def process_cpu_ns(pid: int) -> int:
    """
    CPU time of a running process, all its threads, ns; Linux.

    Raises:
        OSError: it has ended.

    Source: MAKE_PROCESS_CPUCLOCK, linux/posix-timers.h; clock_getcpuclockid(3).
    """
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)


def machine() -> Figures:
    """How busy the machine is: figures of a shared one say little without it."""
    cores = len(os.sched_getaffinity(0))
    return {"cores": float(cores), "load_average_1m": os.getloadavg()[0]}


def talk(text: str) -> None:
    """A line for people, with the seconds since the start."""
    print(f"{time.monotonic() - _STARTED_S:6.1f} s  {text}", file=sys.stderr, flush=True)  # noqa: T201


def show(figures: Mapping[str, float], *, as_json: bool) -> None:
    """The figures on standard output: one line of flat JSON, which is the last one, or a table."""
    rounded = {name: _rounded(value) for name, value in figures.items()}
    if as_json:
        print(msgspec.json.encode(rounded).decode(), flush=True)  # noqa: T201
        return
    width = max(map(len, rounded))
    for name, value in rounded.items():
        print(f"{name:<{width}}  {value:>12,.10g}")  # noqa: T201


def _rounded(value: float) -> float:
    return value if value == int(value) else float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
