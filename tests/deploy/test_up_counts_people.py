"""`drumtower up` on a real clip over real RTSP with a real model: it counts the people that are there."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from deploy.demo.file_feed import FileFeed, read_clip
from deploy.demo.rtsp_server import RtspServer
from ingest.bus.contract import Position, Record
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.topics import OBSERVATIONS
from ingest.clock import NS_PER_S
from ingest.schema.codec import decode_tick
from tests.deploy.command import drumtower
from tests.detectors.vision.real import CARD, CLIPS, WEIGHTS, needs_clips, needs_model
from tests.support.waiting import until

pytestmark = [needs_model, needs_clips, pytest.mark.timeout(300)]
HAND_COUNTS = Path(__file__).parents[1] / "detectors" / "vision" / "one_by_one_hand_counts.csv"
SPEED = 3.0  # of the clip: 139 s are played in 46 s
CAMERA, ZONE = "table", "room"


@pytest.fixture
def table(tmp_path: Path) -> Iterator[tuple[Path, FileFeed]]:
    """A district of one camera that will show the clip, and its data folder with the model in it."""
    server = RtspServer()
    stream = server.add_stream(CAMERA)
    server.start()
    cameras, zones, data = tmp_path / "cameras.csv", tmp_path / "zones.geojson", tmp_path / "data"
    cameras.write_text(
        "id,name,site,source,url,lon,lat,sampling_period_s\n"
        f"{CAMERA},Table,room,rtsp,{server.url_of(CAMERA)},13.0,52.0,{1 / SPEED:.3f}\n"
    )
    ring = [[13.0, 52.0], [13.0001, 52.0], [13.0001, 52.0001], [13.0, 52.0001], [13.0, 52.0]]
    properties = {"id": ZONE, "name": "Room", "site": "room", "class": "open", "safe_capacity": 40, "cameras": [CAMERA]}
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "geometry": geometry, "properties": properties}
    zones.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    for words in (
        ["models", "add", WEIGHTS, "--card", CARD],
        ["cameras", "import", cameras],
        ["zones", "import", zones],
    ):
        said = drumtower(*words, "--data", data)
        assert said.code == 0, said.err
    yield data, FileFeed(stream, read_clip(CLIPS / "person_one_by_one_768x432.mp4"), SPEED)
    server.stop()


def counts(data: Path) -> list[tuple[int, int]]:
    """(capture time, persons) of every picture that the model has looked at."""
    with EmbeddedBus(data / "bus.sqlite") as bus:
        found = []
        for partition in range(bus.partition_counts()[OBSERVATIONS]):
            for record in records(bus, partition):
                tick = decode_tick(record)
                if tick.producer == "perceive":
                    persons = np.diff(tick.object_start)
                    found += list(zip(tick.captured_at_ns.tolist(), persons.tolist(), strict=True))
    return sorted(found)


def records(bus: EmbeddedBus, partition: int) -> Iterator[Record]:
    at = Position(OBSERVATIONS, partition, 0)
    while batch := bus.read(*at):
        yield from batch
        at = at._replace(offset=batch[-1].position.offset + 1)


def test_up_counts_the_people_of_a_clip_within_one_in_nine_of_ten_frames(
    table: tuple[Path, FileFeed], tmp_path: Path
) -> None:
    data, feed = table
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = tmp_path / "up.toml"
    # A clip that is played faster has more pictures a second than its camera would.
    settings.write_text("[ingest]\nopen_s_max = 20.0\nread_s_max = 20.0\n")
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "deploy", "up", "--settings", settings, "--data", data, "--port", str(port)]
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: b"model.loaded" in (tmp_path / "log").read_bytes(), "the model is loaded", timeout_s=40)
        started_ns = time.time_ns()
        feed.start()
        until(lambda: time.time_ns() - started_ns > 139 / SPEED * NS_PER_S, "the clip was played", timeout_s=90)
        feed.stop()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    seen = counts(data)
    clip_s = [(at_ns - started_ns) / NS_PER_S * SPEED for at_ns, _ in seen]
    with HAND_COUNTS.open() as file:
        by_hand = {int(row["second"]): int(row["persons"]) for row in csv.DictReader(file)}
    errors = []
    for second, persons in by_hand.items():
        near = min(range(len(seen)), key=lambda row: abs(clip_s[row] - second))
        if abs(clip_s[near] - second) <= 1.0:
            errors.append(seen[near][1] - persons)
    error = np.array(errors)
    assert len(error) >= 40, f"{len(seen)} pictures were looked at; {(tmp_path / 'log').read_text()[-2000:]}"
    assert (np.abs(error) <= 1).mean() >= 0.9
    # There is never more than one person: a pipeline that finds nobody would pass the line above, but not this one.
    assert (error == 0).mean() >= 0.8
