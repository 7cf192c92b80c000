"""The demo's cameras as a process of their own."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from pathlib import Path

import click

from deploy.demo.district import DemoDistrict


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--seed", default=1, show_default=True, help="Another seed, other people.")
@click.option("--port", default=0, help="Of the RTSP server; 0 takes a free one.")
@click.option("--metadata-cameras", default=200, show_default=True, help="How many cameras in the streets.")
@click.option("--begins-at-s", default=0.0, show_default=True, help="Where in the story it begins.")
def main(folder: Path, seed: int, port: int, metadata_cameras: int, begins_at_s: float) -> None:
    """
    Serve the demo district's cameras; print where its cameras file, its zones file and its RTSP server are.

    Ends by a signal, or with the pipe at its standard input.

    Example:  python -m deploy.demo var/demo --port 8554
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    district = DemoDistrict(folder, seed, port, metadata_cameras, begins_at_s=begins_at_s)
    district.start()
    try:
        for line in (district.cameras_csv, district.zones_geojson, district.url):
            click.echo(line)
        sys.stdout.flush()
        if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            threading.Thread(target=_end_with_input, args=(ended,), daemon=True).start()
        ended.wait()
    finally:
        district.stop()


def _end_with_input(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()


if __name__ == "__main__":
    main()
