"""B8: closing what is unpaid: many orders due at once, what those cost that are pending, and how late they close."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta

from lab.bench.native import Load
from lab.bench.pending import WORKER, await_worker, percentile, place, shares, unpaid_orders, watch
from lab.bench.ratio import FULL_SECONDS, Contestant, Rates, Ratio
from lab.bench.stage import Stage, memory_mb
from lab.kit.processes.shop import wait_until

DUE, QUICK_DUE = 100_000, 20_000
PENDING, QUICK_PENDING = 1_000_000, 100_000
TASKS, QUICK_TASKS = 1000, 250  # of the peer in one turn: its rate is the same for more, and it is slow
TASK_QUEUE = "bench"
APART_SECONDS = 1800  # pending orders fall due within so long, half an hour from now
DUE_A_SECOND, LEAD_SECONDS, WINDOW_SECONDS = 500, 5, 5


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    stage.put_off(due_within=timedelta(hours=1))
    is_full = seconds >= FULL_SECONDS
    due, tasks = (DUE, TASKS) if is_full else (QUICK_DUE, QUICK_TASKS)
    yield closing(stage, rounds=rounds, seconds=seconds, orders=due, tasks=tasks)
    stage.stop()
    worker = start_worker(stage)
    yield memory(worker, pending=PENDING if is_full else QUICK_PENDING)
    stage.start("manage.py", "sweep")
    yield lateness(windows=rounds)


def closing(stage: Stage, *, rounds: int, seconds: int, orders: int, tasks: int) -> Ratio:
    """Orders that are due at once, closed a second: by the sweep, against a worker with a task for each."""
    ours = Contestant("one sweep", lambda _: close_all(), [os.getpid()], prepare=lambda: place_due(orders))
    peer = task_an_order(stage, tasks)
    rates = Rates(stage, [ours, peer], rounds=rounds, seconds=seconds)
    return rates.ratio(f"B8 closing {orders:,} / a task an order", ours.name, peer.name, floor=20, goal=40)


def place_due(orders: int) -> dict[int, float]:
    return place(orders, due_in=lambda n: -1.0)


def close_all() -> Load:
    """A round of the sweep's loop."""
    from charites.management.commands.sweep import close_orders, run_round  # noqa: PLC0415 (after the settings)

    started = time.monotonic()
    return Load(run_round("close", close_orders), time.monotonic() - started)


def task_an_order(stage: Stage, tasks: int) -> Contestant:
    """A worker as production runs it, with a task for each order; all tasks are there before it begins."""
    pid = start_worker(stage, "lab.bench.one_task_an_order", CELERY_QUEUE=TASK_QUEUE)

    def prepare() -> None:
        os.kill(pid, signal.SIGSTOP)
        send_tasks(list(place_due(tasks)))

    def load(_: int) -> Load:
        started = time.monotonic()
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not unpaid_orders(until=time.time()), seconds=120, what="all tasks are done")
        return Load(tasks, time.monotonic() - started)

    return Contestant("a task an order", load, [pid], prepare)


def send_tasks(order_ids: list[int]) -> None:
    from charites.celery import app  # noqa: PLC0415
    from lab.bench.one_task_an_order import CLOSE_ONE  # noqa: PLC0415

    with app.producer_pool.acquire(block=True) as producer:
        for order_id in order_ids:
            app.send_task(CLOSE_ONE, args=[order_id], queue=TASK_QUEUE, producer=producer)


def start_worker(stage: Stage, app: str = "charites", **settings: str) -> int:
    """Starts a Celery worker; returns its pid, once it is ready."""
    from django.core.cache import cache  # noqa: PLC0415

    cache.delete("heartbeat:worker")
    pid = stage.start("-m", "celery", "--app", app, *WORKER, **settings)
    await_worker()
    return pid


def memory(worker: int, *, pending: int) -> Ratio:
    """The worker's memory while orders wait to fall due, against its memory before the first one."""
    idle = memory_mb(worker)
    place(pending, due_in=lambda n: APART_SECONDS * (1 + n / pending))
    await_countdowns()
    busy = memory_mb(worker)
    details = [f"{pending:,} pending: {busy:.0f} MB", f"none: {idle:.0f} MB"]
    return Ratio(f"B8 worker memory, {pending:,} pending / none", 1.2, 1.05, [busy / idle], details)


def await_countdowns() -> None:
    """Returns when the worker has taken what was sent to it."""
    from django.conf import settings  # noqa: PLC0415
    from django_redis import get_redis_connection  # noqa: PLC0415

    redis = get_redis_connection()
    wait_until(lambda: not redis.llen(settings.CELERY_TASK_DEFAULT_QUEUE), seconds=60, what="the countdowns are taken")


def lateness(*, windows: int) -> Ratio:
    """How late orders close that fall due at a steady rate, with worker and sweep as production runs them: p99 of every
    five seconds, as long as a slot of the wake-ups. The floor is two seconds; the rest of the line are seconds, too."""
    orders = windows * WINDOW_SECONDS * DUE_A_SECOND
    due = place(orders, due_in=lambda n: LEAD_SECONDS + n / DUE_A_SECOND, batch=DUE_A_SECOND // 10)
    late = watch(due)
    found: list[list[float]] = [[] for _ in range(windows)]
    for n, order_id in enumerate(due):
        found[n // (WINDOW_SECONDS * DUE_A_SECOND)].append(late[order_id])
    details = [
        f"{len(late):,} orders: " + ", ".join(f"{name} {value:.2f} s" for name, value in shares([*late.values()]))
    ]
    name = f"B8 lateness p99, {DUE_A_SECOND} due a second, s"
    return Ratio(name, 2, 1, [percentile(window, 0.99) for window in found], details)
