"""Which packets are decoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cameras.sources.sampler import Sampler, Want


def run(sampler: Sampler, seconds: float, key_gap_s: float, rate_hz: float = 10.0, from_s: float = 0.0) -> list[Want]:
    every = round(key_gap_s * rate_hz)
    return [sampler.offer(n % every == 0, from_s + n / rate_hz) for n in range(round(seconds * rate_hz))]


def test_key_frames_suffice_where_they_come_often_enough() -> None:
    sampler = Sampler(period_s=1.0)
    run(sampler, 5, key_gap_s=1.0)
    wants = run(sampler, 20, key_gap_s=1.0, from_s=5)
    assert sampler.keys_only
    assert wants.count(Want.SAMPLE) == 20 and wants.count(Want.DECODE) == 0


def test_a_stretched_key_frame_gap_is_answered_by_full_decoding() -> None:
    sampler = Sampler(period_s=1.0)
    wants = run(sampler, 60, key_gap_s=20.0)
    assert not sampler.keys_only and sampler.key_gap_s == pytest.approx(20.0)
    assert wants.count(Want.SAMPLE) == pytest.approx(60, abs=2)
    assert Want.PASS not in wants


def test_a_gap_that_grows_while_it_runs_is_noticed_and_samples_come_back() -> None:
    sampler = Sampler(period_s=1.0)
    run(sampler, 10, key_gap_s=1.0)
    assert sampler.keys_only
    later = run(sampler, 60, key_gap_s=20.0, from_s=10)
    assert not sampler.keys_only
    # The first long group was passed over; from its end on, each period has its sample.
    assert later[210:].count(Want.SAMPLE) == pytest.approx(39, abs=2)


def test_the_period_is_kept_where_key_frames_come_more_often() -> None:
    sampler = Sampler(period_s=2.0)
    wants = run(sampler, 60, key_gap_s=0.5)
    assert wants.count(Want.SAMPLE) == pytest.approx(30, abs=2)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.001, 3.0)), max_size=200), st.floats(0.2, 5.0))
def test_nothing_is_decoded_without_its_key_frame(packets: list[tuple[bool, float]], period_s: float) -> None:
    """Whatever goes to the decoder is a key frame, or follows without a gap from one that went there."""
    sampler, at_s, chained = Sampler(period_s), 0.0, False
    for is_key, step_s in packets:
        at_s += step_s
        want = sampler.offer(is_key, at_s)
        if want is not Want.PASS:
            assert is_key or chained
        chained = want is not Want.PASS and (is_key or chained)
