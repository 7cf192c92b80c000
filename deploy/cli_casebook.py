"""`drumtower casebook`: which revision the tables have, and the way to ours."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.cli_options import load, settings_options


@click.group()
def casebook() -> None:
    """The database of incidents, audit and outbox."""


@casebook.command()
@settings_options
def status(settings_path: Path | None, data: Path | None) -> None:
    """The revision of the tables, and the one that this program writes. Nothing is changed.

    Example:  drumtower casebook status --settings drumtower.toml
    """
    from correlator.casebook.database import casebook_revision
    from correlator.casebook.schema import newest, revisions
    from deploy.parts import book_url

    found = casebook_revision(book_url(load(settings_path, data)))
    if found is None:
        click.echo(f"No casebook yet; it will be made at revision {newest()}.")
    elif found == newest():
        click.echo(f"Revision {found}, the newest.")
    elif found in revisions():
        click.echo(
            f"Revision {found}; this program writes {newest()}. The next start, or `casebook upgrade`, upgrades it."
        )
    else:
        click.echo(f"Revision {found}, of a later program; this one knows up to {newest()}.")


@casebook.command()
@settings_options
def upgrade(settings_path: Path | None, data: Path | None) -> None:
    """Bring the tables to the newest revision now, instead of at the next start. Make a backup before.

    Example:  drumtower casebook upgrade --settings drumtower.toml
    """
    from correlator.casebook.database import casebook_revision
    from correlator.casebook.schema import newest
    from deploy.parts import book_url, open_book

    settings = load(settings_path, data)
    before = casebook_revision(book_url(settings))
    open_book(settings).close()
    click.echo(f"Revision {newest()}" + (", as before." if before == newest() else f"; before: {before or 'none'}."))
