"""B10: what waking the waiter is worth: the lock in Redis that signals, against the same lock polled.

Bursts of one-shot buyers want one lock at once, and each holds it for 3 ms. The polled lock tries again after a random
sleep of 50-250 ms.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from lab.bench.native import Load
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.stage import Stage
from lab.servers.private_server import ServerFailed

HOLD_SECONDS, LEASE_SECONDS, WAIT_SECONDS = 0.003, 10.0, 60.0
BURSTS = {20: (4, 6), 200: (1.5, 1.7)}  # floor and goal


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    locks = {"woken": waking(stage.redis.url), "polled": polled(stage.redis.url)}
    for buyers, (floor, goal) in BURSTS.items():
        woken, other = (
            Contestant(f"{name}, {buyers} buyers", partial(burst, lock, buyers), [os.getpid()])
            for name, lock in locks.items()
        )
        rates = Rates(stage, [woken, other], rounds=rounds, seconds=seconds)
        name = f"B10 lock, burst of {buyers}, woken / polled"
        yield rates.ratio(name, woken.name, other.name, floor=floor, goal=goal)


def waking(url: str) -> Any:
    from stock.locks import RedisLock  # noqa: PLC0415 (after the settings)

    return RedisLock(url)


def polled(url: str) -> Any:
    """The same lock, whose waiters sleep instead of listening."""
    from stock.locks import RedisLock  # noqa: PLC0415

    class Polled(RedisLock):
        def acquire(self, name: str, *, wait_seconds: float, lease_seconds: float) -> str | None:
            deadline = time.monotonic() + wait_seconds
            while time.monotonic() < deadline:
                if token := super().acquire(name, wait_seconds=0, lease_seconds=lease_seconds):
                    return token
                time.sleep(random.uniform(0.05, 0.25))
            return None

    return Polled(url)


def burst(lock: Any, buyers: int, seconds: int) -> Load:
    """One burst, however long it takes. Raises ServerFailed when one of them did not get the lock."""
    barrier, served, name = threading.Barrier(buyers + 1), [], f"bench-{buyers}"

    def buy() -> None:
        lock._redis.ping()  # a connection, before the clock starts
        barrier.wait()
        token = lock.acquire(name, wait_seconds=WAIT_SECONDS, lease_seconds=LEASE_SECONDS)
        if token:
            time.sleep(HOLD_SECONDS)
            lock.release(name, token, lease_seconds=LEASE_SECONDS)
            served.append(token)

    threads = [threading.Thread(target=buy) for _ in range(buyers)]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.monotonic()
    for thread in threads:
        thread.join()
    took = time.monotonic() - started
    if len(set(served)) != buyers:
        raise ServerFailed(f"{len(set(served))} of {buyers} got the lock")
    return Load(buyers, took)
