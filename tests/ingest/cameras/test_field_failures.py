"""
What has failed elsewhere does not fail here: each public report of camera ingest has tests of its kind.

The tests themselves stand with what they are about; those that had no place stand below. `REPORTS` names them, by the
number of the report in the list of field failures, and a name that is no test any more fails.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from ingest.cameras.workers.analyst import Job
from ingest.cameras.workers.video_reader import VideoReader
from ingest.clock import NS_PER_S
from tests.ingest.cameras.bench import Bench
from tests.ingest.cameras.cameras import QUICK, camera, clip, fed
from tests.support.rtsp import FaultServer
from tests.support.waiting import until

HERE, TESTS = "ingest/cameras/test_field_failures.py", Path(__file__).parents[2]
RTSP, FILES = "ingest/cameras/test_rtsp_reader.py", "ingest/cameras/test_file_reader.py"
WORKERS, ROLE, TIME = (f"ingest/cameras/test_{name}.py" for name in ("supervisor", "role", "timeline"))
DRIFT, BACKOFF, SAMPLER = (f"ingest/cameras/test_{name}.py" for name in ("drift", "backoff", "sampler"))
REPORTS: dict[int, tuple[str, list[tuple[str, str]]]] = {
    1: (
        "reading blocks for ever on a dead camera",
        [
            (RTSP, "test_a_stalled_camera_is_told_within_the_deadline_and_comes_back"),
            (RTSP, "test_a_camera_that_accepts_and_never_answers_is_unreachable"),
        ],
    ),
    2: ("a deadline is silently ignored", [(HERE, "test_every_way_to_be_silent_ends_at_the_deadline")]),
    3: (
        "a camera accepts, and never streams",
        [
            (HERE, "test_every_way_to_be_silent_ends_at_the_deadline"),
            (WORKERS, "test_a_camera_that_hangs_in_the_decoder_is_killed_and_charged"),
            (WORKERS, "test_a_worker_that_is_stopped_by_the_system_is_killed_and_its_cameras_come_back"),
        ],
    ),
    4: (
        "one lost camera takes others with it, or never comes back",
        [
            (RTSP, "test_one_camera_of_ten_that_flaps_leaves_the_others_their_rate"),
            (RTSP, "test_a_camera_that_closes_is_opened_again"),
            (BACKOFF, "test_a_thousand_cameras_do_not_come_back_in_the_same_moment"),
        ],
    ),
    5: (
        "sessions that nobody closes",
        [
            (WORKERS, "test_every_session_is_closed_when_the_role_stops"),
            (WORKERS, "test_a_worker_told_to_end_by_the_system_closes_its_sessions"),
            (WORKERS, "test_workers_let_their_cameras_go_while_their_parent_sleeps"),
            (RTSP, "test_a_refusal_is_told_by_its_cause"),
            (BACKOFF, "test_a_busy_camera_is_left_alone_at_once"),
            (HERE, "test_a_camera_that_refuses_is_not_asked_again_and_again"),
        ],
    ),
    6: (
        "tries that lock the account",
        [
            (RTSP, "test_a_changed_password_is_read_again_from_its_file"),
            (BACKOFF, "test_a_wrong_password_is_tried_twice_and_then_seldom"),
            (HERE, "test_a_camera_that_refuses_is_not_asked_again_and_again"),
            ("ingest/cameras/test_choice.py", "test_a_wrong_password_is_tried_on_one_stream_only"),
        ],
    ),
    7: (
        "a frozen picture over a living connection",
        [(RTSP, "test_a_frozen_picture_is_noticed_while_packets_still_come")],
    ),
    8: (
        "a slow consumer sees ever older pictures",
        [(HERE, "test_who_looks_slowly_sees_the_present_and_the_rest_is_counted")],
    ),
    9: (
        "damaged pictures that look like motion",
        [(RTSP, "test_pictures_damaged_by_loss_are_told_and_never_looked_at")],
    ),
    10: (
        "another picture size in the middle of a stream",
        [(RTSP, "test_another_picture_size_begins_anew_and_crashes_nothing")],
    ),
    11: (
        "the decoder takes the process down",
        [
            (WORKERS, "test_the_hostile_file_harms_nobody"),
            (WORKERS, "test_a_camera_that_crashes_its_worker_is_quarantined_and_the_others_go_on"),
            (WORKERS, "test_a_crash_that_names_nobody_halves_the_group_until_the_culprit_stands_alone"),
        ],
    ),
    12: (
        "no picture at all",
        [
            (HERE, "test_a_camera_without_a_video_track_is_told_so_and_tried_with_patience"),
            (FILES, "test_a_file_that_is_no_video_is_told_by_its_cause"),
        ],
    ),
    13: (
        "single stamps that are hours off, or time that jumps back",
        [
            (RTSP, "test_a_jump_of_the_camera_clock_makes_no_time_go_back"),
            (TIME, "test_one_wild_stamp_is_ignored"),
            (TIME, "test_three_wild_stamps_in_a_row_begin_a_new_time_line"),
            (TIME, "test_captured_time_always_grows_and_stays_near_arrival"),
        ],
    ),
    14: (
        "a camera clock that is wrong by hours, days or decades",
        [
            (RTSP, "test_a_wrong_camera_clock_is_measured_and_not_believed"),
            (DRIFT, "test_clocks_are_counted_by_how_far_they_are_off"),
        ],
    ),
    15: (
        "the doubled and the missing hour",
        [
            (DRIFT, "test_a_camera_on_local_time_doubles_no_hour_and_loses_none"),
            (DRIFT, "test_a_camera_on_utc_does_not_notice_that_clocks_are_changed"),
            (DRIFT, "test_a_camera_whose_clock_turns_from_right_to_an_hour_off_is_placed_without_a_gap"),
        ],
    ),
    16: (
        "smart codecs that stretch the key-frame gap",
        [
            (RTSP, "test_a_long_key_frame_gap_still_gives_a_picture_a_period"),
            (HERE, "test_a_key_frame_gap_that_grows_later_is_noticed"),
        ],
    ),
    17: (
        "passwords in logs",
        [
            (RTSP, "test_no_password_is_in_any_state_log_or_output"),
            ("process/test_canary.py", "test_no_password_is_anywhere_where_it_does_not_belong"),
            ("ingest/test_scrub.py", "test_a_secret_that_was_read_is_in_no_text_whatever_stands_around_it"),
        ],
    ),
    18: (
        "special characters in passwords",
        [
            (RTSP, "test_a_changed_password_is_read_again_from_its_file"),
            ("ingest/cameras/test_address.py", "test_any_user_and_password_come_out_as_they_went_in"),
        ],
    ),
    19: (
        "memory that grows with each reconnect",
        [(RTSP, "test_hundreds_of_reconnects_cost_neither_memory_nor_descriptors")],
    ),
}


def test_every_report_has_tests_and_every_test_is_there() -> None:
    assert sorted(REPORTS) == list(range(1, 20))
    known: dict[str, set[str]] = {}
    for number, (_, named) in REPORTS.items():
        assert named, number
        for file, test in named:
            if file not in known:
                tree = ast.parse((TESTS / file).read_text("utf-8"))
                known[file] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert test in known[file], f"report {number}: {file} has no {test}"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(report_period_s=0.2) as running:
        yield running


@pytest.mark.parametrize("fault", ["hangs at DESCRIBE", "never sends", "stops sending"])
def test_every_way_to_be_silent_ends_at_the_deadline(server: FaultServer, fault: str) -> None:
    stream = server.add_stream("gate")
    server.faults("gate").is_hanging = fault == "hangs at DESCRIBE"
    server.faults("gate").is_stalled = fault == "never sends"
    settings = replace(QUICK, open_s_max=1.0, read_s_max=1.0, backoff_s_max=60.0)
    with fed(stream), Bench(camera(1, "rtsp", server.url_of("gate")), settings=settings) as bench:
        if fault == "stops sending":
            bench.wait_for(1)
            server.faults("gate").is_stalled = True
        begun_ns = bench.readers[1].clock.monotonic_ns()
        until(lambda: bench.status(1).state in ("stalled", "unreachable"), "a cause")
        assert bench.readers[1].clock.monotonic_ns() - begun_ns < 8 * NS_PER_S
        assert "within the deadline" in bench.status(1).cause


@pytest.mark.parametrize(("status", "state"), [(453, "refused"), (401, "auth_failed")])
def test_a_camera_that_refuses_is_not_asked_again_and_again(server: FaultServer, status: int, state: str) -> None:
    server.add_stream("gate")
    server.faults("gate").status = status
    # One that merely closes would be tried hundreds of times meanwhile.
    settings = replace(QUICK, backoff_s_max=0.01, auth_retry_s=300.0, busy_retry_s=300.0)
    other = camera(2, "rtsp", "rtsp://127.0.0.1:1/x")
    with Bench(camera(1, "rtsp", server.url_of("gate")), other, settings=settings) as bench:
        bench.wait_state(1, state)

        def tries_of_another() -> int:
            bench.of(2)
            return bench.counts["reconnected", "unreachable"]

        until(lambda: tries_of_another() > 60, "many tries of a camera that may be tried")
        cause = "refused" if status == 453 else "auth_failed"
        assert bench.counts["reconnected", cause] <= (1 if status == 453 else 3)


def test_who_looks_slowly_sees_the_present_and_the_rest_is_counted(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, looks = threading.Event(), threading.Event()
    look = VideoReader.look

    def slow(self: VideoReader, job: Job) -> None:
        looks.set()
        goes_on.wait(20.0)
        look(self, job)

    monkeypatch.setattr(VideoReader, "look", slow)
    with fed(server.add_stream("gate")), Bench(camera(1, "rtsp", server.url_of("gate"))) as bench:
        assert looks.wait(10.0)

        def shed() -> int:
            bench.of(1)
            return bench.counts["frames_dropped", "slow"]

        until(lambda: shed() >= 3, "pictures that nobody looked at in time")
        went_on_ns = bench.readers[1].clock.now_ns()
        goes_on.set()
        seen = bench.wait_for(1, 5)
    # But for the one that it stood at, and one job that waited, all are of the present.
    assert all(one.arrived_at_ns > went_on_ns - 3 * NS_PER_S for one in seen[2:])
    assert all(one.arrived_at_ns - one.captured_at_ns < NS_PER_S for one in seen), "the age of a picture is true"


def test_a_camera_without_a_video_track_is_told_so_and_tried_with_patience(server: FaultServer) -> None:
    server.add_stream("gate", video=False, metadata=True)
    with Bench(camera(1, "rtsp", server.url_of("gate"))) as bench:
        assert "video" in bench.wait_state(1, "no_video").cause
        assert bench.status(1).last_frame_at_ns == 0
    until(lambda: server.plays == server.teardowns, "each session closed")


def test_a_key_frame_gap_that_grows_later_is_noticed(server: FaultServer) -> None:
    stream = server.add_stream("gate")
    with Bench(camera(1, "rtsp", server.url_of("gate"))) as bench:
        with fed(stream, units=clip(key_frame_s=0.2)):
            bench.wait_for(1, 6)
        with fed(stream, units=clip(seconds=4.0, key_frame_s=4.0)):
            until(lambda: len(bench.of(1)) > 0, "pictures")
            bench.wait_for(1, 8)
            seen = bench.wait_for(1, 10)
    gaps_s = [(b.arrived_at_ns - a.arrived_at_ns) / NS_PER_S for a, b in pairwise(seen)]
    assert sorted(gaps_s)[len(gaps_s) // 2] < 0.6
