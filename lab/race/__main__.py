"""The stock race on servers of its own: `python -m lab.race [sqlite|mariadb] [options of stock_race]`.

The shop of this checkout, running or not, has no part in it.
"""

import contextlib
import os
import secrets
import signal
import sys
from collections.abc import Iterator

from lab.run.environment import ROOT, VAR
from lab.servers import EmbeddedRedis, MariaDB, ServerFailed, run

REPORT = VAR / "race.html"
DATABASES = ("sqlite", "mariadb")


@contextlib.contextmanager
def settings(database: str) -> Iterator[dict[str, str]]:
    """Runs what the race needs, and yields the settings that name it. None comes from .env or var/env."""
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(EmbeddedRedis())
        url = stack.enter_context(MariaDB()).url if database == "mariadb" else "sqlite:///never-used.sqlite3"
        yield {
            "ENV_FILE": "",
            "DEBUG": "false",
            "DEMO": "false",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "PAYMENT_SECRET": secrets.token_urlsafe(48),
            "DATABASE_URL": url,
            "REDIS_URL": redis.url,
            "STOCK_LOCK_REDIS_URLS": "",
        }


def main(arguments: list[str]) -> int:
    database, *options = arguments or ["sqlite"]
    if database not in DATABASES:
        sys.exit(f"charites: DB={database} is not one of: {', '.join(DATABASES)}.")
    # A polite end runs the clean-up; the default would leave the servers behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    report = str(REPORT.relative_to(ROOT))
    command = [sys.executable, "manage.py", "stock_race", "--report", report, *options]
    os.chdir(ROOT)
    try:
        with settings(database) as found:
            return run(command, {**os.environ, **found})
    except ServerFailed as error:
        sys.exit(f"charites: {error}")
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
