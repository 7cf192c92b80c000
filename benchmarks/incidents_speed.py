"""
How fast findings become incidents.

- Embedded: a day's storm stands on the bus (SQLite), and the correlator reads, merges and writes it into its casebook
  (SQLite) as fast as it can. All of the role is in the figure: checksum, decoding, merging, rows, outbox, commits.
- PostgreSQL: findings come 1,000 a second; how long each takes from the bus to the commit that has its incident's row.

Run:  python -m benchmarks.incidents_speed --quick
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from benchmarks.measuring import Figures, machine, percentiles_ms, show, talk
from correlator.casebook.contract import Casebook
from correlator.casebook.sql import open_casebook
from correlator.incidents import stage
from correlator.incidents.board import Board
from correlator.incidents.changes import Changes
from correlator.incidents.role import CorrelateRole
from correlator.incidents.settings import CorrelateSettings
from ingest.bus.contract import Bus, Draft, Position, Record, TopicPartition
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.topics import FINDINGS, topic_specs
from ingest.clock import NS_PER_S, SystemClock, utc
from ingest.schema.codec import encode_finding
from ingest.schema.finding import Finding, FindingData, Level, Measurement, Phase, Place
from ingest.schema.ids import derived_id

PARTITIONS = 4
SITES = 400
CAMERAS = 19  # of a site, each with a condition of its own; 7,600 in all
UPDATE_S = 5.0
KINDS = ("crowd.capacity", "crowd.density", "crowd.surge", "anomaly.smoke", "health.stream")
RATE_PER_S = 1_000
_LEVELS = (Level.AMBER, Level.AMBER, Level.RED)


def storm(findings: int, now_ns: int, seed: int = 1) -> list[tuple[Finding, int]]:
    """
    Findings of `SITES` sites in the order of their detection, each with its partition; the last comes at `now_ns`.

    Conditions are raised, told anew every 5 s, and cleared; neighbouring zones of a site merge.
    """
    chance = random.Random(seed)
    conditions = [
        (site, camera, chance.random() * UPDATE_S, KINDS[(site + camera // 7) % len(KINDS)])
        for site in range(SITES)
        for camera in range(CAMERAS)
    ]
    rounds = -(-findings // len(conditions))
    told = [
        (round_ * UPDATE_S + offset_s, round_, site, zone, kind)
        for round_ in range(rounds)
        for site, zone, offset_s, kind in conditions
    ]
    told.sort()
    told = told[:findings]
    start_ns = now_ns - round(told[-1][0] * NS_PER_S)
    return [
        (_finding(start_ns, t_s, round_, rounds, site, zone, kind, chance), site % PARTITIONS)
        for t_s, round_, site, zone, kind in told
    ]


def _finding(
    start_ns: int, t_s: float, round_: int, rounds: int, site: int, zone: int, kind: str, chance: random.Random
) -> Finding:
    at_ns = start_ns + round(t_s * NS_PER_S)
    onset_ns = start_ns + round((t_s - round_ * UPDATE_S) * NS_PER_S)
    phase = Phase.RAISED if round_ == 0 else Phase.CLEARED if round_ == rounds - 1 else Phase.UPDATED
    data = FindingData(
        kind=kind,
        phase=phase,
        level=_LEVELS[(site + zone + round_ // 7) % len(_LEVELS)],
        condition=derived_id("condition", str(site), str(zone)),
        site=f"site-{site:04}",
        zone=f"zone-{site:04}-{zone // 5}",
        cameras=(f"camera-{site:04}-{zone}",),
        place=Place(lon=13.0 + site % 20 * 0.02 + zone * 0.001, lat=52.0 + site // 20 * 0.02, radius_m=20.0),
        onset_at=utc(onset_ns),
        detected_at=utc(at_ns),
        observed_at=utc(at_ns),
        value=round(100 + 40 * chance.random(), 2),
        unit="persons",
        low=90.0,
        high=150.0,
        measurement=Measurement(noise_m=0.4, recall=0.9, method="boxes"),
        rule=f"{kind}.rule",
        rule_version=1,
        thresholds={"capacity_use": 1.0, "hold_s": 10.0},
        detail={"capacity_use": 1.2},
        evidence=(f"evidence/camera-{site:04}-{zone}/{round_}",) if round_ == 0 else (),
    )
    name = derived_id(data.condition, str(round_))
    return Finding(
        id=name, source=f"/drumtower/detect/{kind}", subject=data.zone or "", time=data.detected_at, data=data
    )


def drafts(findings: Sequence[tuple[Finding, int]]) -> list[Draft]:
    made = []
    for event, partition in findings:
        value, headers = encode_finding(event)
        made.append(Draft(FINDINGS, partition, event.data.site.encode(), value, headers))
    return made


def _role(bus: Bus, casebook: Any, settings: CorrelateSettings) -> CorrelateRole:
    return CorrelateRole(bus, casebook, settings, SystemClock(), None, structlog.wrap_logger(structlog.ReturnLogger()))


def _until_taken(role: CorrelateRole, findings: int) -> None:
    taken = idle = 0
    while taken < findings:
        count = role.run_once(0.05)
        taken += count
        idle = 0 if count else idle + 1
        assert idle < 200, f"{taken} of {findings} findings came"


def embedded(folder: Path, findings: int) -> Figures:
    """Findings a second through the whole role on SQLite, with publishing, and through decoding and merging alone."""
    bus, clock = EmbeddedBus(folder / "bus.sqlite"), SystemClock()
    bus.create_topics(topic_specs(PARTITIONS, []))
    told = drafts(storm(findings, clock.now_ns()))
    producer = bus.producer()
    for start in range(0, len(told), 1_000):
        for draft in told[start : start + 1_000]:
            producer.append(draft)
        producer.flush()
    settings = CorrelateSettings()
    casebook = open_casebook(f"sqlite:///{folder / 'casebook.sqlite'}", settings)
    role = _role(bus, casebook, settings)
    started_s = time.perf_counter()
    _until_taken(role, findings)
    seconds = time.perf_counter() - started_s
    opened, alerts = len(casebook.incidents(state="all", limit=10_000).items), casebook.sequence()
    role.close()
    casebook.close()
    bus.close()
    return {
        "findings_per_s": findings / seconds,
        "merge_findings_per_s": merging(told),
        "storm_findings": float(findings),
        "storm_incidents": float(opened),
        "storm_alerts": float(alerts),
    }


def merging(told: Sequence[Draft]) -> float:
    """Findings a second that are decoded and merged, in batches as the role has them, without any database."""
    settings, now_ns = CorrelateSettings(), SystemClock().now_ns()
    records = [
        Record(Position(draft.topic, draft.partition, offset), draft.key, draft.value, draft.headers, now_ns)
        for offset, draft in enumerate(told)
    ]
    times = {TopicPartition(FINDINGS, partition): now_ns for partition in range(PARTITIONS)}
    board = Board(settings)
    started_s = time.perf_counter()
    for start in range(0, len(records), settings.records_max):
        batch = records[start : start + settings.records_max]
        stage.advance(board, [stage.Arrival(stage.read_finding(record), record) for record in batch], times)
        board.take_changes()
    return len(records) / (time.perf_counter() - started_s)


class _Timed:
    """A casebook that notes when each finding's incident is committed."""

    def __init__(self, casebook: Casebook, committed_ns: dict[str, int]) -> None:
        self._casebook, self._committed_ns = casebook, committed_ns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._casebook, name)

    def record(self, name: str, changes: Changes, *positions: Any) -> None:
        self._casebook.record(name, changes, *positions)
        now_ns = time.monotonic_ns()
        for finding, _ in changes.findings:
            self._committed_ns[finding] = now_ns


