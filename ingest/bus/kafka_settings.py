"""How to reach Kafka: section `[bus.kafka]` of the settings. Knows nothing of the client library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from ingest.errors import SettingsError, guard


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A password is never a setting: it is in the file, or in the environment variable, that the setting names."""

    # Where
    bootstrap_servers: tuple[str, ...] = ("127.0.0.1:9092",)  # brokers to ask first
    # `SASL_SSL` over a network that is not ours alone
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"  # how to log in
    sasl_username: str | None = None  # who logs in
    sasl_password_file: str | None = None  # file that holds the password
    sasl_password_env: str | None = None  # environment variable that holds it instead
    ssl_ca_file: str | None = None  # certificates to trust
    ssl_certificate_file: str | None = None  # our own certificate, where the brokers want one
    ssl_key_file: str | None = None  # its key
    ssl_key_password_file: str | None = None  # file that holds the password of the key
    ssl_check_hostname: bool = True  # whether the certificate must name the broker

    # Topics, when we create them
    replication_factor: int = 1  # of one broker; 3 in a cluster
    insync_replicas_min: int = 1  # 2 in a cluster of 3: then no single machine can lose an acknowledged record

    # Patience
    start_s_max: float = 10.0  # for the first answer
    answer_s_max: float = 30.0  # for any later answer, also of a commit
    session_s: float = 6.0  # after so long without a heartbeat a worker's partitions go to others
    transaction_s_max: float = 15.0  # an open transaction hides all that is behind it
    poll_interval_s_max: float = 300.0  # longest time that one batch may take

    # Bounds
    bytes_in_flight_max: int = 32 * 1024 * 1024  # sent, but not yet acknowledged; more is refused, not kept
    fetch_bytes_max: int = 16 * 1024 * 1024  # of one answer to a consumer


def read_password(thing: str, file: str | None, variable: str | None) -> str | None:
    """
    The password in `file` (without its last line break) or in the environment variable; None when neither is named.

    Raises:
        SettingsError: it is named, but not there.
    """
    if file is not None:
        try:
            secret = Path(file).read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            got = getattr(error, "strerror", None) or "bytes that are no text"
            mend = "Mend the path, or the rights of the file."
            raise SettingsError(
                f"{thing}_file: {file}", expected="a file with the password", got=got, mend=mend
            ) from error
        guard(secret)
        return secret
    if variable is not None:
        if variable not in os.environ:
            mend = "Set it in the service's environment."
            raise SettingsError(f"{thing}_env: {variable}", expected="an environment variable", got="none", mend=mend)
        guard(os.environ[variable])
        return os.environ[variable]
    return None
