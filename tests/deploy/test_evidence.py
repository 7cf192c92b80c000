"""Pictures of incidents through the API: who sees which, what is said where there is none, and the audit of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from ingest.errors import StoreRetryable
from ingest.evidence import EvidenceSettings, reference_of
from ingest.schema.finding import Level
from tests.correlator.cases import at_ns, finding
from tests.deploy.desk import KEPT_S, DeskServer

PICTURES = EvidenceSettings()
NAME = reference_of(PICTURES, "gate-7", at_ns(0))
JPEG = b"\xff\xd8\xff covered"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskServer]:
    desk = DeskServer(tmp_path)
    desk.start()
    yield desk
    desk.close()


@pytest.fixture
def api(desk: DeskServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=desk.url, timeout=10) as client:
        yield client


def play(desk: DeskServer, *evidence: str) -> str:
    """An incident that names these pictures; its id."""
    told = finding("a", level=Level.RED)
    desk.watch.play(msgspec.structs.replace(told, data=msgspec.structs.replace(told.data, evidence=evidence)))
    (incident,) = desk.watch.open()
    return incident.id


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint"} and all(error.values())
    assert error["hint"] not in error["message"]
    return answer.status_code, error["code"], error["message"]


def acts(desk: DeskServer) -> list[tuple[str, str, str]]:
    return [(row.actor, row.act, row.subject) for row in desk.watch.casebook.audit_after(0, 100)]


def test_the_picture_of_an_incident_is_shown_and_the_read_is_written_down(desk: DeskServer, api: httpx.Client) -> None:
    incident = play(desk, NAME)
    desk.live.put_evidence(NAME, JPEG, 60)
    answer = api.get(f"/api/incidents/{incident}/evidence/{NAME}")
    assert (answer.status_code, answer.content) == (200, JPEG)
    assert answer.headers["content-type"] == "image/jpeg" and answer.headers["cache-control"] == "no-store"
    assert acts(desk)[-1] == ("127.0.0.1", "read", f"evidence {NAME} of incident {incident}")
    assert desk.watch.casebook.verify_audit() == (True, None)


def test_what_is_kept_is_shown_when_the_live_store_has_forgotten_it(desk: DeskServer, api: httpx.Client) -> None:
    incident = play(desk, NAME)
    desk.book.keep(NAME, at_ns(0), JPEG)
    desk.watch.clock.advance(KEPT_S / 2)
    assert api.get(f"/api/incidents/{incident}/evidence/{NAME}").content == JPEG


def test_a_picture_whose_time_is_over_is_410_although_nobody_took_it_away_yet(
    desk: DeskServer, api: httpx.Client
) -> None:
    incident = play(desk, NAME)
    desk.book.keep(NAME, at_ns(0), JPEG)
    desk.live.put_evidence(NAME, JPEG, 1e9)  # a clock that was set back, a rule that was forgotten
    desk.watch.clock.advance(KEPT_S + 1)
    status, code, message = error_of(api.get(f"/api/incidents/{incident}/evidence/{NAME}"))
    assert (status, code) == (410, "evidence_over") and "gate-7" in message and "kept for 1 h" in message


def test_a_picture_that_nobody_kept_is_410_after_its_minute(desk: DeskServer, api: httpx.Client) -> None:
    incident = play(desk, NAME)
    desk.watch.clock.advance(PICTURES.lifetime_s + PICTURES.period_s + 1)
    status, code, message = error_of(api.get(f"/api/incidents/{incident}/evidence/{NAME}"))
    assert (status, code) == (410, "evidence_over") and "not kept beyond the 60 s" in message


def test_a_picture_that_never_came_is_404_and_says_so(desk: DeskServer, api: httpx.Client) -> None:
    incident = play(desk, NAME)
    status, code, message = error_of(api.get(f"/api/incidents/{incident}/evidence/{NAME}"))
    assert (status, code) == (404, "no_evidence") and "none came, or there was no room for it" in message


def test_no_frame_as_the_camera_sent_it_can_be_had(desk: DeskServer, api: httpx.Client) -> None:
    incident = play(desk, NAME, "gate-7-1780000000000000000")
    desk.live.put_frame(NAME, b"as the camera sent it", 60)
    desk.live.put_frame("gate-7-1780000000000000000", b"as the camera sent it", 60)
    for name in (NAME, "gate-7-1780000000000000000", f"frame:{NAME}", f"..%2Fframe:{NAME}"):
        answer = api.get(f"/api/incidents/{incident}/evidence/{name}")
        assert answer.status_code in (404, 410) and b"as the camera" not in answer.content, name


def test_only_pictures_that_the_incident_names_are_shown(desk: DeskServer, api: httpx.Client) -> None:
    incident = play(desk, NAME)
    other = reference_of(PICTURES, "gate-8", at_ns(0))
    desk.live.put_evidence(other, JPEG, 60)
    assert error_of(api.get(f"/api/incidents/{incident}/evidence/{other}"))[:2] == (404, "no_evidence")
    assert error_of(api.get(f"/api/incidents/none/evidence/{NAME}"))[:2] == (404, "unknown_incident")
    assert [act for act in acts(desk) if act[2].startswith("evidence")] == [
        ("127.0.0.1", "read", f"evidence {other} of incident {incident}"),
        ("127.0.0.1", "read", f"evidence {NAME} of incident none"),
    ], "who asks in vain is written down too"


def test_what_cannot_be_written_down_is_not_shown(
    desk: DeskServer, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = play(desk, NAME)
    desk.live.put_evidence(NAME, JPEG, 60)

    def full(*_: object) -> None:
        raise StoreRetryable("casebook", expected="an answer", got="disk full", mend="Trying again.")

    monkeypatch.setattr(desk.watch.casebook, "audit", full)
    answer = api.get(f"/api/incidents/{incident}/evidence/{NAME}")
    assert answer.status_code == 503 and JPEG not in answer.content


def test_a_live_store_that_does_not_answer_is_503_and_what_is_kept_is_shown_all_the_same(
    desk: DeskServer, api: httpx.Client
) -> None:
    def lost(_: str) -> bytes:
        raise StoreRetryable("redis", expected="an answer", got="none", mend="Look at Redis.")

    incident, room = play(desk, NAME), desk.evidence
    assert room is not None
    object.__setattr__(room, "fresh", lost)
    assert error_of(api.get(f"/api/incidents/{incident}/evidence/{NAME}"))[:2] == (503, "store_unavailable")
    desk.book.keep(NAME, at_ns(0), JPEG)
    assert api.get(f"/api/incidents/{incident}/evidence/{NAME}").content == JPEG
