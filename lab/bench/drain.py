"""How fast a sweep works off what has piled up, in how much memory, and whether a receiver that hangs delays a close.

    .venv/bin/python -m lab.bench.drain [--messages 10000] [--sweeps 1 2] [--orders 2000]

It starts a private MariaDB with the binary log on and both logs synced at every commit.

* Messages whose receiver inserts one row for each are delivered by one sweep process, then by two:
  messages per second from the first mark to the last, and the resident memory of a sweep before and at its highest.
* Orders whose time is up within the next ten seconds are closed by a sweep, first alone, then beside messages
  whose receiver hangs for five seconds each: how late they close.
"""

import argparse
import itertools
import json
import os
import resource
import secrets
import subprocess
import sys
import threading
import time
from datetime import timedelta
from statistics import median, quantiles
from typing import Any

from lab.bench.stage import memory_mb
from lab.servers import MariaDB

QUICK, HANGING = "bench_quick", "bench_hanging"
HANG_SECONDS, SPREAD_SECONDS = 5.0, 10.0
STEP = 5000
buyers = itertools.count(1)


def prepare(url: str) -> None:
    os.environ |= {"DATABASE_URL": url, "ENV_FILE": "", "DEBUG": "false", "DEMO": "false", "LOG_LEVEL": "CRITICAL"}
    os.environ |= {"SECRET_KEY": secrets.token_urlsafe(48), "PAYMENT_SECRET": secrets.token_urlsafe(48)}
    os.environ["DJANGO_SETTINGS_MODULE"] = "charites.settings"
    import django  # noqa: PLC0415 (the settings are read now)

    django.setup()


def register_topics() -> None:
    from django.contrib.auth.models import Group  # noqa: PLC0415

    from messaging.registry import register  # noqa: PLC0415

    register(QUICK, lambda messages: Group.objects.bulk_create(Group(name=message.key) for message in messages))
    register(HANGING, lambda messages: time.sleep(HANG_SECONDS))


def run_sweep(loops: list[str]) -> None:
    """A sweep until its input ends; says its memory before any work and the most that it ever had."""
    from charites.management.commands import sweep  # noqa: PLC0415
    from messaging.models import Message  # noqa: PLC0415

    register_topics()
    Message.objects.exists()
    before = memory_mb(os.getpid())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    stop = threading.Event()
    threads = [threading.Thread(target=sweep.run_loop, args=(name, sweep.LOOPS[name], stop)) for name in loops]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"before": before, "most": most}) + "\n")


class Sweeps:
    """Sweep processes, ready when the block begins and ended with it; `memory`: what they said."""

    def __init__(self, url: str, count: int, loops: list[str]) -> None:
        command = [sys.executable, "-m", "lab.bench.drain", "--sweep", url, *loops]
        pipe = subprocess.PIPE
        self._processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(count)]
        self.memory: list[dict[str, float]] = []

    def __enter__(self) -> "Sweeps":
        for process in self._processes:
            process.stdout.readline()
        return self

    def go(self) -> None:
        for process in self._processes:
            process.stdin.write("go\n")
            process.stdin.flush()

    def __exit__(self, *_: object) -> None:
        self.memory = [json.loads(process.communicate()[0]) for process in self._processes]


def pile_up(topic: str, count: int) -> None:
    """Messages that are due; their keys are never used again."""
    from django.utils import timezone  # noqa: PLC0415

    from messaging.models import Message  # noqa: PLC0415

    mark, now = time.time_ns(), timezone.now()
    for start in range(0, count, STEP):
        Message.objects.bulk_create(
            Message(topic=topic, key=f"{mark}-{n}", payload={"v": 1}, state="ready", deliver_at=now)
            for n in range(start, min(start + STEP, count))
        )


def await_none(rows: Any) -> None:
    while rows.exists():
        time.sleep(0.05)


def drain(url: str, messages: int, sweeps: int) -> None:
    from messaging.models import Message  # noqa: PLC0415

    pile_up(QUICK, messages)
    with Sweeps(url, sweeps, ["call"]) as running:
        started = time.perf_counter()
        running.go()
        await_none(Message.objects.filter(topic=QUICK, state="ready"))
        seconds = time.perf_counter() - started
    memory = ", ".join(f"{one['before']:.0f} -> {one['most']:.0f} MB" for one in running.memory)
    line = f"{messages} messages, {sweeps} sweep(s): {messages / seconds:.0f} a second; memory {memory}\n"
    sys.stdout.write(line)
    sys.stdout.flush()


def close(url: str, orders: int, *, hanging: int) -> None:
    from django.conf import settings  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from lab.kit.factories import make_command  # noqa: PLC0415
    from orders import services  # noqa: PLC0415
    from orders.models import Order  # noqa: PLC0415

    pile_up(HANGING, hanging)
    with Sweeps(url, 1, ["close", "call", "check", "tidy"]) as running:
        running.go()
        begin = timezone.now() + timedelta(seconds=5) - timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS)
        placed = []
        for n in range(100):
            now = begin + timedelta(seconds=SPREAD_SECONDS * n / 100)
            commands = [make_command(user_id=next(buyers)) for _ in range(orders // 100)]
            results = services.place_orders(commands=commands, now=now)
            placed += [result.order.order.order_id for result in results if result.order]
        mine = Order.objects.filter(order_id__in=placed)
        await_none(mine.filter(status=Order.Status.UNPAID))
        late = [(order.updated_at - order.expires_at).total_seconds() for order in mine]
    p99 = quantiles(late, n=100)[98]
    beside = f"beside {hanging} messages whose receiver hangs" if hanging else "alone"
    words = f"p50 {median(late):.2f} s, p99 {p99:.2f} s, at most {max(late):.2f} s late"
    sys.stdout.write(f"{len(late)} orders closed {beside}: {words}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--sweeps", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--sweep", nargs="+", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.sweep:
        prepare(wanted.sweep[0])
        run_sweep(wanted.sweep[1:])
        return
    with MariaDB("--innodb-buffer-pool-size=1G") as database:
        prepare(database.url)
        from django.core.management import call_command  # noqa: PLC0415

        from lab.kit.factories import make_goods  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        make_goods(1, stock=10_000_000)
        sys.stdout.write(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before the run\n")
        for sweeps in wanted.sweeps:
            drain(database.url, wanted.messages, sweeps)
        close(database.url, wanted.orders, hanging=0)
        close(database.url, wanted.orders, hanging=64)


if __name__ == "__main__":
    main()
