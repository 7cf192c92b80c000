"""One real Mosquitto that comes back at the same addresses after `kill()`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import paho.mqtt.publish as publish

USER = "operator"
_START_S_MAX = 20.0


class MqttBroker:
    """
    Three doors on loopback: one for everybody, one for `USER` with a password, one over TLS (`certificate` is its own).

    Args:
        programs: paths of mosquitto and mosquitto_passwd.
    """

    def __init__(self, folder: Path, programs: tuple[str, str]) -> None:
        self.folder, self._programs = folder, programs
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self.guarded_port, self.tls_port = _free_port(), _free_port(), _free_port()
        self.certificate = folder / "certificate.pem"

    def set_password(self, password: str) -> None:
        """Of `USER`; a broker that runs takes it at once."""
        file = self.folder / "passwords"
        file.unlink(missing_ok=True)
        subprocess.run([self._programs[1], "-c", "-b", str(file), USER, password], check=True, capture_output=True)
        file.chmod(0o600)
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def _certify(self) -> None:
        call = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        files = ["-keyout", str(self.folder / "key.pem"), "-out", str(self.certificate)]
        subprocess.run([*call, *names, *files], check=True, capture_output=True)

    def start(self) -> None:
        """
        Return once it listens.

        Raises:
            RuntimeError: it did not come up; the message holds the end of its log.
        """
        user = "user root\n" if os.geteuid() == 0 else ""
        settings = self.folder / "mosquitto.conf"
        settings.write_text(
            f"{user}per_listener_settings true\n"
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
            f"listener {self.guarded_port} 127.0.0.1\nallow_anonymous false\npassword_file {self.folder}/passwords\n"
            f"listener {self.tls_port} 127.0.0.1\nallow_anonymous true\n"
            f"certfile {self.certificate}\nkeyfile {self.folder}/key.pem\n"
        )
        if not self.certificate.exists():
            self._certify()
        if not (self.folder / "passwords").exists():
            self.set_password("first")
        with (self.folder / "mosquitto.log").open("ab") as log:
            call = [self._programs[0], "-v", "-c", str(settings)]
            self._process = subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        give_up_at_s = time.monotonic() + _START_S_MAX
        while not all(map(_listens, (self.port, self.guarded_port))):
            if self._process.poll() is not None or time.monotonic() > give_up_at_s:
                log_text = (self.folder / "mosquitto.log").read_text(errors="replace")
                raise RuntimeError(f"mosquitto did not start:\n{log_text[-1000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL, now."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def pause(self, stopped: bool) -> None:
        """Stop it as it is, its connections open; or let it go on."""
        assert self._process is not None, "the broker is not running"
        self._process.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        publish.single(topic, payload, qos=1, retain=retain, hostname="127.0.0.1", port=self.port)

    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text(errors="replace")

    def __enter__(self) -> MqttBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])
