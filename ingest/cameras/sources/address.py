"""The address that a camera is opened with; credentials are fields of their own until the last moment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from ingest.errors import SourceError, guard
from ingest.registry.district import Camera

SECRET_BYTES_MAX = 4_096
COMMAND_S_MAX = 10.0


def password_of(camera: Camera, command: Sequence[str] = ()) -> str | None:
    """
    The camera's password as its file, environment variable or secret store has it now, without a trailing line end;
    None where the camera names none. Read before each connection, so that a changed password needs no restart.

    Args:
        command: program and arguments that print a password; the camera's key is its last argument.

    Raises:
        SourceError: `auth_failed`, the secret cannot be read.
    """
    secret = _read(camera, command)
    if secret is not None:
        guard(secret)
    return secret


def _read(camera: Camera, command: Sequence[str]) -> str | None:
    if camera.password_key is not None:
        return _told(camera, command, camera.password_key)
    if camera.password_file is not None:
        try:
            with Path(camera.password_file).open("rb") as file:
                return file.read(SECRET_BYTES_MAX).decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise _no_secret(camera, f"file {camera.password_file}", type(error).__name__) from None
    if camera.password_env is not None:
        secret = os.environ.get(camera.password_env)
        if secret is None:
            raise _no_secret(camera, f"environment variable {camera.password_env}", "nothing")
        return secret
    return None


def address_of(camera: Camera, password: str | None) -> str:
    """The camera's URL with its user and password, each percent-encoded once. Never to be shown."""
    parts = urlsplit(camera.url)
    host = parts.netloc.rpartition("@")[2]
    if camera.user is None:
        return urlunsplit(parts._replace(netloc=host))
    secret = "" if password is None else f":{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{quote(camera.user, safe='')}{secret}@{host}"))


def _told(camera: Camera, command: Sequence[str], key: str) -> str:
    if not command:
        raise _no_secret(camera, "what ingest.password_command prints", "no such setting")
    try:
        # Straight to the program, without a shell; what it says of errors may hold anything, and is not passed on.
        done = subprocess.run(
            [*command, key], stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S_MAX, check=True
        )
        secret = done.stdout[:SECRET_BYTES_MAX].decode().rstrip("\r\n")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise _no_secret(camera, f"what {command[0]} prints for {key}", type(error).__name__) from None
    if not secret:
        raise _no_secret(camera, f"what {command[0]} prints for {key}", "nothing")
    return secret


def _no_secret(camera: Camera, where: str, got: str) -> SourceError:
    return SourceError(
        camera.id,
        "auth_failed",
        expected=f"its password in {where}",
        got=got,
        mend="Write the password there, readable by this program.",
    )
