"""The real Alertmanager on loopback, with a receiver that writes down what it is told."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.parts import find_alertmanager

WAIT_S, INTERVAL_S, REPEAT_S = 10.0, 60.0, 14_400.0
_START_S_MAX = 30.0

Notification = tuple[str, list[str]]  # group, and the conditions that fire in it


class Alertmanager:
    """
    Args:
        speed: its waits are divided by this.

    Raises:
        PartMissingError: it is not installed.
    """

    def __init__(self, speed: float) -> None:
        self._program, self._speed = find_alertmanager(), speed
        self._told: list[Notification] = []
        self._heard_s = time.monotonic()
        self._port = _free_port()

    def __enter__(self) -> Alertmanager:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="drumtower-alertmanager-")))
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._receiver())
        server.daemon_threads = True
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = folder / "alertmanager.yml"
        page.write_text(self._page(f"http://127.0.0.1:{server.server_address[1]}/"), "utf-8")
        flags = [
            f"--config.file={page}", f"--storage.path={folder}", f"--web.listen-address=127.0.0.1:{self._port}",
            "--cluster.listen-address=", "--log.level=error",
        ]  # fmt: skip
        process = subprocess.Popen([self._program, *flags], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        self._wait_until_ready(process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def post(self, alerts: Sequence[dict[str, Any]]) -> None:
        """Alerts as Prometheus sends them: one that ends, and one that holds for as long as it is kept."""
        now = datetime.now(UTC)
        body = [
            {
                "labels": alert["labels"],
                "endsAt": (now if alert["ends"] else now + timedelta(seconds=alert["keeps_s"])).isoformat(),
            }
            for alert in alerts
        ]
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/api/v2/alerts",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30):
            pass

    def settle(self) -> None:
        """Until it has been silent for three intervals."""
        quiet_s = 3 * INTERVAL_S / self._speed + 1.0
        give_up_s = time.monotonic() + 20 * quiet_s
        while time.monotonic() - self._heard_s < quiet_s and time.monotonic() < give_up_s:
            time.sleep(0.1)

    def notifications(self) -> list[Notification]:
        return list(self._told)

    def _receiver(self) -> type[BaseHTTPRequestHandler]:
        manager = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["content-length"])))
                firing = [one["labels"]["condition"] for one in told["alerts"] if one["status"] == "firing"]
                manager._told.append((told["groupKey"], firing))
                manager._heard_s = time.monotonic()
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Receiver

    def _page(self, receiver: str) -> str:
        def scaled(seconds: float) -> str:
            return f"{max(1, round(seconds / self._speed * 1000))}ms"

        return f"""
route:
  receiver: desk
  group_by: [hazard, site, switch]
  group_wait: {scaled(WAIT_S)}
  group_interval: {scaled(INTERVAL_S)}
  repeat_interval: {scaled(REPEAT_S)}
receivers:
  - name: desk
    webhook_configs: [{{url: "{receiver}", send_resolved: true}}]
inhibit_rules:
  - source_matchers: [hazard="fire", severity="critical"]
    target_matchers: [hazard=~"crowd|intrusion|abandoned_object|unusual_occupancy"]
    equal: [place]
  - source_matchers: [hazard=~"loss|picture"]
    target_matchers: [hazard!~"loss|picture|fire"]
    equal: [camera]
"""

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        give_up_s = time.monotonic() + _START_S_MAX
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=2):
                    return
            except OSError:
                if process.poll() is not None or time.monotonic() > give_up_s:
                    raise RuntimeError("Alertmanager did not start: see benchmarks/alertmanager.py") from None
                time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])
