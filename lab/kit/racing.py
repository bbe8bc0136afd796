"""Real processes with several threads each that race for stock."""

import itertools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

PROCESSES, THREADS = 2, 8
TIMEOUT_SECONDS = 300  # a bound for busy machines, no measurement

Order = dict[str, Any]


def order(order_id: int, quantities: dict[int, int], key: str | None = None) -> Order:
    """An order for `race`. Two with one key are duplicates."""
    return {"order_id": order_id, "quantities": quantities, "key": key or str(order_id)}


class Worker:
    """A process of lab/kit/processes/worker.py, which waits for `go`."""

    def __init__(self, environment: Mapping[str, str], **wanted: Any) -> None:
        command = [sys.executable, "-m", "lab.kit.processes.worker", json.dumps(wanted)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)
        self.retries = 0

    def await_ready(self) -> None:
        assert self.process.stdout.readline() == "ready\n"

    def go(self) -> None:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answers(self) -> dict[int, str]:
        """Waits for the end; returns order_id -> answer."""
        output, _ = self.process.communicate(timeout=TIMEOUT_SECONDS)
        result = json.loads(output)
        self.retries = result["retries"]
        return {int(order_id): answer for order_id, answer in result["answers"].items()}

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def race(
    environment: Mapping[str, str],
    strategies: Sequence[str],
    orders: Sequence[Order],
    *,
    processes: int = PROCESSES,
    threads: int = THREADS,
) -> dict[int, str]:
    """Deals the orders to all threads of all processes, starts them at once; returns order_id -> answer.

    The strategies are dealt to the processes in turn.
    """
    hands = [orders[n :: processes * threads] for n in range(processes * threads)]
    dealt = zip(range(processes), itertools.cycle(strategies), strict=False)
    workers = [
        Worker(environment, strategy=strategy, threads=hands[n * threads : (n + 1) * threads]) for n, strategy in dealt
    ]
    try:
        for worker in workers:
            worker.await_ready()
        for worker in workers:
            worker.go()
        return {order_id: answer for worker in workers for order_id, answer in worker.answers().items()}
    finally:
        for worker in workers:
            worker.end()
