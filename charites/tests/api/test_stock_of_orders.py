"""What the shop's own orders reserved is moved by nobody from outside, through whatever door."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from lab.kit.factories import SANDBOX, counts, make_capture, make_goods, make_order, make_payment, stored
from lab.kit.grpc_server import Callers, grpc_callers, refusal
from lab.kit.rest_client import buyer, error_of, service
from orders import services
from orders.models import Order, Refund
from stock.models import SHOP, StockRecord
from stock.rpc.stock_pb2 import OrderStockRequest, StockLevel, StockLine

NOT_YOURS = ("PERMISSION_DENIED", 40010011)


@pytest.fixture
def callers(transactional_db: None) -> Iterator[Callers]:
    make_goods(1, stock=10)
    with override_settings(PAYMENT_PROVIDER=SANDBOX), grpc_callers() as callers:
        yield callers


def about(order: Order, *goods_ids: int) -> OrderStockRequest:
    return OrderStockRequest(
        order_id=order.order_id, items=[StockLine(goods_id=goods_id, num=2) for goods_id in goods_ids]
    )


@pytest.mark.parametrize("who", ["staff", "nameless", "warehouse"])
def test_steps_on_an_order_of_the_shop_are_refused_and_the_money_pays_it(callers: Callers, who: str) -> None:
    order = make_order({1: 2})
    payment = make_payment(order)
    outside = {
        "staff": callers.staff,
        "nameless": callers.service,
        "warehouse": lambda: callers.service("warehouse"),
    }[who]().stock

    refusals = [
        refusal(outside.RollbackStock, about(order)),
        refusal(outside.RollbackStock, about(order, 1)),
        refusal(outside.ConfirmStock, about(order)),
        refusal(outside.ReserveStock, about(order, 1)),
    ]

    assert refusals == [NOT_YOURS] * 4
    assert counts(1) == (8, 2, 0)
    assert services.record_captures(captures=[make_capture(payment)]) == [None]
    assert stored(order).status == Order.Status.PAID
    assert not Refund.objects.exists()
    assert counts(1) == (8, 0, 2)


def test_reduce_stock_on_an_order_of_the_shop_is_refused_over_grpc_and_the_gateway(callers: Callers) -> None:
    order = make_order({1: 2})
    outside = callers.service()

    request = StockLevel(goods_id=1, num=2, order_id=order.order_id)
    over_gateway = service().post("/v1/reducestock", {"GoodsId": "1", "Num": "2", "OrderId": str(order.order_id)})

    assert refusal(outside.stock.ReduceStock, request) == NOT_YOURS
    assert error_of(over_gateway)[:2] == (403, 40010011)
    assert counts(1) == (8, 2, 0)


def test_order_of_the_shop_is_cancelled_by_its_buyer_after_strangers_tried(callers: Callers) -> None:
    order = make_order({1: 2})
    refusal(callers.service().stock.ConfirmStock, about(order))

    response = buyer(order.user_id).post(f"/api/orders/{order.order_id}/cancel", {})

    assert response.status_code == 200
    assert counts(1) == (10, 0, 0)


def test_services_reservations_are_each_service_s_own(callers: Callers) -> None:
    warehouse, other = callers.service("warehouse").stock, callers.service("other").stock
    warehouse.ReserveStock(OrderStockRequest(order_id=77, items=[StockLine(goods_id=1, num=3)]))

    assert refusal(other.RollbackStock, OrderStockRequest(order_id=77)) == NOT_YOURS
    assert refusal(callers.staff().stock.ConfirmStock, OrderStockRequest(order_id=77)) == NOT_YOURS
    assert warehouse.ConfirmStock(OrderStockRequest(order_id=77)).order_id == 77

    assert counts(1) == (7, 0, 3)
    assert StockRecord.objects.get(order_id=77).owner == "service:warehouse"


def test_members_of_staff_do_not_end_each_others_reservations(callers: Callers) -> None:
    callers.staff(5).stock.ReserveStock(OrderStockRequest(order_id=77, items=[StockLine(goods_id=1, num=3)]))

    assert refusal(callers.staff(6).stock.RollbackStock, OrderStockRequest(order_id=77)) == NOT_YOURS
    callers.staff(5).stock.RollbackStock(OrderStockRequest(order_id=77))

    assert counts(1) == (10, 0, 0)


def test_records_of_an_order_say_that_they_are_the_shops(callers: Callers) -> None:
    order = make_order({1: 2})

    assert StockRecord.objects.get(order_id=order.order_id).owner == SHOP
