"""
The settings: one TOML page, each room's own struct, assembled here. Thresholds are settings; cameras and zones are
data.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from correlator.incidents.settings import CorrelateSettings
from detectors.settings import DetectSettings, PerceiveSettings
from ingest.bus.kafka_settings import KafkaSettings
from ingest.cameras.settings import IngestSettings
from ingest.errors import SettingsError


class BusSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["embedded", "kafka"] = "embedded"
    partitions: int = 4  # of every topic but the dead letters; a district of thousands of cameras wants 64
    kafka: KafkaSettings = KafkaSettings()


class LiveSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["memory", "redis"] = "memory"
    redis_url: str = "redis://127.0.0.1:6379/0"
    password_file: str | None = None
    frame_bytes_max: int = 256 * 1024 * 1024  # of the store in memory; Redis has its own `maxmemory`


class CasebookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = ""  # empty: SQLite in the data folder
    password_file: str | None = None


class HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: int = 8080
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    behind_authenticating_proxy: bool = False  # must be set to listen on anything but loopback
    ops_port: int = 9100  # /metrics and /healthz of a role that runs alone


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = "Drumtower"
    data: str = ".drumtower"
    bus: BusSettings = BusSettings()
    live: LiveSettings = LiveSettings()
    casebook: CasebookSettings = CasebookSettings()
    ingest: IngestSettings = IngestSettings()
    perceive: PerceiveSettings = PerceiveSettings()
    detect: DetectSettings = DetectSettings()
    correlate: CorrelateSettings = CorrelateSettings()
    http: HttpSettings = HttpSettings()


def load_settings(path: Path | None) -> Settings:
    """
    The settings of a file; the defaults where `path` is None.

    Raises:
        SettingsError: not there, not TOML, an unknown key, a wrong type, or a value that cannot be.
    """
    if path is None:
        return Settings()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            str(path), expected="a TOML file in UTF-8", got=_cause(error), mend="Check the path and who may read it."
        ) from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(path.name, expected="TOML", got=str(error), mend="Mend the line.") from error
    settings = _decoded(path.name, raw)
    _check(path.name, settings)
    return settings


def read_secret(file: str | None, env: str | None = None) -> str | None:
    """
    The secret that the settings name, without its last line break; None where they name none.

    Raises:
        SettingsError: the file or the variable is not there.
    """
    if file is not None:
        try:
            return Path(file).read_text("utf-8").removesuffix("\n")
        except OSError as error:
            raise SettingsError(
                file,
                expected="a file with the password",
                got=_cause(error),
                mend="Write it there, readable by us alone.",
            ) from error
    if env is not None:
        if env not in os.environ:
            raise SettingsError(
                f"environment variable {env}", expected="the password", got="nothing", mend="Set it, or name a file."
            )
        return os.environ[env]
    return None


def _decoded(name: str, raw: dict[str, Any]) -> Settings:
    try:
        return msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise _fault(name, raw, str(error)) from error


def _fault(name: str, raw: dict[str, Any], text: str) -> SettingsError:
    """msgspec's message as ours, with the whole key and the mend."""
    what, _, where = text.partition(" - at `")
    key = where.rstrip("`").removeprefix("$").removeprefix(".")
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", what):
        field = unknown[1]
        known = _known_keys(key)
        near = difflib.get_close_matches(field, known, 1)
        mend = f"Did you mean {near[0]!r}?" if near else "Remove it."
        return SettingsError(
            f"{name}: {key + '.' if key else ''}{field}",
            expected="one of " + ", ".join(sorted(known)) if known else "a known key",
            got=f"the unknown key {field!r}",
            mend=mend,
        )
    given: Any = raw
    for part in re.findall(r"[^.\[\]]+", key):
        given = given.get(part) if isinstance(given, dict) else given[int(part)] if part.isdigit() else None
    expected = what.removeprefix("Expected ").split(", got")[0].strip("`")
    quoted = isinstance(given, str) and any(kind in expected for kind in ("int", "float"))
    mend = "Remove the quotes." if quoted else "Mend the value; docs/settings.md has every key."
    return SettingsError(f"{name}: {key}", expected=expected, got=repr(given), mend=mend)


def _known_keys(key: str) -> list[str]:
    kind: Any = Settings
    for part in filter(None, key.split(".")):
        kind = next((field.type for field in msgspec.structs.fields(kind) if field.name == part), None)
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return []
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def _check(name: str, settings: Settings) -> None:
    if settings.bus.partitions < 1:
        raise SettingsError(
            f"{name}: bus.partitions",
            expected="1 or more",
            got=str(settings.bus.partitions),
            mend="Take 4 to begin with.",
        )
    loopback = settings.http.host in ("127.0.0.1", "::1", "localhost")
    if not loopback and not settings.http.behind_authenticating_proxy:
        raise SettingsError(
            f"{name}: http.host",
            expected="127.0.0.1, ::1 or localhost",
            got=settings.http.host,
            mend="Put a proxy that authenticates in front and set http.behind_authenticating_proxy = true.",
        )


def _cause(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
