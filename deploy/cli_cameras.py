"""`drumtower cameras`: the cameras of the registry, from files or one by one, while everything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from deploy.cli_options import Command, load, settings_options
from ingest.counted import counted


@click.group()
def cameras() -> None:
    """The cameras of the district."""


def _columns(required: bool) -> Callable[[Command], Command]:
    """The columns of a camera, an option each."""
    described: list[tuple[str, Any, str]] = [
        ("name", str, "As people call it."),
        ("site", str, "The place that it looks at, with others."),
        ("source", str, "rtsp, file or onvif."),
        ("url", str, "Its stream, without user and password."),
        ("other-urls", str, "Its other streams of the same picture, a;b: the smallest fit one is read."),
        ("lon", float, "Degrees east."),
        ("lat", float, "Degrees north."),
        ("sampling-period-s", float, "Time between two pictures that are looked at."),
        ("user", str, "Who logs in at the camera."),
        ("password-file", str, "File that holds the password."),
        ("password-env", str, "Environment variable that holds it instead."),
        ("password-key", str, "What ingest.password_command is asked for instead."),
        ("switch", str, "The network switch that it hangs on."),
        ("recorder", str, "The recorder that its stream comes through."),
        ("power", str, "The power feed that it hangs on."),
    ]

    def decorate(command: Command) -> Command:
        command = click.option("--enabled/--disabled", default=None, help="Whether it is read.")(command)
        for name, kind, meaning in reversed(described):
            must = required and name in ("site", "url", "lon", "lat")
            command = click.option(f"--{name}", type=kind, required=must, help=meaning)(command)
        return command

    return decorate


@cameras.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@settings_options
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--merge", is_flag=True, help="Cameras that the file does not name stay; else they are removed.")
def cameras_import(file: Path, settings_path: Path | None, data: Path | None, dry_run: bool, merge: bool) -> None:
    """Take the cameras of a CSV or GeoJSON file; every fault is listed with its line and mend.

    Example:  drumtower cameras import cameras.csv
    """
    take_files(settings_path, data, dry_run, cameras_file=file, beside=merge)


@cameras.command("list")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def cameras_list(settings_path: Path | None, data: Path | None, as_json: bool) -> None:
    """The cameras in the registry.

    Example:  drumtower cameras list --json
    """
    from deploy.registry_import import registry

    district = registry(load(settings_path, data))
    if as_json:
        click.echo(msgspec.json.encode(district.cameras))
        return
    for camera in district.cameras:
        click.echo(f"{camera.id}\t{camera.site}\t{camera.partition}\t{camera.source}\t{camera.name}")


@cameras.command("add")
@click.argument("camera")
@_columns(required=True)
@settings_options
def cameras_add(camera: str, settings_path: Path | None, data: Path | None, **columns: Any) -> None:
    """Add one camera; it is read at once where the district runs, and no other is touched.

    Example:  drumtower cameras add gate-9 --site square --url rtsp://10.0.4.9/2 --lon 13.37 --lat 52.51
    """
    from deploy.registry_change import add_camera

    _say(add_camera(load(settings_path, data), camera, {"source": "rtsp", "name": camera} | _given(columns)))


@cameras.command("set")
@click.argument("camera")
@_columns(required=False)
@settings_options
def cameras_set(camera: str, settings_path: Path | None, data: Path | None, **columns: Any) -> None:
    """Change what is given of one camera. An empty value takes it away.

    Example:  drumtower cameras set gate-9 --url rtsp://10.0.4.10/2 --sampling-period-s 0.5
    """
    from deploy.registry_change import set_camera

    _say(set_camera(load(settings_path, data), camera, _given(columns)))


@cameras.command("remove")
@click.argument("camera", nargs=-1, required=True)
@settings_options
def cameras_remove(camera: tuple[str, ...], settings_path: Path | None, data: Path | None) -> None:
    """Remove cameras; their sessions are closed at once where the district runs.

    Example:  drumtower cameras remove gate-9
    """
    from deploy.registry_change import remove_cameras

    _say(remove_cameras(load(settings_path, data), camera))


@cameras.command("relearn")
@click.argument("camera", nargs=-1, required=True)
@settings_options
def cameras_relearn(camera: tuple[str, ...], settings_path: Path | None, data: Path | None) -> None:
    """Learn anew what the pictures of cameras usually show: after one was turned, or its place was rebuilt.

    Example:  drumtower cameras relearn gate-9
    """
    from deploy.registry_change import relearn_cameras

    _say(relearn_cameras(load(settings_path, data), camera))


@cameras.command("probe")
@click.argument("url")
@click.option("--user", help="Who logs in at the camera.")
@click.option("--password-file", help="File that holds the password.")
@click.option("--password-env", help="Environment variable that holds it instead.")
@click.option("--sampling-period-s", type=click.FloatRange(0.04, 3600.0), default=1.0, show_default=True)
@click.option("--seconds", type=click.FloatRange(1.0, 300.0), default=10.0, show_default=True, help="Longest reading.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options
def cameras_probe(
    url: str,
    user: str | None,
    password_file: str | None,
    password_env: str | None,
    sampling_period_s: float,
    seconds: float,
    as_json: bool,
    settings_path: Path | None,
    data: Path | None,
) -> None:
    """What a stream is, what it costs, and what to set.

    Example:  drumtower cameras probe rtsp://10.0.4.7/stream2 --user viewer --password-file gate-7.secret
    """
    from deploy.camera_tools import probe_url

    report = probe_url(
        load(settings_path, data),
        url,
        user=user,
        password_file=password_file,
        password_env=password_env,
        sampling_period_s=sampling_period_s,
        read_s=seconds,
    )
    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    for name, value in msgspec.structs.asdict(report.stream).items():
        click.echo(f"{name}\t{'not known' if value is None else value}")
    click.echo(f"cost_share\t{'not known' if report.cost_share is None else report.cost_share}")
    for line in report.advice or ("Nothing to set.",):
        click.echo(line)


@cameras.command("calibrate")
@click.argument("camera")
@click.argument("points", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say how good it is, and store nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options
def cameras_calibrate(
    camera: str, points: Path, dry_run: bool, as_json: bool, settings_path: Path | None, data: Path | None
) -> None:
    """Calibrate a camera from pairs of points in picture and map; the error is that of each point when it is left out.

    POINTS is a table (CSV, GeoJSON, JSON), or a page in TOML that names points, lens, homography or pose as OpenCV, ROS
    and WILDTRACK write them; docs/cameras.md shows one.

    Example:  drumtower cameras calibrate gate-7 gate-7.points.csv
    """
    from deploy.camera_tools import calibrate_camera

    report = calibrate_camera(load(settings_path, data), camera, points, dry_run=dry_run)
    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    click.echo("point\terror_m\tellipse_m\tbearing")
    for point in report.points:
        error = "no place" if point.error_m is None else format(point.error_m, ".2f")
        click.echo(f"{point.point}\t{error}\t{point.long_m:.2f} x {point.short_m:.2f}\t{point.bearing:.0f}")
    click.echo(f"all\t{report.error_m:.2f}")
    click.echo("Stored." if report.stored else "Nothing stored.", err=True)


def take_files(
    settings_path: Path | None,
    data: Path | None,
    dry_run: bool,
    *,
    cameras_file: Path | None = None,
    zones_file: Path | None = None,
    beside: bool = False,
) -> None:
    """Take files into the registry, and say what changed."""
    from deploy.registry_import import import_files

    settings = load(settings_path, data)
    report = import_files(settings, cameras_file, zones_file, dry_run=dry_run, beside=beside)
    for warning in report.warnings:
        click.echo(warning, err=True)
    _say(report.changes, ", none made" if dry_run else "")


def _given(columns: dict[str, Any]) -> dict[str, object]:
    return {name: value for name, value in columns.items() if value is not None}


def _say(changes: list[str], more: str = "") -> None:
    for change in changes:
        click.echo(change)
    click.echo(f"{counted(len(changes), 'change')}{more}.", err=True)
