"""
The record of a zone as tables for spreadsheets.

A text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from deploy.zone_report.report import ZoneReport, band_name
from ingest.clock import utc
from ingest.schema.zone_minute import ZoneMinute

MINUTE_COLUMNS = (
    "starts_at_local", "starts_at_utc", "known", "readings_s", "persons", "persons_low", "persons_high", "persons_max",
    "density_per_m2", "local_density_per_m2_max", "level_of_service", "lower_bound", "degraded", "local_density",
    "synthetic",
)  # fmt: skip
ALERT_COLUMNS = (
    "detected_at_local", "detected_at_utc", "incident", "title", "kind", "level", "state", "onset_at_local",
    "ended_at_local", "value", "unit", "low", "high", "degraded", "seen_at_local", "seen_in_time", "acknowledged_by",
    "exercise",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def minutes_csv(report: ZoneReport) -> str:
    """A row for each minute of the span, also of those of which there is no record."""
    rows = zip(report.starts_ns, report.minutes, report.known, report.service, report.synthetic, strict=True)
    return _csv(
        MINUTE_COLUMNS,
        (
            (
                _local(utc(at_ns), report.clock),
                utc(at_ns).isoformat(timespec="seconds"),
                known.value,
                *_measures(minute, band_name(int(band))),
                _word(synthetic),
            )
            for at_ns, minute, known, band, synthetic in rows
        ),
    )


def alerts_csv(report: ZoneReport) -> str:
    """A row for each incident in the zone, by its detection."""
    rows = []
    for one in report.incidents:
        seen = one.clocks.get("seen")
        rows.append(
            (
                _local(one.detected_at, report.clock),
                one.detected_at.isoformat(timespec="seconds"),
                one.id,
                one.title,
                one.kind,
                one.level.value,
                one.state,
                _local(one.onset_at, report.clock),
                _local(one.ended_at, report.clock),
                one.value,
                one.unit,
                one.low,
                one.high,
                _word(one.measurement.degraded),
                _local(seen.met_at if seen else None, report.clock),
                "" if seen is None or (seen.met_at is None and not seen.breached) else _word(not seen.breached),
                one.acknowledged_by or "",
                _word(one.drill),
            )
        )
    return _csv(ALERT_COLUMNS, rows)


def _measures(minute: ZoneMinute | None, band: str) -> Sequence[object]:
    if minute is None or not minute.readings:
        return (0, "", "", "", "", "", "", "", "", "", "")
    local = "not measurable" if minute.local_per_m2_max is None else "measured"
    return (
        minute.readings, minute.persons, minute.low, minute.high, minute.persons_max, minute.per_m2,
        minute.local_per_m2_max, band, _word(minute.lower_bound), _word(minute.degraded), local,
    )  # fmt: skip


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def _local(at: datetime | None, clock: tzinfo) -> str:
    return "" if at is None else at.astimezone(clock).isoformat(timespec="seconds")


def _word(holds: bool) -> str:
    return "yes" if holds else "no"
