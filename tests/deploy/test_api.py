"""The API over the real casebook: what it answers, what it refuses, and what it writes into the audit."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.http.answers import BODY_BYTES_MAX
from ingest.schema.finding import Level, Phase
from tests.correlator.cases import SQUARE, east_of, finding
from tests.deploy.desk import DeskServer

OURS = {"x-drumtower-request": "1"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskServer]:
    desk = DeskServer(tmp_path)
    desk.show("normal", 40)
    desk.start()
    yield desk
    desk.close()


@pytest.fixture
def api(desk: DeskServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=desk.url, timeout=10) as client:
        yield client


def error_of(response: httpx.Response) -> dict[str, str]:
    error: dict[str, str] = response.json()["error"]
    assert set(error) == {"code", "message", "hint"} and all(error.values())
    assert error["hint"] not in error["message"]
    return error


def play(desk: DeskServer, count: int) -> None:
    """`count` incidents, far enough apart to be incidents of their own."""
    for index in range(count):
        place = east_of(SQUARE, 500.0 * index)
        desk.watch.play(finding(f"c{index}", level=Level.RED, zone=f"zone-{index}", place=place))


def test_incidents_come_page_by_page_and_none_twice(desk: DeskServer, api: httpx.Client) -> None:
    play(desk, 5)
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = api.get("/api/incidents", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [incident["id"] for incident in page["incidents"]]
        cursor = page["next"]
    assert cursor is None and len(seen) == len(set(seen)) == 5


def test_one_incident_is_answered_and_one_that_is_not_there_is_named(desk: DeskServer, api: httpx.Client) -> None:
    play(desk, 1)
    (incident,) = api.get("/api/incidents").json()["incidents"]
    assert api.get(f"/api/incidents/{incident['id']}").json() == incident
    missing = api.get("/api/incidents/none")
    assert missing.status_code == 404 and "'none'" in error_of(missing)["message"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/incidents?state=sleeping", "bad_parameter"),
        ("/api/incidents?limit=0", "bad_parameter"),
        ("/api/incidents?limit=1e3", "bad_parameter"),
        ("/api/incidents?limit=99999999999999999999", "bad_parameter"),
        ("/api/incidents?cursor=rubbish", "bad_cursor"),
        ("/api/stream?last_event_id=-1", "bad_parameter"),
        ("/api/stream?last_event_id=abc", "bad_parameter"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(api: httpx.Client, path: str, code: str) -> None:
    refused = api.get(path)
    assert refused.status_code == 400 and error_of(refused)["code"] == code


def test_an_incident_goes_through_its_life_by_actions(desk: DeskServer, api: httpx.Client) -> None:
    play(desk, 1)
    (incident,) = api.get("/api/incidents").json()["incidents"]
    states = []
    for action in ("acknowledge", "dispatch", "arrive", "resolve"):
        done = api.post(f"/api/incidents/{incident['id']}/{action}", json={"actor": "desk-1"}, headers=OURS)
        assert done.status_code == 200, done.text
        states.append(done.json()["state"])
    assert states == ["acknowledged", "dispatched", "on_scene", "resolved"]
    assert all(clock["met_at"] for clock in done.json()["clocks"].values())


def test_the_slower_of_two_desks_is_told_who_was_faster(desk: DeskServer, api: httpx.Client) -> None:
    play(desk, 1)
    (incident,) = api.get("/api/incidents").json()["incidents"]
    path, version = f"/api/incidents/{incident['id']}", incident["version"]
    first = api.post(f"{path}/dispatch", json={"actor": "desk-1", "version": version}, headers=OURS)
    second = api.post(f"{path}/acknowledge", json={"actor": "desk-2", "version": version}, headers=OURS)
    assert (first.status_code, second.status_code) == (200, 409)
    assert error_of(second)["code"] == "conflict"
    assert second.json()["incident"] == first.json() and "desk-1" in second.text


def test_an_action_without_our_header_is_refused(desk: DeskServer, api: httpx.Client) -> None:
    play(desk, 1)
    (incident,) = api.get("/api/incidents").json()["incidents"]
    refused = api.post(f"/api/incidents/{incident['id']}/acknowledge", json={"actor": "desk-1"})
    assert refused.status_code == 403 and error_of(refused)["code"] == "not_ours"
    assert api.get("/api/incidents").json()["incidents"][0]["state"] == "open"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"actor": ""}', 400),
        (b'{"actor": "a\\nb"}', 400),
        (b'{"actor": "desk", "badge": 7}', 400),
        (b'{"actor": "desk", "version": "7"}', 400),
        (b"\xff\xfe", 400),
        (b'{"actor": "' + b"x" * BODY_BYTES_MAX + b'"}', 413),
    ],
    ids=["half", "list", "empty", "no-actor", "line-break", "unknown-key", "text-version", "no-utf8", "huge"],
)
def test_a_body_that_is_none_is_refused(desk: DeskServer, api: httpx.Client, body: bytes, status: int) -> None:
    play(desk, 1)
    (incident,) = api.get("/api/incidents").json()["incidents"]
    refused = api.post(f"/api/incidents/{incident['id']}/acknowledge", content=body, headers=OURS)
    assert refused.status_code == status and error_of(refused)


@pytest.mark.parametrize("path", ["/api/incidents/x/promote", "/api/incidents/x/acknowledge"])
def test_an_unknown_action_or_incident_is_404(api: httpx.Client, path: str) -> None:
    refused = api.post(path, json={"actor": "desk-1"}, headers=OURS)
    assert refused.status_code == 404 and error_of(refused)


def test_an_unknown_path_has_the_same_form_of_error(api: httpx.Client) -> None:
    assert error_of(api.get("/api/nothing"))["code"] == "not_found"
    assert error_of(api.delete("/api/status"))["code"] == "wrong_method"


def test_a_foreign_host_name_is_refused(api: httpx.Client) -> None:
    assert api.get("/api/status", headers={"host": "evil.example"}).status_code == 400


def test_every_answer_carries_the_security_headers(api: httpx.Client) -> None:
    for path in ("/api/status", "/api/nothing", "/", "/metrics"):
        headers = api.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path


def test_every_read_is_in_the_audit(desk: DeskServer, api: httpx.Client) -> None:
    for path in ("/api/incidents", "/api/incidents/x", "/api/cameras", "/api/zones"):
        api.get(path)
    acts = [(row.actor, row.act, row.subject) for row in desk.watch.casebook.audit_after(0, 100)]
    for subject in ("incidents", "incident x", "cameras", "zones"):
        assert ("127.0.0.1", "read", subject) in acts
    assert desk.watch.casebook.verify_audit()[0]


def test_zones_are_geojson_joined_with_the_live_picture(desk: DeskServer, api: httpx.Client) -> None:
    desk.show("red", 120)
    answer = api.get("/api/zones")
    assert answer.headers["content-type"] == "application/geo+json"
    (feature,) = answer.json()["features"]
    ring = feature["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1] and len(ring) == 5
    properties = feature["properties"]
    assert (properties["level"], properties["occupancy"], properties["safe_capacity"]) == ("red", 120, 100)
    assert 1000 < properties["area_m2"] < 1400  # 0.0004 degrees a side at 52.5 degrees north


def test_what_nobody_reports_is_unknown_and_never_normal(desk: DeskServer, api: httpx.Client) -> None:
    desk.live.close()
    assert api.get("/api/zones").json()["features"][0]["properties"]["level"] == "unknown"
    cameras = api.get("/api/cameras").json()["cameras"]
    assert {camera["state"] for camera in cameras} == {"off"} and all(camera["cause"] for camera in cameras)


class Events:
    """The events of a stream, one after the other."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self, kind: str) -> dict[str, Any]:
        event, data = "", ""
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data":
                data = value
            elif not line and event == kind:
                found: dict[str, Any] = json.loads(data)
                return found
        raise AssertionError("the stream ended")


