"""Locks in Redis: one that wakes its waiters, and a quorum of independent servers.

Both are leases: whoever holds one too long loses it without noticing, so what they protect needs a fence of its own.
"""

import random
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import redis
from django.conf import settings

from charites.common.redis_client import redis_client
from charites.common.shop import key_of_shop
from stock.errors import StockLockFailed

# Frees the lock if it is still ours, and wakes one waiter; more than one signal is never left lying about.
RELEASE = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('del', KEYS[1])
if redis.call('llen', KEYS[2]) == 0 then redis.call('rpush', KEYS[2], '1') end
redis.call('pexpire', KEYS[2], ARGV[2])
return 1
"""
LONGEST_NAP_SECONDS = 0.5  # a waiter looks again by itself: a holder that died signals nobody
QUORUM_POLL_SECONDS = 0.05
# A SET that is sent again because its reply was lost would wait for its own lock, and the client sends nothing twice. A
# waiter keeps its connection while it sleeps, and the client's own limit is 100 of them.
OPTIONS: dict[str, Any] = {"decode_responses": True, "max_connections": 10_000}


class RedisLock:
    """A lock on one Redis server. A waiter sleeps in BLPOP until the holder's release wakes it.

    Signals cannot be lost: one that comes before the waiter sleeps lies in the list, and whoever takes a signal and
    finds the lock taken by somebody faster is woken by that one's release. Only a waiter that dies with a signal in
    its hands lets the others sleep to the end of their nap.
    """

    def __init__(self, url: str) -> None:
        self._redis = redis_client(url, connect_seconds=0.5, answer_seconds=LONGEST_NAP_SECONDS + 0.5, **OPTIONS)
        self._release = self._redis.register_script(RELEASE)

    def acquire(self, name: str, *, wait_seconds: float, lease_seconds: float) -> str | None:
        """Returns the token of the lock, or None when it was not to be had in time. Raises RedisError."""
        key, token = key_of(name), secrets.token_hex(16)
        deadline = time.monotonic() + wait_seconds
        try:
            while not self._redis.set(key, token, nx=True, px=int(lease_seconds * 1000)):
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._redis.blpop([key + ":free"], timeout=max(0.01, min(left, LONGEST_NAP_SECONDS)))
        except redis.RedisError:
            # The SET may have been carried out; then nobody but us would ever release it.
            with suppress(redis.RedisError):
                self.release(name, token, lease_seconds=lease_seconds)
            raise
        return token

    def release(self, name: str, token: str, *, lease_seconds: float) -> None:
        """Frees the lock unless it has passed to somebody else."""
        key = key_of(name)
        self._release(keys=[key, key + ":free"], args=[token, int(lease_seconds * 1000)])


class QuorumLock:
    """A lock on a majority of independent Redis servers; survives the loss of the others. Waiters poll."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._servers = [redis_client(url, connect_seconds=0.2, answer_seconds=0.2, **OPTIONS) for url in urls]
        self._majority = len(urls) // 2 + 1

    def acquire(self, name: str, *, wait_seconds: float, lease_seconds: float) -> str | None:
        """Returns the token of the lock, or None when no majority gave it in time."""
        token, deadline = secrets.token_hex(16), time.monotonic() + wait_seconds
        while True:
            started = time.monotonic()
            held = sum(self._set(server, name, token, lease_seconds) for server in self._servers)
            if held >= self._majority and time.monotonic() - started < lease_seconds / 2:
                return token
            self.release(name, token, lease_seconds=lease_seconds)
            if time.monotonic() >= deadline:
                return None
            time.sleep(random.uniform(0, QUORUM_POLL_SECONDS))

    def release(self, name: str, token: str, *, lease_seconds: float) -> None:
        """Frees the lock on every server where it is ours."""
        key = key_of(name)
        for server in self._servers:
            with suppress(redis.RedisError):  # the lease ends by itself
                server.eval(RELEASE, 2, key, key + ":free", token, int(lease_seconds * 1000))

    @staticmethod
    def _set(server: redis.Redis, name: str, token: str, lease_seconds: float) -> bool:
        try:
            return bool(server.set(key_of(name), token, nx=True, px=int(lease_seconds * 1000)))
        except redis.RedisError:
            return False


def key_of(name: str) -> str:
    """Returns the key of a lock in Redis."""
    return key_of_shop(f"stock-lock:{name}")


@cache
def lock_of(urls: tuple[str, ...]) -> RedisLock | QuorumLock:
    """Returns the process's one lock on these servers."""
    return QuorumLock(urls) if len(urls) > 1 else RedisLock(urls[0])


@contextmanager
def holding(names: Sequence[str]) -> Iterator[None]:
    """Holds the locks of all names, taken in the order given. Raises StockLockFailed; then none is held."""
    lock = lock_of(tuple(settings.STOCK_LOCK_REDIS_URLS or [settings.REDIS_URL]))
    lease = float(settings.STOCK_LOCK_LEASE_SECONDS)
    deadline = time.monotonic() + settings.STOCK_LOCK_WAIT_SECONDS
    held: list[tuple[str, str]] = []
    try:
        try:
            for name in names:
                token = lock.acquire(name, wait_seconds=deadline - time.monotonic(), lease_seconds=lease)
                if token is None:
                    raise StockLockFailed
                held.append((name, token))
        except redis.RedisError as error:
            raise StockLockFailed from error
        yield
    finally:
        for name, token in reversed(held):
            with suppress(redis.RedisError):  # the lease ends by itself
                lock.release(name, token, lease_seconds=lease)
