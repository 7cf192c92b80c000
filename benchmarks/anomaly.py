"""
Anomalies in figures: what each rule finds, and what it says where nothing happened.

    python -m benchmarks.anomaly                  # a table
    python -m benchmarks.anomaly --quick --json   # smaller sets, within 45 s

Each part is a module of its own, `benchmarks/anomaly_PART.py`, which says what its sets are made of; the parts share
the cores of the machine. Sets are rendered from seeds; those that thresholds were tuned on are not among them.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import import_module

import click

from benchmarks.measuring import Figures, machine, show, talk

# The longest first, so that the cores end together.
PARTS = ("health", "fire", "fall", "abandoned", "baseline")


def measure(part: str, quick: bool) -> Figures:
    """The figures of one part; their names are its own."""
    measured: Figures = import_module(f"benchmarks.anomaly_{part}").measure(quick)
    return measured


def measured(parts: tuple[str, ...], quick: bool) -> Figures:
    """All figures of the parts, a process each, as many at once as there are cores."""
    figures: Figures = {}
    # Spawned, not forked: the parts use libraries that have threads of their own.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=context) as pool:
        running = {pool.submit(measure, part, quick): part for part in parts}
        for done in as_completed(running):
            figures |= done.result()
            talk(f"{running[done]} done")
    return figures


@click.command()
@click.option("--quick", is_flag=True, help="Smaller sets: within 45 s.")
@click.option("--part", "chosen", type=click.Choice(PARTS), multiple=True, help="Only this one; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def main(quick: bool, chosen: tuple[str, ...], as_json: bool) -> None:
    """
    What the rules of anomalies find, and what they say where nothing happened.

    Example:  python -m benchmarks.anomaly --quick --json
    """
    began = time.monotonic()
    figures = measured(chosen or PARTS, quick)
    known = {name: value for name, value in figures.items() if value == value}  # what there was nothing to measure of
    show(known | machine() | {"seconds": time.monotonic() - began}, as_json=as_json)


if __name__ == "__main__":
    main()
