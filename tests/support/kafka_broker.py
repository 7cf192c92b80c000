"""One real Kafka node that comes back at the same address after `kill()` or `stop()`."""

from __future__ import annotations

import base64
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path
from types import TracebackType

from tests.support import kafka_jars

USER, PASSWORD = "operator", "first-pass"  # of the guarded door
_HERE = Path(__file__).parent
_START_S_MAX = 90.0
# ApiVersions, version 0: length, key 18, version 0, correlation 1, no client id.
_API_VERSIONS = bytes.fromhex("0000000a0012000000000001ffff")


class KafkaBroker:
    """
    A broker under `folder` (data, log, properties), stopped at first.

        with KafkaBroker(folder) as broker:
            broker.bootstrap_servers      # "127.0.0.1:40123"
            broker.kill(); broker.start() # SIGKILL, and back
    """

    def __init__(self, folder: Path, heap: str = "256m") -> None:
        self.folder, self._heap = folder, heap
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: tuple[int, int, int] | None = None

    @property
    def bootstrap_servers(self) -> str:
        assert self._ports is not None, "the broker has never been started"
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def guarded_servers(self) -> str:
        """The door for `USER` with `PASSWORD`, by PLAIN or SCRAM-SHA-512."""
        assert self._ports is not None, "the broker has never been started"
        return f"127.0.0.1:{self._ports[2]}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process that runs; None while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """
        Return once the broker answers.

        Raises:
            PartMissingError: Java or the jars are not to be had.
            RuntimeError: it did not come up; the message holds the end of its log.
        """
        if self.is_running:
            return
        # Ports are drawn once. Another program may take them in between: draw again, but only on the first start.
        for is_last in (False, False, True):
            first = self._ports is None
            self._ports = self._ports or _free_ports()
            self._configure()
            if self._launch():
                return
            if is_last or not first:
                break
            self._ports = None
        log = (self.folder / "kafka.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"Kafka did not start in {self.folder}:\n{log}")

    def kill(self) -> None:
        """SIGKILL, now."""
        self._end(signal.SIGKILL, 10)

    def stop(self) -> None:
        self._end(signal.SIGTERM, 20)

    def __enter__(self) -> KafkaBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()  # nobody reads the data after

    def _configure(self) -> None:
        assert self._ports is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        text = (_HERE / "kafka.properties").read_text()
        values = {
            "BROKER_PORT": self._ports[0],
            "CONTROLLER_PORT": self._ports[1],
            "GUARDED_PORT": self._ports[2],
            "DATA": self.folder / "data",
            "USER": USER,
            "PASSWORD": PASSWORD,
        }
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        (self.folder / "server.properties").write_text(text)

    def _java(self, *arguments: str) -> list[str]:
        lean = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return [kafka_jars.java(), *lean, "-cp", f"{kafka_jars.jars()}/*", *arguments]

    def _launch(self) -> bool:
        config = str(self.folder / "server.properties")
        with (self.folder / "kafka.log").open("ab") as log:
            if not (self.folder / "data" / "meta.properties").exists():
                cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
                secret = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
                tool = self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", config, "-S", secret)
                subprocess.run(tool, check=True, stdout=log, stderr=log)
            logging = f"-Dlog4j2.configurationFile={_HERE / 'kafka_log4j2.properties'}"
            call = self._java(f"-Xms{self._heap}", f"-Xmx{self._heap}", logging, "kafka.Kafka", config)
            self._process = subprocess.Popen(
                call, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        assert self._ports is not None
        give_up_at_s = time.monotonic() + _START_S_MAX
        while time.monotonic() < give_up_at_s and self._process.poll() is None:
            if _answers(self._ports[0]):
                return True
            time.sleep(0.05)
        self.kill()
        return False

    def _end(self, sign: signal.Signals, patience_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(sign)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports() -> tuple[int, int, int]:
    with socket.socket() as one, socket.socket() as other, socket.socket() as third:
        for each in (one, other, third):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1], third.getsockname()[1]


def _answers(port: int) -> bool:
    """Whether a broker speaks there; a port that merely accepts comes too early."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as link:
            link.settimeout(2)
            link.sendall(_API_VERSIONS)
            return len(link.recv(4)) == 4
    except OSError:
        return False
