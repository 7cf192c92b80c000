"""Cameras are added, changed and removed while everything runs, from the command line and through the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.registry_change import add_on
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.topics import topic_specs
from ingest.errors import SettingsError, StoreConflict
from ingest.registry.change import change_registry, without_cameras
from ingest.registry.district import District, Zone, ZoneClass, district_of
from ingest.registry.topics import read_district
from tests.deploy.command import drumtower
from tests.deploy.desk import DeskServer
from tests.support.waiting import until

OURS = {"x-drumtower-request": "1"}
GATE = {"site": "square", "url": "rtsp://10.0.4.9/2", "lon": 13.37, "lat": 52.51}
NAMED = {"source": "rtsp", "name": "Gate", **GATE}


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    with EmbeddedBus(tmp_path / "bus.sqlite") as opened:
        opened.create_topics(topic_specs(4, []))
        yield opened


@pytest.fixture
def desk(tmp_path: Path, bus: EmbeddedBus) -> Iterator[DeskServer]:
    desk = DeskServer(tmp_path)
    desk.bus = bus
    desk.start()
    yield desk
    desk.close()


@pytest.fixture
def api(desk: DeskServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=desk.url, timeout=10, headers=OURS) as client:
        yield client


def test_one_camera_is_added_set_and_removed_by_commands(tmp_path: Path) -> None:
    here = ("--data", tmp_path)
    options = [f"--{name}={value}" for name, value in GATE.items()]
    assert drumtower("cameras", "add", "gate-9", *options, *here).out == "camera gate-9: added\n"
    again = drumtower("cameras", "add", "gate-9", *options, *here)
    assert again.code == 2 and "one that is there already" in again.err
    changed = drumtower("cameras", "set", "gate-9", "--disabled", "--user", "op", "--password-env", "GATE", *here)
    assert changed.out == "camera gate-9: changed user, password_env, enabled\n"
    (camera,) = json.loads(drumtower("cameras", "list", "--json", *here).out)
    assert (camera["url"], camera["enabled"], camera["password_env"]) == (GATE["url"], False, "GATE")
    assert drumtower("cameras", "remove", "gate-9", *here).out == "camera gate-9: removed\n"
    gone = drumtower("cameras", "remove", "gate-9", *here)
    assert gone.code == 2 and "none of this id" in gone.err


def test_a_file_is_merged_beside_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    file.write_text("id,name,site,source,url,lon,lat\ngate-2,Gate 2,square,rtsp,rtsp://10.0.0.2/a,13.37,52.51\n")
    here = ("--data", tmp_path / "data")
    assert (
        drumtower("cameras", "add", "gate-1", *(f"--{name}={value}" for name, value in GATE.items()), *here).code == 0
    )
    assert drumtower("cameras", "import", "--merge", file, *here).out == "camera gate-2: added\n"
    assert drumtower("cameras", "import", file, "--dry-run", *here).out == "camera gate-1: removed\n"


def test_cameras_are_added_changed_and_removed_through_the_api_and_each_change_is_audited(
    desk: DeskServer, api: httpx.Client, bus: EmbeddedBus
) -> None:
    added = api.post("/api/cameras", json={"actor": "desk-2", "id": "gate-9", **GATE})
    assert (added.status_code, added.json()) == (200, {"changes": ["camera gate-9: added"]})
    changed = api.post("/api/cameras", json={"actor": "desk-2", "id": "gate-9", "enabled": False})
    assert changed.json() == {"changes": ["camera gate-9: changed enabled"]}
    assert read_district(bus).camera_by_id["gate-9"].url == GATE["url"]
    removed = api.request("DELETE", "/api/cameras/gate-9", json={"actor": "desk-2"})
    assert removed.json() == {"changes": ["camera gate-9: removed"]}
    assert api.request("DELETE", "/api/cameras/gate-9", json={"actor": "desk-2"}).status_code == 404
    assert read_district(bus).cameras == ()
    rows = [(row.actor, row.act, row.subject) for row in desk.watch.casebook.audit_after(0, 100)]
    assert [row for row in rows if row[0] == "desk-2"][:3] == [
        ("desk-2", "set", "camera gate-9"),
        ("desk-2", "set", "camera gate-9"),
        ("desk-2", "remove", "camera gate-9"),
    ]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"password_file": "/etc/shadow"}, 400, "bad_body"),
        ({"password_env": "HOME"}, 400, "bad_body"),
        ({"source": "file", "url": "file:///etc/passwd"}, 403, "not_here"),
        ({"url": "rtsp://op:secret@10.0.4.9/2"}, 400, "bad_camera"),
        ({"url": "rtsp://192.0.2.66/2"}, 400, "bad_camera"),
        ({"url": "rtsps://10.0.4.9/2"}, 400, "bad_camera"),
        ({"actor": ""}, 400, "bad_body"),
    ],
)
def test_the_api_reaches_for_no_secret_and_sends_none_elsewhere(
    api: httpx.Client, bus: EmbeddedBus, change: dict[str, object], status: int, code: str
) -> None:
    add_on(bus, "gate-9", {**NAMED, "user": "op", "password_env": "GATE_PASSWORD"})
    before = read_district(bus)
    refused = api.post("/api/cameras", json={"actor": "desk-2", "id": "gate-9", **change})
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert "secret@" not in refused.text and read_district(bus) == before


def test_a_page_of_another_site_cannot_change_cameras(desk: DeskServer) -> None:
    with httpx.Client(base_url=desk.url) as stranger:
        assert stranger.post("/api/cameras", json={"actor": "x", "id": "a", **GATE}).status_code == 403
        assert stranger.request("DELETE", "/api/cameras/a", json={"actor": "x"}).status_code == 403


def test_of_two_who_change_the_registry_at_once_one_is_told_to_try_again(bus: EmbeddedBus) -> None:
    def slow(previous: District, _: int) -> tuple[District, list[str]]:
        add_on(bus, "gate-1", NAMED)  # the quick one comes in between
        return without_cameras(previous, ["gate-0"])

    add_on(bus, "gate-0", NAMED)
    with pytest.raises(StoreConflict, match="Try again"):
        change_registry(bus, slow)
    assert {camera.id for camera in read_district(bus).cameras} == {"gate-0", "gate-1"}


def test_many_who_add_cameras_at_once_give_each_a_number_of_its_own(bus: EmbeddedBus) -> None:
    def add(n: int) -> None:
        def tried() -> bool:
            try:
                return bool(add_on(bus, f"gate-{n}", NAMED))
            except StoreConflict:
                return False

        until(tried, f"gate-{n} is added")

    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    district = read_district(bus)
    assert sorted(camera.number for camera in district.cameras) == [0, 1, 2, 3]


def test_the_last_eye_on_a_zone_is_not_removed(bus: EmbeddedBus) -> None:
    add_on(bus, "gate-9", NAMED)
    cameras = read_district(bus).cameras
    ring = ((13.0, 52.0), (13.1, 52.0), (13.1, 52.1))
    zone = Zone(
        id="square", name="Square", site="square", partition=cameras[0].partition, zone_class=ZoneClass.OPEN,
        polygon=ring,
    )  # fmt: skip
    with pytest.raises(SettingsError, match="--disabled"):
        without_cameras(district_of(cameras, [zone]), ["gate-9"])


def test_the_plan_shows_the_load_of_each_partition_and_moves_sites(tmp_path: Path) -> None:
    settings = tmp_path / "drumtower.toml"
    settings.write_text(f'data = "{tmp_path}/data"\n[bus]\npartitions = 2\n')
    file = tmp_path / "cameras.csv"
    rows = [f"gate-{n},Gate,site-{n % 3},rtsp,rtsp://10.0.0.{n}/a,13.37,52.51,0.5\n" for n in range(9)]
    file.write_text("id,name,site,source,url,lon,lat,sampling_period_s\n" + "".join(rows))
    here = ("--settings", settings)
    drumtower("cameras", "import", file, *here)
    plan = json.loads(drumtower("topics", "plan", "--json", "--apply", *here).out)
    assert sum(one["cameras"] for one in plan["partitions"]) == 9
    assert sorted(one["planned_frames_per_s"] for one in plan["partitions"]) == [6.0, 12.0]
    again = drumtower("topics", "plan", *here)
    assert again.out.splitlines()[0].split("\t")[0] == "partition" and again.err == "0 sites to move.\n"
