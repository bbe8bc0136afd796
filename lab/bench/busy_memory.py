"""What a thousand busy answers leave behind, over each door: live requests, and memory before and after.

    .venv/bin/python -m lab.bench.busy_memory [--answers 1000]

It starts no server: the shop of this process, on a SQLite file, is full, or without its database, its locks or its
stock service, and is asked over REST, over gRPC and as one service by another. A tenth of the answers come first and
are not counted: what is loaded once is loaded then.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

MEGABYTE = 1024 * 1024


def resident_bytes() -> int:
    """This process's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def prepare(folder: Path) -> None:
    """Makes this process a shop with something to sell."""
    os.environ |= {"ENV_FILE": "", "DEBUG": "false", "DEMO": "false", "LOG_LEVEL": "CRITICAL"}
    os.environ |= {
        "DATABASE_URL": f"sqlite:///{folder / 'database.sqlite3'}",
        "METRICS_DIR": str(folder),
        "STATIC_ROOT": str(folder),
        "HTTPS_ONLY": "false",
    }
    os.environ |= {"SECRET_KEY": "measure-" * 8, "PAYMENT_SECRET": "measure-" * 8, "REDIS_URL": "redis://127.0.0.1:1/0"}
    os.environ |= {"DJANGO_SETTINGS_MODULE": "charites.settings"}
    import django  # noqa: PLC0415 (the settings are read now)

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.test.utils import setup_test_environment  # noqa: PLC0415

    from lab.kit.factories import make_goods  # noqa: PLC0415

    setup_test_environment()
    call_command("migrate", verbosity=0)
    make_goods(1, stock=5)


def measure(answers: int) -> tuple[Table, bool]:
    """Asks at every door, and returns what came of it, with the requests that are still alive; whether none is."""
    from lab.kit.busy_doors import BUSY_DOORS, left_behind, live_requests  # noqa: PLC0415

    table = Table("door", "answers", "alive", "MB before", "MB after", "bytes each")
    table.columns[0].no_wrap = True
    nothing_left = True
    for door, open_door in BUSY_DOORS.items():
        before = live_requests()
        with open_door() as ask:
            for _ in range(max(1, answers // 10)):
                ask()
            memory = resident_bytes()
            for _ in range(answers):
                ask()
        left = sum(left_behind(before).values())
        after = resident_bytes()
        nothing_left = nothing_left and not left
        megabytes = [f"{value / MEGABYTE:.1f}" for value in (memory, after)]
        table.add_row(door, str(answers), str(left), *megabytes, f"{max(0, after - memory) / answers:.0f}")
    return table, nothing_left


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        table, nothing_left = measure(options.answers)
    Console().print(table)
    return 0 if nothing_left else 1


if __name__ == "__main__":
    sys.exit(main())
