"""How late unpaid orders close, and what their countdowns cost a worker.

    .venv/bin/python -m lab.bench.timeouts [--orders 10000] [--seconds 20] [--broker redis|rabbitmq]

It starts a private MariaDB (binary log on, both logs synced), Redis and RabbitMQ, one worker and one sweep, places the
orders so that they are due evenly within the seconds, and prints the lateness (from `expires_at` until another
connection sees the order closed, looked at every 20 ms) and the worker's memory, pending against none.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from lab.bench.stage import memory_mb
from lab.kit.processes.shop import Shop, wait_until
from lab.servers import MariaDB, RabbitMQ, Redis

PAY_TIMEOUT_SECONDS, BATCH, LOOK_SECONDS = 1800, 250, 0.02


def prepare(database: MariaDB, redis: Redis, broker_url: str) -> None:
    """Makes this process part of the shop, and gives it something to sell."""
    os.environ |= {"DATABASE_URL": database.url, "REDIS_URL": redis.url, "CELERY_BROKER_URL": broker_url}
    os.environ |= {"ENV_FILE": "", "DEBUG": "true", "DEMO": "true", "LOG_LEVEL": "WARNING"}
    os.environ |= {"DJANGO_SETTINGS_MODULE": "charites.settings", "DATABASE_TIMEOUT_SECONDS": "60"}
    import django  # noqa: PLC0415 (the settings are read now)

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from lab.kit.factories import make_goods  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    make_goods(1, stock=10_000_000)


def place(orders: int, *, due_in: Callable[[int], float]) -> dict[int, float]:
    """Places orders whose time is up `due_in(n)` seconds from now; returns their due times by number."""
    from datetime import timedelta  # noqa: PLC0415

    from django.utils import timezone  # noqa: PLC0415

    from lab.kit.factories import make_command  # noqa: PLC0415
    from orders.services import place_orders  # noqa: PLC0415

    start, due = timezone.now(), {}
    for first in range(0, orders, BATCH):
        moment = start + timedelta(seconds=due_in(first) - PAY_TIMEOUT_SECONDS)
        for placed in place_orders(commands=[make_command() for _ in range(BATCH)], now=moment):
            if placed.error:
                raise placed.error
            due[placed.order.order.order_id] = placed.order.order.expires_at.timestamp()
    return due


def watch(due: dict[int, float]) -> list[float]:
    """Returns how late each order was seen closed, in seconds, when all are."""
    from orders.models import Order  # noqa: PLC0415

    waiting, late, end = dict(due), [], time.time() + 180
    while waiting and time.time() < end:
        unpaid = set(Order.objects.filter(status=Order.Status.UNPAID).values_list("order_id", flat=True))
        now = time.time()
        late += [now - waiting.pop(order_id) for order_id in [n for n in waiting if n not in unpaid]]
        time.sleep(LOOK_SECONDS)
    if waiting:
        raise AssertionError(f"{len(waiting)} orders were never closed")
    return sorted(late)


def await_worker() -> None:
    from django.core.cache import cache  # noqa: PLC0415

    wait_until(lambda: cache.get("heartbeat:worker"), seconds=60, what="the worker is ready")


def show(caption: str, value: float, unit: str) -> None:
    sys.stdout.write(f"{caption:<56}{value:>9.2f} {unit}\n")
    sys.stdout.flush()


def show_lateness(late: list[float]) -> None:
    for caption, part in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0)):
        show(f"lateness of {len(late)} orders, {caption}", late[min(int(len(late) * part), len(late) - 1)], "s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--broker", choices=["redis", "rabbitmq"], default="redis")
    wanted = parser.parse_args()
    with ExitStack() as stack:
        database, redis = stack.enter_context(MariaDB("--innodb-buffer-pool-size=1G")), stack.enter_context(Redis())
        url = redis.broker_url if wanted.broker == "redis" else stack.enter_context(RabbitMQ()).url
        prepare(database, redis, url)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shop = stack.enter_context(Shop(folder, dict(os.environ)))
        shop.start("worker", "sweep")
        await_worker()
        time.sleep(3)
        idle = memory_mb(shop.processes["worker"].pid)
        started = time.time()
        lead = 15.0  # they are all placed by then
        due = place(wanted.orders, due_in=lambda n: lead + wanted.seconds * n / wanted.orders)
        show(f"placing {wanted.orders} orders", time.time() - started, "s")
        if min(due.values()) < time.time():
            sys.stdout.write("placing took longer than the lead: the first orders were late from the start\n")
        pending = memory_mb(shop.processes["worker"].pid)
        show_lateness(watch(due))
        show("worker, none pending", idle, "MB")
        show(f"worker, {wanted.orders} orders pending / none pending", pending / idle, "x")
        show("worker, afterwards / none pending", memory_mb(shop.processes["worker"].pid) / idle, "x")


if __name__ == "__main__":
    main()
