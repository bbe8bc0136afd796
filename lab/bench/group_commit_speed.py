"""How much faster one commit for many is, and what it costs a lone caller.

    .venv/bin/python -m lab.bench.group_commit_speed [--rounds 7] [--seconds 2] [--callers 64]

It starts a private MariaDB with the binary log on and both logs synced at every commit. Ratios are taken side by side
in one run (A B B A), since an absolute figure means nothing on a shared machine:

* orders/s of group_commit, pessimistic and atomic_update, with 64 callers in a closed loop on one hot product;
* p50 of a lone caller of group_commit and of atomic_update, interleaved call by call;
* the worst wait of 64 callers in a closed loop, in p50s.
"""

import argparse
import itertools
import os
import sys
import threading
import time
from statistics import median

from lab.servers import MariaDB

HOT, PLENTY = 1, 10_000_000
CAPTION = "{:<48}{:>8.2f}   ({:.2f} - {:.2f})\n"


def prepare(database: MariaDB) -> None:
    os.environ |= {"DATABASE_URL": database.url, "ENV_FILE": "", "DEBUG": "true", "DEMO": "true"}
    os.environ |= {"DJANGO_SETTINGS_MODULE": "charites.settings", "STOCK_GROUP_WAIT_SECONDS": "60"}
    os.environ |= {"TRANSACTION_DEADLINE_SECONDS": "60", "TRANSACTION_TRIES": "20"}
    import django  # noqa: PLC0415 (the settings are read now)

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from stock.services import Adjustment, adjust_stock  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    adjust_stock(adjustments=[Adjustment(HOT, "delivery", "bench", delta=PLENTY)])


def durability() -> str:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("SELECT @@version, @@log_bin, @@sync_binlog, @@innodb_flush_log_at_trx_commit")
        return "MariaDB {}, log_bin={}, sync_binlog={}, innodb_flush_log_at_trx_commit={}\n".format(*cursor.fetchone())


numbers = itertools.count(1)


def buy(strategy: object) -> float:
    """Reserves one piece of the hot product; returns how long that took."""
    from stock.moves import reserve  # noqa: PLC0415
    from stock.records import RecordParticipant  # noqa: PLC0415

    started = time.perf_counter()
    (outcome,) = strategy.move([reserve(next(numbers), {HOT: 1})], RecordParticipant())
    if not outcome.done:
        raise AssertionError(outcome)
    return time.perf_counter() - started


def closed_loop(name: str, callers: int, seconds: float) -> tuple[float, list[float]]:
    """Returns orders/s, and every wait."""
    from django.db import connections  # noqa: PLC0415

    from stock.strategies import get_strategy  # noqa: PLC0415

    strategy, barrier, waits = get_strategy(name), threading.Barrier(callers + 1), []

    def run() -> None:
        connections["default"].ensure_connection()
        barrier.wait()
        own, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end:
            own.append(buy(strategy))
        waits.extend(own)
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(callers)]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return len(waits) / (time.perf_counter() - started), waits


def alone(calls: int) -> float:
    """Returns p50 of group_commit / p50 of atomic_update, for one caller, call by call."""
    from stock.strategies import get_strategy  # noqa: PLC0415

    group, atomic = get_strategy("group_commit"), get_strategy("atomic_update")
    waits: dict[object, list[float]] = {group: [], atomic: []}
    for n in range(calls):
        for strategy in (group, atomic) if n % 2 else (atomic, group):
            waits[strategy].append(buy(strategy))
    return median(waits[group]) / median(waits[atomic])


def show(caption: str, ratios: list[float]) -> None:
    sys.stdout.write(CAPTION.format(caption, median(ratios), min(ratios), max(ratios)))
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--callers", type=int, default=64)
    wanted = parser.parse_args()
    with MariaDB("--innodb-buffer-pool-size=1G") as database:
        prepare(database)
        sys.stdout.write(durability())
        names = ["group_commit", "atomic_update", "pessimistic"]
        rates: dict[str, list[float]] = {name: [] for name in names}
        alone(50)  # warm
        worst, lone = [], []
        for n in range(wanted.rounds):
            in_turn = [*names, *reversed(names)]
            sums = dict.fromkeys(names, 0.0)
            for name in in_turn:
                rate, waits = closed_loop(name, wanted.callers, wanted.seconds / 2)
                sums[name] += rate / 2
                if name == "group_commit":
                    worst.append(max(waits) / median(waits))
            for name in names:
                rates[name].append(sums[name])
            lone.append(alone(200))
            sys.stdout.write(
                f"round {n + 1}: " + ", ".join(f"{name} {sums[name]:.0f}" for name in names) + " orders/s\n"
            )
            sys.stdout.flush()
        group = rates["group_commit"]
        for other in names[1:]:
            pairs = zip(group, rates[other], strict=True)
            show(f"orders/s of group_commit / {other}", [ours / theirs for ours, theirs in pairs])
        show("p50 of a lone caller / atomic_update", lone)
        show(f"worst wait of {wanted.callers} callers / p50", worst)


if __name__ == "__main__":
    main()
