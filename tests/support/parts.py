"""
The real parts of the test bench: found, started on loopback, or what is missing and how to get it.

    python -m tests.support.parts install     # gets what this machine lets it get, then says what is still missing
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.support import kafka_jars
from tests.support.kafka_broker import KafkaBroker
from tests.support.kafka_jars import PartMissingError
from tests.support.mqtt_broker import MqttBroker

_START_S_MAX = 30.0
_POSTGRES_HOMES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_APT = {
    "redis": ("redis-server",),
    "postgres": ("postgresql",),
    "chromium": ("chromium",),
    "kafka": ("default-jre-headless", "maven"),
    "libgl": ("libgl1",),
    "mosquitto": ("mosquitto",),
    "alertmanager": ("prometheus-alertmanager",),
}


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


# Finding


def find_redis() -> str:
    """
    Raises:
        PartMissingError: there is no redis-server.
    """
    return _program("redis-server", "redis-server is missing: `apt-get install redis-server`.")


def find_chromium() -> str:
    """
    The path of a Chromium: `$CHROMIUM`, else one on the search path.

    Raises:
        PartMissingError: there is none.
    """
    if named := os.environ.get("CHROMIUM"):
        return named
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise PartMissingError("chromium is missing: `apt-get install chromium`, or set CHROMIUM to its path.")


def find_postgres() -> Path:
    """
    The folder that holds initdb and postgres, the newest there is.

    Raises:
        PartMissingError: there is none, or the tests run as root and there is no user to run it.
    """
    homes = sorted(path for home in _POSTGRES_HOMES for path in Path("/").glob(home[1:]))
    if found := shutil.which("initdb"):
        homes.insert(0, Path(found).resolve().parent)
    folders = [home for home in homes if all((home / name).exists() for name in ("initdb", "postgres", "pg_isready"))]
    if not folders:
        raise PartMissingError("PostgreSQL is missing: `apt-get install postgresql`.")
    if os.geteuid() == 0 and not _has_user("postgres"):
        raise PartMissingError("PostgreSQL does not run as root, and there is no user `postgres`: `useradd postgres`.")
    return folders[-1]


def find_kafka() -> Path:
    """
    The folder of the broker's jars; fetched at the first use.

    Raises:
        PartMissingError: there is no Java, or the jars cannot be fetched.
    """
    kafka_jars.java()
    return kafka_jars.jars()


def find_mosquitto() -> tuple[str, str]:
    """
    The paths of mosquitto and mosquitto_passwd; Debian has them where only root looks.

    Raises:
        PartMissingError: there is none.
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    found = [shutil.which(name, path=path) for name in ("mosquitto", "mosquitto_passwd")]
    if found[0] is None or found[1] is None:
        raise PartMissingError("mosquitto is missing: `apt-get install mosquitto`.")
    return found[0], found[1]


def find_libgl() -> str:
    """
    Raises:
        PartMissingError: OpenCV's full wheel would not load.
    """
    from ctypes.util import find_library

    if not (found := find_library("GL")):
        raise PartMissingError("libGL is missing: `apt-get install libgl1`, or install opencv-python-headless.")
    return found


def find_alertmanager() -> str:
    """
    The path of Alertmanager, as Debian or its own archive calls it.

    Raises:
        PartMissingError: there is none.
    """
    for name in ("prometheus-alertmanager", "alertmanager"):
        if found := shutil.which(name):
            return found
    raise PartMissingError("Alertmanager is missing: `apt-get install prometheus-alertmanager`.")


FINDERS: dict[str, Callable[[], object]] = {
    "redis": find_redis,
    "postgres": find_postgres,
    "chromium": find_chromium,
    "kafka": find_kafka,
    "libgl": find_libgl,
    "mosquitto": find_mosquitto,
    "alertmanager": find_alertmanager,
}


def _program(name: str, missing: str) -> str:
    if found := shutil.which(name):
        return found
    raise PartMissingError(missing)


def _has_user(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


# Starting


@contextmanager
def kafka(folder: Path) -> Iterator[KafkaBroker]:
    find_kafka()
    with KafkaBroker(folder) as broker:
        yield broker


@contextmanager
def mosquitto(folder: Path) -> Iterator[MqttBroker]:
    with MqttBroker(folder, find_mosquitto()) as broker:
        yield broker


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A redis-server without persistence; its URL (a unix socket: no port to collide on)."""
    program, address = find_redis(), folder / "redis.sock"
    call = [program, "--port", "0", "--unixsocket", str(address), "--save", "", "--appendonly", "no"]
    with _running(call, folder / "redis.log", folder, address.exists):
        yield f"unix://{address}"


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL cluster on loopback; the URL of its database, for psycopg 3 through SQLAlchemy."""
    programs, port = find_postgres(), _free_port()
    # Not in pytest's folder, which is for one user alone: PostgreSQL refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="drumtower-postgres-"))
    user: list[str] = []
    if os.geteuid() == 0:
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        if not shutil.which("setpriv"):
            user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres", "postgres")
    try:
        initdb = [*user, str(programs / "initdb"), "-D", str(folder / "data"), "-U", "drumtower", "-A", "trust"]
        made = subprocess.run(
            [*initdb, "-E", "UTF8", "--no-sync", "--locale=C"], cwd="/", capture_output=True, text=True
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr[-500:]}")
        options = {"fsync": "off", "unix_socket_directories": "", "listen_addresses": "127.0.0.1", "port": str(port)}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        call = [*user, str(programs / "postgres"), "-D", str(folder / "data"), *flags]
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-d", "postgres"]
        is_ready = partial(_succeeds, ready)
        # SIGINT ends it at once; SIGTERM would wait for its last client.
        with _running(call, folder / "log", Path("/"), is_ready, signal.SIGINT):
            yield f"postgresql+psycopg://drumtower@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _succeeds(call: list[str]) -> bool:
    return subprocess.run(call).returncode == 0


@contextmanager
def _running(
    call: list[str], log: Path, folder: Path, is_ready: Callable[[], bool], end: signal.Signals = signal.SIGTERM
) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(call, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        give_up_at_s = time.monotonic() + _START_S_MAX
        while not is_ready():
            if process.poll() is not None or time.monotonic() > give_up_at_s:
                raise RuntimeError(f"{call[0]} did not start:\n{log.read_text(errors='replace')[-1000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(end)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])


# Installing


def lacks() -> dict[str, str]:
    """Each part that is missing, with how to get it."""
    found: dict[str, str] = {}
    for name, find in FINDERS.items():
        try:
            find()
        except PartMissingError as error:
            found[name] = str(error)
    return found


def install() -> int:
    """Get what is missing as far as the machine lets us. The exit code is 1 in CI when something still is."""
    missing = lacks()
    packages = [package for name in missing for package in _APT[name]]
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], env=environment)
        for package in packages:  # one by one: a name that a release does not have must not cost the others
            subprocess.run(["apt-get", "install", "-yq", "--no-install-recommends", package], env=environment)
        missing = lacks()
    for name, reason in missing.items():
        print(f"{name}: {reason}")  # noqa: T201
    if not missing:
        print("All parts of the test bench are here.")  # noqa: T201
    return 1 if missing and is_ci() else 0


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit("usage: python -m tests.support.parts install")
    sys.exit(install())
