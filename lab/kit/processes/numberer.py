"""A process that takes order numbers on demand: `python -m lab.kit.processes.numberer <lease seconds>`.

It reads commands, one line of JSON each: `{"take": 5}`, `{"fork": 5}` (a child takes them, then the process itself as
many), `{"clock": -10}` (changes the wall clock by seconds), `{"freeze": 1790000000000}` (the wall clock stands there).
It answers each with one line: the numbers it got, or "busy".
"""

import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
django.setup()

from django.db import connections  # noqa: E402 (after setup)

from charites.common import ids  # noqa: E402
from charites.common.errors import Busy  # noqa: E402


class Clock:
    """The wall clock of this process, as an operator (or NTP) may set it."""

    def __init__(self) -> None:
        self.offset_ms, self.frozen_ms = 0, 0

    def __call__(self) -> int:
        return self.frozen_ms or time.time_ns() // 1_000_000 + self.offset_ms


def take(count: int) -> list[int] | str:
    try:
        return ids.next_ids(count)
    except Busy:
        return "busy"


def fork_and_take(count: int) -> list[int] | str:
    """The numbers of a child and of its parent after it."""
    connections.close_all()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writer, "w") as answer:
            json.dump(take(count), answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        children = json.load(answer)
    os.waitpid(child, 0)
    parents = take(count)
    return [*(children if children != "busy" else []), *(parents if parents != "busy" else [])]


def main(lease_seconds: float) -> None:
    clock = Clock()
    ids.LEASE_SECONDS, ids.RENEW_BEFORE_SECONDS = lease_seconds, lease_seconds / 2
    ids._snowflake._wall_ms = clock
    for line in sys.stdin:
        answer: list[int] | str = []
        match json.loads(line):
            case {"take": count}:
                answer = take(count)
            case {"fork": count}:
                answer = fork_and_take(count)
            case {"clock": seconds}:
                clock.offset_ms += seconds * 1000
            case {"freeze": moment_ms}:
                clock.frozen_ms = moment_ms
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
