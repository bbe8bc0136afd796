"""A process that races for stock: `python -m lab.kit.processes.worker <settings as JSON>`.

It says "ready", waits for a line, lets its threads place their orders, and prints what each of them was told, and how
often a strategy tried again. With `stop_at` (a pattern) it stops itself before its first statement that matches.
"""

import json
import os
import re
import signal
import sys
import threading
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
django.setup()

from django.conf import settings  # noqa: E402 (after setup)
from django.db import connection, connections  # noqa: E402

from charites.common.transactions import RETRIES  # noqa: E402
from lab.kit.interleaving import plain  # noqa: E402
from lab.kit.participants import NoteParticipant  # noqa: E402
from stock.moves import Status, reserve  # noqa: E402
from stock.services import move  # noqa: E402

BUSY_TRIES = 50


def place(order: dict[str, Any]) -> str:
    """Reserves one order, asking again while it is told to, and returns the answer."""
    quantities = {int(goods_id): pieces for goods_id, pieces in order["quantities"].items()}
    for _ in range(BUSY_TRIES):
        outcome = move([reserve(order["order_id"], quantities, key=order["key"])], participant=NoteParticipant())[0]
        if outcome.status is not Status.BUSY:
            is_answer = outcome.done or outcome.status is Status.NOT_ENOUGH
            return outcome.status.value if is_answer else outcome.words
    return "busy"


class StoppingItself:
    """Stops this process, as SIGSTOP from outside would, before its first statement that matches."""

    def __init__(self, at: str) -> None:
        self._at, self._has_stopped = re.compile(at), False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not self._has_stopped and self._at.search(plain(sql)):
            self._has_stopped = True
            # To this very thread: sent to the process it may reach the main thread first, and this one would run on.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return execute(sql, params, many, context)


def run_thread(orders: list[dict[str, Any]], answers: dict[int, str], stop_at: str | None) -> None:
    try:
        if stop_at:
            connection.execute_wrappers.append(StoppingItself(stop_at))
        for order in orders:
            answers[order["order_id"]] = place(order)
    finally:
        connections.close_all()


def main(wanted: dict[str, Any]) -> None:
    settings.STOCK_STRATEGY = wanted["strategy"]
    answers: dict[int, str] = {}
    threads = [
        threading.Thread(target=run_thread, args=(orders, answers, wanted.get("stop_at")))
        for orders in wanted["threads"]
    ]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    retries = sum(sample.value for sample in next(iter(RETRIES.collect())).samples if sample.name.endswith("_total"))
    sys.stdout.write(json.dumps({"answers": answers, "retries": retries}) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
