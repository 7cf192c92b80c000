"""The command `drumtower`: data to stdout, talk to stderr; exit codes 0 done, 1 failed, 2 wrong use or settings."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from deploy import __version__
from deploy.cli_audit import audit
from deploy.cli_calibrate import calibrate
from deploy.cli_cameras import cameras, take_files
from deploy.cli_casebook import casebook
from deploy.cli_crowd import crowd
from deploy.cli_detectors import detectors
from deploy.cli_incidents import incidents
from deploy.cli_options import load, settings_options
from deploy.cli_route import route
from deploy.cli_silences import silences
from ingest.counted import counted
from ingest.errors import DrumtowerError, SettingsError, SettingsFaults

EXIT_FAILED, EXIT_WRONG, EXIT_INTERRUPTED = 1, 2, 130


class _Group(click.Group):
    """Turns our errors into one clear line and the right exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except SettingsFaults as error:
            for fault in error.faults:
                click.echo(str(fault), err=True)
            if len(error.faults) > 1:
                click.echo(f"{counted(len(error.faults), 'fault')}.", err=True)
            sys.exit(EXIT_WRONG)
        except SettingsError as error:
            click.echo(str(error), err=True)
            sys.exit(EXIT_WRONG)
        except DrumtowerError as error:
            click.echo(str(error), err=True)
            sys.exit(EXIT_FAILED)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)


@click.group(cls=_Group, context_settings={"auto_envvar_prefix": "DRUMTOWER"})
@click.version_option(__version__, prog_name="drumtower")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option(
    "--log-json/--log-colours", "log_json", default=None, help="JSON lines; the default unless at a terminal."
)
def main(log_level: str, log_json: bool | None) -> None:
    """Public-safety events from a city's cameras; never identities.

    Try it:  drumtower demo
    """
    from deploy.logs import set_up_logs

    set_up_logs(log_level, log_json)


@main.command()
@settings_options
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the console.")
def up(settings_path: Path | None, data: Path | None, port: int | None) -> None:
    """Run all roles on this machine.

    Example:  drumtower up --settings drumtower.toml
    """
    from deploy.running import run_here
    from deploy.system import ROLES

    settings = load(settings_path, data, port)
    run_here(settings, ROLES, _stopper(), member="up")


@main.command()
@click.argument("role", type=click.Choice(["ingest", "perceive", "detect", "correlate", "serve"]))
@settings_options
@click.option("--member", default="1", show_default=True, help="Stable name of this worker among those of its role.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the API (serve), or of /metrics and /healthz.")
def run(role: str, settings_path: Path | None, data: Path | None, member: str, port: int | None) -> None:
    """Run one role of a district that is spread over many machines.

    Example:  drumtower run detect --settings drumtower.toml --member detect-2
    """
    from deploy.running import run_here

    settings = load(settings_path, data)
    if port is not None:
        changed = {"port": port} if role == "serve" else {"ops_port": port}
        settings = msgspec.structs.replace(settings, http=msgspec.structs.replace(settings.http, **changed))
    run_here(settings, (role,), _stopper(), member=member)


@main.command()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Where the demo keeps its files.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port of the console.")
@click.option("--seed", default=1, show_default=True, help="Another seed is another crowd.")
@click.option("--metadata-cameras", type=click.IntRange(0, 2000), default=200, show_default=True)
def demo(folder: Path | None, port: int, seed: int, metadata_cameras: int) -> None:
    """Render a small district, serve it over RTSP, and watch it: a story of five minutes, over and over.

    Example:  drumtower demo --port 8080
    """
    from deploy.running import run_demo

    run_demo(folder, port, seed, metadata_cameras, _stopper())


@main.command()
@settings_options
def check(settings_path: Path | None, data: Path | None) -> None:
    """Load all settings and the registry, touch nothing, and list every fault.

    Example:  drumtower check --settings drumtower.toml
    """
    from deploy.checking import check_all

    notes, faults = check_all(lambda: load(settings_path, data))
    for note in notes:
        click.echo(note)
    if faults:
        raise SettingsFaults(faults)
    click.echo("All is well.")


@main.command()
@settings_options
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def doctor(settings_path: Path | None, data: Path | None, as_json: bool) -> None:
    """Whether bus, live store, casebook, disk, clock and model work, each with its mend.

    Example:  drumtower doctor --settings drumtower.toml
    """
    from deploy.doctor import doctor as findings_of

    findings = findings_of(load(settings_path, data))
    if as_json:
        click.echo(msgspec.json.encode(findings))
    else:
        for one in findings:
            click.echo(f"{'ok' if one.ok else 'FAULT'}\t{one.part}\t{one.said}")
    if not all(one.ok for one in findings):
        sys.exit(EXIT_FAILED)


