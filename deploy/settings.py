"""
The settings: one TOML page, each room's own struct, assembled here. Thresholds are settings; cameras and zones are
data.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from correlator.incidents.settings import CorrelateSettings
from deploy.zone_report.span import time_zone_of
from detectors.settings import DetectSettings, PerceiveSettings
from ingest.bus.kafka_settings import KafkaSettings
from ingest.cameras.settings import IngestSettings
from ingest.errors import SettingsError, guard
from ingest.settings import converted


class BusSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["embedded", "kafka"] = "embedded"  # a file on this machine, or Kafka
    partitions: int = 4  # of every topic but the dead letters; a district of thousands of cameras wants 64
    kafka: KafkaSettings = KafkaSettings()


class LiveSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["memory", "redis"] = "memory"  # in this process, or Redis
    redis_url: str = "redis://127.0.0.1:6379/0"  # `rediss://` for TLS, `unix://PATH` for a socket; without a password
    password_file: str | None = None  # file that holds the password of Redis
    frame_bytes_max: int = 256 * 1024 * 1024  # of the store in memory; Redis has its own `maxmemory`
    evidence_bytes_max: int = 64 * 1024 * 1024  # the same of pictures with covered persons


class CasebookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = ""  # empty: SQLite in the data folder
    password_file: str | None = None  # file that holds the password of the database
    signing_key_file: str | None = None  # Ed25519 key of the bundles, PEM; empty: made in the data folder


class HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"  # address to listen on
    port: int = 8080  # of the console and the API
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")  # names that browsers may call us by
    behind_authenticating_proxy: bool = False  # must be set to listen on anything but loopback
    ops_port: int = 9100  # /metrics and /healthz of a role that runs alone


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = "Drumtower"  # of the district, as the console shows it
    data: str = ".drumtower"  # folder of all that this machine keeps
    time_zone: str = "UTC"  # of the clocks on the walls, `Europe/Berlin`; reports speak in it
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
    settings = converted(f"{path.name}: ", raw, Settings)
    _check(path.name, settings)
    return settings


def detect_settings(settings: Settings) -> DetectSettings:
    """Those of the detect stage, with the district's time zone where they name none."""
    calendar = settings.detect.calendar
    if calendar.time_zone:
        return settings.detect
    calendar = msgspec.structs.replace(calendar, time_zone=settings.time_zone)
    return msgspec.structs.replace(settings.detect, calendar=calendar)


def correlate_settings(settings: Settings) -> CorrelateSettings:
    """Those of the correlate role, with the district's time zone where they name none."""
    zone = settings.correlate.time_zone or settings.time_zone
    return msgspec.structs.replace(settings.correlate, time_zone=zone)


def read_secret(file: str | None, env: str | None = None) -> str | None:
    """
    The secret that the settings name, without its last line break; None where they name none.

    Raises:
        SettingsError: the file or the variable is not there.
    """
    secret = _read_secret(file, env)
    if secret is not None:
        guard(secret)
    return secret


def _read_secret(file: str | None, env: str | None) -> str | None:
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


def _check(name: str, settings: Settings) -> None:
    if settings.bus.partitions < 1:
        raise SettingsError(
            f"{name}: bus.partitions",
            expected="1 or more",
            got=str(settings.bus.partitions),
            mend="Take 4 to begin with.",
        )
    time_zone_of(f"{name}: time_zone", settings.time_zone)
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