def on_postgres(folder: Path, url: str, seconds: float) -> Figures:
    """From the append of a finding to the commit of its incident, at `RATE_PER_S`; the first second is left out."""
    bus = EmbeddedBus(folder / "bus-postgres.sqlite")
    bus.create_topics(topic_specs(PARTITIONS, []))
    count = round(seconds * RATE_PER_S)
    findings = storm(count, SystemClock().now_ns())
    told = drafts(findings)
    sent_ns: dict[str, int] = {}
    committed_ns: dict[str, int] = {}
    settings = CorrelateSettings()
    casebook = open_casebook(url, settings)
    role = _role(bus, _Timed(casebook, committed_ns), settings)
    role.run_once(0.1)

    def feed() -> None:
        producer, started_ns = bus.producer(), time.monotonic_ns()
        period = RATE_PER_S // 100
        for start in range(0, count, period):
            due_ns = started_ns + round(start / RATE_PER_S * NS_PER_S)
            time.sleep(max(0, due_ns - time.monotonic_ns()) / NS_PER_S)
            for draft in told[start : start + period]:
                producer.append(draft)
            now_ns = time.monotonic_ns()
            producer.flush()
            for event, _ in findings[start : start + period]:
                sent_ns[event.id] = now_ns

    feeder = threading.Thread(target=feed)
    feeder.start()
    _until_taken(role, count)
    feeder.join()
    role.close()
    casebook.close()
    bus.close()
    late = [event.id for event, _ in findings[RATE_PER_S:]]
    return percentiles_ms("postgres", (committed_ns[name] - sent_ns[name] for name in late), (50, 99))


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="drumtower-incidents-") as folder:
        yield Path(folder)


def measure(quick: bool) -> Figures:
    """`findings_per_s`, `postgres_p99_ms` and what goes with them."""
    from tests.support import parts

    with _folder() as folder:
        talk("embedded")
        figures = embedded(folder, 20_000 if quick else 100_000)
        talk("PostgreSQL")
        with parts.postgres() as url:
            figures |= on_postgres(folder, url, 5.0 if quick else 20.0)
    return figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    show(measure(given.quick) | machine(), as_json=given.json)


if __name__ == "__main__":
    main()
