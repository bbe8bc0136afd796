"""Twenty buyers at once for the last five pieces, over each protocol, at two processes of each server."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest

from charites.common.rpc import read_error
from lab.kit.factories import bearer, counts, make_goods
from lab.kit.processes.shop import Shop, wait_until
from lab.kit.rest_client import error_in
from orders.models import Order, OrderDetail
from orders.rpc.orders_pb2 import CreateOrderRequest
from orders.rpc.orders_pb2_grpc import OrderStub
from stock.models import StockRecord

BUYERS, PIECES = 20, 5
FIRST_BUYER = 1000
PLACED, NOT_ENOUGH = 0, 40010003

Buy = Callable[[Shop, int, int], int]  # shop, goods_id, user_id -> our number


def buy_over_rest(shop: Shop, goods_id: int, user_id: int) -> int:
    body = {"items": [{"goods_id": goods_id, "quantity": 1}], "address": "a", "name": "n", "phone": "p"}
    answer = httpx.post(f"{shop.url}/api/orders", json=body, headers=headers(user_id), timeout=60)
    return PLACED if answer.status_code == 201 else int(answer.json()["code"])


def buy_over_gateway(shop: Shop, goods_id: int, user_id: int) -> int:
    body = {"GoodsId": str(goods_id), "Num": "1", "Address": "a", "Name": "n", "Phone": "p"}
    answer = httpx.post(f"{shop.url}/v1/createorder", json=body, headers=headers(user_id), timeout=60)
    return PLACED if answer.status_code == 200 else int(error_in(answer.json())["code"])


def buy_over_grpc(shop: Shop, goods_id: int, user_id: int) -> int:
    """Each buyer brings a connection of its own, as the connections are what is spread over the processes."""
    request = CreateOrderRequest(goods_id=goods_id, num=1, address="a", name="n", phone="p")
    with grpc.insecure_channel(shop.grpc_address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        metadata = [("authorization", bearer(user_id))]
        try:
            OrderStub(channel).CreateOrder(request, timeout=60, metadata=metadata, wait_for_ready=True)
        except grpc.RpcError as error:
            ours = read_error(error)
            return ours.code if ours else -1
    return PLACED


def headers(user_id: int) -> dict[str, str]:
    return {"Authorization": bearer(user_id)}


@pytest.fixture
def shop(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path, {**process_environment, "GRPC_DEADLINE_SECONDS": "60"}) as shop:
        shop.start("web", "web2", "grpc", "grpc2")
        shop.await_web()
        for name in ("grpc", "grpc2"):
            wait_until(lambda name=name: "gRPC on" in shop.log(name), seconds=60, what=f"{name} is there")
        yield shop


def test_last_five_pieces_go_to_five_of_twenty_buyers_over_each_protocol(shop: Shop) -> None:
    ways: dict[int, Buy] = {1: buy_over_rest, 2: buy_over_grpc, 3: buy_over_gateway}
    for goods_id in ways:
        make_goods(goods_id, stock=PIECES)

    answers = {goods_id: buy_at_once(shop, goods_id, buy) for goods_id, buy in ways.items()}

    for goods_id in ways:
        assert sorted(answers[goods_id]) == [PLACED] * PIECES + [NOT_ENOUGH] * (BUYERS - PIECES), goods_id
        assert counts(goods_id) == (0, PIECES, 0)
        lines = OrderDetail.objects.filter(goods_id=goods_id)
        assert [line.num for line in lines] == [1] * PIECES
        records = StockRecord.objects.filter(goods_id=goods_id, status=StockRecord.Status.RESERVED)
        assert {record.order_id for record in records} == {line.order_id for line in lines}
    assert Order.objects.filter(status=Order.Status.UNPAID).count() == Order.objects.count() == PIECES * len(ways)
    audit = shop.manage("audit")
    assert audit.returncode == 0, audit.stdout
    for name in ("web", "web2", "grpc", "grpc2"):
        assert '"event": "request"' in shop.log(name) or '"event": "call"' in shop.log(name), f"{name} had no part"


def buy_at_once(shop: Shop, goods_id: int, buy: Buy) -> list[int]:
    ready = threading.Barrier(BUYERS)

    def buyer(number: int) -> int:
        ready.wait()
        return buy(shop, goods_id, FIRST_BUYER + number)

    with ThreadPoolExecutor(BUYERS) as pool:
        return list(pool.map(buyer, range(BUYERS)))
