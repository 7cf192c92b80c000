"""Serve the demo district until interrupted: `python -m deploy.demo FOLDER [PORT]`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from deploy.demo.district import DemoDistrict


def main(folder: str = "var/demo", port: str = "0") -> None:
    """Write the district's files into `folder` and serve its cameras."""
    district = DemoDistrict(Path(folder), port=int(port))
    district.start()
    sys.stdout.write(f"{district.cameras_csv}\n{district.zones_geojson}\n{district.url}\n")
    sys.stdout.flush()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        district.stop()


if __name__ == "__main__":
    main(*sys.argv[1:3])
