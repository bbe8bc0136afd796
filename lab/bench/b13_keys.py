"""B13: orders with idempotency keys, all different, and orders of a product with a limit, against orders without."""

from collections.abc import Iterator

from lab.bench.b2_orders_over_grpc import limited_orders, orders
from lab.bench.grpc_load import KEY, TRANSPORTS, GrpcShop
from lab.bench.ratio import Rates, Ratio
from lab.bench.stage import Stage

CALLERS = 512
FLOOR, GOAL = 0.8, 0.9


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    for transport in TRANSPORTS:
        shop = GrpcShop(stage, transport)
        without, keyed = orders(shop, CALLERS), orders(shop, CALLERS, key=KEY)
        limited = limited_orders(shop, CALLERS)
        rates = Rates(stage, [keyed, limited, without], rounds=rounds, seconds=seconds)
        for words, one in (("with keys", keyed), ("with a limit", limited)):
            name = f"B13 CreateOrder, {transport}, {words} / without"
            yield rates.ratio(name, one.name, without.name, floor=FLOOR, goal=GOAL)
        stage.stop()
