"""`drumtower calibrate`: what must be measured at a site before its numbers can be trusted."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def calibrate() -> None:
    """What must be measured at a site before its numbers can be trusted."""


@calibrate.command("recall")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def calibrate_recall(file: Path) -> None:
    """The recall curve of each site, from frames that somebody counted by hand.

    FILE is a CSV with a row for each frame: site, area_m2 (of the ground that was counted), counted (persons, by hand)
    and found (boxes of the system in the same frame); at least 20 frames in each band of density. The curves go to
    standard output, as they stand in the settings file; what each band says goes to standard error.

    Example:  drumtower calibrate recall counts.csv >> drumtower.toml
    """
    from detectors.crowd.measures.hand_counts import fit_recall, read_hand_counts, toml_of
    from ingest.errors import SettingsError

    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            sites = read_hand_counts(str(file), lines)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            str(file), expected="a CSV file in UTF-8", got=str(error), mend="Mend the path or the encoding."
        ) from error
    curves = {}
    for site, counts in sorted(sites.items()):
        curves[site], bands = fit_recall(site, counts)
        click.echo(
            f"{site}: valid to {curves[site].per_m2_max:g} persons/m2, above it a count is a lower bound", err=True
        )
        for band in bands:
            click.echo(f"  {band.said()}", err=True)
    click.echo(toml_of(curves), nl=False)
