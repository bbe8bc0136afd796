"""Web and gRPC servers of the one-process form are killed (-9) at rest, in mid-batch and under load: every answer that
anybody was given is true afterwards."""

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
from django.db import connection

from charites.common.errors import KeyReused, OutcomeUnknown
from lab.kit.factories import make_goods
from lab.kit.findings import findings
from lab.kit.history import History, Told, contradictions, miscounts, read_truth
from lab.kit.processes.customers import Crowd, Customer, RestDoor, RpcDoor
from lab.kit.processes.shop import START_SECONDS, Shop, wait_until
from lab.kit.proxy import COMMIT, ArmedProxy, Fate, Point
from lab.kit.trials import Trials
from stock.errors import NotEnoughStock

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PLENTY, SCARCE = 1, 2
CUSTOMERS = 3  # a server: those of one server share its batches
NOBODY_CAME_SECONDS = 10.0
PROCESSES = 2
CRASH_LOOP_SECONDS = 6
INSERTS = (b"INSERT INTO shopping_order ", b"INSERT INTO shopping_order_detail ", b"INSERT INTO shopping_stock_record ")
TAKEN, CLOSED = b"UPDATE shopping_stock ", b"UPDATE shopping_order "
POINTS = [
    *map(Point, (*INSERTS, TAKEN, CLOSED, b"UPDATE shopping_stock_record ", b"INSERT INTO shopping_stock_adjustment ")),
    Point(COMMIT, after=INSERTS[0]),
    Point(COMMIT, after=TAKEN),
    Point(COMMIT, after=CLOSED),
]
KINDS = ("web", "grpc")


class Server:
    """A web or gRPC server with a port of its own, which can be killed at a statement that it sends."""

    def __init__(self, kind: str, folder: Path, environment: dict[str, str]) -> None:
        found = re.search(r"@([^:/]+):(\d+)/", environment["DATABASE_URL"])
        assert found
        self.kind = kind
        self.proxy = ArmedProxy((found[1], int(found[2])))
        address = environment["DATABASE_URL"].replace(f":{found[2]}/", f":{self.proxy.port}/")
        folder.mkdir()
        self.shop = Shop(folder, {**environment, "DATABASE_URL": address})

    @contextmanager
    def running(self) -> Iterator[None]:
        with self.proxy, self.shop:
            self.start()
            yield

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self.shop.start(self.kind)
        if self.kind == "web":
            self.shop.await_web()
        else:
            with grpc.insecure_channel(self.shop.grpc_address) as channel:
                grpc.channel_ready_future(channel).result(START_SECONDS)

    def kill(self) -> None:
        self.shop.kill(self.kind)

    def kill_at(self, point: Point, fate: Fate) -> bool:
        """Kills it when it comes to this point, or after a while wherever it is; False then."""
        self.proxy.arm(point, fate, self.kill)
        if self.proxy.fired.wait(NOBODY_CAME_SECONDS):
            return True
        if self.proxy.disarm():
            self.kill()
            return False
        return self.proxy.fired.wait(NOBODY_CAME_SECONDS)

    def door(self, user_id: int) -> RestDoor | RpcDoor:
        return RestDoor(self.shop.url, user_id) if self.kind == "web" else RpcDoor(self.shop.grpc_address, user_id)


