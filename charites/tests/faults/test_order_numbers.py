"""Order numbers of real processes: more of them than nodes, stopped, killed, forked, with clocks that jump."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from charites.common.ids import EPOCH_MS
from charites.common.models import Node
from lab.kit.processes.shop import START_SECONDS, wait_until
from lab.kit.trials import Trials

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]

LEASE_SECONDS = 1.0
AT_ONCE = 1000
NODES = range(5, 8)  # three, for four processes
FROZEN_MS = EPOCH_MS + 200_000_000_000


class Numberer:
    """A process of `lab.kit.processes.numberer`."""

    def __init__(self, environment: dict[str, str], nodes: range = NODES) -> None:
        self._environment = {**environment, "NODE_FIRST": str(nodes.start), "NODE_LAST": str(nodes.stop - 1)}
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "lab.kit.processes.numberer", str(LEASE_SECONDS)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=self._environment, stdin=pipe, stdout=pipe, text=True)

    def ask(self, **command: Any) -> list[int]:
        """The numbers that it got; none when it was busy."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return [] if answer == "busy" else answer

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=START_SECONDS)


@contextmanager
def numberers(environment: dict[str, str], count: int, nodes: range = NODES) -> Iterator[list[Numberer]]:
    """Processes that are there, and end with the block."""
    processes = [Numberer(environment, nodes) for _ in range(count)]
    try:
        for process in processes:
            process.ask(take=0)
        yield processes
    finally:
        for process in processes:
            process.kill()


def node_of(number: int) -> int:
    return number >> 12 & 0x3FF


def await_numbers(process: Numberer) -> list[int]:
    """Asks until it gets a node: the lease of another process has to run out first."""
    return wait_until(lambda: process.ask(take=AT_ONCE), seconds=START_SECONDS, what="a node is free")


def test_process_stopped_past_its_lease_leaves_its_node_to_the_next(
    process_environment: dict[str, str], trials: Trials
) -> None:
    rounds = trials.count(sample=1, full=10)
    with numberers(process_environment, 2, nodes=range(5, 6)) as (one, two):
        taken = await_numbers(one)
        for _ in range(rounds):
            one.signal(signal.SIGSTOP)
            taken += await_numbers(two)
            one.signal(signal.SIGCONT)
            one.ask(clock=-10)  # as if no time had passed

            taken += one.ask(take=3)  # none: the only node is somebody else's; or later ones, when that has ended, too
            one, two = two, one

    assert len(set(taken)) == len(taken) >= AT_ONCE * (1 + rounds)
    assert taken == sorted(taken)
    assert Node.objects.get().node == 5
    trials.tell(f"{rounds} times stopped past its lease and woken with the clock 10 s back, one node for two")


@pytest.mark.long
def test_process_killed_and_started_again_in_the_same_millisecond_repeats_nothing(
    process_environment: dict[str, str], trials: Trials
) -> None:
    rounds = trials.count(sample=1, full=10)
    taken = []
    with numberers(process_environment, 1, nodes=range(5, 6)) as (process,):
        for _ in range(1 + rounds):
            process.kill()
            process.start()
            process.ask(freeze=FROZEN_MS)
            taken += await_numbers(process)

    assert taken == sorted(set(taken))
    assert {node_of(number) for number in taken} == {5}
    trials.tell(f"{rounds} restarts with a clock that stands still")


@pytest.mark.long
def test_processes_with_fewer_nodes_than_processes_never_share_a_number(
    process_environment: dict[str, str], trials: Trials
) -> None:
    rounds = trials.count(sample=5, full=100)
    lots, done, taken = trials.random, Counter[str](), []
    with numberers(process_environment, len(NODES) + 1) as processes, ThreadPoolExecutor() as pool:
        stopped: Numberer | None = None
        for _ in range(rounds):
            if stopped:
                stopped.signal(signal.SIGCONT)
            stopped = lots.choice([None, None, *processes])
            if stopped:
                stopped.signal(signal.SIGSTOP)
                done["stops"] += 1
            awake = [process for process in processes if process is not stopped]
            for process in awake:
                disturb(process, lots.randrange(12), done)
            counts = [lots.choice([1, 100, 5000]) for _ in awake]
            answers = list(pool.map(lambda process, count: process.ask(take=count), awake, counts))
            done["busy"] += answers.count([])
            forked = lots.choice(awake).ask(fork=10)
            done["forks"] += 1
            taken += [number for answer in (*answers, forked) for number in answer]
        if stopped:
            stopped.signal(signal.SIGCONT)

    assert len(set(taken)) == len(taken)
    assert {node_of(number) for number in taken} <= set(NODES)
    assert done["busy"] > 0
    told = ", ".join(f"{count} {what}" for what, count in sorted(done.items()))
    trials.tell(f"{rounds} rounds of {len(processes)} processes on {len(NODES)} nodes: {len(taken)} numbers; {told}")


def disturb(process: Numberer, lot: int, done: Counter[str]) -> None:
    """What happens to a process now and then: its clock jumps, or it is killed and comes back."""
    match lot:
        case 0:
            process.ask(clock=-10)
            done["clocks 10 s back"] += 1
        case 1:
            process.ask(clock=3600)
            done["clocks 1 h forward"] += 1
        case 2:
            process.kill()
            process.start()
            done["kills"] += 1
