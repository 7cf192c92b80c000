"""Options that many commands share, and the settings that they lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

Command = TypeVar("Command", bound=Callable[..., Any])


def settings_options(command: Command) -> Command:
    command = click.option("--data", type=click.Path(path_type=Path), help="Data folder; overrides the settings.")(
        command
    )
    return click.option(
        "--settings",
        "settings_path",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="DRUMTOWER_SETTINGS",
        help="TOML file; without it the defaults hold.",
    )(command)


def load(settings_path: Path | None, data: Path | None, port: int | None = None) -> Any:
    from deploy.settings import load_settings

    settings = load_settings(settings_path)
    if data is not None:
        settings = msgspec.structs.replace(settings, data=str(data))
    if port is not None:
        settings = msgspec.structs.replace(settings, http=msgspec.structs.replace(settings.http, port=port))
    return settings


@contextmanager
def opened_book(settings_path: Path | None, data: Path | None) -> Iterator[Any]:
    """The casebook that the settings name, open for as long as the block."""
    from deploy.parts import open_book

    casebook = open_book(load(settings_path, data))
    try:
        yield casebook
    finally:
        casebook.close()
