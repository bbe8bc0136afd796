"""Orders under load while two webhook endpoints are told of them, of which one hangs: the other one hears of all of it,
in order for each order, and can verify it."""

import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from lab.kit.factories import bearer, counts, make_goods
from lab.kit.findings import findings
from lab.kit.processes.shop import START_SECONDS, Shop, wait_until
from lab.kit.receiver import Received, Receiver
from lab.kit.trials import Trials
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.webhooks.endpoints import add_endpoint
from orders.models import Order
from orders.rpc.orders_pb2 import CreateOrderRequest, OrderRequest
from orders.rpc.orders_pb2_grpc import OrderStub

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

CALLERS = 16
ALL_TOLD_SECONDS = 600  # a bound for busy machines, no measurement
REFUSED_SHARE = 0.02  # of the events, when they first come
KINDS = ["order.placed", "order.closed"]


class Forgetful:
    """Takes an event, unless it refuses it once, drawn by lot. Knows what it has taken, in that order."""

    def __init__(self, lots: random.Random) -> None:
        self.taken: list[Received] = []
        self.refused: set[str] = set()
        self._lots = lots
        self._mutex = threading.Lock()

    def __call__(self, received: Received) -> int:
        with self._mutex:
            if received.event_id not in self.refused and self._lots.random() < REFUSED_SHARE:
                self.refused.add(received.event_id)
                return 500
            self.taken.append(received)
            return 204

    def heard(self) -> dict[str, list[str]]:
        """order -> events in the order in which each was taken first."""
        heard: dict[str, list[str]] = defaultdict(list)
        known: set[str] = set()
        for received in self.taken:
            if received.event_id not in known:
                known.add(received.event_id)
                heard[received.event["data"]["order_id"]].append(received.event["type"])
        return heard


@contextmanager
def hanging() -> Iterator[Receiver]:
    """An endpoint that takes the connection and never answers while the block lasts."""
    over = threading.Event()

    def wait(_received: Received) -> int:
        over.wait(ALL_TOLD_SECONDS)
        return 204

    with Receiver(wait) as receiver:
        try:
            yield receiver
        finally:
            over.set()


def place_and_cancel_half(address: str, orders: int) -> dict[str, list[str]]:
    """Places orders, each of another buyer, and cancels every other one; returns order -> what happened to it."""
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(CALLERS) as pool:
        grpc.channel_ready_future(channel).result(START_SECONDS)
        stub = OrderStub(channel)

        def buy(number: int) -> tuple[str, list[str]]:
            metadata = [("authorization", bearer(number))]
            request = CreateOrderRequest(goods_id=1, num=1, address="a", name="n", phone="p")
            order_id = stub.CreateOrder(request, metadata=metadata).order_id
            if number % 2:
                return str(order_id), ["order.placed"]
            stub.CancelOrder(OrderRequest(order_id=order_id), metadata=metadata)
            return str(order_id), ["order.placed", "order.closed"]

        return dict(pool.map(buy, range(1, orders + 1)))


@pytest.mark.long
def test_endpoint_hears_of_all_orders_in_order_while_another_one_hangs(
    process_environment: dict[str, str], tmp_path: Path, settings: Any, trials: Trials
) -> None:
    orders = trials.count(sample=300, full=10_000)
    make_goods(1, stock=orders)
    take = Forgetful(trials.random)
    local = {"WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8"}
    settings.WEBHOOK_PRIVATE_NETWORKS = [local["WEBHOOK_PRIVATE_NETWORKS"]]
    with Receiver(take) as receiver, hanging() as silent, Shop(tmp_path, {**process_environment, **local}) as shop:
        told = add_endpoint(url=receiver.url, kinds=KINDS)
        mute = add_endpoint(url=silent.url, kinds=KINDS)
        shop.start("grpc", "sweep", "sweep2")

        happened = place_and_cancel_half(shop.grpc_address, orders)
        everything = sum(map(len, happened.values()))
        wait_until(
            lambda: len({received.event_id for received in take.taken}) == everything,
            seconds=ALL_TOLD_SECONDS,
            what="the endpoint has heard of everything",
        )
        hung = len(silent.received)

    assert take.heard() == happened
    receiver.verify(told.secret)
    assert hung > 0
    assert WebhookEndpoint.objects.get(pk=mute.pk).is_enabled
    assert WebhookDelivery.objects.filter(endpoint_id=mute.pk, state="ready").count() == everything
    assert (Order.objects.count(), counts(1)) == (orders, (orders // 2, orders - orders // 2, 0))
    assert findings() == []
    trials.tell(
        f"{orders} orders, {everything} events, each taken by the endpoint, {len(take.refused)} of them at a second "
        f"try; {len(take.taken) - everything} came twice; {hung} calls to the one that hangs"
    )
