"""`drumtower detectors`: what is installed, ours and a user's own."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from detectors.detector import Detector


@click.group("detectors")
def detectors() -> None:
    """The detectors that are installed."""


@detectors.command("list")
@click.option("--json", "as_json", is_flag=True, help="A list of JSON on one line.")
def detectors_list(as_json: bool) -> None:
    """Name, version, what each reads, and its settings with their defaults.

    Example:  drumtower detectors list --json
    """
    from detectors.registry import installed_detectors

    described = [_described(each) for each in installed_detectors().values()]
    if as_json:
        click.echo(msgspec.json.encode(described).decode())
        return
    for each in described:
        click.echo(f"{each['name']}\tversion {each['version']}\treads {', '.join(each['reads'])}")
        for field, default in each["settings"].items():
            click.echo(f"    {field} = {msgspec.json.encode(default).decode()}")


def _described(detector: Detector) -> dict[str, Any]:
    return {
        "name": detector.name,
        "version": detector.version,
        "reads": list(detector.reads),
        "kinds": list(getattr(detector, "kinds", (detector.name,))),
        "settings": msgspec.to_builtins(msgspec.convert({}, detector.settings)),
    }
