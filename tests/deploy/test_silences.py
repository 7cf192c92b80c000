"""Silences through the API and at the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from deploy.cli import main
from ingest.clock import utc
from ingest.schema.finding import Phase
from tests.correlator.cases import at_ns, finding
from tests.deploy.desk import DeskServer


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskServer]:
    opened = DeskServer(tmp_path)
    opened.start()
    yield opened
    opened.close()


@pytest.fixture
def api(desk: DeskServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=desk.url, timeout=10) as client:
        yield client


OURS = {"x-drumtower-request": "1"}


def body(**facts: object) -> dict[str, object]:
    told = {"kind": "crowd.*", "zone": "north-square", "reason": "fair", "author": "desk-1"}
    times = {"from_at": utc(at_ns(-60)).isoformat(), "to_at": utc(at_ns(600)).isoformat()}
    return told | times | facts


def test_a_silence_is_looked_at_set_listed_with_what_it_muted_and_ended(desk: DeskServer, api: httpx.Client) -> None:
    desk.watch.play(finding("a", 0))
    seen = api.post("/api/silences/preview", json=body()).json()
    assert len(seen["now"]) == 1
    assert api.get("/api/silences").json() == {"silences": []}, "a preview writes nothing"
    made = api.post("/api/silences", json=body(), headers=OURS)
    assert made.status_code == 200
    desk.watch.play(finding("a", 25, Phase.UPDATED))
    (listed,) = api.get("/api/silences").json()["silences"]
    assert (listed["muted_count"], listed["in_force"]) == (1, True)
    name = made.json()["id"]
    ended = api.post(f"/api/silences/{name}/end", json={"actor": "desk-2"}, headers=OURS)
    assert ended.json()["ended_at"] is not None
    assert api.get("/api/silences").json() == {"silences": []}
    assert len(api.get("/api/silences?state=all").json()["silences"]) == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"reason": ""}, 400, "bad_silence"),
        ({"repeats": "FREQ=DAILY"}, 400, "bad_silence"),
        ({"to_at": "never"}, 400, "bad_body"),
        ({"persons": 3}, 400, "bad_body"),
    ],
)
def test_a_silence_that_cannot_be_is_refused_by_name(
    api: httpx.Client, change: dict[str, object], status: int, code: str
) -> None:
    answer = api.post("/api/silences", json=body(**change), headers=OURS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_silence_needs_our_header_and_one_that_is_not_there_is_404(api: httpx.Client) -> None:
    assert api.post("/api/silences", json=body()).status_code == 403
    gone = api.post("/api/silences/none/end", json={"actor": "desk-1"}, headers=OURS)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "unknown_silence")


def test_the_storm_is_answered(api: httpx.Client) -> None:
    assert api.get("/api/storm").json()["on"] is False


def test_silences_at_the_command_line(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path)]
    facts = ["--from", "2026-01-05T14:00", "--to", "2026-01-05T20:00", "--reason", "fair", "--author", "desk-1"]
    weekly = [*facts, "--repeats", "FREQ=WEEKLY;UNTIL=20281201T000000Z", "--time-zone", "Europe/Berlin"]

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["silences", *words, *data])
        return done.exit_code, done.output

    assert run("add", *facts, "--repeats", "FREQ=WEEKLY")[0] == 2
    code, made = run("add", *weekly)
    assert code == 0, made
    code, listed = run("list", "--json")
    assert [one["silence"]["id"] for one in json.loads(listed)] == [made.strip()]
    assert run("preview", *weekly, "--json")[0] == 0
    assert run("end", made.strip()[:10], "--author", "desk-2")[0] == 0
    assert json.loads(run("list", "--json")[1]) == []
