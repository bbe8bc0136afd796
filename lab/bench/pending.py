"""Unpaid orders that fall due at chosen moments, who closes them, and how late they are seen closed."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from lab.bench.b1_in_process import BATCH, command
from lab.kit.processes.shop import wait_until

LOOK_SECONDS = 0.02
GIVE_UP_SECONDS = 180
WORKER = (
    "worker",
    "--pool",
    "threads",
    "--concurrency",
    "2",
    "--without-mingle",
    "--without-gossip",
    "--loglevel",
    "warning",
)


def place(orders: int, *, due_in: Callable[[int], float], batch: int = BATCH) -> dict[int, float]:
    """Places orders whose time is up `due_in(n)` seconds from now, the same for a whole batch; returns their due times
    by number."""
    from django.conf import settings  # noqa: PLC0415 (the settings are read by now)

    from charites.common import clock  # noqa: PLC0415
    from orders.services import place_orders  # noqa: PLC0415

    start, due = clock.now() - timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS), {}
    for first in range(0, orders, batch):
        commands = [command() for _ in range(min(batch, orders - first))]
        for placed in place_orders(commands=commands, now=start + timedelta(seconds=due_in(first))):
            if placed.error:
                raise placed.error
            due[placed.new.order.order_id] = placed.new.order.expires_at.timestamp()
    return due


def watch(due: dict[int, float]) -> dict[int, float]:
    """Returns how many seconds late each order was seen closed, by another connection that looks every 20 ms."""
    coming, open_now, late = deque(sorted(due.items(), key=lambda item: item[1])), {}, {}
    end = coming[-1][1] + GIVE_UP_SECONDS
    while (coming or open_now) and time.time() < end:
        asked = time.time()
        overdue = unpaid_orders(until=asked)
        seen = time.time()
        while coming and coming[0][1] <= asked:
            order_id, moment = coming.popleft()
            open_now[order_id] = moment
        late |= {order_id: seen - open_now.pop(order_id) for order_id in [n for n in open_now if n not in overdue]}
        time.sleep(LOOK_SECONDS)
    if len(late) < len(due):
        raise AssertionError(f"{len(due) - len(late)} orders were never closed")
    return late


def unpaid_orders(*, until: float) -> set[int]:
    """The numbers of the orders that are due by then and still open."""
    from orders.models import Order  # noqa: PLC0415

    due = Order.objects.filter(status=Order.Status.UNPAID, expires_at__lte=datetime.fromtimestamp(until, UTC))
    return set(due.values_list("order_id", flat=True))


def percentile(late: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(late)[min(int(len(late) * share), len(late) - 1)]


def shares(late: Sequence[float]) -> Iterator[tuple[str, float]]:
    """The median, the hundredth and the worst."""
    for caption, share in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0)):
        yield caption, percentile(late, share)


def await_worker() -> None:
    from django.core.cache import cache  # noqa: PLC0415

    wait_until(lambda: cache.get("heartbeat:worker"), seconds=60, what="the worker is ready")