class WebProcesses(Server):
    """A web server of two processes. Those are killed, and the server, which stays, replaces them."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__("web", folder, {**environment, "WEB_PROCESSES": str(PROCESSES)})
        self.killed: set[int] = set()

    def pids(self) -> set[int]:
        command = ["ps", "-A", "-o", "pid=,ppid="]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        rows = [tuple(map(int, line.split())) for line in lines]
        return {pid for pid, parent in rows if parent == self.shop.processes["web"].pid}

    def kill(self) -> None:
        """Kills both at once."""
        self.killed = self.pids()
        for pid in self.killed:
            os.kill(pid, signal.SIGKILL)

    def kill_one(self, lots: random.Random) -> None:
        self.killed = {lots.choice(sorted(self.pids()))}
        os.kill(*self.killed, signal.SIGKILL)

    def await_replacement(self) -> None:
        """Waits until others stand in for those killed, and as long as Granian takes another end for a crash loop."""
        wait_until(
            lambda: len(self.pids()) == PROCESSES and not self.pids() & self.killed,
            seconds=START_SECONDS,
            what="the processes are replaced",
        )
        time.sleep(CRASH_LOOP_SECONDS)
        self.shop.await_web()


@contextmanager
def customers_of(servers: Sequence[Server], history: History, trials: Trials) -> Iterator[list[Customer]]:
    """Customers at the door of each server; the doors are closed at the end."""
    with ExitStack() as stack:
        customers = []
        for user_id in range(101, 101 + CUSTOMERS * len(servers)):
            door = servers[user_id % len(servers)].door(user_id)
            stack.callback(door.close)
            lots = random.Random(trials.random.random())
            customers.append(Customer(f"user{user_id}", user_id, door, history, lots, (PLENTY, SCARCE)))
        yield customers


@pytest.fixture
def servers(process_environment: dict[str, str], tmp_path: Path, trials: Trials) -> Iterator[list[Server]]:
    make_goods(PLENTY, stock=1_000_000)
    make_goods(SCARCE, stock=20)
    kinds = KINDS * trials.count(sample=1, full=2)
    made = [Server(kind, tmp_path / f"{number}-{kind}", process_environment) for number, kind in enumerate(kinds)]
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        for server in made:
            stack.callback(server.shop.__exit__, None, None, None)
        for started in [pool.submit(stack.enter_context, server.running()) for server in made]:
            started.result()
        yield made


def expect_the_truth(history: History) -> None:
    """Nothing that anybody was told is untrue, every piece is counted once, and the audit agrees."""
    truth = read_truth(connection)
    assert contradictions(history.calls, truth.effects) == []
    assert miscounts(truth) == []
    assert findings() == []
    assert history.numbers(Told.NO) <= {NotEnoughStock.code, KeyReused.code}
    assert history.numbers(Told.NOTHING) <= {OutcomeUnknown.code}


def test_servers_killed_under_load_and_in_mid_batch_told_nobody_a_lie(servers: list[Server], trials: Trials) -> None:
    kills = trials.count(sample=2, full=70)  # of each server; half of them at a statement
    history, done = History(), Counter[str]()

    def kill_again_and_again(server: Server, seed: float) -> None:
        lots = random.Random(seed)
        for number in range(kills):
            if number % 2:
                time.sleep(lots.uniform(0, 0.5))
                server.kill()
                done["at a moment drawn by lot"] += 1
            else:
                fate = lots.choice([Fate.LOST, Fate.UNHEARD])
                is_there = server.kill_at(lots.choice(POINTS), fate)
                words = "before a statement" if fate is Fate.LOST else "after a statement, its reply unheard"
                done[words if is_there else "at no statement in particular"] += 1
            server.start()

    with customers_of(servers, history, trials) as customers, Crowd(customers), ThreadPoolExecutor() as pool:
        killing = [pool.submit(kill_again_and_again, server, trials.random.random()) for server in servers]
        for killed in killing:
            killed.result()

    expect_the_truth(history)
    assert history.told()[Told.NOTHING] > 0
    words = ", ".join(f"{count} {where}" for where, count in sorted(done.items()))
    trials.tell(f"{kills * len(servers)} kills of {len(servers)} servers under load: {words}; {history.summary()}")


@pytest.mark.long
def test_servers_killed_at_rest_have_kept_what_they_told(servers: list[Server], trials: Trials) -> None:
    rounds = trials.count(sample=1, full=5)
    history = History()
    with customers_of(servers, history, trials) as customers, ThreadPoolExecutor() as pool:
        for _ in range(rounds):
            with Crowd(customers):
                time.sleep(0.5)
            for server in servers:
                server.kill()
            for started in [pool.submit(server.start) for server in servers]:
                started.result()
            for customer in customers:
                customer.ask_until_known(customer.wishes[-1])

    expect_the_truth(history)
    trials.tell(f"{rounds * len(servers)} kills at rest, the last wishes asked again: {history.summary()}")


@pytest.mark.long
def test_web_processes_that_are_killed_are_replaced_and_told_nobody_a_lie(
    process_environment: dict[str, str], tmp_path: Path, trials: Trials
) -> None:
    make_goods(PLENTY, stock=1_000_000)
    make_goods(SCARCE, stock=20)
    kills = trials.count(sample=2, full=12)  # half of them one process, the others both at a statement
    history, server = History(), WebProcesses(tmp_path / "web", process_environment)
    done = Counter[str]()

    with server.running(), customers_of([server], history, trials) as customers:
        first = server.shop.processes["web"].pid
        with Crowd(customers):
            for number in range(kills):
                if number % 2:
                    server.kill_one(trials.random)
                    done["one process"] += 1
                else:
                    is_there = server.kill_at(
                        trials.random.choice(POINTS), trials.random.choice([Fate.LOST, Fate.UNHEARD])
                    )
                    done["both at a statement" if is_there else "both at no statement in particular"] += 1
                server.await_replacement()
        server.kill_one(trials.random)  # at rest
        for customer in customers:
            customer.ask_until_known(customer.wishes[-1])
        server.await_replacement()
        assert server.shop.processes["web"].poll() is None
        assert server.shop.processes["web"].pid == first

    expect_the_truth(history)
    words = ", ".join(f"{count} {which}" for which, count in sorted(done.items()))
    trials.tell(f"{kills} kills under load ({words}) and one process at rest: {history.summary()}")
