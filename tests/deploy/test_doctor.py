"""`drumtower doctor` and `drumtower privacy`: what works, what is kept."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from deploy.doctor import Finding, doctor
from deploy.privacy_report import privacy_report
from deploy.settings import BusSettings, CasebookSettings, LiveSettings, Settings
from ingest.bus.kafka_settings import KafkaSettings
from ingest.cameras.settings import IngestSettings
from ingest.clock import SystemClock
from ingest.live.redis import open_redis
from tests.deploy.command import drumtower

PARTS = ["settings", "disk", "clock", "bus", "live store", "casebook", "model"]


def faults(settings: Settings) -> dict[str, str]:
    return {one.part: one.said for one in doctor(settings) if not one.ok}


def test_a_new_installation_is_well_and_every_part_is_looked_at(tmp_path: Path) -> None:
    said = drumtower("doctor", "--json", "--data", tmp_path)
    findings = json.loads(said.out)
    assert said.code == 0 and [one["part"] for one in findings] == PARTS
    assert all(one["ok"] and one["said"] for one in findings)


def test_each_part_that_does_not_work_is_named_with_its_mend(tmp_path: Path) -> None:
    nowhere = KafkaSettings(bootstrap_servers=("127.0.0.1:1",), start_s_max=0.5)
    settings = Settings(
        data=str(tmp_path),
        bus=BusSettings(kind="kafka", kafka=nowhere),
        live=LiveSettings(kind="redis", redis_url="redis://127.0.0.1:1/0"),
        casebook=CasebookSettings(url="postgresql+psycopg://nobody@127.0.0.1:1/none"),
    )
    found = faults(settings)
    assert found.keys() == {"bus", "live store", "casebook"}
    assert "Start Redis" in found["live store"] and all(": expected " in said for said in found.values())


def test_a_fault_is_exit_code_one(tmp_path: Path) -> None:
    settings = tmp_path / "drumtower.toml"
    settings.write_text(f'data = "{tmp_path}"\n[live]\nkind = "redis"\nredis_url = "redis://127.0.0.1:1/0"\n')
    said = drumtower("doctor", "--settings", settings)
    assert said.code == 1 and "FAULT\tlive store" in said.out and "Traceback" not in said.err


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.doctor.FREE_BYTES_MIN", 1 << 62)
    assert "Free some space" in faults(Settings(data=str(tmp_path)))["disk"]


def test_an_audit_that_was_written_into_by_hand_is_told(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path))
    assert faults(settings) == {}
    with sqlite3.connect(tmp_path / "casebook.sqlite") as database:
        database.execute("UPDATE audit_head SET number = number + 1")
    database.close()
    assert "row 1 changed or missing" in faults(settings)["casebook"]


def test_a_model_that_is_named_but_not_there_is_told(tmp_path: Path) -> None:
    import msgspec

    defaults = Settings(data=str(tmp_path))
    named = msgspec.structs.replace(defaults, perceive=msgspec.structs.replace(defaults.perceive, model="none-such"))
    assert "none-such" in faults(named)["model"]
    assert isinstance(doctor(defaults)[-1], Finding)


def test_the_report_of_what_is_kept_names_pictures_first_and_every_topic(tmp_path: Path, redis_url: str) -> None:
    store = open_redis(redis_url, SystemClock())
    store.put_frame("privacy/1", bytes(100), 60.0)
    settings = Settings(
        data=str(tmp_path),
        live=LiveSettings(kind="redis", redis_url=redis_url),
        ingest=IngestSettings(frames=True, frame_lifetime_s=7.0),
    )
    rows = privacy_report(settings)
    store.close()
    assert rows[0].kept == "7 s" and "Redis" in rows[0].where and "1 picture," in rows[0].now
    assert not rows[0].now.startswith("0 pictures")
    kept = {row.where.rpartition(" ")[2]: row.kept for row in rows if "topic" in row.where}
    assert kept["dt.observations"] == "1 h" and kept["dt.frames"] == "5 min" and kept["dt.findings"] == "7 d"
    assert any("audit" in row.what and row.kept == "for ever" for row in rows)


def test_without_a_model_no_picture_leaves_the_workers_and_the_report_says_so(tmp_path: Path) -> None:
    said = drumtower("privacy", "--json", "--data", tmp_path)
    first = json.loads(said.out)[0]
    assert said.code == 0 and first["kept"].startswith("not at all")
