"""B14: two thousand viewers of one room in one web process, while the shop sells: how late they hear of a change, what
they cost those who order, and how much memory each of them takes."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Self

from lab.bench.b2_orders_over_grpc import order_request
from lab.bench.b12_rest import CONNECTIONS, order_body
from lab.bench.grpc_load import GrpcShop
from lab.bench.native import Load, build_viewers
from lab.bench.pending import percentile
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.rest_load import RestShop
from lab.bench.stage import ROOM, Stage, memory_mb
from lab.servers.ports import LOOPBACK
from lab.servers.private_server import ServerFailed

VIEWERS = 2_000
CALLERS = 512
WATCHED = 4  # a product that nobody orders: what changes of it we change
FIRST_MARK = 70_000_000
MARK_SECONDS = 2.0  # between two changes: each is told before the next one
MARKS = count(FIRST_MARK)


@dataclass
class Viewers:
    """A program full of viewers; `changes`: the stock that was set, and when that was committed."""

    program: subprocess.Popen[str]
    changes: dict[int, float] = field(default_factory=dict)
    lateness: list[float] = field(default_factory=list)

    @classmethod
    def open(cls, stage: Stage, port: int) -> Self:
        """Returns when all of them watch. Raises ServerFailed."""
        mark = f'"goods_id":"{WATCHED}","ordered":0,"available":'
        words = [LOOPBACK, str(port), f"/api/rooms/{ROOM}/events", str(VIEWERS), mark]
        program = subprocess.Popen(
            [str(build_viewers(stage.folder)), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert program.stdout
        assert program.stderr
        if not program.stdout.readline().startswith("ready"):
            raise ServerFailed(f"viewers: {program.stderr.read()[-300:]}")
        return cls(program)

    def close(self) -> None:
        """Ends them, and notes how late each heard of each change; of one that he never heard, the whole time."""
        lines, errors = self.program.communicate()
        if self.program.returncode:
            raise ServerFailed(f"viewers: {errors[-300:]}")
        heard = [line.split() for line in lines.splitlines()]
        moments: dict[int, list[float]] = {number: [] for number in self.changes}
        for number, moment in heard:
            if int(number) in moments:
                moments[int(number)].append(float(moment))
        for number, changed_at in self.changes.items():
            found = moments[number]
            self.lateness += [max(0.0, moment - changed_at) for moment in found]
            self.lateness += [float("inf")] * (VIEWERS - len(found))


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    web = RestShop(stage, WEB_PROCESSES="1")
    worker = web.pids[-1]
    before = memory_mb(worker)
    viewers = Viewers.open(stage, web.port)
    kilobytes = (memory_mb(worker) - before) * 1024 / VIEWERS
    viewers.close()
    lateness: list[list[float]] = []

    shop = GrpcShop(stage, "grpcio")
    alone = shop.contestant("Order/CreateOrder", order_request(), callers=CALLERS)
    yield beside(stage, web, alone, lateness, "gRPC", rounds=rounds, seconds=seconds)
    over_rest = web.contestant("POST /api/orders", "/api/orders", order_body(stage), connections=CONNECTIONS)
    yield beside(stage, web, over_rest, lateness, "REST, by the viewers' own process", rounds=rounds, seconds=seconds)
    changes = sum(len(found) for found in lateness) // VIEWERS
    middle = median(percentile(found, 0.5) for found in lateness)
    late = [percentile(found, 0.99) for found in lateness]
    details = [f"p50 {middle:.3f} s; {changes} changes, {VIEWERS:,} viewers, orders meanwhile"]
    yield Ratio("B14 seconds until 99 of 100 viewers know", 1.0, 0.3, late, details)
    yield Ratio("B14 KB a viewer", 60, 25, [kilobytes], [f"the first {VIEWERS:,} of a process"])


def beside(
    stage: Stage, web: RestShop, alone: Contestant, lateness: list[list[float]], name: str, *, rounds: int, seconds: int
) -> Ratio:
    """Orders while all viewers watch, against the same orders without."""

    def load(turn: int) -> Load:
        with watching(stage, web.port, lateness):
            return alone.load(turn)

    watched = Contestant(f"{alone.name}, {VIEWERS:,} viewers", load, alone.pids, alone.prepare)
    rates = Rates(stage, [watched, alone], rounds=rounds, seconds=seconds)
    ratio = f"B14 orders over {name}, with viewers / without"
    return rates.ratio(ratio, watched.name, alone.name, floor=0.8, goal=0.95)


@contextmanager
def watching(stage: Stage, port: int, lateness: list[list[float]]) -> Iterator[None]:
    """Inside, all viewers watch, and one product changes again and again."""
    viewers, over = Viewers.open(stage, port), threading.Event()
    changing = threading.Thread(target=change, args=(viewers, over))
    changing.start()
    try:
        yield
    finally:
        over.set()
        changing.join()
        time.sleep(MARK_SECONDS)  # the last ones are on their way
        viewers.close()
    lateness.append(viewers.lateness)


def change(viewers: Viewers, over: threading.Event) -> None:
    from django.db import connection  # noqa: PLC0415 (after the settings)

    from stock.services import Adjustment, adjust_stock  # noqa: PLC0415

    while True:
        mark = next(MARKS)
        adjust_stock(adjustments=[Adjustment(WATCHED, "marked", "bench", target=mark)])
        viewers.changes[mark] = time.monotonic()
        if over.wait(MARK_SECONDS):
            break
    connection.close()
