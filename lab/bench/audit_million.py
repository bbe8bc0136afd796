"""How long the audit takes in a large shop, and that it finds fifty broken records in it.

    .venv/bin/python -m lab.bench.audit_million [--records 1000000] [--rounds 3]

It starts a private MariaDB with a buffer pool that holds all rows, fills it with stock records (two per order) and all
that belongs to them, breaks fifty, and audits: the seconds of each round, those of the slowest rules, and memory.
"""

import argparse
import os
import secrets
import sys
import time
from statistics import median
from typing import Any

from lab.bench.stage import memory_mb
from lab.servers import MariaDB

SLOWEST = 5
GOODS = 1_000
# The last of several options of one name counts.
OPTIONS = ("--innodb-buffer-pool-size=1G", "--skip-log-bin")


def prepare(url: str) -> None:
    os.environ |= {"DATABASE_URL": url, "ENV_FILE": "", "DEBUG": "false", "DEMO": "false", "LOG_LEVEL": "CRITICAL"}
    os.environ |= {"SECRET_KEY": secrets.token_urlsafe(48), "PAYMENT_SECRET": secrets.token_urlsafe(48)}
    os.environ |= {"DJANGO_SETTINGS_MODULE": "charites.settings", "DATABASE_TIMEOUT_SECONDS": "600"}
    import django  # noqa: PLC0415 (the settings are read now)

    django.setup()


def fill_and_break(records: int) -> dict[str, list[str]]:
    """Makes the rows; returns what the audit has to find."""
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from lab.kit.large_shop import LargeShop, break_fifty, fill  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    shop = LargeShop(orders=records // 2, goods=GOODS)
    with connection.cursor() as cursor:
        fill(cursor, shop)
        return break_fifty(cursor, shop)


def audit() -> tuple[float, dict[str, list[str]], dict[str, float]]:
    """Returns the seconds of all, what was found, and the seconds of each rule."""
    from django.utils import timezone  # noqa: PLC0415

    from charites.audit import run_audit  # noqa: PLC0415

    started = last = time.perf_counter()
    seconds: dict[str, float] = {}

    def note(result: Any) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[result.check.id], last = now - last, now

    results = run_audit(now=timezone.now(), report=note)
    found = {result.check.id: result.ids for result in results if result.total}
    return time.perf_counter() - started, found, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    with MariaDB(*OPTIONS) as server:
        prepare(server.url)
        started = time.perf_counter()
        broken = fill_and_break(wanted.records)
        sys.stdout.write(f"{wanted.records:,} stock records made in {time.perf_counter() - started:.1f} s\n")
        rounds = []
        for n in range(wanted.rounds):
            took, found, seconds = audit()
            if found != broken:
                raise AssertionError(f"the audit found {found}")
            rounds.append(took)
            slowest = sorted(seconds.items(), key=lambda item: -item[1])[:SLOWEST]
            said = ", ".join(f"{name} {spent:.2f} s" for name, spent in slowest)
            sys.stdout.write(f"round {n + 1}: all fifty named in {took:.2f} s; slowest: {said}\n")
        spread = f"({min(rounds):.2f} - {max(rounds):.2f})"
        sys.stdout.write(f"audit: {median(rounds):.2f} s   {spread}, {memory_mb(os.getpid()):.0f} MB of memory\n")


if __name__ == "__main__":
    main()
