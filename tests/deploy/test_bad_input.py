"""Whatever a person gets wrong is one clear line (thing, expected, got, mend) and exit code 2, without a traceback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.settings import Settings, load_settings
from tests.deploy.command import Said, drumtower
from tests.support.kafka_broker import KafkaBroker

BAD_SETTINGS = sorted((Path(__file__).parent / "bad_settings").glob("*.toml"))
CANARY = "canary-7f3a-secret"


def check_line(said: Said, *parts: str) -> None:
    assert said.code == 2, said
    assert "Traceback" not in said.err and CANARY not in said.err + said.out
    for part in parts:
        assert part in said.err, said.err
    assert ": expected " in said.first_line and ", got " in said.first_line, said.err


@pytest.mark.parametrize("path", BAD_SETTINGS, ids=lambda path: path.stem)
def test_bad_settings_say_what_their_first_line_expects(path: Path, tmp_path: Path) -> None:
    said = drumtower("check", "--settings", path, "--data", tmp_path)
    check_line(said)
    assert said.first_line.startswith(path.read_text().partition("\n")[0].removeprefix("# "))


def test_the_default_settings_are_well(tmp_path: Path) -> None:
    said = drumtower("check", "--data", tmp_path)
    assert (said.code, said.out.splitlines()[-1]) == (0, "All is well.")
    assert load_settings(None) == Settings()


def test_settings_that_are_not_there(tmp_path: Path) -> None:
    check_line(drumtower("check", "--settings", tmp_path / "none.toml"), "none.toml", "No such file")


CAMERAS_HEAD = "id,name,site,source,url,lon,lat,calibration\n"


def test_a_csv_with_a_missing_column(tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text("id,name,source,url,lon,lat\ngate-1,Gate 1,rtsp,rtsp://10.0.0.1/a,13.0,52.0\n")
    check_line(drumtower("cameras", "import", file, "--data", tmp_path / "data"), "cameras.csv", "site")


def test_every_fault_of_a_file_is_listed_and_nothing_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text(
        CAMERAS_HEAD
        + "gate-1,Gate 1,square,rtsp,rtsp://10.0.0.1/a,13.0,52.0,\n"
        + "gate-1,Gate 2,square,rtsp,rtsp://10.0.0.2/a,13.0,52.0,\n"
        + f"gate-3,Gate 3,square,rtsp,rtsp://viewer:{CANARY}@10.0.0.3/a,13.0,52.0,\n"
        + "gate-4,Gate 4,square,telepathy,rtsp://10.0.0.4/a,13.0,95.0,\n"
    )
    said = drumtower("cameras", "import", file, "--data", tmp_path / "data")
    check_line(said, "line 3", "line 4", "line 5", "telepathy", "faults.")
    assert drumtower("cameras", "list", "--data", tmp_path / "data").out == ""


def test_a_calibration_with_four_points(tmp_path: Path) -> None:
    (tmp_path / "gate.csv").write_text(
        "image_x,image_y,lon,lat\n0.1,0.9,13.0,52.0\n0.9,0.9,13.0001,52.0\n0.9,0.4,13.0001,52.0001\n0.1,0.4,13.0,52.0001\n"
    )
    file = tmp_path / "cameras.csv"
    file.write_text(CAMERAS_HEAD + "gate-1,Gate 1,square,rtsp,rtsp://10.0.0.1/a,13.0,52.0,gate.csv\n")
    check_line(drumtower("cameras", "import", file, "--data", tmp_path / "data"), "6", "got 4")


def test_a_zone_that_crosses_itself(tmp_path: Path) -> None:
    cameras = tmp_path / "cameras.csv"
    cameras.write_text(CAMERAS_HEAD + "gate-1,Gate 1,square,rtsp,rtsp://10.0.0.1/a,13.0,52.0,\n")
    assert drumtower("cameras", "import", cameras, "--data", tmp_path / "data").code == 0
    bow = [[13.0, 52.0], [13.001, 52.001], [13.001, 52.0], [13.0, 52.001], [13.0, 52.0]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [bow]},
        "properties": {"id": "bow", "name": "Bow", "site": "square", "class": "open", "safe_capacity": 100},
    }
    file = tmp_path / "zones.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    check_line(drumtower("zones", "import", file, "--data", tmp_path / "data"), "zones.geojson", "cross")


def kafka_settings(folder: Path, bootstrap: str, partitions: int = 4) -> Path:
    file = folder / "kafka.toml"
    file.write_text(
        f'data = "{folder / "data"}"\n[bus]\nkind = "kafka"\npartitions = {partitions}\n'
        f'[bus.kafka]\nbootstrap_servers = ["{bootstrap}"]\nstart_s_max = 3.0\n'
    )
    return file


def test_a_kafka_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{probe.getsockname()[1]}"
    said = drumtower("topics", "create", "--settings", kafka_settings(tmp_path, nobody))
    assert said.code in (1, 2) and "Traceback" not in said.err
    assert nobody in said.first_line and ": expected " in said.first_line and "bootstrap_servers" in said.first_line


def test_a_topic_with_another_partition_count(tmp_path: Path, kafka_broker: KafkaBroker) -> None:
    settings = kafka_settings(tmp_path, kafka_broker.bootstrap_servers, 4)
    assert drumtower("topics", "create", "--settings", settings).code == 0
    other = kafka_settings(tmp_path, kafka_broker.bootstrap_servers, 6)
    check_line(drumtower("topics", "create", "--settings", other), "dt.", "6", "4")
    check_line(drumtower("run", "detect", "--settings", other, "--port", "0"), "dt.", "6", "4", "bus.partitions")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False
    )
    if os.geteuid() != 0 or mounted.returncode != 0:
        pytest.skip("only root may mount a small disk, in a sandbox that lets it")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text(CAMERAS_HEAD + "gate-1,Gate 1,square,rtsp,rtsp://10.0.0.1/a,13.0,52.0,\n")
    filler = os.open(small_disk / "filler", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        while True:
            os.write(filler, bytes(4096))
    os.close(filler)
    said = drumtower("cameras", "import", file, "--data", small_disk / "data")
    assert said.code in (1, 2) and "Traceback" not in said.err
    assert ": expected " in said.first_line and "space" in said.err, said.err


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = drumtower("up", "--data", tmp_path, "--port", str(taken.getsockname()[1]))
    assert said.code == 2 and "Traceback" not in said.err
    assert "expected a free port" in said.err


def test_a_database_password_is_in_no_output(tmp_path: Path) -> None:
    secret = tmp_path / "db.secret"
    secret.write_text(CANARY + "\n")
    file = tmp_path / "pg.toml"
    file.write_text(
        f'data = "{tmp_path / "data"}"\n[casebook]\nurl = "postgresql+psycopg://drum@127.0.0.1:1/drum"\n'
        f'password_file = "{secret}"\n'
    )
    said = drumtower("run", "correlate", "--settings", file, "--port", "0", timeout_s=90)
    assert said.code in (1, 2) and CANARY not in said.err + said.out
    assert "127.0.0.1:1" in said.err and "expected" in said.err
