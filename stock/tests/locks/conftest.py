from collections.abc import Iterator

import pytest
import redis
from django.conf import settings as project

from stock.locks import RedisLock
from stock.tests.locks.lock_servers import forget


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(project.REDIS_URL, decode_responses=True)
    forget(client)
    yield client
    forget(client)
    client.close()


@pytest.fixture
def lock(server: redis.Redis) -> RedisLock:
    return RedisLock(project.REDIS_URL)
