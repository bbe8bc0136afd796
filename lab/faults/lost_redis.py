"""What may happen to a Redis, done to a real one: each fault is a block, and is over when the block is left."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Self

import redis

from lab.kit.proxy import Proxy
from lab.servers import LOOPBACK, Redis

Fault = Callable[["RedisPair"], AbstractContextManager[None]]


class RedisPair:
    """Two servers, and one address that leads to the master, as a failover of a hosted Redis leaves it."""

    def __init__(self) -> None:
        self.master, self.other = Redis(), Redis()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.master)
        self._stack.enter_context(self.other)
        self._address = self._stack.enter_context(Proxy((LOOPBACK, self.master.port)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, database: int) -> str:
        return f"redis://{LOOPBACK}:{self._address.port}/{database}"

    def client(self, database: int = 0) -> Any:
        """A client of the master, past the address."""
        return redis.Redis(port=self.master.port, db=database)

    def follow_other(self) -> None:
        """The master becomes a replica: it answers, and takes no writes."""
        self.client().replicaof(LOOPBACK, str(self.other.port))

    def follow_nobody(self) -> None:
        self.client().replicaof("NO", "ONE")

    def promote_other(self) -> None:
        """The address leads to the other server, and every connection is cut."""
        self.master, self.other = self.other, self.master
        self._address.move_to((LOOPBACK, self.master.port))


@contextmanager
def becomes_a_replica(pair: RedisPair) -> Iterator[None]:
    pair.follow_other()
    yield
    pair.follow_nobody()


@contextmanager
def misses_its_replicas(pair: RedisPair) -> Iterator[None]:
    pair.client().config_set("min-replicas-to-write", 1)
    yield
    pair.client().config_set("min-replicas-to-write", 0)


@contextmanager
def is_full(pair: RedisPair) -> Iterator[None]:
    pair.client().config_set("maxmemory", 1)
    yield
    pair.client().config_set("maxmemory", "256mb")


@contextmanager
def is_killed(pair: RedisPair) -> Iterator[None]:
    pair.master.kill()
    yield
    pair.master.start()


@contextmanager
def is_restarted(pair: RedisPair) -> Iterator[None]:
    pair.master.stop()
    pair.master.start()
    yield


@contextmanager
def hangs(pair: RedisPair) -> Iterator[None]:
    pair.master.pause()
    yield
    pair.master.resume()


@contextmanager
def fails_over(pair: RedisPair) -> Iterator[None]:
    pair.follow_other()
    yield
    pair.follow_nobody()
    pair.promote_other()


FAULTS: list[Fault] = [becomes_a_replica, misses_its_replicas, is_full, is_killed, is_restarted, hangs, fails_over]
