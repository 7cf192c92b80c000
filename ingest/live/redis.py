"""The live store in Redis: every key has a lifetime, a full one sheds frames, a lost one loses nothing that counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import redis

from ingest.clock import NS_PER_S, Clock
from ingest.errors import SettingsError, StoreRetryable
from ingest.live.contract import FramesKept

PREFIX = "dt"
FRAME, EVIDENCE = f"{PREFIX}:frame", f"{PREFIX}:evidence"  # an access rule of Redis can tell them apart
TIMEOUT_S = 2.0
_GONE = -2  # what Redis answers for the lifetime of a key that is not there
Answer = TypeVar("Answer")


class RedisLiveStore:
    """
    States of one kind are one hash whose values begin with their expiry in ns, since a hash has one lifetime for all;
    the hash itself goes when nobody has written it for as long as its youngest state lives.
    """

    def __init__(self, client: redis.Redis, clock: Clock) -> None:
        self._client, self._clock = client, clock

    def put_frame(self, reference: str, jpeg: bytes, lifetime_s: float) -> bool:
        return self._put(f"{FRAME}:{reference}", jpeg, lifetime_s)

    def frame(self, reference: str) -> bytes | None:
        return self._get(f"{FRAME}:{reference}")

    def frames_kept(self) -> FramesKept:
        return self._kept(FRAME)

    def put_evidence(self, reference: str, jpeg: bytes, lifetime_s: float) -> bool:
        return self._put(f"{EVIDENCE}:{reference}", jpeg, lifetime_s)

    def replace_evidence(self, reference: str, jpeg: bytes) -> bool:
        key = f"{EVIDENCE}:{reference}"
        try:
            return bool(self._call(lambda: self._client.set(key, jpeg, xx=True, keepttl=True)))
        except _Full:
            return False

    def evidence(self, reference: str) -> bytes | None:
        return self._get(f"{EVIDENCE}:{reference}")

    def evidence_kept(self) -> FramesKept:
        return self._kept(EVIDENCE)

    def put_states(self, kind: str, states: Mapping[str, bytes], lifetime_s: float) -> None:
        if not states:
            return
        key = f"{PREFIX}:state:{kind}"
        expiry = (self._clock.now_ns() + int(lifetime_s * NS_PER_S)).to_bytes(8, "little")

        def write() -> None:
            with self._client.pipeline(transaction=True) as pipe:
                pipe.hset(
                    key, mapping=cast("Mapping[Any, Any]", {name: expiry + state for name, state in states.items()})
                )
                pipe.pexpire(key, max(1, int(lifetime_s * 1000)))
                pipe.execute()

        try:
            self._call(write)
        except _Full as error:
            raise _retryable("room for the present states", str(error)) from error

    def states(self, kind: str) -> Mapping[str, bytes]:
        key, now_ns = f"{PREFIX}:state:{kind}", self._clock.now_ns()
        found = cast("dict[bytes, bytes]", self._call(lambda: self._client.hgetall(key)))
        alive, over = {}, []
        for name, value in found.items():
            if int.from_bytes(value[:8], "little") > now_ns:
                alive[name.decode()] = value[8:]
            else:
                over.append(name)
        if over:
            self._call(lambda: self._client.hdel(key, *cast("list[Any]", over)))
        return alive

    def close(self) -> None:
        self._client.close()

    def _put(self, key: str, jpeg: bytes, lifetime_s: float) -> bool:
        try:
            self._call(lambda: self._client.set(key, jpeg, px=max(1, int(lifetime_s * 1000))))
        except _Full:
            return False
        return True

    def _get(self, key: str) -> bytes | None:
        return cast("bytes | None", self._call(lambda: self._client.get(key)))

    def _kept(self, kind: str) -> FramesKept:
        def look() -> FramesKept:
            keys = list(self._client.scan_iter(f"{kind}:*", count=1_000))
            with self._client.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.pttl(key)
                    pipe.strlen(key)
                told = cast("list[int]", pipe.execute())
            alive = [(ms, size) for ms, size in zip(told[::2], told[1::2], strict=True) if ms != _GONE]
            # A picture without an end would be one that no rule takes away.
            longest_s = max((math.inf if ms < 0 else ms / 1_000 for ms, _ in alive), default=0.0)
            return FramesKept(len(alive), sum(size for _, size in alive), longest_s)

        return self._call(look)

    def _call(self, act: Callable[[], Answer]) -> Answer:
        try:
            return act()
        except redis.exceptions.OutOfMemoryError as error:
            raise _Full(str(error)) from error
        except redis.exceptions.RedisError as error:
            raise _retryable("an answer", f"{type(error).__name__}: {error}") from error


class _Full(Exception):
    """Redis is at its `maxmemory`."""


def _retryable(expected: str, got: str) -> StoreRetryable:
    return StoreRetryable(
        "redis", expected=expected, got=got, mend="Look at Redis; the live picture fills again by itself."
    )


def open_redis(url: str, clock: Clock, password: str | None = None) -> RedisLiveStore:
    """
    Args:
        url: `redis://HOST:PORT/DB`, `rediss://` for TLS, `unix://PATH`; without a password.

    Raises:
        SettingsError: the URL is none of Redis, holds a password, or nobody answers there.
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("redis", "rediss", "unix") and not parts.password
    except ValueError:
        known = False
    if not known:
        raise SettingsError(
            "live.redis_url",
            expected="redis://HOST:PORT/DB, rediss:// or unix:// without a password",
            got=url,
            mend="Mend it; put the password into a file and name that in live.password_file.",
        )
    client = redis.Redis.from_url(
        url, password=password, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, decode_responses=False
    )
    try:
        client.ping()
    except redis.exceptions.RedisError as error:
        raise SettingsError(
            f"redis {url}",
            expected="an answer",
            got=f"{type(error).__name__}: {error}",
            mend="Start Redis, or mend live.redis_url and its password.",
        ) from error
    return RedisLiveStore(client, clock)
