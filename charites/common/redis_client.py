"""Clients of Redis that send nothing twice: what was not answered may have been carried out."""

from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def redis_client(url: str, *, connect_seconds: float, answer_seconds: float, **options: Any) -> Redis:
    """Not connected yet. Its calls raise RedisError when Redis takes longer than that."""
    timeouts = {"socket_connect_timeout": connect_seconds, "socket_timeout": answer_seconds}
    return Redis.from_url(url, retry=Retry(NoBackoff(), 0), **timeouts, **options)
