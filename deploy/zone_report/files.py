"""A report as files, named after the zone and the first day."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from deploy.parts import open_book, open_registry_bus
from deploy.settings import Settings
from deploy.zone_report.picture import picture
from deploy.zone_report.report import ZoneReport, zone_report
from deploy.zone_report.span import span_of, time_zone_of
from deploy.zone_report.table import alerts_csv, minutes_csv
from ingest.clock import SystemClock, utc
from ingest.errors import SettingsError
from ingest.registry.topics import read_district

# A spreadsheet takes a table for UTF-8 only where it begins with the mark.
_MAKERS: dict[str, tuple[tuple[str, Callable[[ZoneReport], bytes]], ...]] = {
    "csv": (
        ("minutes.csv", lambda report: minutes_csv(report).encode("utf-8-sig")),
        ("alerts.csv", lambda report: alerts_csv(report).encode("utf-8-sig")),
    ),
    "svg": (("svg", lambda report: picture(report, "svg")),),
    "png": (("png", lambda report: picture(report, "png")),),
}


def write_report(
    settings: Settings,
    zone: str,
    from_text: str,
    to_text: str | None,
    time_zone: str | None,
    formats: Sequence[str],
    folder: Path,
) -> list[Path]:
    """
    The paths of the files that were written; that the record was read is in the audit.

    Raises:
        SettingsError: an unknown zone, times that are none, or a folder that cannot be written.
        StoreRetryable: the casebook does not answer.
    """
    clock = SystemClock()
    site_clock = time_zone_of("time_zone", time_zone or settings.time_zone)
    from_ns, to_ns = span_of(from_text, to_text, site_clock)
    with open_registry_bus(settings) as bus:
        district = read_district(bus)
    casebook = open_book(settings)
    try:
        report = zone_report(casebook, district, zone, from_ns, to_ns, clock.now_ns(), site_clock)
        casebook.audit("command", "read", f"report of zone {zone[:64]}", clock.now_ns())
    finally:
        casebook.close()
    made = list(_made(report, formats))  # all of them, before one is written
    stem = f"{re.sub(r'[^A-Za-z0-9._-]', '_', zone)}_{utc(report.from_ns).astimezone(site_clock):%Y-%m-%d}"
    paths = []
    for ending, content in made:
        path = folder / f"{stem}.{ending}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise SettingsError(
                str(path), expected="a file that we may write", got=error.strerror or "an error", mend="Mend --folder."
            ) from error
        paths.append(path)
    return paths


def _made(report: ZoneReport, formats: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for kind in dict.fromkeys(formats):
        for ending, make in _MAKERS[kind]:
            yield ending, make(report)
