"""How far one hot product goes, as curves: committers and the size of their batches, gRPC servers and their callers,
and a balancer that sends a product's orders to one server. About eight minutes, on a quiet machine.

    python -m lab.bench.hot_product [--rounds 3] [--seconds 1] [--out docs/hot-product.json]
    python -m lab.bench.hot_product --draw-only

It writes the results, the drawing beside them, and the tables of docs/when-to-scale.md in each language.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from lab.bench.b17_hot_product import (
    MANY,
    ONE,
    Sizes,
    add_products,
    balanced,
    committers,
    committing,
    ordering,
)
from lab.bench.grpc_load import GrpcShop
from lab.bench.plot import draw_rates
from lab.bench.ratio import Contestant, Rates
from lab.bench.scale_page import RESULTS, renew_pages
from lab.bench.stage import Stage, describe_run
from lab.servers.private_server import ServerFailed

PROCESSES, BATCHES, CALLERS = (1, 2, 4), (1, 8, 64, 256), (16, 64, 256)
FULL_LOAD = CALLERS[-1]
BALANCED, BALANCED_CALLERS = (2, 4), (64, 256)

Cells = dict[str, dict[str, Any]]  # what a contestant is, by its name
console = Console()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=1, help="of each turn, of which a round has two")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results are written")
    parser.add_argument("--draw-only", action="store_true", help="measure nothing: draw the results that are there")
    wanted = parser.parse_args()
    if not wanted.draw_only:
        try:
            results = measure(rounds=wanted.rounds, seconds=wanted.seconds)
        except ServerFailed as error:
            console.print(f"charites: {error}", markup=False, style="red")
            return 1
        wanted.out.parent.mkdir(parents=True, exist_ok=True)
        wanted.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    results = json.loads(wanted.out.read_text())
    draw_rates(curves(results), BATCHES, wanted.out.with_suffix(".svg"), title=title(results))
    if wanted.out == RESULTS:
        renew_pages()
    console.print(f"Written to {wanted.out}, drawn in {wanted.out.with_suffix('.svg')}.")
    return 0


def measure(*, rounds: int, seconds: int) -> dict[str, Any]:
    """All of it, audited. Raises ServerFailed when a figure would not count."""
    found: list[dict[str, Any]] = []
    with Stage() as stage:
        durability = stage.durability()
        console.print(f"{durability}; {rounds} rounds of twice {seconds} s a cell")
        add_products(stage)
        for part in (commit_in_process, order_over_grpc, order_through_a_balancer):
            with console.status(f"{part.__name__} …"):
                for cell in part(stage, rounds=rounds, seconds=seconds):
                    console.print(json.dumps(cell), markup=False, soft_wrap=True)
                    found.append(cell)
            stage.stop()
        with console.status("audit …"):
            stage.audit()
    console.print("The audit found nothing.")
    return describe_run(durability=durability, rounds=rounds, seconds=seconds) | {"cells": found}


def commit_in_process(stage: Stage, *, rounds: int, seconds: int) -> Iterator[dict[str, Any]]:
    """Committers by their number, the size of their batches, and whether all of them want one row."""
    cells: Cells = {}
    with committers(max(PROCESSES)) as group:
        contestants = []
        for processes in PROCESSES:
            for batch in BATCHES:
                for is_one in (True, False) if processes > 1 else (True,):
                    contestant = committing(group[:processes], batch=batch, is_one=is_one)
                    cell = {"part": "committers", "processes": processes, "batch": batch, "is_one": is_one}
                    cells[contestant.name] = cell
                    contestants.append(contestant)
        rates = Rates(stage, contestants, rounds=rounds, seconds=seconds)
    yield from filled(cells, rates)


def order_over_grpc(stage: Stage, *, rounds: int, seconds: int) -> Iterator[dict[str, Any]]:
    """gRPC servers on one port, by their number and their callers: orders for one product, and for many in turn."""
    cells: Cells = {}
    contestants, sizes = [], Sizes(stage)
    for processes in PROCESSES:
        shop = GrpcShop(stage, "grpcio", processes=processes)
        for callers in CALLERS:
            for products in (ONE, MANY) if callers == FULL_LOAD else (ONE,):
                contestant = sizes.noted(ordering(shop, processes, callers=callers, products=products))
                cell = {"part": "servers", "processes": processes, "callers": callers, "is_one": products == ONE}
                cells[contestant.name] = cell
                contestants.append(contestant)
    rates = Rates(stage, contestants, rounds=rounds, seconds=seconds)
    yield from filled(cells, rates, sizes)


def order_through_a_balancer(stage: Stage, *, rounds: int, seconds: int) -> Iterator[dict[str, Any]]:
    """The same behind a balancer that spreads calls, and behind one that sends those for a product to one server."""
    for processes in BALANCED:
        cells: Cells = {}
        contestants: list[Contestant] = []
        sizes = Sizes(stage)
        with balanced(stage, processes) as shops:
            for callers in BALANCED_CALLERS:
                for products in (ONE, MANY):
                    for shop, is_routed in zip(shops, (False, True), strict=True):
                        contestant = sizes.noted(ordering(shop, processes, callers=callers, products=products))
                        cell = {"part": "balanced", "processes": processes, "callers": callers}
                        cells[contestant.name] = {**cell, "is_one": products == ONE, "is_routed": is_routed}
                        contestants.append(contestant)
            rates = Rates(stage, contestants, rounds=rounds, seconds=seconds)
        yield from filled(cells, rates, sizes)
        stage.stop()


def filled(cells: Cells, rates: Rates, sizes: Sizes | None = None) -> Iterator[dict[str, Any]]:
    """The cells with what was measured: orders a second of each round, microseconds of CPU an order, orders a batch."""
    for name, cell in cells.items():
        figures = {
            "rates": [round(rate) for rate in rates.of[name]],
            "micros": round(median(rates.micros[name])),
            "server_micros": round(median(rates.server_micros[name])),
            "orders_a_batch": round(median(sizes.of[name]), 1) if sizes else cell["batch"],
        }
        yield cell | figures


def curves(results: dict[str, Any]) -> dict[str, list[float]]:
    """Orders a second of the committers by the size of their batches."""
    found: dict[str, list[float]] = {}
    for cell in results["cells"]:
        if cell["part"] == "committers":
            rows = "one row" if cell["is_one"] else "a row each"
            name = f"{cell['processes']} committers, {rows}" if cell["processes"] > 1 else "1 committer"
            found.setdefault(name, []).append(median(cell["rates"]))
    return found


def title(results: dict[str, Any]) -> str:
    return f"Orders a second by the size of a batch, {results['at'][:10]}, {results['machine']['cpus']} cores"


if __name__ == "__main__":
    sys.exit(main())
