"""`drumtower privacy` says of pictures what is true."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.parts import open_evidence, open_live
from deploy.privacy_report import Kept, privacy_report
from deploy.settings import LiveSettings, Settings
from ingest.clock import NS_PER_S, SystemClock


def row(rows: list[Kept], what: str) -> Kept:
    (found,) = [each for each in rows if what in each.what]
    return found


def test_pictures_of_incidents_are_counted_with_their_age_and_their_end(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path))
    assert row(privacy_report(settings), "that an incident refers to; each read").now == "nothing"
    book = open_evidence(settings)
    book.keep("gate-7-1", time.time_ns() - 7_200 * NS_PER_S, bytes(500))
    book.close()
    kept = row(privacy_report(settings), "that an incident refers to; each read")
    assert kept.kept == "3 d, at most 1073741824 bytes; then taken away" and kept.where == "the file casebook.sqlite"
    assert "1 picture, 500 bytes, the oldest is 2 h old" in kept.now
    none = replace(settings, correlate=replace(settings.correlate, evidence_kept_s=0.0))
    assert row(privacy_report(none), "that an incident refers to; each read").kept == "not at all"


def test_evidence_and_frames_in_redis_are_told_apart(tmp_path: Path, redis_url: str) -> None:
    settings = Settings(data=str(tmp_path), live=LiveSettings(kind="redis", redis_url=redis_url))
    live = open_live(settings, SystemClock())
    before = live.evidence_kept().frames
    live.put_evidence("report-1", bytes(100), 30)
    evidence = row(privacy_report(settings), "as evidence")
    assert evidence.kept == "60 s; of each camera one in 10 s" and evidence.where == "the memory of Redis"
    assert f"{before + 1} picture" in evidence.now and "the last gone in" in evidence.now
    live.close()
    assert "not at all" in row(privacy_report(settings), "as the cameras send them").kept


@pytest.mark.parametrize("off", ["pictures", "signals"])
def test_what_is_off_is_said_to_be_off(tmp_path: Path, off: str) -> None:
    ingest = Settings().ingest
    ingest = (
        replace(ingest, signals=False)
        if off == "signals"
        else replace(ingest, evidence=replace(ingest.evidence, pictures=False))
    )
    kept = row(privacy_report(Settings(data=str(tmp_path), ingest=ingest)), "as evidence").kept
    assert kept.startswith("not at all: ") and off in kept
