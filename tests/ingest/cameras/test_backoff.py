"""How long a lost camera rests."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.backoff import rest_s
from ingest.cameras.workers.reader import STATE_OF

SETTINGS = IngestSettings()


@given(st.sampled_from(sorted(STATE_OF)), st.integers(1, 10_000), st.integers(0, 2**32))
def test_every_rest_is_bounded_and_never_none(cause: str, failures: int, seed: int) -> None:
    rest = rest_s(SETTINGS, cause, failures, Random(seed))
    longest_s = max(SETTINGS.backoff_s_max, SETTINGS.auth_retry_s, SETTINGS.busy_retry_s)
    assert 0.7 <= rest <= longest_s * 1.25


def test_a_wrong_password_is_tried_twice_and_then_seldom() -> None:
    rests = [rest_s(SETTINGS, "auth_failed", n, Random(1)) for n in (1, 2, 3, 4)]
    assert max(rests[:2]) < 15 and min(rests[2:]) >= 0.75 * SETTINGS.auth_retry_s


def test_a_busy_camera_is_left_alone_at_once() -> None:
    assert rest_s(SETTINGS, "refused", 1, Random(1)) >= 0.75 * SETTINGS.busy_retry_s


def test_a_thousand_cameras_do_not_come_back_in_the_same_moment() -> None:
    rests = [rest_s(SETTINGS, "closed", 5, Random(n)) for n in range(1_000)]
    assert max(rests) - min(rests) > 7 and len({round(rest, 2) for rest in rests}) > 300
