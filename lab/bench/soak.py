"""The shop under twice the load that it can carry, for ten minutes: rate, answers, waits and memory, slice by slice.

    python -m lab.bench.soak [--minutes 10] [--callers 2048] [--transport grpcio] [--drawing var/soak.svg]

Past GRPC_MAX_CONCURRENT calls are answered busy at once; memory has to stay where it was.
"""

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.table import Table

from lab.bench.b2_orders_over_grpc import order_request
from lab.bench.grpc_load import GrpcShop
from lab.bench.plot import draw_curves
from lab.bench.stage import Stage, memory_mb

SLICE_SECONDS = 10
SETTLED = 3  # slices after which caches are full and threads are there
GROWTH = 1.10


class Slice(NamedTuple):
    """Ten seconds: orders and busy answers a second, how long answers took, and the servers' memory."""

    orders: float
    busy: float
    p50: float
    p99: float
    megabytes: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--callers", type=int, default=2048)
    parser.add_argument("--transport", default="grpcio")
    parser.add_argument("--drawing", type=Path, default=Path("var/soak.svg"))
    wanted = parser.parse_args()
    console = Console()
    slices: list[Slice] = []
    with Stage() as stage, Live(console=console) as live:
        shop = GrpcShop(stage, wanted.transport)
        for _ in range(int(wanted.minutes * 60 / SLICE_SECONDS)):
            slices.append(one_slice(shop, wanted.callers))
            live.update(as_table(slices))
        stage.stop()
        stage.audit()
    draw_curves(curves(slices), wanted.drawing, title=f"{wanted.callers:,} callers, {wanted.transport}")
    grown = slices[-1].megabytes / slices[min(SETTLED, len(slices) - 1)].megabytes
    console.print(f"Memory: {grown:.2f} times what it was after {SETTLED * SLICE_SECONDS} s. The audit found nothing.")
    return 0 if grown <= GROWTH else 1


def one_slice(shop: GrpcShop, callers: int) -> Slice:
    calls = shop.call("Order/CreateOrder", order_request(), callers=callers, seconds=SLICE_SECONDS)
    ok, busy = (calls.by_status.get(status, 0) / calls.seconds for status in ("OK", "UNAVAILABLE"))
    return Slice(ok, busy, calls.p50, calls.p99, sum(map(memory_mb, shop.pids)))


def curves(slices: list[Slice]) -> dict[str, list[float]]:
    """What is drawn, with its median in its name."""
    found = {
        "orders/s": [one.orders for one in slices],
        "busy answers/s": [one.busy for one in slices],
        "p99, ms": [one.p99 for one in slices],
        "memory, MB": [one.megabytes for one in slices],
    }
    return {f"{name} (median {median(values):,.0f})": values for name, values in found.items()}


def as_table(slices: list[Slice]) -> Table:
    """A line a minute, and the last slice."""
    table = Table("at", "orders/s", "busy/s", "p50 ms", "p99 ms", "memory MB")
    for number, found in enumerate(slices):
        if number % 6 == 0 or number == len(slices) - 1:
            at = f"{number * SLICE_SECONDS // 60}:{number * SLICE_SECONDS % 60:02}"
            table.add_row(at, *(f"{value:,.0f}" for value in found))
    return table


if __name__ == "__main__":
    sys.exit(main())
