"""B16: orders while two webhook endpoints are told of them, against the same orders while nobody is. What is kept of
them stays where it is meanwhile: sending is the sweep's."""

import time
from collections.abc import Iterator
from dataclasses import replace

from lab.bench.b2_orders_over_grpc import orders
from lab.bench.grpc_load import TRANSPORTS, GrpcShop
from lab.bench.ratio import Rates, Ratio
from lab.bench.stage import Stage

CALLERS = 512
KNOWN_SECONDS = 1.5  # until every process knows who is told
KINDS = ["order.placed", "order.paid", "order.closed", "stock.low", "stock.sold_out"]
FLOOR, GOAL = 0.9, 0.97


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    for transport in TRANSPORTS:
        shop = GrpcShop(stage, transport)
        plain = orders(shop, CALLERS)
        without = replace(plain, prepare=unsubscribe)
        told = replace(plain, name=f"{plain.name}, two endpoints", prepare=subscribe)
        rates = Rates(stage, [told, without], rounds=rounds, seconds=seconds)
        name = f"B16 CreateOrder, {transport}, two webhook endpoints / none"
        yield rates.ratio(name, told.name, without.name, floor=FLOOR, goal=GOAL)
        unsubscribe()
        stage.stop()


def subscribe() -> None:
    from messaging.webhooks.endpoints import add_endpoint  # noqa: PLC0415 (after the settings)

    unsubscribe()
    for number in range(2):
        add_endpoint(url=f"https://receiver-{number}.example/hooks", kinds=KINDS)
    time.sleep(KNOWN_SECONDS)


def unsubscribe() -> None:
    from messaging.models import Announced, WebhookEndpoint  # noqa: PLC0415 (after the settings)

    WebhookEndpoint.objects.all().delete()
    time.sleep(KNOWN_SECONDS)
    Announced.objects.all().delete()
