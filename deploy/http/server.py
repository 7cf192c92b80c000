"""Sockets: uvicorn for the API, and a bare server for `/metrics` and `/healthz` of a role that runs alone."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette

from deploy.roles import Health
from ingest.errors import SettingsError


def serve(application: Starlette, host: str, port: int, stop: threading.Event) -> None:
    """
    Serve `application` until `stop` is set.

    Raises:
        SettingsError: the port is taken, or not ours to take.
    """
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    server = uvicorn.Server(config)
    try:
        socket = config.bind_socket()
    except SystemExit as error:  # what uvicorn does when it cannot bind
        raise _taken(host, port) from error

    def watch() -> None:
        stop.wait()
        server.should_exit = True

    threading.Thread(target=watch, name="serve-stop", daemon=True).start()
    server.run(sockets=[socket])


class OpsServer:
    """`/metrics` and `/healthz`, in a thread of its own."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, health: Health) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path == "/healthz":
                    report = health.report()
                    self._answer(200 if report.ok else 503, "application/json", msgspec.json.encode(report))
                else:
                    self._answer(404, "text/plain; charset=utf-8", b"Only /metrics and /healthz are here.\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: a scrape every few seconds is no news."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise _taken(host, port) from error
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="ops", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _taken(host: str, port: int) -> SettingsError:
    return SettingsError(
        f"{host}:{port}",
        expected="a free port",
        got="one that is taken",
        mend="Stop who has it, or name another with --port.",
    )