@main.command()
@settings_options
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def privacy(settings_path: Path | None, data: Path | None, as_json: bool) -> None:
    """What is kept, where and for how long.

    Example:  drumtower privacy --settings drumtower.toml
    """
    from deploy.privacy_report import privacy_report

    rows = privacy_report(load(settings_path, data))
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    for row in rows:
        click.echo(f"{row.what}\n    where  {row.where}\n    kept   {row.kept}")
        if row.now:
            click.echo(f"    now    {row.now}")


@main.group()
def topics() -> None:
    """The topics on the bus."""


@topics.command("create")
@settings_options
@click.option("--partitions", type=click.IntRange(1, 4096), help="Of every topic; overrides the settings.")
def topics_create(settings_path: Path | None, data: Path | None, partitions: int | None) -> None:
    """Create what is missing; what is there must agree.

    Example:  drumtower topics create --partitions 64 --settings drumtower.toml
    """
    from deploy.parts import create_topics

    settings = load(settings_path, data)
    if partitions is not None:
        settings = msgspec.structs.replace(settings, bus=msgspec.structs.replace(settings.bus, partitions=partitions))
    bus = create_topics(settings)
    for name, count in sorted(bus.partition_counts().items()):
        if name.startswith("dt."):
            click.echo(f"{name}\t{count}")
    bus.close()


@topics.command("plan")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--apply", is_flag=True, help="Move the sites. What is open there ends as unknown, and is told anew.")
def topics_plan(settings_path: Path | None, data: Path | None, as_json: bool, apply: bool) -> None:
    """The load of each partition, and the few sites to move so that it lies evenly.

    Example:  drumtower topics plan --settings drumtower.toml
    """
    from deploy.partition_plan import plan

    planned = plan(load(settings_path, data), apply)
    if as_json:
        click.echo(msgspec.json.encode(planned))
        return
    click.echo("partition\tsites\tcameras\tframes/s\tplanned")
    for one in planned.partitions:
        loads = f"{one.frames_per_s:.1f}\t{one.planned_frames_per_s:.1f}"
        click.echo(f"{one.partition}\t{one.sites}\t{one.cameras}\t{loads}")
    for move in planned.moves:
        click.echo(f"site {move.site}: {move.frames_per_s:.1f} frames/s from {move.partition} to {move.to}")
    said = "moved" if apply else "to move" + ("; `--apply` moves them" if planned.moves else "")
    click.echo(f"{counted(len(planned.moves), 'site')} {said}.", err=True)


main.add_command(cameras)
main.add_command(casebook)
main.add_command(incidents)
main.add_command(audit)


@main.group()
def zones() -> None:
    """The zones of the district."""


@zones.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@settings_options
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def zones_import(file: Path, settings_path: Path | None, data: Path | None, dry_run: bool) -> None:
    """Take the zones of a GeoJSON file, as drawn in QGIS.

    Example:  drumtower zones import zones.geojson
    """
    take_files(settings_path, data, dry_run, zones_file=file)


@main.group()
def models() -> None:
    """The models of the perceive role; none is shipped."""


@models.command("add")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--card", type=click.Path(path_type=Path, dir_okay=False), required=True, help="TOML: licence, input, classes."
)
@click.option("--sha256", help="Expected checksum, besides the card's.")
@settings_options
def models_add(file: Path, card: Path, sha256: str | None, settings_path: Path | None, data: Path | None) -> None:
    """Check a model against its card and keep it.

    Example:  drumtower models add yolox_nano.onnx --card docs/models/yolox-nano.toml
    """
    from deploy.parts import data_folder
    from detectors.vision.models import add_model

    added = add_model(data_folder(load(settings_path, data)) / "models", file, card, sha256)
    click.echo(f"{added.name}: licence {added.licence}, from {added.source}")


main.add_command(detectors)
main.add_command(calibrate)
main.add_command(crowd)
main.add_command(silences)
main.add_command(route)


@main.group()
def schemas() -> None:
    """The published schemas."""


@schemas.command("write")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("docs/schemas"))
def schemas_write(folder: Path) -> None:
    """Write every schema of the wire into a folder.

    Example:  drumtower schemas write docs/schemas
    """
    from deploy.schemas import write

    for path in write(folder):
        click.echo(str(path))


@main.group("settings")
def settings_group() -> None:
    """The page of all settings."""


@settings_group.command("write")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=Path("docs/settings.md"))
def settings_write(file: Path) -> None:
    """Write every key with its default and meaning.

    Example:  drumtower settings write docs/settings.md
    """
    from deploy.settings_reference import page

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(), "utf-8")
    click.echo(str(file))


def _stopper() -> Any:
    """An event that SIGTERM and SIGINT set; a second signal ends at once."""
    import threading

    stop = threading.Event()

    def on_signal(number: int, _: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return stop
