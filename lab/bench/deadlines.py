"""Many callers with short deadlines: what share of the orders that were placed did their callers hear of?

python -m lab.bench.deadlines [--callers 300] [--milliseconds 50] [--seconds 10]
"""

import argparse
import sys

from rich.console import Console
from rich.table import Table

from lab.bench.b2_orders_over_grpc import order_request
from lab.bench.grpc_load import TRANSPORTS, GrpcShop
from lab.bench.stage import Stage

FLOOR = 0.8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=300)
    parser.add_argument("--milliseconds", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=10)
    wanted = parser.parse_args()
    table = Table("transport", "placed", "answered in time", "share", "all answers")
    shares = []
    with Stage() as stage:
        for transport in TRANSPORTS:
            shop = GrpcShop(stage, transport)
            before = placed(stage)
            calls = shop.call(
                "Order/CreateOrder",
                order_request(),
                callers=wanted.callers,
                seconds=wanted.seconds,
                timeout=f"{wanted.milliseconds}m",
            )
            stage.stop()  # what is under way is done
            orders, heard = placed(stage) - before, calls.by_status.get("OK", 0)
            shares.append(heard / orders)
            answers = ", ".join(f"{status} {number:,}" for status, number in sorted(calls.by_status.items()))
            table.add_row(transport, f"{orders:,}", f"{heard:,}", f"{shares[-1]:.0%}", answers)
        stage.audit()
    Console().print(table)
    return 0 if min(shares) >= FLOOR else 1


def placed(stage: Stage) -> int:
    return int(stage.query("SELECT COUNT(*) FROM shopping_order"))


if __name__ == "__main__":
    sys.exit(main())
