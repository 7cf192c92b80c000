"""`drumtower crowd`: what was measured in a zone, for the file of an event."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.cli_options import load, settings_options

FORMATS = ("csv", "svg", "png")


@click.group()
def crowd() -> None:
    """What was measured in a zone."""


@crowd.command("report")
@click.argument("zone")
@click.option("--from", "from_text", required=True, help="Day or time, 2026-11-25 or 2026-11-25T14:00.")
@click.option("--to", "to_text", help="Day (all of it) or time; the end of the first day without it.")
@click.option("--time-zone", help="Of the times; that of the settings without it.")
@click.option(
    "--format", "formats", type=click.Choice(FORMATS), multiple=True, help="May be given again; csv and svg without it."
)
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Where the files are written."
)
@settings_options
def crowd_report(
    zone: str,
    from_text: str,
    to_text: str | None,
    time_zone: str | None,
    formats: tuple[str, ...],
    folder: Path,
    settings_path: Path | None,
    data: Path | None,
) -> None:
    """The record of a zone, as picture and tables: occupancy, level of service, alerts.

    Example:  drumtower crowd report square --from 2026-11-25 --format csv --format svg --folder file
    """
    from deploy.zone_report.files import write_report

    for path in write_report(
        load(settings_path, data), zone, from_text, to_text, time_zone, formats or ("csv", "svg"), folder
    ):
        click.echo(str(path))
