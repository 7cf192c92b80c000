from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from tests.support import parts
from tests.support.kafka_jars import PartMissingError


def test_redis_answers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()


def test_postgres_answers(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as link:
        assert link.execute("SELECT current_user").fetchone() == ("drumtower",)


def test_chromium_is_a_program(chromium: str) -> None:
    assert Path(chromium).exists()


def test_a_missing_part_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CHROMIUM", raising=False)
    for find in (parts.find_redis, parts.find_chromium):
        with pytest.raises(PartMissingError, match="is missing: `apt-get install "):
            find()


@pytest.mark.parametrize(("ci", "outcome"), [("true", "failed"), ("", "skipped")])
def test_a_missing_part_skips_a_test_but_fails_it_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_needs.py").write_text("def test_it(chromium):\n    pass\n")
    call = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    environment = {"PATH": "/nowhere", "CI": ci, "PYTHONPATH": str(Path(__file__).parents[2])}
    said = subprocess.run(call, env=environment, cwd=tmp_path, capture_output=True, text=True).stdout
    assert f"1 {outcome}" in said or f"1 {'error' if outcome == 'failed' else outcome}" in said
    assert "apt-get install chromium" in said


def test_installing_says_what_is_missing_and_fails_only_in_ci(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parts, "lacks", lambda: {"redis": "redis-server is missing: somehow."})
    monkeypatch.setattr("os.geteuid", lambda: 1_000)
    monkeypatch.setenv("CI", "")
    assert parts.install() == 0
    assert capsys.readouterr().out == "redis: redis-server is missing: somehow.\n"
    monkeypatch.setenv("CI", "true")
    assert parts.install() == 1
