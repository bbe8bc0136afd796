"""A process that takes order numbers: `python -m lab.kit.processes.id_worker <threads> <calls a thread> <ids a call>`.

It says "ready", waits for a line, and prints all its ids. With `fork` it takes one id, forks while another thread
holds the lock, and both sides print what they get.
"""

import json
import os
import sys
import threading

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
django.setup()

from django.db import connections  # noqa: E402 (after setup)

from charites.common import ids  # noqa: E402


def take(calls: int, count: int, taken: list[int]) -> None:
    try:
        for _ in range(calls):
            taken += ids.next_ids(count)
    finally:
        connections.close_all()


def say(words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def race(threads: int, calls: int, count: int) -> None:
    taken: list[int] = []
    workers = [threading.Thread(target=take, args=(calls, count, taken)) for _ in range(threads)]
    say("ready")
    sys.stdin.readline()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    say(taken)


def fork() -> None:
    parents = [ids.next_id()]
    connections.close_all()
    with ids._snowflake._mutex:  # as another thread of the parent would
        child = os.fork()
        if child == 0:
            say(ids.next_ids(3))
            os._exit(0)
    os.waitpid(child, 0)
    say(parents + ids.next_ids(2))


if __name__ == "__main__":
    if sys.argv[1] == "fork":
        fork()
    else:
        race(*map(int, sys.argv[1:]))
