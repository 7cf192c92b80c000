"""Every topic of the wire, and how long each is kept."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.bus.contract import TopicSpec

CAMERAS = "dt.cameras"  # key: camera id; value: its registry record
ZONES = "dt.zones"  # key: zone id; value: the zone
OBSERVATIONS = "dt.observations"  # a tick
FRAMES = "dt.frames"  # reference to a JPEG in the live store
FINDINGS = "dt.findings"
ALERTS = "dt.alerts"
ZONE_MINUTES = "dt.zone_minutes"  # key: partition; value: one minute of each of its zones
DEAD = "dt.dead"  # what could not be read, with the reason

LEARNING = ("detect",)  # stages that learn over weeks

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def state_topic(stage: str) -> str:
    """The topic of a stage's snapshots: key is the partition."""
    return f"dt.state.{stage}"


def learned_topic(stage: str) -> str:
    """The topic of what a stage has learned over weeks: key is the part."""
    return f"dt.learned.{stage}"


def topic_specs(partitions: int, stages: Iterable[str]) -> list[TopicSpec]:
    """
    All topics of a district.

    Args:
        partitions: of every topic but the dead letters: partition p of one feeds partition p of the next.
        stages: names of the stages that keep snapshots.
    """
    return [
        TopicSpec(CAMERAS, partitions, None),
        TopicSpec(ZONES, partitions, None),
        TopicSpec(OBSERVATIONS, partitions, _HOUR_S),
        TopicSpec(FRAMES, partitions, 5 * _MINUTE_S),
        TopicSpec(FINDINGS, partitions, 7 * _DAY_S),
        TopicSpec(ALERTS, partitions, 7 * _DAY_S),
        TopicSpec(ZONE_MINUTES, partitions, 7 * _DAY_S),
        *(TopicSpec(state_topic(stage), partitions, None) for stage in stages),
        *(TopicSpec(learned_topic(stage), partitions, None) for stage in stages if stage in LEARNING),
        TopicSpec(DEAD, 1, 7 * _DAY_S),
    ]
