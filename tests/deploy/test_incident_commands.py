"""`drumtower incidents` and `drumtower audit`; holds through the API."""

from __future__ import annotations

import json
import socket
import sqlite3
import zipfile
from pathlib import Path

import httpx
import msgspec
from click.testing import CliRunner, Result

from correlator.incidents.merge import incident_id
from deploy.cli import main
from deploy.parts import open_book, open_evidence
from deploy.settings import Settings
from ingest.clock import SystemClock
from tests.correlator.cases import board_of, finding
from tests.deploy.desk import DeskServer
from tests.support.waiting import until

A = incident_id("a")


def command(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--data", str(folder)])


def fill(folder: Path) -> None:
    """An incident with one picture kept and one that is gone."""
    event = finding("a")
    event = msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, evidence=("kept-1", "gone-1")))
    settings = Settings(data=str(folder))
    casebook, evidence = open_book(settings), open_evidence(settings)
    casebook.record("correlate", board_of([event]).take_changes(), {}, {})
    casebook.act(A, "acknowledge", actor="desk-1", version=None, at_ns=SystemClock().now_ns())
    evidence.keep("kept-1", SystemClock().now_ns(), b"\xff\xd8 covered")
    evidence.close()
    casebook.close()


def test_an_incident_is_held_listed_and_released(tmp_path: Path) -> None:
    fill(tmp_path)
    assert command(tmp_path, "incidents", "hold", A, "--reason", "request 12/26").exit_code == 0
    held = command(tmp_path, "incidents", "held").stdout.split("\t")
    assert (held[0], held[2:]) == (A, ["command", "request 12/26\n"])
    assert command(tmp_path, "incidents", "release", A, "--reason", "over").exit_code == 0
    assert command(tmp_path, "incidents", "held").stdout == ""
    said = command(tmp_path, "incidents", "hold", "nothing", "--reason", "x")
    assert said.exit_code == 1 and "incident nothing: expected one in the casebook" in said.output
    assert command(tmp_path, "incidents", "hold", A, "--reason", " ").exit_code == 2


def test_an_exported_incident_verifies_elsewhere_with_the_public_key_alone(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    fill(here)
    there.mkdir()
    file, pem = there / "a.zip", there / "public.pem"
    done = command(here, "incidents", "export", A, str(file))
    assert done.exit_code == 0 and "pictures 1 of 2" in done.stdout
    pem.write_text(command(here, "incidents", "key").stdout)
    for folder in (here, there):
        checked = command(folder, "incidents", "verify", str(file), "--key", str(pem))
        assert checked.exit_code == 0 and "All is as it was signed." in checked.stdout
    assert sorted(path.name for path in there.iterdir()) == ["a.zip", "public.pem"], "it asks no casebook"
    assert command(here, "incidents", "verify", str(file)).exit_code == 0
    with zipfile.ZipFile(file) as archive:
        page = json.loads(archive.read("incident.json"))
        assert page["incident"]["id"] == A
        assert [one["file"] for one in page["pictures"]] == ["pictures/001.jpg", None]
        assert archive.read("pictures/001.jpg") == b"\xff\xd8 covered"
        assert {line["act"] for line in json.loads(archive.read("history.json"))} == {"opened", "acknowledge"}
        assert [row["act"] for row in json.loads(archive.read("audit.json"))] == ["acknowledge", "export"]
    file.write_bytes(file.read_bytes().replace(b"covered", b"altered"))
    refused = command(there, "incidents", "verify", str(file), "--key", str(pem))
    assert refused.exit_code == 1 and "Bad CRC-32" in refused.output


def test_the_audit_is_shown_and_the_row_that_was_altered_or_cut_off_is_found(tmp_path: Path) -> None:
    fill(tmp_path)
    for _ in range(3):
        command(tmp_path, "incidents", "export", A, str(tmp_path / "a.zip"))
    assert command(tmp_path, "audit", "verify").stdout == "The audit is whole.\n"
    lines = command(tmp_path, "audit", "show", "--after", "1", "--limit", "2").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["2", "3"]
    rows = command(tmp_path, "audit", "show", "--of", A, "--json").stdout.splitlines()
    assert [json.loads(row)["act"] for row in rows] == ["acknowledge", "export", "export", "export"]

    def tampered(statement: str) -> str:
        with sqlite3.connect(tmp_path / "casebook.sqlite") as connection:
            connection.execute(statement)
        connection.close()
        said = command(tmp_path, "audit", "verify")
        assert said.exit_code == 1
        return said.output

    assert "audit: row 4" in tampered("DELETE FROM audit WHERE number = 4")
    assert "audit: row 2" in tampered("UPDATE audit SET actor = 'desk-9' WHERE number = 2")


def test_the_api_holds_and_releases(tmp_path: Path) -> None:
    server = DeskServer(tmp_path)
    server.watch.play(finding("a"))
    server.start()
    client = httpx.Client(base_url=server.url, timeout=10)
    until(lambda: _listens(server.port), "the API listens")
    body, ours = {"actor": "desk-1", "reason": "request 12/26"}, {"x-drumtower-request": "1"}
    assert client.post(f"/api/incidents/{A}/hold", json=body).status_code == 403
    held = client.post(f"/api/incidents/{A}/hold", json=body, headers=ours)
    assert (held.status_code, held.json()["reason"]) == (200, "request 12/26")
    assert client.post(f"/api/incidents/{A}/hold", json=body | {"actor": "desk-2"}, headers=ours).json() == held.json()
    assert client.get("/api/holds").json() == {"holds": [held.json()]}
    assert client.post(f"/api/incidents/{A}/hold", json=body | {"reason": ""}, headers=ours).status_code == 400
    assert client.post("/api/incidents/nothing/hold", json=body, headers=ours).status_code == 404
    assert client.post(f"/api/incidents/{A}/release", json=body, headers=ours).json() == {"holds": []}
    client.close()
    server.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
