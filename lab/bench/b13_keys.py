"""B13, first half: orders with idempotency keys, all different, against orders without."""

from collections.abc import Iterator

from lab.bench.b2_orders_over_grpc import orders
from lab.bench.grpc_load import KEY, TRANSPORTS, GrpcShop
from lab.bench.ratio import Rates, Ratio
from lab.bench.stage import Stage

CALLERS = 512
FLOOR, GOAL = 0.8, 0.9


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    for transport in TRANSPORTS:
        shop = GrpcShop(stage, transport)
        without, keyed = orders(shop, CALLERS), orders(shop, CALLERS, key=KEY)
        rates = Rates(stage, [keyed, without], rounds=rounds, seconds=seconds)
        name = f"B13 CreateOrder, {transport}, with keys / without"
        yield rates.ratio(name, keyed.name, without.name, floor=FLOOR, goal=GOAL)
        stage.stop()
