"""Two gRPC servers behind a HAProxy that sends a product's calls to one of them, to the other when that one dies."""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from charites.common.rpc import Client
from charites.tests.drills.load import GOODS, await_yes, buyers_at, pause
from charites.tests.drills.site import NAMES, REST_SECONDS, STOCK, Site, open_site
from lab.kit.factories import bearer, make_goods
from lab.kit.findings import findings
from lab.kit.history import contradictions, miscounts, read_truth
from lab.kit.processes.customers import RECEIVER, Crowd, RpcDoor
from lab.kit.processes.shop import START_SECONDS, wait_until
from lab.kit.trials import Trials
from orders.rpc.orders_pb2 import CreateOrderRequest
from orders.rpc.orders_pb2_grpc import OrderStub
from stock.selectors import get_stock

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PRODUCT = "x-goods-id"  # by which a balancer may choose
PRODUCTS = range(1, 13)
NUMBERS = count(1_000)


@pytest.fixture
def site(tmp_path: Path, process_environment: dict[str, str]) -> Iterator[Site]:
    with open_site(tmp_path, process_environment, by_product=True) as site:
        yield site


class NamingDoor(RpcDoor):
    """Names the first product of an order in `x-goods-id`, for the balancer."""

    def __init__(self, address: str, user_id: int) -> None:
        super().__init__(address, user_id)
        create, cancel = self._stub.CreateOrder, self._stub.CancelOrder

        def create_named(request: CreateOrderRequest) -> Any:
            return create(request, metadata=[(PRODUCT, str(request.items[0].goods_id))])

        self._stub = SimpleNamespace(CreateOrder=create_named, CancelOrder=cancel)


def order_named(site: Site, goods_id: int, *, named: int) -> str:
    """Orders a piece of a product and names one, the same or another; returns the server that has answered."""
    request_id = f"named-{named}-{next(NUMBERS)}"
    with Client(site.proxy.grpc_address, token=bearer(next(NUMBERS))) as client:
        request = CreateOrderRequest(goods_id=goods_id, num=1, **RECEIVER)
        metadata = [(PRODUCT, str(named)), ("x-request-id", request_id)]
        client.stub(OrderStub).CreateOrder(request, metadata=metadata)

    def answered_by() -> str:
        return "".join(name for name, shop in site.shops.items() if request_id in shop.log("grpc"))

    return str(wait_until(answered_by, seconds=START_SECONDS, what=f"a server's log has {request_id}"))


def homes(site: Site, *, orders: int = 1) -> dict[int, str]:
    """The server of each product, which all of so many orders have met."""
    answered = {goods_id: {order_named(site, goods_id, named=goods_id) for _ in range(orders)} for goods_id in PRODUCTS}
    assert {goods_id: len(servers) for goods_id, servers in answered.items()} == dict.fromkeys(PRODUCTS, 1)
    return {goods_id: servers.pop() for goods_id, servers in answered.items()}


def start_by_product(site: Site) -> None:
    for goods_id in PRODUCTS:
        if goods_id not in GOODS:
            make_goods(goods_id, stock=STOCK)
    for name in NAMES:
        site.start(name, "grpc")
    for name in NAMES:
        site.await_up(name, "grpc")


def test_orders_for_a_product_meet_one_server_and_a_name_that_is_not_true_decides_nothing_else(
    site: Site, trials: Trials
) -> None:
    start_by_product(site)

    home = homes(site, orders=3)
    assert set(home.values()) == set(NAMES)
    bought = GOODS[0]
    named = next(goods_id for goods_id in PRODUCTS if home[goods_id] != home[bought])
    before = {goods_id: get_stock(goods_id=goods_id).available for goods_id in (bought, named)}
    server = order_named(site, bought, named=named)
    after = {goods_id: get_stock(goods_id=goods_id).available for goods_id in (bought, named)}

    assert server == home[named]
    assert after == {bought: before[bought] - 1, named: before[named]}
    assert findings() == []
    trials.tell(f"{len(PRODUCTS)} products: {', '.join(map(str, sorted(Counter(home.values()).items())))}")


@pytest.mark.long
def test_products_of_a_server_that_dies_go_to_another_and_no_acknowledged_order_is_lost(
    site: Site, trials: Trials
) -> None:
    start_by_product(site)
    home = homes(site)
    dead = home[GOODS[0]]
    (left,) = set(NAMES) - {dead}
    earlier = read_truth(connection).effects

    with buyers_at(partial(NamingDoor, site.proxy.grpc_address), trials, rest_seconds=REST_SECONDS) as buyers:
        history = buyers[0].history
        with Crowd(buyers):
            pause(trials)
            died = time.monotonic()
            site.kill(dead, "grpc")
            await_yes(history, died)

    truth = read_truth(connection)
    assert contradictions(history.calls, [effect for effect in truth.effects if effect not in earlier]) == []
    assert miscounts(truth) == []
    assert findings() == []
    assert set(homes(site).values()) == {left}
    site.start(dead, "grpc")
    site.await_up(dead, "grpc")
    assert homes(site) == home
    trials.tell(f"{dead} of two died: {history.summary()}; every order that was acknowledged is there")
