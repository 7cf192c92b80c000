"""
The real parts of the test bench: found, started on loopback, or what is missing and how to get it.

    python -m tests.support.parts install     # gets what this machine lets it get, then says what is still missing
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import kafka_jars
from tests.support.kafka_broker import KafkaBroker
from tests.support.kafka_jars import PartMissing

_START_S_MAX = 30.0
_POSTGRES_HOMES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_APT = {
    "redis": ("redis-server",),
    "postgres": ("postgresql",),
    "chromium": ("chromium",),
    "kafka": ("default-jre-headless", "maven"),
    "libgl": ("libgl1",),
}


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


# Finding


def find_redis() -> str:
    """
    Raises:
        PartMissing: there is no redis-server.
    """
    return _program("redis-server", "redis-server is missing: `apt-get install redis-server`.")


def find_chromium() -> str:
    """
    The path of a Chromium: `$CHROMIUM`, else one on the search path.

    Raises:
        PartMissing: there is none.
    """
    if named := os.environ.get("CHROMIUM"):
        return named
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise PartMissing("chromium is missing: `apt-get install chromium`, or set CHROMIUM to its path.")


def find_postgres() -> Path:
    """
    The folder that holds initdb and postgres, the newest there is.

    Raises:
        PartMissing: there is none, or the tests run as root and there is no user to run it.
    """
    if found := shutil.which("initdb"):
        folders = [Path(found).parent]
    else:
        folders = sorted(path for home in _POSTGRES_HOMES for path in Path("/").glob(home[1:]))
    folders = [folder for folder in folders if (folder / "initdb").exists()]
    if not folders:
        raise PartMissing("PostgreSQL is missing: `apt-get install postgresql`.")
    if os.geteuid() == 0 and not _has_user("postgres"):
        raise PartMissing("PostgreSQL does not run as root, and there is no user `postgres`: `useradd postgres`.")
    return folders[-1]


def find_kafka() -> Path:
    """
    The folder of the broker's jars; fetched at the first use.

    Raises:
        PartMissing: there is no Java, or the jars cannot be fetched.
    """
    kafka_jars.java()
    return kafka_jars.jars()


def find_libgl() -> str:
    """
    Raises:
        PartMissing: OpenCV's full wheel would not load.
    """
    from ctypes.util import find_library

    if not (found := find_library("GL")):
        raise PartMissing("libGL is missing: `apt-get install libgl1`, or install opencv-python-headless.")
    return found


FINDERS: dict[str, Callable[[], object]] = {
    "redis": find_redis,
    "postgres": find_postgres,
    "chromium": find_chromium,
    "kafka": find_kafka,
    "libgl": find_libgl,
}


def _program(name: str, missing: str) -> str:
    if found := shutil.which(name):
        return found
    raise PartMissing(missing)


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
def redis(folder: Path) -> Iterator[str]:
    """A redis-server without persistence; its URL (a unix socket: no port to collide on)."""
    program, address = find_redis(), folder / "redis.sock"
    call = [program, "--port", "0", "--unixsocket", str(address), "--save", "", "--appendonly", "no"]
    with _running(call, folder / "redis.log", folder, address.exists):
        yield f"unix://{address}"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL cluster on loopback; the URL of its database, for psycopg 3 through SQLAlchemy."""
    programs, data, port = find_postgres(), folder / "data", _free_port()
    user: list[str] = []
    if os.geteuid() == 0:  # it refuses to run as root
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        if not shutil.which("setpriv"):
            user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres", "postgres")
        for parent in folder.parents:  # pytest makes its folders for one user alone
            if parent.stat().st_uid == 0 and parent != Path("/") and str(parent).startswith("/tmp/"):
                parent.chmod(parent.stat().st_mode | 0o011)
    initdb = [*user, str(programs / "initdb"), "-D", str(data), "-U", "drumtower", "-A", "trust", "-E", "UTF8"]
    made = subprocess.run([*initdb, "--no-sync", "--locale=C"], cwd="/", capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr[-500:]}")
    options = {"fsync": "off", "unix_socket_directories": "", "listen_addresses": "127.0.0.1", "port": str(port)}
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    call = [*user, str(programs / "postgres"), "-D", str(data), *flags]
    ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-d", "postgres"]
    with _running(call, folder.parent / f"{folder.name}.log", Path("/"), lambda: subprocess.run(ready).returncode == 0):
        yield f"postgresql+psycopg://drumtower@127.0.0.1:{port}/postgres"


@contextmanager
def _running(call: list[str], log: Path, folder: Path, is_ready: Callable[[], bool]) -> Iterator[None]:
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
        process.terminate()
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
        except PartMissing as error:
            found[name] = str(error)
    return found


def install() -> int:
    """Get what is missing as far as the machine lets us; the exit code: 1 where CI needs all of it and something is not."""
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
