"""Roles in this process, until a signal; and the demo, which serves its own cameras first."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import structlog

from deploy.http.server import OpsServer
from deploy.parts import Parts, open_parts
from deploy.registry_import import import_files
from deploy.roles import RoleThreads
from deploy.settings import Settings
from deploy.system import ROLES, roles
from ingest.errors import DrumtowerError, SettingsError


def run_here(
    settings: Settings, names: tuple[str, ...], stop: threading.Event, member: str, demo: bool = False
) -> None:
    """
    Run these roles until `stop` is set, or one of them fails.

    Raises:
        DrumtowerError: a part is not there, or a role failed for a reason that a person or a supervisor can act on.
    """
    with open_parts(settings, member, demo) as parts:
        threads = RoleThreads(roles(parts, names), parts.health)
        threads.stop = stop
        ops = None if "serve" in names else _ops_server(parts)
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


def _ops_server(parts: Parts) -> OpsServer:
    http = parts.settings.http
    return OpsServer(http.host, http.ops_port, parts.metrics.registry, parts.health)


def run_demo(folder: Path | None, port: int, seed: int, metadata_cameras: int, stop: threading.Event) -> None:
    """
    The demo district, from the RTSP socket on the same path as a real one: its cameras are another process.

    Raises:
        DrumtowerError: as `run_here`.
    """
    with contextlib.ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drumtower-demo-")))
        settings = demo_settings(home / "data", port)
        cameras_csv, zones_geojson = stack.enter_context(_served(home / "district", seed, metadata_cameras))
        report = import_files(settings, cameras_csv, zones_geojson)
        structlog.get_logger().info("demo.started", changes=len(report.changes), folder=str(home))
        run_here(settings, ROLES, stop, member="demo", demo=True)


@contextlib.contextmanager
def _served(folder: Path, seed: int, metadata_cameras: int) -> Iterator[tuple[Path, Path]]:
    """The demo's cameras, served by a process of their own; the paths of their files."""
    command = [
        sys.executable,
        "-m",
        "deploy.demo",
        str(folder),
        f"--seed={seed}",
        f"--metadata-cameras={metadata_cameras}",
    ]
    # The pipe to its standard input ends with us, however we end; it ends when the pipe does.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cameras:
        try:
            assert cameras.stdout is not None
            lines = [cameras.stdout.readline().strip() for _ in range(2)]
            if not all(lines):
                raise SettingsError(
                    "demo cameras",
                    expected="two files",
                    got="none",
                    mend="See the lines above; is the folder writable?",
                )
            yield Path(lines[0]), Path(lines[1])
        finally:
            cameras.terminate()


def demo_settings(data: Path, port: int) -> Settings:
    defaults = Settings()
    return msgspec.structs.replace(
        defaults, name="Demo district", data=str(data), http=msgspec.structs.replace(defaults.http, port=port)
    )
