"""What pictures are called: whoever knows camera and time knows the name, now as in a replay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import NS_PER_S
from ingest.errors import RecordError
from ingest.evidence import EvidenceSettings, gone_at_ns, read_reference, reference_of

CAMERAS = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
TIMES_NS = st.integers(10**18, 4 * 10**18)
PERIODS_S = st.floats(1.0, 600.0)


@given(CAMERAS, TIMES_NS, PERIODS_S)
def test_a_name_says_camera_and_slot_and_nothing_else(camera: str, at_ns: int, period_s: float) -> None:
    settings = EvidenceSettings(period_s=period_s, lifetime_s=2 * period_s + 5)
    text = reference_of(settings, camera, at_ns)
    reference = read_reference(text)
    assert reference.camera == camera
    slack_ns = 1_000_000  # names count in milliseconds
    assert -slack_ns < at_ns - reference.from_ns < round(period_s * 1_000) * 1_000_000 + slack_ns
    assert reference_of(settings, camera, reference.from_ns) == text


@given(CAMERAS, TIMES_NS, PERIODS_S)
def test_one_slot_follows_the_other_without_a_gap(camera: str, at_ns: int, period_s: float) -> None:
    settings, period_ns = (
        EvidenceSettings(period_s=period_s, lifetime_s=2 * period_s + 5),
        round(period_s * 1_000) * 1_000_000,
    )
    here, there = (read_reference(reference_of(settings, camera, at)) for at in (at_ns, at_ns + period_ns))
    assert there.from_ns - here.from_ns == period_ns


def test_the_cameras_of_a_district_do_not_come_all_at_once() -> None:
    settings, at_ns = EvidenceSettings(), 1_780_000_000 * NS_PER_S
    seconds = [0] * 10
    for number in range(7_600):
        from_ns = read_reference(reference_of(settings, f"gate-{number}", at_ns)).from_ns
        seconds[from_ns // NS_PER_S % 10] += 1
    assert max(seconds) < 1.3 * 760


@given(CAMERAS, TIMES_NS)
def test_a_picture_is_gone_only_after_its_time(camera: str, at_ns: int) -> None:
    settings = EvidenceSettings()
    assert gone_at_ns(settings, read_reference(reference_of(settings, camera, at_ns))) >= at_ns + 60 * NS_PER_S - 10**6


def test_a_slot_is_over_before_its_picture_is() -> None:
    with pytest.raises(ValueError, match=r"lifetime_s >= 2 \* period_s"):
        EvidenceSettings(period_s=40.0)


@pytest.mark.parametrize(
    "text", ["", "gate", "gate-7-", "-5", "gate-7-05", "gate-7-5 ", "gate/7-5", "../5-5", "gate-7-٥", "a" * 65 + "-1",
             "gate-7-" + "1" * 17, "gate-7-5\n"]
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match="evidence reference: expected CAMERA-MILLISECONDS"):
        read_reference(text)
