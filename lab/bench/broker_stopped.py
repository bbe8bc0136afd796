"""What a broker that is gone does to a shop with 10,000 unpaid orders: to placing, and to closing.

    .venv/bin/python -m lab.bench.broker_stopped [--rounds 5] [--window 3] [--orders 10000]

It starts a private MariaDB, Redis and RabbitMQ, a worker and a sweep. Placing (8 threads, one order per call) is
measured side by side in one run (A B B A): RabbitMQ healthy and stopped (SIGSTOP), then Redis healthy and flushed every
tenth of a second. Ratios are medians and ranges of the rounds. Then RabbitMQ is stopped, Redis flushed, and the orders
fall due.
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

from lab.bench.b1_in_process import command
from lab.bench.pending import await_worker, place, shares, watch
from lab.bench.stage import Stage
from lab.kit.processes.shop import Shop
from lab.servers import RabbitMQ

THREADS = 8


def rate(seconds: float) -> float:
    """Returns orders placed a second, by threads in a closed loop."""
    from django.db import connections  # noqa: PLC0415 (the settings are read by now)
    from django.utils import timezone  # noqa: PLC0415

    from orders.services import place_order  # noqa: PLC0415

    counts, end = [], time.perf_counter() + seconds

    def buy() -> None:
        count = 0
        while time.perf_counter() < end:
            place_order(command=command(), now=timezone.now())
            count += 1
        counts.append(count)
        connections.close_all()

    threads = [threading.Thread(target=buy) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def flush(url: str) -> None:
    import redis  # noqa: PLC0415 (after the settings)

    with redis.Redis.from_url(url) as client:
        client.flushall()


def while_flushed(url: str, seconds: float) -> float:
    stop = threading.Event()

    def flush_often() -> None:
        while not stop.wait(0.1):
            flush(url)

    thread = threading.Thread(target=flush_often)
    thread.start()
    try:
        return rate(seconds)
    finally:
        stop.set()
        thread.join()


def while_paused(server: RabbitMQ, seconds: float) -> float:
    server.pause()
    try:
        return rate(seconds)
    finally:
        server.resume()


def compare(caption: str, broken: Callable[[], float], *, rounds: int, window: float) -> None:
    ratios = []
    for n in range(rounds):
        healthy, first, second = rate(window), broken(), broken()
        healthy = (healthy + rate(window)) / 2
        ratios.append((first + second) / 2 / healthy)
        sys.stdout.write(f"{caption}, round {n + 1}: {(first + second) / 2:.0f}, healthy {healthy:.0f} orders/s\n")
        sys.stdout.flush()
    sys.stdout.write(f"{caption} / healthy{'':<12}{median(ratios):.2f}   ({min(ratios):.2f} - {max(ratios):.2f})\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window", type=float, default=3.0)
    parser.add_argument("--orders", type=int, default=10_000)
    wanted = parser.parse_args()
    with ExitStack() as stack:
        rabbitmq = stack.enter_context(RabbitMQ())
        settings = {"CELERY_BROKER_URL": rabbitmq.url, "LOG_LEVEL": "WARNING", "DATABASE_TIMEOUT_SECONDS": "60"}
        stage = stack.enter_context(Stage(**settings))
        shop = stack.enter_context(Shop(stage.folder, dict(os.environ)))
        shop.start("worker", "sweep")
        await_worker()
        place(wanted.orders, due_in=lambda n: 1800)
        sizes = {"rounds": wanted.rounds, "window": wanted.window}
        compare("RabbitMQ stopped", lambda: while_paused(rabbitmq, wanted.window), **sizes)
        compare("Redis flushed", lambda: while_flushed(stage.redis.url, wanted.window), **sizes)
        due = place(wanted.orders, due_in=lambda n: 15 + 20 * n / wanted.orders)
        rabbitmq.pause()
        flush(stage.redis.url)
        for caption, seconds in shares([*watch(due).values()]):
            sys.stdout.write(f"lateness of {len(due)} orders, {caption}{'':<20}{seconds:.2f} s\n")
        rabbitmq.resume()
        shop.kill("worker")  # one that has met a hung RabbitMQ takes long to end


if __name__ == "__main__":
    main()
