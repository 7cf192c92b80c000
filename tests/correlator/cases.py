"""Findings as detectors write them, and a casebook's incidents told from a list of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from correlator.incidents.board import Board
from correlator.incidents.merge import take
from correlator.incidents.settings import CorrelateSettings
from ingest.bus.contract import Draft
from ingest.bus.topics import FINDINGS
from ingest.clock import NS_PER_S, utc
from ingest.schema.alert import Alert, IncidentView
from ingest.schema.codec import encode_finding
from ingest.schema.finding import Finding, FindingData, Level, Measurement, Phase, Place
from ingest.schema.ids import derived_id

START_NS = 1_780_000_000 * NS_PER_S
SQUARE = Place(lon=13.4, lat=52.5, radius_m=20.0)


def at_ns(t_s: float) -> int:
    """`t_s` seconds after the start of the case."""
    return START_NS + round(t_s * NS_PER_S)


def east_of(place: Place, metres: float) -> Place:
    """The same circle, its centre `metres` further east."""
    from math import cos, radians

    return Place(
        lon=place.lon + metres / (111_195.08 * cos(radians(place.lat))), lat=place.lat, radius_m=place.radius_m
    )


def finding(
    condition: str = "a",
    t_s: float = 0.0,
    phase: Phase = Phase.RAISED,
    level: Level = Level.AMBER,
    *,
    kind: str = "crowd.capacity",
    onset_s: float = 0.0,
    observed_s: float | None = None,
    site: str = "north",
    zone: str | None = "north-square",
    cameras: Sequence[str] = ("gate-7",),
    place: Place = SQUARE,
    value: float | None = 104.0,
    drill: bool = False,
    ordinal: str = "",
) -> Finding:
    data = FindingData(
        kind=kind,
        phase=phase,
        level=level,
        condition=condition,
        site=site,
        zone=zone,
        cameras=tuple(cameras),
        place=place,
        onset_at=utc(at_ns(onset_s)),
        detected_at=utc(at_ns(t_s)),
        observed_at=utc(at_ns(t_s if observed_s is None else observed_s)),
        value=value,
        unit="persons",
        low=None,
        high=None,
        measurement=Measurement(),
        rule="capacity",
        rule_version=1,
        thresholds={"capacity_use": 1.0},
        drill=drill,
    )
    name = derived_id(condition, phase, repr(t_s), level, ordinal)
    return Finding(
        id=name, source=f"/drumtower/detect/{kind}", subject=zone or cameras[0], time=data.detected_at, data=data
    )


def draft(event: Finding, partition: int = 0) -> Draft:
    value, headers = encode_finding(event)
    return Draft(FINDINGS, partition, event.data.site.encode(), value, headers)


def board_of(
    findings: Iterable[Finding], settings: CorrelateSettings | None = None, board: Board | None = None
) -> Board:
    """The board after these findings, each arriving just when it was detected."""
    board = board or Board(settings or CorrelateSettings())
    for event in findings:
        arrived_ns = round(event.data.detected_at.timestamp() * 1e6) * 1_000
        take(board, event, 0, arrived_ns, arrived_ns)
    return board


def views(board: Board) -> list[IncidentView]:
    return [board.view(name) for name in sorted(board.incidents)]


def kinds(alerts: Iterable[Alert]) -> list[str]:
    return [alert.type.removeprefix("incident.") for alert in alerts]
