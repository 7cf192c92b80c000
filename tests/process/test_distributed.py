"""
A district in five processes over real Kafka, Redis and PostgreSQL, its cameras on real RTSP. One story for all tests:
the square is empty, a crowd comes, and leaves; all the while roles are killed and come back.
"""

from __future__ import annotations

import pytest

from deploy.system import ROLES
from ingest.bus.topics import ALERTS, DEAD, FINDINGS, OBSERVATIONS
from ingest.registry.topics import read_district
from ingest.schema.alert import Alert
from ingest.schema.codec import decode_alert, decode_finding, decode_tick
from tests.process.desk_client import call, fetch
from tests.process.district import CAMERA_PASSWORD, CASEBOOK_PASSWORD, DistrictInProcesses, threads_of
from tests.process.replaying import OF_FINDINGS, alerts_of, findings_of, ids_of, whole
from tests.support.waiting import until

ZONE = "north-square"
DESK = "desk-7"
STORY_S_MAX = 60.0


def _told(district: DistrictInProcesses, kind: str) -> bool:
    """Whether the desk has heard this of the square; fails where a program has ended by itself meanwhile."""
    district.programs.check()
    return bool(district.stream.of_type(kind, ZONE))


def test_every_role_says_how_it_is(district: DistrictInProcesses) -> None:
    for role in ROLES:
        status, health = call(district.ports[role], "GET", "/healthz")
        assert (status, health) == (200, {"ok": True, "roles": dict.fromkeys(threads_of(role), "running")})
        assert ("process_cpu_seconds_total",) in district.metrics(role)


def test_a_killed_ingest_reads_all_its_cameras_again_under_the_same_numbers(district: DistrictInProcesses) -> None:
    before = whole(district.bus, OBSERVATIONS)
    district.kill("ingest")
    until(lambda: district.occupancy(ZONE) is not None, "the empty square measured again")
    after = whole(district.bus, OBSERVATIONS)
    for partition, records in after.items():
        fresh = [decode_tick(record) for record in records[len(before[partition]) :]]
        known = {number for tick in map(decode_tick, before[partition]) for number in tick.camera.tolist()}
        assert known == {number for tick in fresh for number in tick.camera.tolist()}
        ends_ns = [decode_tick(record).ends_at_ns for record in records]
        assert ends_ns == sorted(set(ends_ns)), "time went back, or an interval was told twice"


def test_a_crowd_becomes_an_alert_at_the_desk_and_what_the_desk_does_comes_back(district: DistrictInProcesses) -> None:
    until(lambda: (district.occupancy(ZONE) or 99) < 10, "an empty square")
    district.cue()
    until(lambda: _told(district, "incident.opened"), "the alert of the crowd", STORY_S_MAX)
    (opened,) = district.stream.of_type("incident.opened", ZONE)
    incident = opened["incident"]
    assert (incident["kind"], incident["level"], incident["state"]) == ("crowd.capacity", "red", "open")
    assert incident["thresholds"]["safe_capacity"] == 45
    assert set(incident["cameras"]) <= {"square-1", "square-2", "square-3", "square-4"}

    on_the_bus = until(lambda: [alert for alert in _alerts(district) if alert.id == opened["id"]], "the alert on Kafka")
    assert on_the_bus[0].incident.id == incident["id"]

    # The worker's process put it into Redis; the keeper's takes it into PostgreSQL; the server's shows it.
    picture = f"/api/incidents/{incident['id']}/evidence/{incident['evidence'][0]}"
    assert fetch(district.ports["serve"], picture) == (200, "image/jpeg", b"\xff\xd8")
    until(lambda: district.metrics("correlate").get(("drumtower_evidence_pictures_total", "kept")), "a kept picture")
    assert fetch(district.ports["serve"], picture) == (200, "image/jpeg", b"\xff\xd8")

    path = f"/api/incidents/{incident['id']}/acknowledge"
    status, _ = call(district.ports["serve"], "POST", path, {"actor": DESK, "version": incident["version"]})
    assert status == 200
    until(lambda: _told(district, "incident.acknowledged"), "the acknowledgement on the stream")
    (acknowledged,) = district.stream.of_type("incident.acknowledged", ZONE)
    assert (acknowledged["incident"]["state"], acknowledged["incident"]["acknowledged_by"]) == ("acknowledged", DESK)


