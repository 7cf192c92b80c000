"""A desk's client: follows the live stream as a browser does, coming back with the last id that it has."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

HOST = "127.0.0.1"
_ANSWER_S_MAX = 10.0
_AGAIN_S = 0.1


def call(port: int, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Status and answer: what JSON says, else text. An `OSError` where nobody answers."""
    headers = {"x-drumtower-request": "1", "content-type": "application/json"}
    link = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_S_MAX)
    try:
        link.request(method, path, None if body is None else json.dumps(body), headers)
        answer = link.getresponse()
        text = answer.read().decode()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        link.close()
    is_json = (answer.getheader("content-type") or "").partition(";")[0].endswith("json")
    return answer.status, json.loads(text) if is_json else text


def fetch(port: int, path: str) -> tuple[int, str, bytes]:
    """Status, media type and the first two bytes of an answer."""
    link = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_S_MAX)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        return answer.status, answer.getheader("content-type") or "", answer.read()[:2]
    finally:
        link.close()


class StreamReader:
    """
    Attributes:
        alerts: all that the stream told, in order.
        resets: how often it said that it cannot go on from where we were.
        connections: how often it was entered.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.alerts: list[dict[str, Any]] = []
        self.resets = self.connections = 0
        self._last_id = 0
        self._ended = threading.Event()
        self._link: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._follow, name="stream-reader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._link is not None and self._link.sock is not None:
            with suppress(OSError):
                self._link.sock.shutdown(2)
        self._thread.join(_ANSWER_S_MAX)

    def of_type(self, kind: str, zone: str) -> list[dict[str, Any]]:
        return [alert for alert in list(self.alerts) if alert["type"] == kind and alert["incident"]["zone"] == zone]

    def _follow(self) -> None:
        while not self._ended.is_set():
            self._link = http.client.HTTPConnection(HOST, self._port, timeout=_ANSWER_S_MAX)
            try:
                self._link.request("GET", "/api/stream", headers={"last-event-id": str(self._last_id)})
                answer = self._link.getresponse()
                if answer.status == 200:
                    self.connections += 1
                    for kind, data in _events(answer):
                        self._take(kind, data)
            except (OSError, http.client.HTTPException, ValueError):
                pass  # it comes back, as an EventSource does
            finally:
                self._link.close()
            self._ended.wait(_AGAIN_S)

    def _take(self, kind: str, data: str) -> None:
        if kind == "alert":
            alert = json.loads(data)
            self.alerts.append(alert)
            self._last_id = alert["sequence"]
        elif kind == "reset":
            self.resets += 1


def _events(answer: http.client.HTTPResponse) -> Iterator[tuple[str, str]]:
    """Kind and data of each event until the stream ends; one that was cut off is left out."""
    fields: dict[str, str] = {}
    while line := answer.readline():
        text = line.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(": ")
            fields[name] = value
            continue
        if "event" in fields:
            yield fields["event"], fields.get("data", "")
        fields = {}
