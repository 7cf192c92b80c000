"""
Crowd safety in figures: how exact the measures are, how fast beside known tools, how soon and surely the rules warn.

    python -m benchmarks.crowd [--quick] [--seeds 201,202] [--json] [--page]

Ratios are of CPU time within this run: how often we could do it in the time that the other needs. `--quick` takes fewer
zones of the peer, fewer seconds and one seed. `--page` keeps the figures and plots in docs/crowd/ and writes them into
docs/crowd.md.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from benchmarks.measuring import Figures, machine, show, talk


def measures(quick: bool) -> Figures:
    """Exactness and speed of densities, flow and counts, and the cost of the whole engine."""
    from benchmarks import crowd_engine, crowd_pedpy, crowd_zones

    figures: Figures = {}
    for part in (crowd_pedpy, crowd_zones, crowd_engine):
        figures |= part.measure(quick)
        talk(f"{part.__name__.rpartition('.')[2]} done")
    return figures


def rules(quick: bool, seeds: Sequence[int] | None) -> Figures:
    """Delays, misses and false alerts on labelled scenarios and real recordings."""
    from benchmarks import crowd_protocol

    return crowd_protocol.measure(quick, seeds)


@click.command()
@click.option("--quick", is_flag=True, help="Fewer repetitions, one seed.")
@click.option("--seeds", default="", help="Seeds of the scenarios, with commas; 101 to 103 were used for tuning.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@click.option("--page", is_flag=True, help="Write figures and plots into docs/crowd.md and beside it.")
def main(quick: bool, seeds: str, as_json: bool, page: bool) -> None:
    """Exactness, speed, delays and false alerts of crowd safety."""
    began = time.monotonic()
    figures = measures(quick) | rules(quick, [int(seed) for seed in seeds.split(",") if seed] or None)
    known = {name: value for name, value in figures.items() if value == value}  # none in time has no delay
    known |= machine() | {"seconds": time.monotonic() - began}
    show(known, as_json=as_json)
    if page:
        from benchmarks import crowd_page

        crowd_page.write(known)


if __name__ == "__main__":
    main()
