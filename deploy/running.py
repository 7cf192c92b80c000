"""Roles in this process, until a signal; and the demo, which serves its own cameras first."""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

import click
import msgspec
import structlog

from deploy.http.server import OpsServer
from deploy.roles import RoleThreads
from deploy.settings import Settings
from deploy.system import Parts, open_parts, roles
from ingest.errors import DrumtowerError


def run_here(settings: Settings, names: tuple[str, ...], stop: threading.Event, member: str, demo: bool = False) -> None:
    """
    Run these roles until `stop` is set, or one of them fails.

    Raises:
        DrumtowerError: a part is not there, or a role failed for a reason that a person or a supervisor can act on.
    """
    with open_parts(settings, member, demo) as parts:
        threads = RoleThreads(roles(parts, names), parts.health)
        threads.stop = stop
        ops = None if "serve" in names else OpsServer(settings.http.host, settings.http.ops_port, parts)
        threads.start()
        if "serve" in names:
            click.echo(f"Console: http://{settings.http.host}:{settings.http.port}/", err=True)
        threads.wait()
        if ops is not None:
            ops.close()
    if threads.failure is not None:
        if isinstance(threads.failure, DrumtowerError):
            raise threads.failure
        sys.exit(1)


def run_demo(folder: Path | None, port: int, seed: int, metadata_cameras: int, stop: threading.Event) -> None:
    """The demo district, from the RTSP socket on the same path as a real one."""
    from deploy.demo.district import DemoDistrict
    from deploy.registry_import import import_files

    with tempfile.TemporaryDirectory(prefix="drumtower-demo-") as scratch:
        home = folder or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        settings = demo_settings(home / "data", port)
        district = DemoDistrict(home / "district", seed=seed, metadata_cameras=metadata_cameras)
        district.start()
        try:
            report = import_files(settings, district.cameras_csv, district.zones_geojson)
            structlog.get_logger().info("demo.started", changes=len(report.changes), rtsp=district.url)
            from deploy.system import ROLES

            run_here(settings, ROLES, stop, member="demo", demo=True)
        finally:
            district.stop()


def demo_settings(data: Path, port: int) -> Settings:
    defaults = Settings()
    return msgspec.structs.replace(
        defaults,
        name="Demo district",
        data=str(data),
        http=msgspec.structs.replace(defaults.http, port=port),
    )


__all__ = ["Parts", "demo_settings", "run_demo", "run_here"]
