"""A district spread over five processes: real Kafka, Redis and PostgreSQL, and cameras on real RTSP."""

from __future__ import annotations

import csv
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, make_url, select, text

from correlator.casebook import tables
from correlator.casebook.contract import Casebook
from deploy.parts import open_book, open_bus
from deploy.settings import Settings, load_settings
from deploy.system import ROLES
from ingest.bus.contract import Bus
from ingest.bus.topics import FINDINGS, OBSERVATIONS
from ingest.stages.checkpoint import last_snapshot
from tests.process.desk_client import HOST, StreamReader, call
from tests.process.programs import ROOT, Programs
from tests.process.replaying import whole
from tests.support.waiting import until

STREET_CAMERAS = 12
CAMERAS = STREET_CAMERAS + 4
PARTITIONS = 4
DATABASE = "drumtower_in_processes"
# They open nothing here, for nobody asks for them; they must not show themselves in any line either.
CASEBOOK_PASSWORD, CAMERA_PASSWORD = "canary-of-the-casebook-7Q", "canary-of-the-cameras-3Z"
START_S_MAX = 40.0
# Short holds, so that the story is short; updates are told often, so that there is much to lose.
_SETTINGS = """
name = "District in processes"
data = {data}

[bus]
kind = "kafka"
partitions = {partitions}

[bus.kafka]
bootstrap_servers = [{kafka}]

[live]
kind = "redis"
redis_url = {redis}

[casebook]
url = {casebook}
password_file = {password_file}

[detect]
update_s = 1.0

[detect.detectors."crowd.capacity"]
amber_hold_s = 1.0
red_hold_s = 2.0

[correlate]
update_s = 1.0
"""