def test_a_client_that_comes_back_gets_what_it_missed_once_and_in_order(desk: DeskServer, api: httpx.Client) -> None:
    play(desk, 3)
    with api.stream("GET", "/api/stream", headers={"last-event-id": "1"}) as response:
        events = Events(response)
        missed = [events.next("alert") for _ in range(2)]
        assert [(alert["sequence"], alert["replay"]) for alert in missed] == [(2, True), (3, True)]
        desk.watch.play(finding("c0", t_s=5, level=Level.CRITICAL, zone="zone-0", phase=Phase.UPDATED))
        live = events.next("alert")
        assert (live["sequence"], live["replay"], live["type"]) == (4, False, "incident.escalated")


@pytest.mark.parametrize("last", ["1", "999"])
def test_a_client_whose_last_alert_is_not_known_is_told_to_reload(
    desk: DeskServer, api: httpx.Client, last: str
) -> None:
    play(desk, 4)
    desk.watch.casebook.prune(desk.watch.clock.now_ns() + 10**18)
    with api.stream("GET", "/api/stream", headers={"last-event-id": last}) as response:
        assert Events(response).next("reset") == {}


def test_the_stream_beats_and_tells_what_changed_in_the_live_picture(desk: DeskServer, api: httpx.Client) -> None:
    with api.stream("GET", "/api/stream") as response:
        events = Events(response)
        assert events.next("beat")["sequence"] == 0
        desk.show("amber", 80, camera_state="stalled")
        levels = (zone["level"] for _ in itertools.count() for zone in events.next("zones")["zones"])
        assert "amber" in itertools.islice(levels, 5)


def test_a_hundred_clients_get_the_same_alert(desk: DeskServer, api: httpx.Client) -> None:
    limits = httpx.Limits(max_connections=200)
    with httpx.Client(base_url=desk.url, timeout=20, limits=limits) as client:
        streams = [client.stream("GET", "/api/stream?last_event_id=0") for _ in range(100)]
        listening = [Events(stream.__enter__()) for stream in streams]
        play(desk, 1)
        assert {events.next("alert")["id"] for events in listening} == {
            alert.id for alert in desk.watch.casebook.alerts_after(0, 10)
        }
        for stream in streams:
            stream.__exit__(None, None, None)
