"""The program of a small race: `python -m lab.web.race_program <folder> <language>`: where its report and its
progress go, and the report's language.

It shares nothing with the shop: its database is a temporary file, and its settings are its own. It ends in time: when
whoever started it is gone, which closes its input, and after MOST_SECONDS at the latest.
"""

import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

from django.core.management import execute_from_command_line

from lab.run.environment import setting_names

LOCK, LOG, PROGRESS, REPORT = "lock", "log", "progress.json", "report.html"
# One strategy that oversells and the shop's own; neither of them asks a Redis.
SIZE = {"strategy": "naive,group_commit", "buyers": "200", "stock": "50", "processes": "2", "threads": "16"}
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "charites.settings",
    "ENV_FILE": "",
    "DEBUG": "true",  # secrets are made up
    "DATABASE_URL": "sqlite:///never-used.sqlite3",
}
MOST_SECONDS = 120
CLEAN_UP_SECONDS = 20


def main(folder: Path, language: str) -> None:
    threading.Thread(target=end_in_time, daemon=True).start()
    for name in (*setting_names(), "PROMETHEUS_MULTIPROC_DIR"):
        os.environ.pop(name, None)
    os.environ.update(SETTINGS)
    files = {"report": str(folder / REPORT), "progress": str(folder / PROGRESS)}
    wanted = {**SIZE, **files, "language": language}
    options = [word for name, value in wanted.items() for word in (f"--{name}", value)]
    execute_from_command_line(["manage.py", "stock_race", *options])


def end_in_time() -> None:
    """Asks this program to end, and insists after a while; the race's own processes end with it."""
    select.select([sys.stdin], [], [], MOST_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(CLEAN_UP_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