class DistrictInProcesses:
    """
    Attributes:
        ports: of each role, for /healthz and /metrics; that of `serve` is the API's.
        stream: a desk that listens all the time.
        bus, casebook: the real ones, opened by the test too.
    """

    def __init__(self, folder: Path, programs: Programs, kafka: str, redis_url: str, postgres_url: str) -> None:
        self.folder, self.programs = folder, programs
        self.settings_path = folder / "drumtower.toml"
        ports = _free_ports(len(ROLES))
        self.ports = dict(zip(ROLES, ports, strict=True))
        self.stream = StreamReader(self.ports["serve"])
        self.bus: Bus
        self.casebook: Casebook
        password_file = folder / "casebook-password"
        password_file.write_text(CASEBOOK_PASSWORD + "\n")
        self._write_settings(kafka, redis_url, _empty_database(postgres_url), password_file)

    @property
    def settings(self) -> Settings:
        """As the roles load them."""
        return load_settings(self.settings_path)

    def start(self) -> None:
        """Everything an operator does, in this order; returns when all roles work."""
        cameras, zones = self._serve_cameras()
        self.drumtower("topics", "create")
        self.drumtower("cameras", "import", str(cameras))
        self.drumtower("zones", "import", str(zones))
        for role in ROLES:
            self.start_role(role)
        self.stream.start()
        self.bus, self.casebook = open_bus(self.settings), open_book(self.settings)
        for role in ROLES:
            self.wait_for(role)

    def drumtower(self, *arguments: str) -> str:
        """What the command says to standard output."""
        command = [sys.executable, "-m", "deploy", *arguments, "--settings", str(self.settings_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        with self.programs.log("command").open("a") as log:
            log.write(f"$ drumtower {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start_role(self, role: str) -> None:
        port = str(self.ports[role])
        command = [sys.executable, "-m", "deploy", "run", role, "--member", f"{role}-1", "--port", port]
        self.programs.start(role, [*command, "--settings", str(self.settings_path)])

    def wait_for(self, role: str) -> None:
        """Until a role does its work, not merely runs."""
        until(lambda: self._works(role), f"{role} at work", START_S_MAX, 0.1)

    def kill(self, *roles: str) -> None:
        """
        SIGKILL at the same moment, and again under the same names as a supervisor does it; returns when all of them
        work again, and nothing is left that the killed ones had started.
        """
        groups = {role: self.programs.kill(role) for role in roles}
        for role in roles:
            self.start_role(role)
        for role, group in groups.items():
            self.wait_for(role)
            until(lambda group=group: self.programs.is_gone(group), f"the end of what the killed {role} started")  # type: ignore[misc]

    def drain(self) -> None:
        """All stop in the order of the data, each when it has taken all that there is."""
        self._stop("ingest")
        until(lambda: self._positions_of_detect() == self._ends(OBSERVATIONS), "detect at the end of the observations")
        self._stop("perceive")
        self._stop("detect")
        until(lambda: self._positions_of_correlate() == self._ends(FINDINGS), "correlate at the end of the findings")
        self._stop("correlate")
        until(lambda: len(self.stream.alerts) >= self.casebook.sequence(), "the last alert on the stream")
        self.stream.stop()
        self._stop("serve")

    def close(self) -> None:
        self.stream.stop()
        self.casebook.close()
        self.bus.close()

    def _stop(self, role: str) -> None:
        code = self.programs.stop(role)
        assert code == 0, f"{role} ended with {code}"

    def _ends(self, topic: str) -> dict[int, int]:
        """The offset after the last record of each partition that has any."""
        records = whole(self.bus, topic)
        return {partition: each[-1].position.offset + 1 for partition, each in records.items() if each}

    def _positions_of_detect(self) -> dict[int, int]:
        found = {partition: last_snapshot(self.bus, "detect", partition) for partition in range(PARTITIONS)}
        return {partition: snapshot.next_offset for partition, snapshot in found.items() if snapshot is not None}

    def _positions_of_correlate(self) -> dict[int, int]:
        return {at.partition: offset for at, offset in self.casebook.positions("correlate").items()}

    def cue(self) -> None:
        """The story goes on: the crowd comes, or leaves."""
        self.programs.signal("cameras", signal.SIGUSR1)

    def occupancy(self, zone: str) -> float | None:
        """Persons in a zone as the live picture has it; None while it is not known."""
        _, zones = call(self.ports["serve"], "GET", "/api/zones")
        persons = [feature["properties"]["occupancy"] for feature in zones["features"] if feature["id"] == zone]
        return persons[0] if persons else None

    def findings_in_casebook(self) -> list[str]:
        """Ids of all findings that the casebook has taken."""
        engine = create_engine(self.settings.casebook.url)
        with engine.connect() as connection:
            found = list(connection.execute(select(tables.findings.c.id)).scalars())
        engine.dispose()
        return found

    def metrics(self, role: str) -> dict[tuple[str, ...], float]:
        """Value of each metric, by its name and the values of its labels in the order of their names."""
        _, page = call(self.ports[role], "GET", "/metrics")
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    def _works(self, role: str) -> bool:
        self.programs.check()
        try:
            status, health = call(self.ports[role], "GET", "/healthz")
            seen = self.metrics(role)
        except OSError:
            return False
        if status != 200 or health != {"ok": True, "roles": dict.fromkeys(threads_of(role), "running")}:
            return False
        if role == "ingest":
            ticks, live = seen.get(("drumtower_ticks_total",), 0), seen.get(("drumtower_cameras", "live"), 0)
            return ticks > 0 and live == CAMERAS
        if role == "detect":
            return seen.get(("drumtower_records_total", "detect"), 0) > 0
        if role == "correlate":
            lags = [seen.get(("drumtower_lag_records", str(n), "correlate")) for n in range(PARTITIONS)]
            return lags == [0.0] * PARTITIONS
        return True

    def _serve_cameras(self) -> tuple[Path, Path]:
        """The cameras file and the zones file of the demo, whose cameras are served from now on."""
        command = [sys.executable, "-m", "tests.process.short_story", str(self.folder / "district")]
        story = self.programs.start("cameras", [*command, f"--metadata-cameras={STREET_CAMERAS}"], talks=True)
        assert story.stdout is not None
        with story.stdout:
            cameras, zones, _ = (Path(story.stdout.readline().strip()) for _ in range(3))
        password_file = self.folder / "camera-password"
        password_file.write_text(CAMERA_PASSWORD + "\n")
        with cameras.open(newline="") as file:
            rows = [row | {"user": "viewer", "password_file": str(password_file)} for row in csv.DictReader(file)]
        with cameras.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return cameras, zones

    def _write_settings(self, kafka: str, redis_url: str, casebook: str, password_file: Path) -> None:
        values = {
            "data": self.folder / "data",
            "kafka": kafka,
            "redis": redis_url,
            "casebook": casebook,
            "password_file": password_file,
        }
        text = {name: json.dumps(str(value)) for name, value in values.items()}
        self.settings_path.write_text(_SETTINGS.format(partitions=PARTITIONS, **text))


def _empty_database(postgres_url: str) -> str:
    """The address of a new database of the server."""
    url = make_url(postgres_url)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {DATABASE}"))
    engine.dispose()
    return url.set(database=DATABASE).render_as_string(hide_password=False)


def _free_ports(count: int) -> list[int]:
    links = [socket.socket() for _ in range(count)]
    try:
        for link in links:
            link.bind((HOST, 0))
        return [int(link.getsockname()[1]) for link in links]
    finally:
        for link in links:
            link.close()


def threads_of(role: str) -> tuple[str, ...]:
    """What runs in the process of a role, as its health tells it."""
    return ("correlate", "history", "evidence") if role == "correlate" else (role,)
