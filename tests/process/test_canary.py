"""
No password is in any place where it does not belong: the whole system runs on passwords that can be recognised, right
and wrong ones, its parts are taken away under it, and then every sink is searched.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from sqlalchemy import create_engine, make_url, text

from correlator.casebook import tables
from tests.process.desk_client import HOST, call
from tests.process.programs import Programs
from tests.support import parts
from tests.support.rtsp import FaultServer, moving_clip, playing
from tests.support.waiting import until

CANARY = "canary p@ss:#/%é"
FORMS = [b"canary", b"c4n4ry"]  # the second is what the environment holds
IN_ENVIRONMENT = "c4n4ry p@ss:#/%é"
DATABASE = "drumtower_canary"
_SETTINGS = """
name = "North"
data = {data}
[http]
port = {port}
[live]
kind = "redis"
redis_url = {redis}
password_file = {secret}
[casebook]
url = {casebook}
password_file = {secret}
[ingest]
frames = true
open_s_max = 2.0
read_s_max = 2.0
backoff_s_max = 1.0
password_command = ["/usr/bin/env", "-C", "/", "cat"]
"""


@contextmanager
def locked_redis(folder: Path, programs: Programs) -> Iterator[str]:
    """A Redis that wants a password; it stands in a file, as the arguments of a program are seen by everybody."""
    socket_path, config = folder / "r.sock", folder / "redis.conf"
    config.write_text(f'port 0\nunixsocket {socket_path}\nsave ""\nrequirepass "{CANARY}"\n')
    programs.start("redis", [parts.find_redis(), str(config)])
    until(socket_path.exists, "Redis")
    yield f"unix://{socket_path}"


class Sinks:
    """Everything that may hold a password and must not, by its name."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}

    def add(self, name: str, content: bytes | str) -> None:
        self.found[name] = self.found.get(name, b"") + (content.encode() if isinstance(content, str) else content)

    def add_processes(self, groups: set[int]) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(process.name)) in groups:
                    self.add("arguments of processes", (process / "cmdline").read_bytes())
            except OSError:
                continue

    def check(self) -> None:
        for name, content in self.found.items():
            assert content, f"{name}: nothing was looked at"
            for form in (*FORMS, quote(CANARY, safe="").encode(), quote(IN_ENVIRONMENT, safe="").encode()):
                at = content.lower().find(form.lower())
                assert at < 0, f"{name}: {content[max(0, at - 80) : at + 60]!r}"


