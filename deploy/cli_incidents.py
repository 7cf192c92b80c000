"""`drumtower incidents`: legal holds, and the signed bundle of one incident."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.cli_options import load, opened_book, settings_options
from ingest.clock import NS_PER_S, SystemClock, utc

_desk = click.option("--desk", default="command", show_default=True, help="Who acts; it is written into the audit.")


@click.group()
def incidents() -> None:
    """Legal holds, and the signed bundle of one incident."""


@incidents.command("hold")
@click.argument("incident")
@click.option("--reason", required=True, help="Why; it is written into the audit.")
@_desk
@settings_options
def hold_incident(incident: str, reason: str, desk: str, settings_path: Path | None, data: Path | None) -> None:
    """Keep an incident, its rows and its pictures, until it is released.

    Example:  drumtower incidents hold 4f1c... --reason "request 12/26 of the prosecutor"
    """
    with opened_book(settings_path, data) as casebook:
        hold = casebook.hold(incident, actor=desk, reason=reason, at_ns=SystemClock().now_ns())
    click.echo(f"{hold.incident} is held since {utc(hold.at_ns):%Y-%m-%d %H:%M:%S} UTC by {hold.actor}: {hold.reason}")


@incidents.command("release")
@click.argument("incident")
@click.option("--reason", required=True, help="Why; it is written into the audit.")
@_desk
@settings_options
def release_incident(incident: str, reason: str, desk: str, settings_path: Path | None, data: Path | None) -> None:
    """End a hold: the times of the settings count again.

    Example:  drumtower incidents release 4f1c... --reason "the case is closed"
    """
    with opened_book(settings_path, data) as casebook:
        casebook.release(incident, actor=desk, reason=reason, at_ns=SystemClock().now_ns())
    click.echo(f"{incident} is not held.")


@incidents.command("held")
@settings_options
def held_incidents(settings_path: Path | None, data: Path | None) -> None:
    """Incidents that are held, the oldest hold first: id, since, desk, reason.

    Example:  drumtower incidents held
    """
    with opened_book(settings_path, data) as casebook:
        for hold in casebook.holds():
            click.echo(f"{hold.incident}\t{utc(hold.at_ns):%Y-%m-%dT%H:%M:%SZ}\t{hold.actor}\t{hold.reason}")


@incidents.command("export")
@click.argument("incident")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_desk
@settings_options
def export_incident(incident: str, file: Path, desk: str, settings_path: Path | None, data: Path | None) -> None:
    """Write one incident with its past, audit and covered pictures into a signed file.

    Example:  drumtower incidents export 4f1c... 4f1c.zip
    """
    from correlator.bundle.archive import write_bundle
    from correlator.bundle.contents import contents
    from correlator.bundle.signing import signing_key
    from deploy.parts import open_book, open_evidence, signing_key_file
    from ingest.errors import SettingsError

    settings = load(settings_path, data)
    key = signing_key(signing_key_file(settings))
    now_ns = SystemClock().now_ns()
    after_ns = now_ns - round(settings.correlate.evidence_kept_s * NS_PER_S)
    casebook, evidence = open_book(settings), open_evidence(settings)
    try:
        # Before the look: what is not written down is not seen.
        casebook.audit(desk, "export", f"incident {incident[:64]}", now_ns)
        view, files = contents(casebook, incident, lambda name: evidence.picture(name, after_ns), now_ns)
    finally:
        evidence.close()
        casebook.close()
    try:
        manifest = write_bundle(file, view.id, files, key, now_ns)
    except OSError as error:
        raise SettingsError(
            str(file), expected="a file that can be written", got=error.strerror or "none", mend="Take another folder."
        ) from error
    pictures = sum(name.startswith("pictures/") for name in files)
    of = f"{pictures} of {len(view.evidence)}"
    click.echo(f"{file}: incident {view.id}, pictures {of}, signed by {manifest.key[:16]}")


@incidents.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--key", "key_file", type=click.Path(path_type=Path, dir_okay=False), help="Public key; without it our own."
)
@settings_options
def verify_incident(file: Path, key_file: Path | None, settings_path: Path | None, data: Path | None) -> None:
    """Whether a bundle is whole and signed by the key; needs neither casebook nor network.

    Example:  drumtower incidents verify 4f1c.zip --key drumtower-public.pem
    """
    from correlator.bundle.archive import verify_bundle
    from correlator.bundle.contents import is_audit_whole
    from correlator.bundle.signing import public_key, signing_key
    from deploy.parts import signing_key_file
    from ingest.errors import RecordError

    if key_file is None:
        key = signing_key(signing_key_file(load(settings_path, data))).public_key()
    else:
        key = public_key(key_file)
    found = verify_bundle(file, key)
    if not is_audit_whole(dict(found.files)):
        raise RecordError(
            f"bundle {file.name}: audit", expected="rows with their own digests", got="others", mend="Ask who made it."
        )
    manifest = found.manifest
    click.echo(
        f"{file.name}: incident {manifest.incident}, {len(manifest.files)} files, "
        f"made {manifest.made_at:%Y-%m-%d %H:%M} UTC, signed by {manifest.key[:16]}. All is as it was signed."
    )


@incidents.command("key")
@settings_options
def bundle_key(settings_path: Path | None, data: Path | None) -> None:
    """The public key of our bundles: give it to whoever checks them, by another way than the bundle.

    Example:  drumtower incidents key > drumtower-public.pem
    """
    from correlator.bundle.signing import fingerprint, public_pem, signing_key
    from deploy.parts import signing_key_file

    key = signing_key(signing_key_file(load(settings_path, data))).public_key()
    click.echo(public_pem(key), nl=False)
    click.echo(f"Fingerprint {fingerprint(key)}", err=True)
