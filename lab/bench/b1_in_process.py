"""B1: orders a second of `place_orders` in one process, in batches, against a C client with one transaction each."""

import itertools
import os
import time
from collections.abc import Iterator
from typing import Any

from lab.bench.native import Load, build_client, run_client
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.stage import HOT, Stage

BATCH, FIRST_ORDER_ID = 256, 1_000_000_000
buyers = itertools.count(os.getpid() * 10**9)  # so that several processes have others
order_ids = itertools.count(FIRST_ORDER_ID, 1_000_000_000)


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    client = c_client(stage)
    ours = Contestant("place_orders in batches", place_for, [os.getpid()])
    rates = Rates(stage, [ours, client], rounds=rounds, seconds=seconds)
    yield rates.ratio("B1 batches of 256 in process / C client", ours.name, client.name, floor=4, goal=8)


def place_for(seconds: int, *, goods_id: int = HOT, batch: int = BATCH) -> Load:
    """Places batches until the time is up."""
    from charites.common import clock  # noqa: PLC0415 (after the settings)
    from orders.services import place_orders  # noqa: PLC0415

    started, orders = time.monotonic(), 0
    while time.monotonic() < started + seconds:
        placed = place_orders(commands=[command(goods_id) for _ in range(batch)], now=clock.now())
        if refused := next((result for result in placed if not result.created), None):
            raise AssertionError(refused)
        orders += batch
    return Load(orders, time.monotonic() - started)


def command(goods_id: int = HOT) -> Any:
    """A buyer's command for one piece of a product; every buyer is another one."""
    from orders.payloads import PlaceOrder  # noqa: PLC0415

    return PlaceOrder(next(buyers), {goods_id: 1}, address="1 Harbour Road", name="Li Lei", phone="13800000000")


def c_client(stage: Stage) -> Contestant:
    """The C client with the number of threads that serves it best on this machine."""
    program = build_client(stage.folder)

    def load(threads: int, seconds: int) -> Load:
        database = stage.database.url.rpartition("/")[2]
        return run_client(
            program,
            port=stage.database.port,
            database=database,
            goods_id=HOT,
            threads=threads,
            seconds=seconds,
            first=next(order_ids),
        )

    rates = {threads: load(threads, 2).rate for threads in (8, 16, 32, 64)}
    best = max(rates, key=lambda threads: rates[threads])
    return Contestant(f"C client, {best} threads", lambda seconds: load(best, seconds), [])
