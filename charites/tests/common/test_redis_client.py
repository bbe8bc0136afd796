"""Addresses of Redis: of one server, or of sentinels who say which one it is."""

import asyncio
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings as project
from django.core.cache import cache, caches
from django.utils import timezone
from pytest_django.fixtures import Settings

from charites import brokers
from charites.common import hints, rates
from charites.common.redis_client import Watched, redis_client, redis_in_loop, watched_by
from lab.servers import RedisSentinel
from stock.locks import RedisLock

URL = "rediss+sentinel://shop:a%2Fb@10.0.0.1,[::1]:26380/the%20one/3?ssl_ca_certs=/etc/ca.pem"
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


@pytest.fixture(scope="module")
def servers() -> Iterator[RedisSentinel]:
    with RedisSentinel() as servers:
        yield servers


@pytest.fixture
def _all_of_redis_is_there(servers: RedisSentinel, settings: Settings) -> Iterator[None]:
    settings.REDIS_URL = servers.url(0)
    settings.CACHES = {"default": {**project.CACHES["default"], "LOCATION": [servers.url(0)]}}
    yield
    caches["default"].close()


def await_writes(client: redis.Redis) -> None:
    """Until the sentinels name another master, and it takes writes."""
    for _ in range(600):
        try:
            client.set("written", 1)
            return
        except redis.RedisError:
            asyncio.run(asyncio.sleep(0.1))
    raise AssertionError("no other master")


@pytest.mark.servers
@pytest.mark.django_db
@pytest.mark.usefixtures("_all_of_redis_is_there")
def test_cache_rates_hints_and_lock_find_the_master_also_when_it_is_another_one(servers: RedisSentinel) -> None:
    lock, counted = RedisLock(servers.url(0)), rates.Rates("of-this-test")
    client = redis_client(servers.url(0), **WAYS)
    for name in ("one", "two"):
        await_writes(client)
        cache.set(name, name, timeout=60)
        counted.take([name], rates.Rate(1, 60), timezone.now())
        token = lock.acquire(name, wait_seconds=5, lease_seconds=60)
        assert token
        lock.release(name, token, lease_seconds=60)

        assert cache.get(name) == name
        assert rates.Rates("of-this-test").take([name], rates.Rate(1, 60), timezone.now())[0] > 0  # who else was told
        assert asyncio.run(hear(servers.url(0))) == b"a hint"
        servers.master().kill()


async def hear(url: str) -> bytes:
    async with redis_in_loop(url, connect_seconds=5) as client, client.pubsub() as pubsub:
        await pubsub.subscribe(hints.channel())
        assert (await pubsub.get_message(timeout=10))["type"] == "subscribe"
        await asyncio.to_thread(hints.publish, "a hint")
        return (await pubsub.get_message(timeout=10))["data"]
