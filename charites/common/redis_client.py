"""Clients of Redis that send nothing twice: what was not answered may have been carried out.

An address names one server (`redis://host:6379/0`), or sentinels, who are asked with every new connection which of the
servers they watch is the master (`redis+sentinel://host:26379,host:26379/name/0`). With `rediss` it is TLS.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import redis.asyncio
import redis.asyncio.sentinel
from django_redis.pool import ConnectionFactory
from redis import ConnectionPool, Redis, RedisError
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

SENTINEL_PORT = 26379
ANSWER_SECONDS = 5.0
SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}


class Watched(NamedTuple):
    """Servers of which sentinels say who the master is."""

    sentinels: list[tuple[str, int]]
    name: str
    database: int
    options: dict[str, Any]  # of connections to servers and sentinels alike: password, files of TLS
    is_tls: bool

    @property
    def of_servers(self) -> dict[str, Any]:
        return {**self.options, "db": self.database, "ssl": self.is_tls}

    def of_sentinels(self, seconds: float, retry: object = None) -> dict[str, Any]:
        """`seconds`: how long one is waited for. None is asked twice, because the next one may know."""
        times = {"socket_connect_timeout": seconds, "socket_timeout": seconds}
        return {**self.options, **times, "ssl": self.is_tls, "retry": retry or Retry(NoBackoff(), 0)}


def watched_by(url: str) -> Watched | None:
    """What an address of sentinels says; None for one of a server. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        return None
    owner, at, hosts = parts.netloc.rpartition("@")
    name, _, database = parts.path.removeprefix("/").partition("/")
    if not name or not (database or "0").isdecimal():
        raise ValueError(f"{parts.path!r} is not the name of a master, and a database")
    scheme = SCHEMES[parts.scheme]
    servers = [read_server(f"{scheme}://{owner}{at}{host}/?{parts.query}") for host in hosts.split(",")]
    ours = ("host", "port", "connection_class")
    return Watched(
        sentinels=[(server["host"], server.get("port", SENTINEL_PORT)) for server in servers],
        name=unquote(name),
        database=int(database or 0),
        options={key: value for key, value in servers[0].items() if key not in ours},
        is_tls=scheme == "rediss",
    )


def read_server(url: str) -> dict[str, Any]:
    """Raises ValueError."""
    server: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    if "host" not in server:
        raise ValueError("a host is missing")
    return server


def check_address(url: str) -> None:
    """Connects to nothing. Raises ValueError for an address that no connection could be made to, as of an option in it
    that redis-py does not have."""
    try:
        connection_pool(url, socket_timeout=1.0).make_connection()
    except (TypeError, RedisError) as error:
        raise ValueError(str(error)) from error


def connection_pool(url: str, *, socket_timeout: float = ANSWER_SECONDS, **options: Any) -> ConnectionPool:
    """The connections to an address, none of them open yet. `socket_timeout`: seconds for an answer, of a sentinel,
    too; what the address itself says counts more."""
    watched = watched_by(url)
    options["socket_timeout"] = socket_timeout
    if watched is None:
        return ConnectionPool.from_url(url, **options)
    asked = watched.of_sentinels(socket_timeout)
    sentinel = Sentinel(watched.sentinels, sentinel_kwargs=asked)  # type: ignore[no-untyped-call]
    return SentinelConnectionPool(  # type: ignore[no-untyped-call]
        watched.name, sentinel, **{**options, **watched.of_servers}
    )


def redis_client(url: str, *, connect_seconds: float, answer_seconds: float, **options: Any) -> Redis:
    """Not connected yet. Its calls raise RedisError when Redis takes longer than that."""
    timeouts = {"socket_connect_timeout": connect_seconds, "socket_timeout": answer_seconds}
    return Redis.from_pool(connection_pool(url, retry=Retry(NoBackoff(), 0), **timeouts, **options))


@asynccontextmanager
async def redis_in_loop(url: str, *, connect_seconds: float) -> AsyncIterator[redis.asyncio.Redis]:
    """A client for an event loop. Not connected yet; its connections are closed at the end."""
    watched = watched_by(url)
    if watched is None:
        async with redis.asyncio.Redis.from_url(url, socket_connect_timeout=connect_seconds) as client:
            yield client
        return
    asked = watched.of_sentinels(connect_seconds, AsyncRetry(NoBackoff(), 0))
    sentinel = redis.asyncio.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        watched.sentinels, sentinel_kwargs=asked
    )
    pool = redis.asyncio.sentinel.SentinelConnectionPool(  # type: ignore[no-untyped-call]
        watched.name, sentinel, **{"socket_connect_timeout": connect_seconds, **watched.of_servers}
    )
    try:
        async with redis.asyncio.Redis.from_pool(pool) as client:
            yield client
    finally:
        for each in sentinel.sentinels:
            await each.aclose()


class CacheConnections(ConnectionFactory):
    """What Django's cache gets its connections from: django-redis's own, for every kind of address."""

    def get_connection_pool(self, params: dict[str, Any]) -> ConnectionPool:
        return connection_pool(**params)
