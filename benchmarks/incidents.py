"""
Incidents in figures: how fast findings become incidents, and what people are told of a storm.

    python -m benchmarks.incidents                  # a table
    python -m benchmarks.incidents --quick --json   # smaller sets

Each part is a module of its own, `benchmarks/incidents_PART.py`, which says what it measures. The parts run one after
the other: one measures speed, and the other keeps a real clock.
"""

from __future__ import annotations

import time
from importlib import import_module

import click

from benchmarks.measuring import Figures, machine, show, talk

PARTS = ("speed", "storm")


def measure(part: str, quick: bool) -> Figures:
    """The figures of one part; their names are its own."""
    measured: Figures = import_module(f"benchmarks.incidents_{part}").measure(quick)
    return measured


@click.command()
@click.option("--quick", is_flag=True, help="Smaller sets.")
@click.option("--part", "chosen", type=click.Choice(PARTS), multiple=True, help="Only this one; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def main(quick: bool, chosen: tuple[str, ...], as_json: bool) -> None:
    """
    How fast findings become incidents, and what people are told of a storm.

    Example:  python -m benchmarks.incidents --quick --json
    """
    began = time.monotonic()
    figures: Figures = {}
    for part in chosen or PARTS:
        figures |= measure(part, quick)
        talk(f"{part} done")
    show(figures | machine() | {"seconds": time.monotonic() - began}, as_json=as_json)


if __name__ == "__main__":
    main()
