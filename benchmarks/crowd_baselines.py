"""
What simpler methods make of the same gatherings: the count of a zone, and methods that look for a change of it.

    raw count     >= 20 in the zone for 10 s, by our own polygon test
    PolygonZone   the same by supervision (in whole pixels)
    ADWIN         river's, on the count
    CUSUM         of Poisson counts that double, base from the first minute

They flag that the count has changed or is high, not that people stand together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.crowd_scenarios import Floats, Track, scenario, seen, zone_counts
from benchmarks.measuring import Figures, talk

PERSONS, DWELL_S = 20, 10
CUSUM_THRESHOLD = 60.0
WARM_UP_S = 60
_PX_PER_M = 40.0


def measure(seeds: Sequence[int], levels: Sequence[str], crossing_s: Callable[[Track], float]) -> Figures:
    """Median delay after the crossing, misses, and alerts before the onset or where nothing happens, of each method."""
    figures: Figures = {}
    for level in levels:
        for name, method in METHODS.items():
            delays, missed, false = [], 0, 0
            for seed in seeds:
                track = scenario(seed, "gathering_onset")
                alerts = method(seen(track, level, seed))
                onset, crossing = float(track.truth["onset_s"]), crossing_s(track)
                false += sum(at < onset for at in alerts)
                hits = [at for at in alerts if onset <= at <= crossing + 60.0]
                missed += not hits
                delays += [hits[0] - crossing] if hits else []
                quiet = scenario(seed, "normal_flow")
                false += len(method(seen(quiet, level, seed)))
            figures[f"baseline_{name}_delay_{level}_s"] = float(np.median(delays)) if delays else float("nan")
            figures[f"baseline_{name}_missed_{level}"] = float(missed)
            figures[f"baseline_{name}_false_{level}"] = float(false)
        talk(f"baselines, {level}: done")
    return figures


def raw_count(track: Track) -> list[float]:
    return _dwelt(zone_counts(track))


def polygon_zone(track: Track) -> list[float]:
    import supervision

    corners = (track.zone_m() * _PX_PER_M).round().astype(np.int64)
    zone = supervision.PolygonZone(polygon=corners - corners.min(axis=0))
    order = np.argsort(track.frame, kind="stable")
    frame, first = track.frame[order], int(track.frame.min())
    foot = np.stack([track.x_m[order], track.y_m[order]], axis=1) * _PX_PER_M - corners.min(axis=0)
    counts = []
    for second in range(1, int(track.seconds) + 1):
        last = (round(second * track.fps) - 1) // track.stride * track.stride + first
        low, high = np.searchsorted(frame, [last, last + 1])
        x, y = foot[low:high].T
        inside = 0
        if high > low:
            boxes = np.stack([x - 8, y - 60, x + 8, y], axis=1)
            inside = int(zone.trigger(supervision.Detections(xyxy=boxes)).sum())
        counts.append(inside)
    return _dwelt(np.array(counts, np.float64))


def adwin(track: Track) -> list[float]:
    from river.drift import ADWIN

    detector: Any = ADWIN()  # type: ignore[no-untyped-call]
    alerts = []
    for second, count in enumerate(zone_counts(track), 1):
        detector.update(float(count))
        if detector.drift_detected and second > WARM_UP_S:
            alerts.append(float(second))
    return alerts


def cusum(track: Track) -> list[float]:
    counts = zone_counts(track)
    base = max(float(counts[20:WARM_UP_S].mean()), 1.0)
    total, alerts = 0.0, []
    for second, count in enumerate(counts[WARM_UP_S:], WARM_UP_S + 1):
        total = max(0.0, total + count * np.log(2.0) - base)
        if total > CUSUM_THRESHOLD:
            alerts.append(float(second))
            total = 0.0
    return alerts


def _dwelt(counts: Floats) -> list[float]:
    """The times at which the count has been high for long enough, once for each time that it is."""
    alerts, held = [], 0
    for second, count in enumerate(counts, 1):
        held = held + 1 if count >= PERSONS else 0
        if held == DWELL_S:
            alerts.append(float(second))
    return alerts


METHODS = {"raw_count": raw_count, "polygon_zone": polygon_zone, "adwin": adwin, "cusum": cusum}
