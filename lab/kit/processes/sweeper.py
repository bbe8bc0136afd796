"""A sweep that a test kills: `python -m lab.kit.processes.sweeper <options as JSON>`.

It runs the loops of the real one over the topic of `receivers`, without a pause, and says "running". With `stop_at`
(a pattern, or COMMIT) it stands still there once it has been through `armed_by`, and after `skip` more statements; it
says "standing" and waits to be killed.
"""

import json
import os
import re
import sys
import threading
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
django.setup()

from django.db.backends.signals import connection_created  # noqa: E402 (after setup)

from charites.management.commands import sweep  # noqa: E402
from lab.kit.interleaving import plain  # noqa: E402
from lab.kit.receivers import register_receivers  # noqa: E402
from messaging import relay  # noqa: E402


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


class Standstill:
    """Stops the process for good at one statement, and says so."""

    def __init__(self, *, armed_by: str, stop_at: str, skip: int = 0) -> None:
        self._armed_by, self._stop_at, self._skip = re.compile(armed_by), re.compile(stop_at), skip

    def watch(self, connection: Any, **_: Any) -> None:
        """Looks at every statement and COMMIT of a connection."""
        is_armed = False
        commit = connection._commit

        def look(sql: str) -> None:
            nonlocal is_armed
            if is_armed and self._stop_at.search(sql):
                self._skip -= 1
                if self._skip < 0:
                    say("standing")
                    threading.Event().wait()
            is_armed = is_armed or bool(self._armed_by.search(sql))

        def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            look(plain(sql))
            return run(sql, params, many, context)

        def watched_commit() -> None:
            look("COMMIT")
            commit()

        connection.execute_wrappers.append(execute)
        connection._commit = watched_commit


def main(wanted: dict[str, Any]) -> None:
    relay.CLAIM_SECONDS = wanted["claim_seconds"]
    sweep.INTERVAL_SECONDS = 0.02
    register_receivers()
    if "stop_at" in wanted:
        where = {name: wanted[name] for name in ("armed_by", "stop_at", "skip")}
        connection_created.connect(Standstill(**where).watch, weak=False)
    stop = threading.Event()
    threads = [
        threading.Thread(target=sweep.run_loop, args=(name, sweep.LOOPS[name], stop, set())) for name in wanted["loops"]
    ]
    for thread in threads:
        thread.start()
    say("running")
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
