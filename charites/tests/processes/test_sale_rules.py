"""One buyer at several doors at once: two processes of the server, REST and gRPC, on one database."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from django.db import transaction

from charites.common import clock
from charites.common.rpc import Client, read_error
from lab.kit.factories import BUYER_ID, bearer, counts, make_goods, make_order
from lab.kit.findings import findings
from lab.kit.interleaving import await_lock_wait
from lab.kit.processes.shop import START_SECONDS, Shop
from orders.errors import OverBuyersLimit
from orders.models import Allowance, LimitedGoods, Order
from orders.rpc.orders_pb2 import CreateOrderRequest, OrderRequest
from orders.rpc.orders_pb2_grpc import OrderStub

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

CALLS, LIMIT = 20, 2
RECEIVER = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
DEFAULTS = {"MAX_UNPAID_ORDERS": "5", "PLACE_RATE": "30/min", "CANCEL_RATE": "10/min"}
PIECES_ALONE = {
    "MAX_UNPAID_ORDERS": "0",
    "PLACE_RATE": "0",
}  # no count of orders, in which one would wait for the other


class Doors:
    """A buyer with a connection to each process."""

    def __init__(self, shop: Shop) -> None:
        header = {"Authorization": bearer()}
        self.http = httpx.Client(base_url=shop.url, headers=header, timeout=60)
        self.rpc = Client(shop.grpc_address, token=bearer(), timeout_seconds=60, tries=1)
        self.orders: Any = self.rpc.stub(OrderStub)

    def place_over_rest(self, pieces: int = 1) -> int:
        """Buys; returns 0, or the number of the refusal."""
        body = {"items": [{"goods_id": "1", "quantity": pieces}], **RECEIVER}
        answer = self.http.post("/api/orders", json=body)
        return 0 if answer.status_code == 201 else int(answer.json()["code"])

    def place_over_grpc(self, pieces: int = 1) -> int:
        try:
            self.orders.CreateOrder(CreateOrderRequest(goods_id=1, num=pieces, **RECEIVER))
        except grpc.RpcError as error:
            refusal = read_error(error)
            return refusal.code if refusal else -1
        return 0


@pytest.fixture
def doors(request: pytest.FixtureRequest, tmp_path: Path, process_environment: dict[str, str]) -> Iterator[Doors]:
    make_goods(1, stock=50, limit_per_buyer=LIMIT)
    with Shop(tmp_path, process_environment | getattr(request, "param", DEFAULTS)) as shop:
        shop.start("web", "grpc")
        shop.await_web()
        found = Doors(shop)
        grpc.channel_ready_future(found.rpc.channel).result(START_SECONDS)
        yield found
        found.http.close()
        found.rpc.close()


def at_once(calls: list[Callable[[], int]]) -> Counter[int]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return Counter(pool.map(lambda call: call(), calls))


def held() -> list[tuple[int, int, int]]:
    return list(Allowance.objects.values_list("goods_id", "user_id", "pieces"))


def unpaid() -> list[int]:
    return list(
        Order.objects.filter(status=Order.Status.UNPAID).order_by("order_id").values_list("order_id", flat=True)
    )


def test_twenty_calls_of_one_buyer_get_what_the_limit_says_and_again_after_a_cancellation(doors: Doors) -> None:
    calls = [doors.place_over_rest, doors.place_over_grpc] * (CALLS // 2)

    assert at_once(calls) == {0: LIMIT, OverBuyersLimit.code: CALLS - LIMIT}
    assert held() == [(1, BUYER_ID, LIMIT)]
    assert counts(1) == (50 - LIMIT, LIMIT, 0)

    doors.orders.CancelOrder(OrderRequest(order_id=unpaid()[0]))
    assert held() == [(1, BUYER_ID, LIMIT - 1)]
    assert at_once([doors.place_over_rest, doors.place_over_grpc]) == {0: 1, OverBuyersLimit.code: 1}

    assert held() == [(1, BUYER_ID, LIMIT)]
    assert len(unpaid()) == LIMIT
    assert counts(1) == (50 - LIMIT, LIMIT, 0)
    assert findings() == []


@pytest.mark.long
@pytest.mark.parametrize("doors", [PIECES_ALONE], indirect=True, ids=["pieces alone"])
def test_orders_at_two_doors_that_have_passed_the_rules_are_counted_again_when_they_are_written(doors: Doors) -> None:
    make_order(user_id=9, now=clock.now())  # from now on the product is counted

    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            LimitedGoods.objects.select_for_update().get(goods_id=1)
            asked = [pool.submit(place, LIMIT) for place in (doors.place_over_rest, doors.place_over_grpc)]
            await_lock_wait(len(asked))  # their rows are written, and not counted yet
            Allowance.objects.create(goods_id=1, user_id=BUYER_ID, pieces=0)
        answers = {call.result(60) for call in asked}

    assert answers == {0, OverBuyersLimit.code}
    assert held() == [(1, 9, 1), (1, BUYER_ID, LIMIT)]
    assert counts(1) == (49 - LIMIT, 1 + LIMIT, 0)
    assert findings() == []
