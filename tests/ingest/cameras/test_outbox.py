"""What a worker keeps while its parent is busy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.cameras.observation import Observation
from ingest.cameras.workers.outbox import PICTURES_MAX, Outbox


def seen(number: int, jpeg: bytes | None = None) -> Observation:
    return Observation(number, number, number, 1, jpeg=jpeg)


@given(st.integers(0, 40), st.integers(1, 20))
def test_the_oldest_are_dropped_and_counted(count: int, most: int) -> None:
    outbox = Outbox(most)
    for number in range(count):
        outbox.put(seen(number))
    kept = [one.camera for one in outbox.take(0.0)]
    assert kept == list(range(count))[-most:]
    counts = outbox.take_counts()
    assert counts.get(("frames_read", ""), 0) == count
    assert counts.get(("frames_dropped", "outbox"), 0) == max(count - most, 0)
    assert outbox.take_counts() == {}


def test_pictures_are_shed_long_before_what_was_seen_in_them() -> None:
    outbox = Outbox(10 * PICTURES_MAX)
    for number in range(2 * PICTURES_MAX):
        outbox.put(seen(number, b"\xff\xd8"))
    kept = outbox.take(0.0)
    assert len(kept) == 2 * PICTURES_MAX and sum(one.jpeg is not None for one in kept) == PICTURES_MAX
    assert outbox.take_counts()["frames_dropped", "picture"] == PICTURES_MAX