@pytest.mark.timeout(240)
def test_what_is_said_is_the_same_whoever_is_killed(district: DistrictInProcesses) -> None:
    if not _told(district, "incident.opened"):  # this test alone
        test_a_crowd_becomes_an_alert_at_the_desk_and_what_the_desk_does_comes_back(district)
    for roles in (("detect",), ("correlate",), ("serve",), ("perceive",), ("detect", "correlate")):
        district.kill(*roles)
    district.cue()
    for role in ("detect", "correlate", "serve") * 3:  # while the crowd leaves
        if _told(district, "incident.cleared"):
            break
        district.kill(role)
    until(lambda: _told(district, "incident.cleared"), "that the crowd is gone", STORY_S_MAX)
    district.drain()

    # 1. Findings are those of one run that nobody disturbed, to the byte: none lost, none doubled.
    observations, findings = whole(district.bus, OBSERVATIONS), whole(district.bus, FINDINGS)
    settings = district.settings
    undisturbed = findings_of(read_district(district.bus), settings.detect, settings.ingest.evidence, observations)
    for partition, drafts in undisturbed.items():
        said = [(record.key, record.value, record.headers) for record in findings[partition]]
        assert said == [(draft.key, draft.value, draft.headers) for draft in drafts]
    ids = [decode_finding(record).id for records in findings.values() for record in records]
    assert len(ids) == len(set(ids)) > 10

    # 2. The casebook has taken each finding once.
    assert sorted(district.findings_in_casebook()) == sorted(ids)

    # 3. Alerts that follow from the findings alone are those of one run that nobody disturbed; each once.
    outbox = district.casebook.alerts_after(0, 1_000_000)
    assert sorted(ids_of(outbox, OF_FINDINGS)) == sorted(
        ids_of(alerts_of(district.settings.correlate, findings), OF_FINDINGS)
    )
    assert len({alert.id for alert in outbox}) == len(outbox)
    assert [alert.sequence for alert in outbox] == list(range(1, len(outbox) + 1))

    # 4. Kafka lacks none of them, and has no other; the desk heard each once and in order.
    assert {alert.id for alert in _alerts(district)} == {alert.id for alert in outbox}
    assert [alert["id"] for alert in district.stream.alerts] == [alert.id for alert in outbox]
    assert district.stream.resets == 0
    assert district.stream.connections > 1

    (*_, cleared) = district.stream.of_type("incident.cleared", ZONE)
    assert cleared["incident"]["acknowledged_by"] == DESK, "what the desk did was forgotten"

    # 5. Nothing was broken on the way, and the books are in order.
    assert not any(whole(district.bus, DEAD).values())
    assert district.casebook.verify_audit() == (True, None)


def test_no_password_is_in_any_line(district: DistrictInProcesses) -> None:
    topics = [topic for topic in district.bus.partition_counts() if topic.startswith("dt.") and topic != OBSERVATIONS]
    records = [record for topic in topics for each in whole(district.bus, topic).values() for record in each]
    said = "\n".join(district.programs.logs().values()) + repr([(r.key, r.value, r.headers) for r in records])
    assert "role.started" in said
    for password in (CASEBOOK_PASSWORD, CAMERA_PASSWORD):
        assert password not in said


def _alerts(district: DistrictInProcesses) -> list[Alert]:
    """All alerts on Kafka, repeated ones too."""
    return [decode_alert(record) for records in whole(district.bus, ALERTS).values() for record in records]
