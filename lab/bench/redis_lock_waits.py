"""What waking the waiter is worth: a lock in Redis that signals, against the same lock polled.

    .venv/bin/python -m lab.bench.redis_lock_waits [--rounds 7]

Bursts of 20 and of 200 one-shot buyers want one lock at once, and each holds it for 3 ms. Throughput of a burst is
buyers / time until the last one has had the lock. The polled lock tries again after a random sleep of 50-250 ms. Both
take turns in one run (A B B A); the ratios are the median and the range of the rounds.
"""

import argparse
import os
import random
import sys
import threading
import time
from statistics import median

from lab.servers import Redis

HOLD_SECONDS, LEASE_SECONDS, WAIT_SECONDS = 0.003, 10.0, 60.0
BURSTS = (20, 200)


def prepare(server: Redis) -> None:
    os.environ |= {"ENV_FILE": "", "DEBUG": "true", "DEMO": "true", "REDIS_URL": server.url}
    os.environ |= {"DJANGO_SETTINGS_MODULE": "charites.settings"}
    import django  # noqa: PLC0415 (the settings are read now)

    django.setup()


def waking(url: str) -> object:
    from stock.locks import RedisLock  # noqa: PLC0415

    return RedisLock(url)


def polled(url: str) -> object:
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


def burst(lock: object, buyers: int, *, name: str) -> float:
    """Returns buyers per second. Raises AssertionError when one of them did not get the lock."""
    barrier, served = threading.Barrier(buyers + 1), []

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
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    if len(set(served)) != buyers:
        raise AssertionError(f"{len(set(served))} of {buyers} got the lock")
    return buyers / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    wanted = parser.parse_args()
    with Redis() as server:
        prepare(server)
        ours, theirs = waking(server.url), polled(server.url)
        for buyers in BURSTS:
            ratios = []
            for n in range(wanted.rounds):
                rates: dict[object, float] = {ours: 0.0, theirs: 0.0}
                for lock in (ours, theirs, theirs, ours):
                    rates[lock] += burst(lock, buyers, name=f"bench-{buyers}") / 2
                ratios.append(rates[ours] / rates[theirs])
                sys.stdout.write(
                    f"{buyers} buyers, round {n + 1}: {rates[ours]:.0f} and {rates[theirs]:.0f} a second\n"
                )
            middle = f"{median(ratios):.2f}   ({min(ratios):.2f} - {max(ratios):.2f})"
            sys.stdout.write(f"burst of {buyers}: woken / polled{'':<20}{middle}\n")


if __name__ == "__main__":
    main()
