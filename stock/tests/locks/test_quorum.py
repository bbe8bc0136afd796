"""One lock on three servers, of which one may be gone."""

import contextlib
from collections.abc import Iterator

import pytest
import redis

from lab.servers import EmbeddedRedis
from stock.errors import StockLockFailed
from stock.locks import QuorumLock, holding, key_of
from stock.tests.locks.lock_servers import LEASE


@pytest.fixture
def three() -> Iterator[list[EmbeddedRedis]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(EmbeddedRedis()) for _ in range(3)]


def urls(servers: list[EmbeddedRedis]) -> list[str]:
    return [server.url for server in servers]


def tokens(servers: list[EmbeddedRedis]) -> list[str | None]:
    found = []
    for server in servers:
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            found.append(client.get(key_of("1")))
    return found


def test_quorum_takes_the_lock_on_all_servers_and_frees_it_there(three):
    lock = QuorumLock(urls(three))

    token = lock.acquire("1", wait_seconds=0, lease_seconds=LEASE)
    held = tokens(three)
    lock.release("1", token, lease_seconds=LEASE)

    assert held == [token] * 3
    assert tokens(three) == [None] * 3


def test_quorum_gives_the_lock_to_one_at_a_time(three):
    first = QuorumLock(urls(three)).acquire("1", wait_seconds=0, lease_seconds=LEASE)

    assert QuorumLock(urls(three)).acquire("1", wait_seconds=0.1, lease_seconds=LEASE) is None
    assert tokens(three) == [first] * 3


def test_quorum_without_one_server_works_and_still_excludes(three, settings):
    settings.STOCK_LOCK_REDIS_URLS, settings.STOCK_LOCK_WAIT_SECONDS = urls(three), 0.2
    three[0].kill()

    with holding(["1"]):
        with pytest.raises(StockLockFailed):
            with holding(["1"]):
                pytest.fail("two holders")

    assert tokens(three[1:]) == [None, None]


def test_quorum_without_two_servers_is_busy_and_keeps_nothing(three, settings):
    settings.STOCK_LOCK_REDIS_URLS, settings.STOCK_LOCK_WAIT_SECONDS = urls(three), 0.2
    three[0].kill()
    three[1].kill()

    with pytest.raises(StockLockFailed) as caught:
        with holding(["1"]):
            pytest.fail("one of three is no majority")

    assert caught.value.code == 40010005
    assert tokens(three[2:]) == [None]


def test_quorum_whose_minority_gave_the_lock_gives_it_back(three):
    with redis.Redis.from_url(three[0].url) as first, redis.Redis.from_url(three[1].url) as second:
        first.set(key_of("1"), "somebody")
        second.set(key_of("1"), "somebody")

    assert QuorumLock(urls(three)).acquire("1", wait_seconds=0, lease_seconds=LEASE) is None
    assert tokens(three) == ["somebody", "somebody", None]
