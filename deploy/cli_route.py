"""`drumtower route`: who is told of what, tried before it happens."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click
import msgspec

from deploy.cli_options import load, settings_options


@click.group()
def route() -> None:
    """Who is told of what."""


@route.command("try")
@click.option("--kind", required=True, help="As findings say it: crowd.capacity.")
@click.option("--level", type=click.Choice(["notice", "amber", "red", "critical"]), required=True)
@click.option("--site", required=True)
@click.option("--zone")
@click.option("--at", "at_text", help="2026-12-05T22:30 on the clock on the wall; now without it.")
@click.option("--expect", "expected", multiple=True, help="Who must be told; may be repeated. Exit 1 if it is not so.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options
def route_try(
    kind: str,
    level: str,
    site: str,
    zone: str | None,
    at_text: str | None,
    expected: tuple[str, ...],
    as_json: bool,
    settings_path: Path | None,
    data: Path | None,
) -> None:
    """Who would be told of an incident, by which routes, and who next when nobody acknowledges.

    Example:  drumtower route try --kind anomaly.fire --level red --site station --at 2026-12-05T22:30 --expect brigade
    """
    from correlator.routing.fault import route_faults
    from correlator.routing.route import Case, routed, steps_of, told_by
    from deploy.settings import correlate_settings
    from deploy.zone_report.span import time_zone_of
    from ingest.errors import SettingsError, SettingsFaults
    from ingest.schema.finding import Level

    settings = correlate_settings(load(settings_path, data))
    zone_of_clock = time_zone_of("time_zone", settings.time_zone)
    if faults := route_faults(settings.routes, (), settings.time_zone):
        raise SettingsFaults(faults)
    try:
        local = datetime.now(zone_of_clock) if at_text is None else datetime.fromisoformat(at_text)
    except ValueError:
        raise SettingsError(
            "--at", expected="a time such as 2026-12-05T22:30", got=str(at_text)[:60], mend="Write it so."
        ) from None
    local = local.astimezone(zone_of_clock) if local.tzinfo else local
    chosen = routed(settings.routes, Case(kind=kind, level=Level(level), site=site, zone=zone, local=local))
    told, steps = told_by(chosen), steps_of(chosen)
    if as_json:
        names = [one.name for one in chosen]
        click.echo(msgspec.json.encode({"to": told, "routes": names, "escalate": [list(step) for step in steps]}))
    else:
        click.echo(f"told\t{', '.join(told) or 'everybody who listens: no route fits'}")
        for one in chosen:
            click.echo(f"by\t{one.name}")
        for after_s, names_then in steps:
            click.echo(f"after {after_s:g} s\t{', '.join(names_then)}")
    if expected and set(expected) != set(told):
        click.echo(f"expected {', '.join(expected)}, got {', '.join(told) or 'nobody'}.", err=True)
        sys.exit(1)
