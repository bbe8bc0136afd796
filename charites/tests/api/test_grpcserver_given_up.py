"""`manage.py grpcserver` as a process, and callers who give up."""

import threading
from collections.abc import Iterator

import grpc
import pytest

from charites.tests.api.processes import WAIT_SECONDS, locked_stock, start
from lab.kit.factories import make_goods
from lab.kit.grpc_server import Callers
from lab.kit.processes.shop import Shop
from orders.models import Order
from orders.tests.api.rpc_orders import wanted
from stock.rpc.stock_pb2 import StockLevel

FEW = 80  # fewer than CALLS_A_CONNECTION; five times as many are more than Envoy would bear by itself


def test_callers_who_give_up_cost_others_on_their_connection_nothing(shop: Shop, callers: Callers) -> None:
    make_goods(1, stock=1000)
    shop.given["GRPC_DEADLINE_SECONDS"] = str(WAIT_SECONDS)
    start(shop, "grpc")
    buyer = callers.buyer()
    request = wanted()

    with locked_stock():
        placing = buyer.order.CreateOrder.future(request)
        for _ in range(5):
            others = [buyer.order.CreateOrder.future(request) for _ in range(FEW)]
            buyer.stock.GetStock(StockLevel(goods_id=1))  # on the same connection, so all have arrived before it
            for other in others:
                other.cancel()
            buyer.stock.GetStock(StockLevel(goods_id=1))
    reply = placing.result(WAIT_SECONDS)

    assert Order.objects.filter(order_id=reply.order_id).exists()


@pytest.mark.once
@pytest.mark.parametrize("shop", ["pyvoy"], indirect=True)
def test_requests_that_never_come_leave_no_traceback(shop: Shop, callers: Callers) -> None:
    shop.given["GRPC_DEADLINE_SECONDS"] = "0.1"
    start(shop, "grpc")
    over = threading.Event()

    def nothing() -> Iterator[bytes]:
        over.wait(WAIT_SECONDS)
        yield from ()

    channel = callers.buyer().client.channel
    calls = [channel.stream_unary("/Stock/GetStock").future(nothing(), timeout=WAIT_SECONDS) for _ in range(3)]
    outcomes = [call.code() for call in calls]
    over.set()

    assert outcomes == [grpc.StatusCode.DEADLINE_EXCEEDED] * 3
    assert shop.end("grpc") == 0
    assert "Traceback" not in shop.log("grpc")
    assert "Exception in callback" not in shop.log("grpc")