@pytest.mark.timeout(150)
def test_no_password_is_anywhere_where_it_does_not_belong(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_PASSWORD", IN_ENVIRONMENT)
    (tmp_path / "logs").mkdir()
    secret, wrong = tmp_path / "secret", tmp_path / "other-secret"
    secret.write_text(CANARY + "\n")
    wrong.write_text(CANARY + " but wrong\n")
    sinks = Sinks()
    with (
        Programs(tmp_path / "logs") as programs,
        FaultServer(user="op", password=CANARY) as server,
        FaultServer(user="op", password=IN_ENVIRONMENT) as other_server,
        locked_redis(tmp_path, programs) as redis_url,
        playing(server.add_stream("gate"), moving_clip()),
        playing(other_server.add_stream("gate"), moving_clip()),
    ):
        url, other = server.url_of("gate"), other_server.url_of("gate")
        cameras = tmp_path / "cameras.csv"
        with cameras.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow("id name site source url lon lat user password_file password_env password_key".split())
            place = ("square", "rtsp")
            rows.writerow(["right", "A", *place, url, 13.0, 52.0, "op", secret, "", ""])
            rows.writerow(["by-variable", "B", *place, other, 13.0, 52.0, "op", "", "GATE_PASSWORD", ""])
            rows.writerow(["by-store", "C", *place, url, 13.0, 52.0, "op", "", "", str(secret).lstrip("/")])
            rows.writerow(["wrong", "D", *place, url, 13.0, 52.0, "op", wrong, "", ""])
            rows.writerow(["nowhere", "E", *place, "rtsp://127.0.0.1:1/x", 13.0, 52.0, "op", secret, "", ""])
            rows.writerow(["no-such-host", "F", *place, "rtsp://none.invalid/x", 13.0, 52.0, "op", secret, "", ""])
        port, settings = _free_port(), tmp_path / "drumtower.toml"
        settings.write_text(
            _SETTINGS.format(
                data=json.dumps(str(tmp_path / "data")),
                port=port,
                redis=json.dumps(redis_url),
                secret=json.dumps(str(secret)),
                casebook=json.dumps(_empty_database(postgres_url)),
            )
        )
        for command in (("cameras", "import", str(cameras)), ("check",), ("doctor",), ("privacy",)):
            sinks.add("what commands say", _said(*command, "--settings", str(settings)))
        _start(programs, settings)

        # `cat` is the secret store here; its folder is the root, so that a key is a path.
        wanted = {
            "right": "live",
            "by-variable": "live",
            "by-store": "live",
            "wrong": "auth_failed",
            "nowhere": "unreachable",
            "no-such-host": "unreachable",
        }
        until(lambda: _states(port) == wanted, "each camera in its state", 60.0)
        client = redis.Redis.from_url(redis_url, password=CANARY)
        until(lambda: any(key.startswith(b"dt:frame:") for key in client.scan_iter()), "pictures in Redis")
        sinks.add_processes({process.pid for process in programs._running.values()})
        for path in (
            "/api/status",
            "/api/cameras",
            "/api/zones",
            "/api/incidents",
            "/api/none",
            "/metrics",
            "/healthz",
        ):
            sinks.add("answers", repr(call(port, "GET", path)))
        for key in client.scan_iter():
            sinks.add("Redis", key + (client.dump(key) or b""))
        # The live store goes, and comes not back: whatever the line says of it, it says without the password.
        client.close()
        programs.kill("redis")
        until(lambda: "live.not_shown" in programs.log("up").read_text(), "the live store is missed", 30.0)
        until(lambda: _states(port) != wanted, "nothing is known any more", 30.0)
        sinks.add("answers", repr(call(port, "GET", "/api/cameras")))
        sinks.add("what commands say", _said("doctor", "--settings", str(settings)))
        programs.stop("up")
        for kept in (tmp_path / "data").rglob("*"):
            if kept.is_file():
                sinks.add("data folder", kept.read_bytes())
        sinks.add("casebook", _dump(_empty_database_url(postgres_url)))
        sinks.add("logs", "".join(log for name, log in programs.logs().items() if name != "redis"))
    sinks.check()


def _start(programs: Programs, settings: Path) -> None:
    command = [sys.executable, "-m", "deploy", "--log-level", "debug", "--log-json", "up", "--settings", str(settings)]
    programs.start("up", command)


def _said(*arguments: str) -> str:
    command = [sys.executable, "-m", "deploy", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def _states(port: int) -> dict[str, str]:
    try:
        _, answer = call(port, "GET", "/api/cameras")
    except OSError:
        return {}
    return {camera["id"]: camera["state"] for camera in answer["cameras"]}


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _empty_database_url(postgres_url: str) -> str:
    return make_url(postgres_url).set(database=DATABASE).render_as_string(hide_password=False)


def _empty_database(postgres_url: str) -> str:
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {DATABASE}"))
        connection.execute(text(f"CREATE DATABASE {DATABASE}"))
    engine.dispose()
    return _empty_database_url(postgres_url)


def _dump(url: str) -> str:
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = [
            repr(tuple(row)) for table in tables.metadata.sorted_tables for row in connection.execute(table.select())
        ]
    engine.dispose()
    return "\n".join(rows)


def test_the_search_would_find_a_password_in_any_of_its_forms() -> None:
    for form in (CANARY, quote(CANARY, safe=""), IN_ENVIRONMENT, CANARY.upper()):
        leaky = Sinks()
        leaky.add("log", f"cannot open rtsp://op:{form}@10.0.0.1/x")
        with pytest.raises(AssertionError, match="log"):
            leaky.check()
