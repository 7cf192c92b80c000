"""Evidence in both live stores: apart from frames, each with an end that nothing moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest.clock import SystemClock
from ingest.errors import StoreRetryable
from ingest.live.contract import LiveStore
from ingest.live.memory import MemoryLiveStore
from ingest.live.redis import EVIDENCE, FRAME, RedisLiveStore, open_redis
from tests.support.clock import ManualClock
from tests.support.waiting import until


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[LiveStore]:
    if request.param == "memory":
        live: LiveStore = MemoryLiveStore(SystemClock())
    else:
        live = open_redis(request.getfixturevalue("redis_url"), SystemClock())
    yield live
    live.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name  # type: ignore[no-any-return]


def test_evidence_comes_back_until_its_time_is_over(store: LiveStore, name: str) -> None:
    assert store.evidence(name) is None
    assert store.put_evidence(name, b"jpeg", lifetime_s=0.2)
    assert store.evidence(name) == b"jpeg"
    until(lambda: store.evidence(name) is None, "the picture is gone")


def test_a_frame_is_not_found_under_the_name_of_evidence_nor_the_other_way_round(store: LiveStore, name: str) -> None:
    store.put_frame(f"{name}/frame", b"as the camera sent it", lifetime_s=5)
    store.put_evidence(f"{name}/evidence", b"covered", lifetime_s=5)
    assert store.evidence(f"{name}/frame") is None and store.frame(f"{name}/evidence") is None
    store.put_frame(f"{name}/evidence", b"as the camera sent it", lifetime_s=5)
    assert store.evidence(f"{name}/evidence") == b"covered"


def test_a_picture_that_replaces_another_has_only_the_rest_of_its_time(store: LiveStore, name: str) -> None:
    assert not store.replace_evidence(name, b"too late")
    assert store.evidence(name) is None
    store.put_evidence(name, b"one", lifetime_s=0.3)
    assert store.replace_evidence(name, b"other") and store.evidence(name) == b"other"
    until(lambda: store.evidence(name) is None, "the picture is gone", timeout_s=2.0)


def test_what_is_kept_is_counted_apart_from_frames(store: LiveStore, name: str) -> None:
    frames, before = store.frames_kept(), store.evidence_kept()
    store.put_evidence(f"{name}/1", bytes(100), lifetime_s=2.0)
    store.put_evidence(f"{name}/2", bytes(50), lifetime_s=2.0)
    kept = store.evidence_kept()
    assert kept.frames - before.frames == 2 and kept.size_bytes - before.size_bytes == 150
    assert 0.0 < kept.longest_s <= 5.0 and store.frames_kept().frames <= frames.frames


def test_in_memory_neither_kind_pushes_the_other_out() -> None:
    clock = ManualClock()
    store = MemoryLiveStore(clock, frame_bytes_max=100, evidence_bytes_max=100)
    store.put_evidence("0", bytes(60), lifetime_s=60)
    for index in range(5):
        store.put_frame(str(index), bytes(60), lifetime_s=60)
    assert store.evidence("0") is not None
    store.put_evidence("1", bytes(60), lifetime_s=60)
    assert store.evidence("0") is None and store.frame("4") is not None
    assert not store.put_evidence("huge", bytes(101), lifetime_s=60)


def test_in_memory_nothing_survives_its_time_even_where_nobody_asks_for_it() -> None:
    clock = ManualClock()
    store = MemoryLiveStore(clock)
    for index in range(100):
        store.put_evidence(str(index), b"jpeg", lifetime_s=60)
    clock.advance(61)
    store.evidence("another")
    assert not store._evidence._pictures


def test_an_access_rule_of_redis_keeps_frames_from_who_serves(redis_url: str) -> None:
    import redis

    admin = redis.Redis.from_url(redis_url)
    rules = f"reset on nopass ~{EVIDENCE}:* ~dt:state:* +@read +@write +@connection -@dangerous".split()
    admin.execute_command("ACL", "SETUSER", "serve", *rules)  # type: ignore[no-untyped-call]
    full = open_redis(redis_url, SystemClock())
    full.put_frame("acl", b"as the camera sent it", lifetime_s=5)
    full.put_evidence("acl", b"covered", lifetime_s=5)
    client = redis.Redis.from_url(redis_url, username="serve", password="any")
    serving = RedisLiveStore(client, SystemClock())
    try:
        assert serving.evidence("acl") == b"covered" and not serving.states("acl")
        with pytest.raises(StoreRetryable, match="NoPermission"):
            serving.frame("acl")
    finally:
        admin.execute_command("ACL", "DELUSER", "serve")  # type: ignore[no-untyped-call]
        serving.close()
        full.close()
    assert FRAME != EVIDENCE
