"""What a reader says of a camera beside its frames: of its clock, and of its key frames."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import msgspec
import pytest

from ingest.cameras.state import CameraState, words_of
from ingest.cameras.workers.supervisor import how_read
from ingest.errors import SettingsError
from ingest.registry.cameras import camera_row
from ingest.registry.change import cells_of, with_cameras, with_relearning
from ingest.registry.district import district_of
from ingest.schema.tick import EventKind
from tests.ingest.cameras.cameras import camera

LIVE = CameraState(id="gate-7", state="live", since=datetime(2026, 1, 1, tzinfo=UTC))


def words(**facts):
    return words_of(msgspec.structs.replace(LIVE, **facts), clock_offset_s_max=2.0, key_gap_s_max=10.0)


def test_a_camera_that_is_well_says_nothing():
    assert words() == words(offset_s=-2.0, key_gap_s=10.0) == []


def test_a_clock_beyond_its_bound_is_said_with_its_offset():
    assert words(offset_s=-63.5) == [(EventKind.STREAM_CLOCK_OFF, -63.5)]


def test_rare_key_frames_are_said_with_their_gap_and_beside_the_clock():
    said = words(offset_s=3.0, key_gap_s=20.0)
    assert said == [(EventKind.STREAM_CLOCK_OFF, 3.0), (EventKind.STREAM_KEY_GAP, 20.0)]


def test_of_a_camera_that_is_lost_nothing_more_is_said():
    ((kind, value),) = words(state="stalled", offset_s=-63.5, key_gap_s=20.0)
    assert kind == EventKind.STREAM_STALLED and math.isnan(value)


def test_a_camera_that_is_to_be_learned_anew_is_read_anew_and_no_other():
    before = district_of(
        [camera(1, "rtsp", "rtsp://10.0.4.1/1", id="a"), camera(2, "rtsp", "rtsp://10.0.4.2/1", id="b")], []
    )
    after, changes = with_relearning(before, ["a"], 5)
    assert changes == ["camera a: learned anew"]
    assert how_read(after.camera_by_id["a"]) != how_read(before.camera_by_id["a"])
    assert after.camera_by_id["b"] == before.camera_by_id["b"]
    # A change of another column keeps it.
    row = camera_row("camera", {**cells_of(after.camera_by_id["a"]), "name": "Gate"})
    again, _ = with_cameras(after, [row], 1, {})
    assert again.camera_by_id["a"].relearned_at_ns == 5


def test_a_camera_that_is_not_there_cannot_be_learned_anew():
    with pytest.raises(SettingsError, match="camera c: expected a camera of the registry"):
        with_relearning(district_of([], []), ["c"], 5)
