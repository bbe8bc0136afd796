"""Addresses of Redis: of one server, or of sentinels who say which one it is."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings as project
from django.core.cache import cache, caches
from django.utils import timezone
from django_redis.exceptions import ConnectionInterrupted
from pytest_django.fixtures import Settings

from charites import brokers
from charites.common import hints, rates
from charites.common.redis_client import (
    ANSWER_SECONDS,
    Watched,
    connection_pool,
    redis_client,
    redis_in_loop,
    watched_by,
)
from lab.kit.certificates import redis_tls
from lab.kit.processes.shop import wait_until
from lab.servers import EncryptedRedis, Redis, RedisSentinel
from stock.locks import RedisLock

URL = "rediss+sentinel://shop:a%2Fb@10.0.0.1,[::1]:26380/the%20one/3?ssl_ca_certs=/etc/ca.pem"
OPTIONS = {**project.CACHES["default"]["OPTIONS"], "IGNORE_EXCEPTIONS": False}
WAYS = {"connect_seconds": 5.0, "answer_seconds": 5.0}


def test_address_of_a_server_names_no_sentinels() -> None:
    assert watched_by("redis://:secret@10.0.0.1:6379/0") is None
    assert watched_by("rediss://10.0.0.1/0") is None


def test_address_of_sentinels_is_read_as_others_of_redis_are() -> None:
    assert watched_by(URL) == Watched(
        sentinels=[("10.0.0.1", 26379), ("::1", 26380)],
        name="the one",
        database=3,
        options={"username": "shop", "password": "a/b", "ssl_ca_certs": "/etc/ca.pem"},
        is_tls=True,
    )
    assert watched_by("redis+sentinel://10.0.0.1/name") == Watched([("10.0.0.1", 26379)], "name", 0, {}, is_tls=False)


def test_what_an_address_of_sentinels_says_counts_more_than_our_bounds() -> None:
    pool = connection_pool("redis+sentinel://10.0.0.1/name/3?socket_timeout=3", socket_timeout=0.5, retry=None)

    assert {name: pool.connection_kwargs[name] for name in ("socket_timeout", "db")} == {"socket_timeout": 3.0, "db": 3}


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis+sentinel://127.0.0.1:1/name"])
def test_answers_are_waited_for_so_long_also_where_nobody_says_how_long(url: str) -> None:
    said, unsaid = connection_pool(url, socket_timeout=0.5), connection_pool(url)

    assert said.connection_kwargs["socket_timeout"] == 0.5
    assert unsaid.connection_kwargs["socket_timeout"] == ANSWER_SECONDS


def test_celery_is_told_of_sentinels_in_its_own_words() -> None:
    watched = watched_by("rediss+sentinel://:a%2Fb@10.0.0.1,10.0.0.2:26380/name/1?ssl_ca_certs=/etc/ca.pem")
    assert watched

    options = brokers.options_for_sentinels(watched)

    assert brokers.sentinels_for_celery(watched) == (
        "sentinel://:a%2Fb@10.0.0.1:26379/1;sentinel://:a%2Fb@10.0.0.2:26380/1"
    )
    assert options["master_name"] == "name"
    assert options["sentinel_kwargs"]["password"] == "a/b"
    assert options["sentinel_kwargs"]["ssl"] is True


def test_certificate_of_a_broker_is_checked_unless_its_address_says_otherwise() -> None:
    files = {"ssl_ca_certs": "/etc/ca.pem"}

    assert brokers.tls_of_redis("rediss://10.0.0.1/1") == {"ssl_cert_reqs": "required"}
    assert brokers.tls_of_redis(URL) == {"ssl_cert_reqs": "required", **files}
    assert brokers.tls_of_redis("redis://10.0.0.1/1") == brokers.tls_of_redis("amqps://10.0.0.1") == {}


# Each part that uses Redis, on each kind of it


@pytest.fixture
def at(settings: Settings) -> Iterator[Callable[[str], None]]:
    """Sends all that uses Redis to an address."""

    def move(url: str) -> None:
        settings.REDIS_URL = url
        settings.CACHES = {"default": {**project.CACHES["default"], "LOCATION": [url], "OPTIONS": OPTIONS}}

    yield move
    caches["default"].close()


def use_all(url: str, name: str) -> None:
    """The cache, rates, hints and the lock."""
    lock, counted = RedisLock(url), rates.Rates("of-this-test")
    cache.set(name, name, timeout=60)
    counted.take([name, name], rates.Rate(2, 60), timezone.now())
    token = lock.acquire(name, wait_seconds=5, lease_seconds=60)
    assert token
    lock.release(name, token, lease_seconds=60)

    assert cache.get_many([name, "another"]) == {name: name}
    assert rates.Rates("of-this-test").take([name], rates.Rate(2, 60), timezone.now())[0] > 0  # who else was told
    assert asyncio.run(hear(url)) == b"a hint"


def takes_writes(client: redis.Redis) -> bool:
    """Whether the sentinels name another master, and it takes writes."""
    try:
        return bool(client.set("written", 1))
    except redis.RedisError:
        return False


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.django_db
@pytest.mark.parametrize("is_tls", [False, True], ids=["clear", "tls"])
def test_cache_rates_hints_and_lock_find_the_master_also_when_it_is_another_one(
    at: Callable[[str], None], tmp_path: Path, is_tls: bool
) -> None:
    tls = redis_tls(tmp_path) if is_tls else None
    with RedisSentinel(tls=tls) as servers, redis_client(servers.url(0), **WAYS) as client:
        at(servers.url(0))
        use_all(servers.url(0), "before")
        servers.master().kill()
        wait_until(lambda: takes_writes(client), seconds=60, what="another master takes writes")
        use_all(servers.url(0), "after")


@pytest.mark.servers
@pytest.mark.django_db
def test_cache_rates_hints_and_lock_work_over_tls(at: Callable[[str], None], tmp_path: Path) -> None:
    with EncryptedRedis(redis_tls(tmp_path), password="of-this-test") as server:
        at(server.url)
        use_all(server.url, "name")


class ClusterRedis(Redis):
    """A Redis Cluster of one node, which refuses what several could not do together."""

    def command(self) -> list[str]:
        return [*super().command(), "--cluster-enabled", "yes"]

    def take_all_slots(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_until(lambda: is_whole(client), seconds=60, what="the cluster is whole")


def is_whole(client: redis.Redis) -> bool:
    return client.execute_command("CLUSTER INFO")["cluster_state"] == "ok"


@pytest.mark.servers
@pytest.mark.django_db
def test_redis_cluster_refuses_the_cache_rates_and_the_lock_and_has_no_database_for_celery(
    at: Callable[[str], None],
) -> None:
    with ClusterRedis() as server:
        server.take_all_slots()
        at(server.url)
        lock = RedisLock(server.url)
        token = lock.acquire("name", wait_seconds=5, lease_seconds=60)
        assert token
        refusals = {
            "cache": lambda: caches["default"].client.get_many(["one", "two"]),
            "rates": lambda: rates.script(server.url)(keys=["one", "two"], args=[0, 1, 1, 1]),
            "lock": lambda: lock.release("name", token, lease_seconds=60),
        }

        for refused in refusals.values():
            with pytest.raises((redis.RedisError, ConnectionInterrupted), match="(?i)slot"):
                refused()
        with redis_client(server.broker_url, **WAYS) as client, pytest.raises(redis.RedisError):
            client.ping()
        assert asyncio.run(hear(server.url)) == b"a hint"


async def hear(url: str) -> bytes:
    async with redis_in_loop(url, connect_seconds=5) as client, client.pubsub() as pubsub:
        await pubsub.subscribe(hints.channel())
        assert (await pubsub.get_message(timeout=10))["type"] == "subscribe"
        await asyncio.to_thread(hints.publish, "a hint")
        return (await pubsub.get_message(timeout=10))["data"]
