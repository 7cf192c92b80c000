"""One suite for both live stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ingest.clock import SystemClock
from ingest.errors import SettingsError
from ingest.live.contract import LiveStore
from ingest.live.memory import MemoryLiveStore
from ingest.live.redis import open_redis
from tests.support.waiting import until


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[LiveStore]:
    if request.param == "memory":
        live: LiveStore = MemoryLiveStore(SystemClock(), frame_bytes_max=10_000)
    else:
        live = open_redis(request.getfixturevalue("redis_url"), SystemClock())
    yield live
    live.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name  # type: ignore[no-any-return]


def test_a_frame_comes_back_until_its_time_is_over(store: LiveStore, name: str) -> None:
    assert store.put_frame(f"{name}/1", b"jpeg", lifetime_s=60)
    assert store.frame(f"{name}/1") == b"jpeg"
    assert store.put_frame(f"{name}/2", b"jpeg", lifetime_s=0.05)
    until(lambda: store.frame(f"{name}/2") is None, "the frame is gone")


def test_a_frame_that_is_not_there_is_none(store: LiveStore, name: str) -> None:
    assert store.frame(f"{name}/none") is None


def test_every_picture_that_is_kept_has_an_end(store: LiveStore, name: str) -> None:
    before = store.frames_kept()
    store.put_frame(f"{name}/1", bytes(100), lifetime_s=2.0)
    store.put_frame(f"{name}/2", bytes(50), lifetime_s=0.1)
    kept = store.frames_kept()
    assert kept.frames - before.frames == 2 and kept.size_bytes - before.size_bytes == 150
    assert 0.0 < kept.longest_s <= 60.0
    until(lambda: store.frame(f"{name}/1") is None and store.frame(f"{name}/2") is None, "both are gone")
    assert store.frames_kept().frames <= before.frames


def test_no_key_of_ours_in_redis_is_without_a_lifetime(redis_url: str) -> None:
    import redis

    client, store = redis.Redis.from_url(redis_url), open_redis(redis_url, SystemClock())
    store.put_frame("lifetime/1", b"jpeg", lifetime_s=5)
    store.put_states("lifetime", {"a": b"1"}, lifetime_s=5)
    keys = list(client.scan_iter("dt:*"))
    assert keys and all(client.pttl(key) != -1 for key in keys)
    store.close()


def test_states_come_back_by_kind_and_id(store: LiveStore, name: str) -> None:
    store.put_states(name, {"a": b"1", "b": b"2"}, lifetime_s=60)
    store.put_states(name, {"b": b"3"}, lifetime_s=60)
    store.put_states(name, {}, lifetime_s=60)
    assert store.states(name) == {"a": b"1", "b": b"3"}
    assert store.states(f"{name}-other") == {}


def test_a_state_that_nobody_renews_is_gone_while_the_others_stay(store: LiveStore, name: str) -> None:
    store.put_states(name, {"short": b"1"}, lifetime_s=0.05)
    store.put_states(name, {"long": b"2"}, lifetime_s=60)
    until(lambda: dict(store.states(name)) == {"long": b"2"}, "only the renewed state is left")


def test_a_full_memory_sheds_the_oldest_frames_first() -> None:
    store = MemoryLiveStore(SystemClock(), frame_bytes_max=100)
    for index in range(5):
        assert store.put_frame(str(index), bytes(30), lifetime_s=60)
    assert [store.frame(str(index)) is not None for index in range(5)] == [False, False, True, True, True]
    assert not store.put_frame("huge", bytes(101), lifetime_s=60)


def test_a_full_redis_sheds_the_frame_and_says_so(redis_url: str) -> None:
    import redis

    client = redis.Redis.from_url(redis_url)
    store = open_redis(redis_url, SystemClock())
    used = int(client.info("memory")["used_memory"])  # type: ignore[index]
    client.config_set("maxmemory", used + 100_000)
    try:
        kept = [store.put_frame(f"full/{index}", bytes(50_000), lifetime_s=60) for index in range(10)]
        assert not all(kept)
    finally:
        client.config_set("maxmemory", 0)
        store.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:secret-canary@127.0.0.1:6379/0", "without a password"),
        ("http://127.0.0.1", "live.redis_url: expected redis://"),
        ("redis://127.0.0.1:1/0", "expected an answer, got ConnectionError"),
    ],
)
def test_a_redis_that_is_not_there_is_one_clear_line(url: str, message: str) -> None:
    open_it: Callable[[], object] = lambda: open_redis(url, SystemClock())  # noqa: E731
    with pytest.raises(SettingsError, match=message) as refused:
        open_it()
    assert "secret-canary" not in str(refused.value)
