"""The clocks of the response: seen, on scene, resolved. A breach is an event, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from correlator.incidents.condition import Condition
from correlator.incidents.settings import CorrelateSettings, ns
from ingest.clock import utc
from ingest.schema.alert import ResponseClock

TARGETS = ("seen", "on_scene", "resolved")
_MET_BY = {
    "open": (),
    "acknowledged": TARGETS[:1],
    "dispatched": TARGETS[:1],
    "on_scene": TARGETS[:2],
    "resolved": TARGETS,
    "closed": TARGETS,
}


def clock_from_ns(override_ns: int | None, conditions: Iterable[Condition]) -> int:
    """Where the clocks start: at the first detection, or where a reopening set them anew."""
    return override_ns if override_ns is not None else min(condition.detected_ns for condition in conditions)


def targets_ns(settings: CorrelateSettings, from_ns: int) -> dict[str, int]:
    durations_s = (settings.seen_s, settings.on_scene_s, settings.resolved_s)
    return {name: from_ns + ns(duration_s) for name, duration_s in zip(TARGETS, durations_s, strict=True)}


def met_by(state: str, met_ns: Mapping[str, int], at_ns: int) -> dict[str, int]:
    """The targets that are met once an incident is in `state`; one that was met before stays as it was."""
    return {name: met_ns.get(name, at_ns) for name in TARGETS if name in met_ns or name in _MET_BY[state]}


def newly_breached(
    settings: CorrelateSettings, from_ns: int, met_ns: Mapping[str, int], breached: Sequence[str], now_ns: int
) -> list[tuple[str, int]]:
    """The targets that have just been missed, with the time they were due at, in order."""
    return [
        (name, target_ns)
        for name, target_ns in targets_ns(settings, from_ns).items()
        if name not in met_ns and name not in breached and target_ns <= now_ns
    ]


def clocks_of(
    settings: CorrelateSettings, from_ns: int, met_ns: Mapping[str, int], breached: Sequence[str]
) -> dict[str, ResponseClock]:
    return {
        name: _clock_of(target_ns, met_ns.get(name), name in breached)
        for name, target_ns in targets_ns(settings, from_ns).items()
    }


@lru_cache(maxsize=16_384)
def _clock_of(target_ns: int, met_ns: int | None, breached: bool) -> ResponseClock:
    late = met_ns is not None and met_ns > target_ns
    return ResponseClock(
        target_at=utc(target_ns), met_at=None if met_ns is None else utc(met_ns), breached=breached or late
    )
