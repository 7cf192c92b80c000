"""What stands on the topics, taken again from its beginning by one uninterrupted run in this process."""

from __future__ import annotations

from collections.abc import Iterable

from correlator.incidents import stage as correlate
from correlator.incidents.board import Board, Opened
from correlator.incidents.settings import CorrelateSettings
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.bus.contract import Bus, Draft, Record, TopicPartition
from ingest.evidence import EvidenceSettings
from ingest.registry.district import District
from ingest.schema.alert import Alert
from ingest.stages.stage import Read

# What follows from the findings alone. The others have a person or the wall clock in them.
_KINDS = ("opened", "escalated", "cleared", "unknown", "reopened", "merged")
OF_FINDINGS = frozenset(f"incident.{kind}" for kind in _KINDS)


def whole(bus: Bus, topic: str) -> dict[int, list[Record]]:
    """All committed records of a topic, by partition."""
    return {partition: _partition(bus, topic, partition) for partition in range(bus.partition_counts()[topic])}


def _partition(bus: Bus, topic: str, partition: int) -> list[Record]:
    records: list[Record] = []
    while found := bus.read(topic, partition, records[-1].position.offset + 1 if records else 0, 10_000):
        records += found
    return records


def findings_of(
    district: District, settings: DetectSettings, pictures: EvidenceSettings, observations: dict[int, list[Record]]
) -> dict[int, list[Draft]]:
    """What the detect stage says of these observations when nothing ever stops it, by partition."""
    stage = DetectStage(district, settings, pictures=pictures)
    said: dict[int, list[Draft]] = {}
    for partition, records in observations.items():
        reads = [Read(record.position, stage.decode(record)) for record in records]
        _, findings = stage.step(stage.initial(partition), reads)
        said[partition] = [stage.encode(partition, finding) for finding in findings]
    return said


def alerts_of(settings: CorrelateSettings, findings: dict[int, list[Record]]) -> list[Alert]:
    """What the correlator says of these findings when nothing ever stops it, no time passes and nobody acts."""
    board, alerts = Board(settings, Opened(0)), list[Alert]()
    for record in correlate.in_order([record for each in findings.values() for record in each]):
        at = TopicPartition(record.position.topic, record.position.partition)
        arrival = correlate.Arrival(correlate.read_finding(record), record)
        correlate.advance(board, [arrival], {at: record.appended_at_ns})
        alerts += board.take_changes().alerts
    return alerts


def ids_of(alerts: Iterable[Alert], types: frozenset[str]) -> list[str]:
    """Ids of the alerts that are of one of these types."""
    return [alert.id for alert in alerts if alert.type in types]
