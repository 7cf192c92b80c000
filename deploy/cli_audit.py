"""`drumtower audit`: who did and read what, and whether that record is whole."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from deploy.cli_options import opened_book, settings_options
from ingest.clock import utc


@click.group()
def audit() -> None:
    """Who did and read what."""


@audit.command()
@settings_options
def verify(settings_path: Path | None, data: Path | None) -> None:
    """Whether no row was changed, put in or taken away; exit code 1 and its number where one was.

    Example:  drumtower audit verify
    """
    from ingest.errors import StoreError

    with opened_book(settings_path, data) as casebook:
        whole, wrong = casebook.verify_audit()
    if not whole:
        raise StoreError(
            f"audit: row {wrong}",
            expected="as it was written",
            got="changed or missing",
            mend="Compare with a backup; rows before it are as they were written.",
        )
    click.echo("The audit is whole.")


@audit.command()
@click.option("--after", default=0, show_default=True, help="Rows with a greater number.")
@click.option("--of", "of_text", help="Only rows that speak of this, for example an incident.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@settings_options
def show(
    after: int, of_text: str | None, limit: int, as_json: bool, settings_path: Path | None, data: Path | None
) -> None:
    """Rows of the audit, the oldest first: number, time, who, what, of what.

    Example:  drumtower audit show --of 4f1c --limit 20
    """
    with opened_book(settings_path, data) as casebook:
        rows = (
            casebook.audit_after(after, limit)
            if of_text is None
            else [row for row in casebook.audit_of(of_text) if row.number > after][:limit]
        )
    for row in rows:
        if as_json:
            click.echo(msgspec.json.encode(row).decode())
        else:
            subject = "".join(letter if letter.isprintable() else "?" for letter in row.subject)
            click.echo(f"{row.number}\t{utc(row.at_ns):%Y-%m-%dT%H:%M:%SZ}\t{row.actor}\t{row.act}\t{subject}")
