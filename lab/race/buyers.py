"""A process full of buyers: `python -m lab.race.buyers`.

Each race begins with a line of JSON: the strategy (or the address of a server), for each thread its buyers, and
whether they place orders or reserve stock only. The threads connect, meet at a barrier, and start when the parent says
so, all processes at once.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import django
import grpc

django.setup()

from django.db import connections  # noqa: E402 (after setup)

from charites.common import clock  # noqa: E402
from charites.common.errors import Kind, ServiceError  # noqa: E402
from charites.common.rpc import Client, read_error  # noqa: E402
from lab.race.child import Link, retries, use  # noqa: E402
from lab.race.race_plan import Basket  # noqa: E402
from orders.errors import OverBuyersLimit  # noqa: E402
from orders.payloads import PlaceOrder  # noqa: E402
from orders.rpc.orders_pb2 import CreateOrderRequest, OrderLine  # noqa: E402
from orders.rpc.orders_pb2_grpc import OrderStub  # noqa: E402
from orders.services import place_orders  # noqa: E402
from stock.errors import NotEnoughStock  # noqa: E402
from stock.moves import Status, reserve  # noqa: E402
from stock.rpc.stock_pb2 import OrderStockRequest, StockLine  # noqa: E402
from stock.rpc.stock_pb2_grpc import StockStub  # noqa: E402
from stock.services import move  # noqa: E402

REPORT_SECONDS = 0.1
CONNECT_SECONDS = 30
CALL_SECONDS = 60.0
RECEIVER: dict[str, Any] = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
REFUSALS: dict[int, str] = {NotEnoughStock.code: "refused", OverBuyersLimit.code: "limited"}
STATUS = {Status.OK: "sold", Status.REPEATED: "sold", Status.NOT_ENOUGH: "refused", Status.BUSY: "busy"}

# A buyer's attempt: what it was told, and why where that was an error.
Buy = Callable[[Basket], tuple[str, str]]


class Service:
    """Reserves stock through the services, in this process."""

    def __enter__(self) -> Buy:
        connections["default"].ensure_connection()  # connecting is not part of a buyer's time
        return self.buy

    def __exit__(self, *_exception: object) -> None:
        connections.close_all()

    def buy(self, basket: Basket) -> tuple[str, str]:
        outcome = move([reserve(basket.order_id, basket.quantities)])[0]
        return STATUS.get(outcome.status, "error"), outcome.words


class PlacingService(Service):
    """Places orders through the services, in this process."""

    def buy(self, basket: Basket) -> tuple[str, str]:
        command = PlaceOrder(basket.buyer, basket.quantities, **RECEIVER)
        error = place_orders(commands=[command], now=clock.now())[0].error
        return ("sold", "") if error is None else (told_by(error), repr(error))


class Caller:
    """Reserves stock over gRPC, on one connection for all threads of this process."""

    def __init__(self, address: str, token: str) -> None:
        self._client = Client(address, token=token, timeout_seconds=CALL_SECONDS, tries=1)
        grpc.channel_ready_future(self._client.channel).result(CONNECT_SECONDS)
        self._stock: Any = self._client.stub(StockStub)
        self._orders: Any = self._client.stub(OrderStub)

    def __enter__(self) -> Buy:
        return self.buy

    def __exit__(self, *_exception: object) -> None:
        """The connection is the process's, not the thread's."""

    def close(self) -> None:
        self._client.close()

    def buy(self, basket: Basket) -> tuple[str, str]:
        try:
            self.ask(basket)
        except grpc.RpcError as error:
            return told(error), f"{error.code().name}: {error.details()}"
        return "sold", ""

    def ask(self, basket: Basket) -> None:
        lines = [StockLine(goods_id=goods_id, num=pieces) for goods_id, pieces in basket.quantities.items()]
        self._stock.ReserveStock(OrderStockRequest(order_id=basket.order_id, items=lines))


class PlacingCaller(Caller):
    """Places orders over gRPC, as a service that speaks for all buyers."""

    def ask(self, basket: Basket) -> None:
        items = [OrderLine(goods_id=goods_id, num=pieces) for goods_id, pieces in basket.quantities.items()]
        self._orders.CreateOrder(CreateOrderRequest(user_id=basket.buyer, items=items, **RECEIVER))


def told(error: grpc.RpcError) -> str:
    """Returns what a refused call means to a buyer."""
    ours = read_error(error)
    if ours and ours.code in REFUSALS:
        return REFUSALS[ours.code]
    return "busy" if ours and error.code() is grpc.StatusCode.UNAVAILABLE else "error"


def told_by(error: Exception) -> str:
    """Returns what an order that was not placed means to a buyer."""
    if not isinstance(error, ServiceError):
        return "error"
    return REFUSALS.get(error.code, "busy" if error.kind is Kind.BUSY else "error")


def race(link: Link, wanted: dict[str, Any]) -> None:
    """Takes part in one race and tells how it went: [order_id, what the buyer was told, from, until, why]."""
    if wanted["strategy"]:
        use(wanted["strategy"])
    service, over_grpc = (PlacingService, PlacingCaller) if wanted["is_placing"] else (Service, Caller)
    caller = over_grpc(wanted["address"], wanted["token"]) if wanted["address"] else None
    before = retries()
    answers: list[tuple[int, str, float, float, str]] = []
    barrier = threading.Barrier(len(wanted["hands"]) + 1)
    threads = [
        threading.Thread(target=attend, args=(hand, caller or service(), barrier, answers)) for hand in wanted["hands"]
    ]
    for thread in threads:
        thread.start()
    link.say(ready=True)
    link.wait()
    barrier.wait(CONNECT_SECONDS)
    for thread in threads:
        while thread.is_alive():
            thread.join(REPORT_SECONDS)
            link.say(answered=len(answers))
    if caller:
        caller.close()
    link.say(answers=answers, retries={reason: count - before.get(reason, 0) for reason, count in retries().items()})


def attend(
    hand: list[tuple[int, dict[str, int], int]],
    shop: Service | Caller,
    barrier: threading.Barrier,
    answers: list[tuple[int, str, float, float, str]],
) -> None:
    """One thread: lets its buyers try, one after the other."""
    baskets = [
        Basket(order_id, {int(goods_id): n for goods_id, n in quantities.items()}, buyer)
        for order_id, quantities, buyer in hand
    ]
    with shop as buy:
        barrier.wait(CONNECT_SECONDS)
        for basket in baskets:
            begun = time.monotonic()  # one clock for all processes of a machine
            try:
                answer, why = buy(basket)
            except Exception as error:  # noqa: BLE001 (a buyer's bad luck is a result, not the end of the race)
                answer, why = "error", repr(error)
            answers.append((basket.order_id, answer, begun, time.monotonic(), why if answer == "error" else ""))


def main() -> None:
    link = Link()
    link.say(here=True)
    for wanted in link.listen():
        race(link, wanted)


if __name__ == "__main__":
    main()
