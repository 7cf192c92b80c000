"""`drumtower silences`: what is planned not to be told, and what that has muted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from deploy.cli_options import load, opened_book, settings_options
from ingest.clock import SystemClock

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def silences() -> None:
    """Silences: what is planned not to be told."""


def _described(command: Command) -> Command:
    options = [
        click.option("--kind", default="*", show_default=True, help="Kinds, as shells match names: crowd.*"),
        click.option("--site", help="Only of this site."),
        click.option("--zone", help="Only of this zone."),
        click.option("--camera", help="Only what this camera alone says."),
        click.option("--from", "from_text", required=True, help="2026-12-05T14:00, of the time zone's clock."),
        click.option("--to", "to_text", required=True, help="The same; of the first time, where it repeats."),
        click.option("--repeats", default="", help="RRULE of RFC 5545 with UNTIL or COUNT."),
        click.option("--time-zone", help="Of the times; that of the settings without it."),
        click.option(
            "--level-max",
            type=click.Choice(["notice", "amber", "red", "critical"]),
            default="red",
            show_default=True,
            help="What is worse is told all the same.",
        ),
        click.option("--reason", required=True, help="Why."),
        click.option("--author", required=True, help="The desk."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object."),
        settings_options,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@silences.command("list")
@click.option("--all", "with_old", is_flag=True, help="Those that are over too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@settings_options
def silences_list(with_old: bool, as_json: bool, settings_path: Path | None, data: Path | None) -> None:
    """Silences, and how many incidents each has muted.

    Example:  drumtower silences list
    """
    now_ns = SystemClock().now_ns()
    with opened_book(settings_path, data) as book:
        found = book.silences(0 if with_old else now_ns, now_ns)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    click.echo("id\tin force\texpires\tmuted\tkind\tplace\treason\tauthor")
    for one in found:
        said = one.silence
        place = " ".join(filter(None, (said.site, said.zone, said.camera))) or "everywhere"
        click.echo(
            f"{said.id[:12]}\t{'yes' if one.in_force else 'no'}\t{one.expires_at.isoformat()}\t{one.muted_count}\t"
            f"{said.kind}\t{place}\t{said.reason}\t{said.author}"
        )


@silences.command("preview")
@_described
def silences_preview(settings_path: Path | None, data: Path | None, as_json: bool, **said: Any) -> None:
    """What a silence would mute now, and would have muted in the last week; nothing is written.

    Example:  drumtower silences preview --from 2026-12-05T14:00 --to 2026-12-05T20:00 --reason fair --author desk-1
    """
    with opened_book(settings_path, data) as book:
        seen = book.preview_silence(_silence(settings_path, data, said), SystemClock().now_ns())
    if as_json:
        click.echo(msgspec.json.encode(seen))
        return
    click.echo(f"now\t{len(seen.now)}")
    click.echo(f"last week\t{seen.last_week}\nlast week, in its hours\t{seen.last_week_in_its_hours}")
    click.echo(f"last week, too severe to be muted\t{seen.last_week_too_severe}")
    for title in seen.titles:
        click.echo(f"  {title}")


@silences.command("add")
@_described
def silences_add(settings_path: Path | None, data: Path | None, as_json: bool, **said: Any) -> None:
    """Set a silence; it ends by itself.

    Example:  drumtower silences add --from 2026-12-05T14:00 --to 2026-12-05T20:00 --reason market --author desk-1
    """
    with opened_book(settings_path, data) as book:
        made = book.put_silence(_silence(settings_path, data, said), SystemClock().now_ns())
    click.echo(msgspec.json.encode(made) if as_json else made.id)


@silences.command("end")
@click.argument("silence")
@click.option("--author", required=True, help="The desk that ends it.")
@settings_options
def silences_end(silence: str, author: str, settings_path: Path | None, data: Path | None) -> None:
    """End a silence now. What is still so is told.

    Example:  drumtower silences end 1f0c6a5be21d --author desk-1
    """
    now_ns = SystemClock().now_ns()
    with opened_book(settings_path, data) as book:
        named = [one.silence.id for one in book.silences(0, now_ns) if one.silence.id.startswith(silence)]
        book.end_silence(named[0] if len(named) == 1 else silence, author, now_ns)
    click.echo("Ended.", err=True)


def _silence(settings_path: Path | None, data: Path | None, said: dict[str, Any]) -> Any:
    from correlator.muting.silence import Silence
    from deploy.zone_report.span import time_zone_of
    from ingest.schema.finding import Level

    name = said.pop("time_zone") or load(settings_path, data).time_zone
    zone = time_zone_of("--time-zone", name)
    times = {key: _time(f"--{key}", said.pop(f"{key}_text"), zone) for key in ("from", "to")}
    level = Level(said.pop("level_max"))
    return Silence(**said, from_at=times["from"], to_at=times["to"], time_zone=name, level_max=level)


def _time(option: str, text: str, zone: Any) -> datetime:
    from ingest.errors import SettingsError

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            option, expected="a time such as 2026-12-05T14:00", got=text[:60], mend="Write it so."
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=zone)
