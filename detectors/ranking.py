"""
Of several hazards of motion in one zone the worst is told; the others are kept as its detail.

Worse is the higher level, and at one level the earlier in `RANKS`. A hazard that is outranked is not raised; one that
was told before stays open without updates until it ends. What says that a measure cannot be had is no hazard: it is
always told and outranks nothing. When the worst has ended, what is left is told when its detector next speaks of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from detectors.detector import Condition
from detectors.telling import Key, Open
from ingest.schema.finding import Level

RANKS = (
    "crowd.pressure", "crowd.oscillation", "crowd.surge", "crowd.counterflow", "crowd.congestion", "crowd.gathering",
)  # fmt: skip
_UNIT_NAMES = {"1/s2": "per_s2", "m/s": "m_s", "conflicts per person": "conflicts_per_person"}


class Outranked(msgspec.Struct, frozen=True, array_like=True):
    """A hazard that holds and is not told."""

    heard_at_ns: int
    level: Level
    unit: str
    value: float | None


def ranked(
    outranked: Mapping[Key, Outranked],
    opened: Mapping[Key, Open],
    said: Sequence[tuple[str, Condition]],
    at_ns: int,
    silent_ns: int,
) -> tuple[dict[Key, Outranked], dict[Key, Open], list[tuple[str, Condition]]]:
    """
    What of all that was said in a tick shall be told.

    Args:
        outranked: what was held back before.
        opened: what is open, as told.
        said: by the detectors, each with its kind.

    Returns:
        What is held back now, what is open (of what is not updated, as heard), and what to tell.
    """
    if not outranked and not any(kind in RANKS for kind, _ in said):
        return {}, dict(opened), list(said)
    held = {key: what for key, what in outranked.items() if at_ns - what.heard_at_ns <= silent_ns}
    heard, told = dict(opened), []
    hazards: dict[Key, Outranked] = {
        key: Outranked(what.heard_at_ns, what.last.level, what.last.unit, what.last.value)
        for key, what in opened.items()
        if key[0] in RANKS and not what.last.measurement.not_measurable
    } | held
    for kind, condition in said:
        key = (kind, condition.subject, condition.aspect)
        if kind not in RANKS:
            continue
        if condition.ends is not None or condition.measurement.not_measurable:
            hazards.pop(key, None)
            held.pop(key, None)
        else:
            hazards[key] = Outranked(at_ns, condition.level, condition.unit, condition.value)
    for kind, condition in said:
        key = (kind, condition.subject, condition.aspect)
        if kind not in RANKS or condition.ends is not None or condition.measurement.not_measurable:
            told.append((kind, condition))
            continue
        others = {other: what for other, what in hazards.items() if other[1] == condition.subject and other[0] != kind}
        if any(_worse(other[0], what.level, kind, condition.level) for other, what in others.items()):
            if key in opened:
                heard[key] = msgspec.structs.replace(opened[key], heard_at_ns=at_ns)
            else:
                held[key] = hazards[key]
            continue
        held.pop(key, None)
        also = {
            _name(other[0], what.unit): what.value for other, what in sorted(others.items()) if what.value is not None
        }
        told.append((kind, replace(condition, detail={**condition.detail, **also}) if also else condition))
    return held, heard, told


def _worse(kind: str, level: Level, than_kind: str, than_level: Level) -> bool:
    return (level.rank, -RANKS.index(kind)) > (than_level.rank, -RANKS.index(than_kind))


def _name(kind: str, unit: str) -> str:
    return f"also_{kind.removeprefix('crowd.')}_{_UNIT_NAMES.get(unit, unit)}"
