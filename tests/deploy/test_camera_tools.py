"""`drumtower cameras probe` and `calibrate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.command import drumtower
from tests.ingest.cameras.cameras import CANARY, clip, fed
from tests.support.rtsp import FaultServer

POINTS = [(0.1, 0.2), (0.9, 0.2), (0.1, 0.9), (0.9, 0.9), (0.5, 0.5), (0.3, 0.7), (0.7, 0.4)]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(user="op", password=CANARY, report_period_s=0.2) as running:
        yield running


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "gate.secret"
    file.write_text(CANARY + "\n")
    return file


def test_a_stream_is_described_and_what_to_set_is_said(server: FaultServer, secret: Path) -> None:
    stream = server.add_stream("gate", metadata=True)
    server.faults("gate").clock_jump_s = 3_600.0
    with fed(stream, units=clip(seconds=4.0, key_frame_s=2.0)):
        url = server.url_of("gate")
        said = drumtower("cameras", "probe", url, "--user", "op", "--password-file", secret, "--json", "--seconds", "8")
    report = json.loads(said.out)
    found, advice = report["stream"], "\n".join(report["advice"])
    assert (found["codec"], found["width"], found["height"], found["metadata_tracks"]) == ("h264", 320, 192, 1)
    assert found["key_frame_gap_s"] == pytest.approx(2.0, abs=0.1)
    assert found["frames_per_s"] == pytest.approx(10.0, abs=2.0)
    assert found["clock_offset_s"] == pytest.approx(3_600.0, abs=2.0)
    assert 0 < report["cost_share"] < 1
    assert "key-frame interval" in advice and "clock is off by" in advice and "onvif" in advice
    assert server.plays == server.teardowns == 1
    assert CANARY not in said.out + said.err


@pytest.mark.parametrize(("status", "words"), [(453, "no session is free"), (404, "404, no such stream")])
def test_a_stream_that_cannot_be_read_is_one_clear_line(
    server: FaultServer, secret: Path, status: int, words: str
) -> None:
    server.add_stream("gate")
    server.faults("gate").status = status
    said = drumtower("cameras", "probe", server.url_of("gate"), "--user", "op", "--password-file", secret)
    assert said.code == 1 and words in said.err and len(said.err.splitlines()) == 1


def test_a_wrong_password_shows_neither_it_nor_the_address_it_was_in(server: FaultServer, tmp_path: Path) -> None:
    server.add_stream("gate")
    wrong = tmp_path / "wrong"
    wrong.write_text("canary p@ss:#/%é")
    said = drumtower("cameras", "probe", server.url_of("gate"), "--user", "op", "--password-file", wrong)
    assert said.code == 1 and "401" in said.err and "canary" not in said.err and "%40" not in said.err


def test_credentials_in_the_address_are_refused_and_not_repeated() -> None:
    said = drumtower("cameras", "probe", "rtsp://op:canary@127.0.0.1:1/x")
    assert said.code == 2 and "change the password" in said.err and "canary" not in said.err


@pytest.fixture
def place(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    options = ("--site", "square", "--url", "rtsp://10.0.4.9/2", "--lon", "13.37", "--lat", "52.51")
    assert drumtower("cameras", "add", "gate-7", *options, "--data", data).code == 0
    return data


def points(file: Path, wrong: int | None = None) -> Path:
    """A camera that looks straight down on 40 m; one point may be clicked 5 m off."""
    lines = ["image_x,image_y,lon,lat"]
    for n, (x, y) in enumerate(POINTS):
        lon = 13.37 + (x - 0.5) * 5.9e-4 + (7.4e-5 if n == wrong else 0.0)
        lines.append(f"{x},{y},{lon:.8f},{52.51 + (0.5 - y) * 3.6e-4:.8f}")
    file.write_text("\n".join(lines))
    return file


def test_a_calibration_is_judged_point_by_point_and_stored(place: Path, tmp_path: Path) -> None:
    file = points(tmp_path / "points.csv")
    tried = drumtower("cameras", "calibrate", "gate-7", file, "--dry-run", "--data", place)
    assert tried.out.splitlines()[0] == "point\terror_m\tellipse_m\tbearing" and tried.err == "Nothing stored.\n"
    assert json.loads(drumtower("cameras", "list", "--json", "--data", place).out)[0]["calibration"] is None
    report = json.loads(drumtower("cameras", "calibrate", "gate-7", file, "--json", "--data", place).out)
    assert report["stored"] and report["error_m"] < 0.05
    assert [each["point"] for each in report["points"]] == list(range(1, len(POINTS) + 1))
    (camera,) = json.loads(drumtower("cameras", "list", "--json", "--data", place).out)
    assert len(camera["calibration"]["points"]) == len(POINTS)


def test_a_bad_calibration_names_its_worst_point_and_is_not_stored(place: Path, tmp_path: Path) -> None:
    said = drumtower("cameras", "calibrate", "gate-7", points(tmp_path / "points.csv", wrong=4), "--data", place)
    assert said.code == 2 and "worst is point" in said.err
    missing = drumtower("cameras", "calibrate", "gate-9", tmp_path / "points.csv", "--data", place)
    assert missing.code == 2 and "none of this id" in missing.err


def test_a_calibration_page_of_another_tool_is_taken_by_the_command_and_by_the_file_of_cameras(tmp_path: Path) -> None:
    (tmp_path / "gate-7.toml").write_text(
        'homography = "H.txt"\nlens = "ost.yaml"\npicture_px = [1920, 1080]\norigin = [13.37, 52.51]\nerror_m = 0.25\n'
    )
    (tmp_path / "H.txt").write_text("0.02 0 -19.2\n0 -0.02 10.8\n0 0 1\n")  # straight down, 2 cm a pixel
    (tmp_path / "ost.yaml").write_text(
        "camera_matrix:\n  data: [1500, 0, 960, 0, 1500, 540, 0, 0, 1]\n"
        "distortion_coefficients:\n  data: [-0.2, 0.05, 0, 0, 0]\n"
    )
    (tmp_path / "cameras.csv").write_text(
        "id,name,site,source,url,lon,lat,calibration\n"
        "gate-7,Gate,square,rtsp,rtsp://10.0.4.9/2,13.37,52.51,gate-7.toml\n"
    )
    data = tmp_path / "data"
    assert drumtower("cameras", "import", tmp_path / "cameras.csv", "--data", data).code == 0
    (camera,) = json.loads(drumtower("cameras", "list", "--json", "--data", data).out)
    assert camera["calibration"]["error_m"] == 0.25
    assert camera["calibration"]["lens"]["k1"] == -0.2
    said = drumtower("cameras", "calibrate", "gate-7", tmp_path / "gate-7.toml", "--data", data)
    # Points that were made say nothing of the error.
    assert said.out.splitlines() == ["point\terror_m\tellipse_m\tbearing", "all\t0.25"]


@pytest.mark.parametrize(
    ("url", "mend"), [("mqtt://10.0.4.7/gate", "drumtower cameras add"), ("http://10.0.4.7/", "the camera's own page")]
)
def test_an_address_of_another_kind_is_not_taken_for_a_file(url: str, mend: str) -> None:
    said = drumtower("cameras", "probe", url)
    assert said.code == 2 and "expected rtsp://" in said.err and mend in said.err and "no such file" not in said.err
