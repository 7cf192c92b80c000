"""One camera over RTSP, and everything that goes wrong with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from ingest.clock import NS_PER_S
from ingest.registry.district import Camera
from ingest.schema.tick import Picture, TimeSource
from tests.ingest.cameras.bench import Bench
from tests.ingest.cameras.cameras import CANARY, QUICK, camera, clip, fed
from tests.support.rtsp import FaultServer
from tests.support.waiting import until


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(report_period_s=0.2) as running:
        yield running


def gate(server: FaultServer, number: int = 1, path: str = "gate", **more: object) -> Camera:
    return camera(number, "rtsp", server.url_of(path), **more)


def test_a_live_camera_gives_pictures_with_its_own_time(server: FaultServer) -> None:
    with fed(server.add_stream("gate")), Bench(gate(server)) as bench:
        bench.wait_for(1, 6)
        seen = bench.wait_for(1, 6)
        assert bench.wait_state(1, "live").cause == ""
    assert all((one.width, one.height) == (320, 192) and one.picture & ~Picture.LEARNING == 0 for one in seen)
    assert all(one.time_source == TimeSource.CAMERA and one.foreground_grid is not None for one in seen)
    assert all(np.isfinite([one.foreground, one.sharpness, one.brightness]).all() for one in seen)
    assert all(0 <= one.arrived_at_ns - one.captured_at_ns < NS_PER_S for one in seen)
    assert server.plays == server.teardowns == 1


def test_a_stalled_camera_is_told_within_the_deadline_and_comes_back(server: FaultServer) -> None:
    with fed(server.add_stream("gate")), Bench(gate(server)) as bench:
        bench.wait_for(1)
        server.faults("gate").is_stalled = True
        assert "nothing within the deadline" in bench.wait_state(1, "stalled").cause
        server.faults("gate").is_stalled = False
        bench.wait_state(1, "live")
        bench.wait_for(1)


def test_a_camera_that_closes_is_opened_again(server: FaultServer) -> None:
    with fed(server.add_stream("gate")), Bench(gate(server)) as bench:
        bench.wait_for(1)
        server.close_clients("gate")
        until(lambda: server.plays >= 2, "a second PLAY")
        bench.wait_for(1)
        assert bench.counts["reconnected", "closed"] >= 1


def test_a_camera_that_accepts_and_never_answers_is_unreachable(server: FaultServer) -> None:
    server.add_stream("gate")
    server.faults("gate").is_hanging = True
    with Bench(gate(server)) as bench:
        assert "no answer within the deadline" in bench.wait_state(1, "unreachable").cause


@pytest.mark.parametrize(
    ("status", "state"), [(453, "refused"), (503, "refused"), (404, "no_video"), (403, "auth_failed")]
)
def test_a_refusal_is_told_by_its_cause(server: FaultServer, status: int, state: str) -> None:
    server.add_stream("gate")
    server.faults("gate").status = status
    with Bench(gate(server)) as bench:
        bench.wait_state(1, state)


@pytest.mark.parametrize(
    ("url", "state", "words"),
    [
        ("rtsp://no-such-camera.invalid/x", "unreachable", "no address for no-such-camera.invalid"),
        ("rtsp://127.0.0.1:1/x", "unreachable", "connection refused"),
        ("rtsp:///x", "no_video", "an address without a host"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_by_its_cause(url: str, state: str, words: str) -> None:
    with Bench(camera(1, "rtsp", url)) as bench:
        assert words in bench.wait_state(1, state).cause


def test_a_changed_password_is_read_again_from_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "gate.password"
    secret.write_text(CANARY + "\n")
    with FaultServer(user="op", password=CANARY) as server, fed(server.add_stream("gate")):
        one = gate(server, user="op", password_file=str(secret))
        with Bench(one, settings=replace(QUICK, backoff_s_max=0.2)) as bench:
            bench.wait_for(1)
            server.faults("gate").password = "new one"
            server.close_clients("gate")
            assert "401" in bench.wait_state(1, "auth_failed").cause
            secret.write_text("new one\n")
            bench.wait_state(1, "live")


def test_no_password_is_in_any_state_log_or_output(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("GATE_PASSWORD", CANARY)
    causes = []
    with FaultServer(user="op", password="another") as server:
        server.add_stream("gate")
        urls = [server.url_of("gate"), server.url_of("nowhere"), "rtsp://127.0.0.1:1/x", "rtsp://nope.invalid/x"]
        cameras = [
            camera(n, "rtsp", url, user="op", password_env="GATE_PASSWORD") for n, url in enumerate(urls, start=1)
        ]
        with Bench(*cameras) as bench:
            for one in cameras:
                until(lambda one=one: bench.status(one.number).cause, f"a cause for {one.url}")
                causes.append(bench.status(one.number).cause)
    heard = "\n".join([*causes, caplog.text, *capfd.readouterr()])
    assert "c4nary" not in heard and "%40" not in heard


def test_a_missing_secret_is_an_authentication_failure_that_names_its_place(server: FaultServer) -> None:
    with Bench(gate(server, user="op", password_env="NOT_SET_ANYWHERE")) as bench:
        assert "NOT_SET_ANYWHERE" in bench.wait_state(1, "auth_failed").cause


@pytest.mark.parametrize("offset_s", [3_600.0, 86_400.0, -3_600.0, None])
def test_a_wrong_camera_clock_is_measured_and_not_believed(server: FaultServer, offset_s: float | None) -> None:
    stream = server.add_stream("gate")
    if offset_s is None:
        server.faults("gate").lose_clock()
    else:
        server.faults("gate").clock_jump_s = offset_s
    with fed(stream), Bench(gate(server)) as bench:
        until(lambda: bench.status(1).offset_ns is not None, "an offset")
        bench.of(1)
        seen = bench.wait_for(1, 4)
        offset_ns = bench.status(1).offset_ns
    assert all(one.time_source == TimeSource.ARRIVAL for one in seen)
    assert all(0 <= one.captured_at_ns - one.arrived_at_ns < 10 for one in seen)
    assert offset_ns is not None
    assert (
        offset_ns / NS_PER_S == pytest.approx(offset_s, abs=2)
        if offset_s is not None
        else offset_ns < -40 * 365 * 86_400
    )


def test_a_jump_of_the_camera_clock_makes_no_time_go_back(server: FaultServer) -> None:
    with fed(server.add_stream("gate")), Bench(gate(server)) as bench:
        bench.wait_for(1, 5)
        server.faults("gate").jump(-9_800.0)
        bench.wait_for(1, 5)
        server.faults("gate").jump(9_800.0)
        bench.wait_for(1, 5)
        times = [one.captured_at_ns for one in bench.of(1)]
        late = [abs(one.captured_at_ns - one.arrived_at_ns) for one in bench.of(1)]
    assert times == sorted(set(times)) and max(late) < 3 * NS_PER_S


def test_a_camera_without_reports_is_placed_by_arrival(server: FaultServer) -> None:
    stream = server.add_stream("gate")
    server.faults("gate").is_mute = True
    with fed(stream), Bench(gate(server)) as bench:
        seen = bench.wait_for(1, 4)
    assert all(one.time_source == TimeSource.ARRIVAL and one.captured_at_ns >= one.arrived_at_ns for one in seen)


def test_a_frozen_picture_is_noticed_while_packets_still_come(server: FaultServer) -> None:
    with fed(server.add_stream("gate")), Bench(gate(server)) as bench:
        bench.wait_for(1, 5)
        assert not any(one.picture & Picture.FROZEN for one in bench.of(1))
        server.faults("gate").is_frozen = True
        until(lambda: any(one.picture & Picture.FROZEN for one in bench.of(1)), "frozen")
        server.faults("gate").is_frozen = False
        until(lambda: not bench.of(1)[-1].picture & Picture.FROZEN, "thawed")


def test_pictures_damaged_by_loss_are_told_and_never_looked_at(server: FaultServer) -> None:
    stream = server.add_stream("gate")
    with fed(stream, units=clip(seconds=4.0, width=640, height=384, key_frame_s=2.0)), Bench(gate(server)) as bench:
        bench.wait_for(1, 3)
        server.faults("gate").drop_share = 0.05
        until(lambda: any(one.picture & Picture.CORRUPT for one in bench.of(1)), "a corrupt picture")
        seen = bench.of(1)
        assert bench.counts["frames_dropped", "corrupt"] >= 1
    damaged = [one for one in seen if one.picture & Picture.CORRUPT]
    assert all(one.foreground_grid is None and np.isnan(one.sharpness) for one in damaged)


def test_a_long_key_frame_gap_still_gives_a_picture_a_period(server: FaultServer) -> None:
    with fed(server.add_stream("gate"), units=clip(seconds=4.0, key_frame_s=4.0)), Bench(gate(server)) as bench:
        seen = bench.wait_for(1, 10)
    gaps_s = np.diff([one.arrived_at_ns for one in seen])[2:] / NS_PER_S
    assert np.median(gaps_s) == pytest.approx(0.2, abs=0.1)


def test_another_picture_size_begins_anew_and_crashes_nothing(server: FaultServer) -> None:
    stream = server.add_stream("gate")
    with Bench(gate(server)) as bench:
        with fed(stream):
            bench.wait_for(1, 7)
        with fed(stream, units=clip(width=640, height=384)):
            until(lambda: bench.of(1)[-1].width == 640, "the new size")
            bench.wait_for(1, 3)
        first = next(one for one in bench.of(1) if one.width == 640)
        assert first.foreground_grid is None and bench.wait_for(1, 0) == []


def test_one_camera_of_ten_that_flaps_leaves_the_others_their_rate(server: FaultServer) -> None:
    streams = [server.add_stream(f"gate-{n}") for n in range(10)]
    cameras = [gate(server, n, f"gate-{n}") for n in range(10)]
    with fed(*streams), Bench(*cameras) as bench:
        for n in range(10):
            bench.wait_for(n, 2)
        started = [len(bench.of(n)) for n in range(10)]
        for _ in range(3):
            plays = streams[0].plays
            server.close_clients("gate-0")
            until(lambda plays=plays: streams[0].plays > plays, "gate-0 again")
        gained = [len(bench.of(n)) - started[n] for n in range(1, 10)]
        assert min(gained) >= max(gained) - 2 and min(gained) >= 3
        assert all(stream.plays == 1 for stream in streams[1:])
        bench.wait_for(0, 2)


def test_hundreds_of_reconnects_cost_neither_memory_nor_descriptors(server: FaultServer) -> None:
    stream = server.add_stream("gate")
    settings = replace(QUICK, backoff_s_max=0.001)
    with fed(stream), Bench(gate(server), settings=settings) as bench:
        footprints = []
        for rounds in range(200):
            plays = stream.plays
            server.close_clients("gate")
            until(lambda plays=plays: stream.plays > plays, "another PLAY", period_s=0.001)
            if rounds in (49, 199):
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                footprints.append((pages * 4_096 / 2**20, len(list(Path("/proc/self/fd").iterdir()))))
        bench.wait_for(1, 1)
    (before_mib, before_files), (after_mib, after_files) = footprints
    assert after_mib - before_mib < 15 and after_files - before_files <= 3
