"""RefundOrder over a real connection."""

import pytest

from charites.common.auth import Permission, Role
from lab.kit.factories import bearer, make_clerk, make_goods, make_paid_order
from lab.kit.grpc_server import Callers, refusal
from orders.models import Order, Refund
from orders.rpc.orders_pb2 import ListOrdersRequest, OrderLine, OrderRequest, RefundOrderRequest
from orders.tests.api.rpc_orders import INVALID


def paid_order() -> Order:
    make_goods(1, stock=10)
    return make_paid_order({1: 2})


def request_for(order: Order, **changes: object) -> RefundOrderRequest:
    fields = {"order_id": order.order_id, "amount": 9950, "reason": "broken", "idempotency_key": "k1"}
    return RefundOrderRequest(**(fields | changes))


def test_refund_order_answers_the_same_refund_for_the_same_key(callers: Callers) -> None:
    order = paid_order()
    refund = callers.staff().order.RefundOrder
    request = request_for(order, items=[OrderLine(goods_id=1, num=1)])

    replies = [refund(request) for _ in range(2)]

    made = Refund.objects.get()
    assert [(reply.refund_id, reply.amount, reply.status) for reply in replies] == [
        (made.refund_id, 9950, "requested")
    ] * 2


def test_order_says_how_much_of_it_was_refunded(callers: Callers) -> None:
    order = paid_order()
    callers.staff().order.RefundOrder(request_for(order))

    read = callers.buyer().order.GetOrder(OrderRequest(order_id=order.order_id))
    (listed,) = callers.staff().order.ListOrders(ListOrdersRequest()).orders

    assert read.refunded == listed.refunded == 9950


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 0},
        {"amount": -1},
        {"reason": ""},
        {"currency": "EUR"},
        {"idempotency_key": ""},
        {"order_id": 0},
        {"items": [OrderLine(goods_id=1, num=0)]},
        {"items": [OrderLine(goods_id=1, num=1)], "return_stock": True},
    ],
)
def test_refund_order_with_a_wrong_field_is_invalid(callers: Callers, changes: dict[str, object]) -> None:
    order = paid_order()

    assert refusal(callers.staff().order.RefundOrder, request_for(order, **changes)) == INVALID
    assert not Refund.objects.exists()


def test_refund_order_of_more_than_is_left_is_a_conflict(callers: Callers) -> None:
    order = paid_order()

    refused = refusal(callers.staff().order.RefundOrder, request_for(order, amount=19_901))

    assert refused == ("FAILED_PRECONDITION", 50010016)


def test_refund_order_is_for_staff_with_the_permission(callers: Callers) -> None:
    order = paid_order()
    halves = Permission.ADD_REFUND, Permission.CHANGE_ORDER  # to refund, and to see what is refunded
    clerks = [callers.with_header(bearer(make_clerk(half, username=half).pk, Role.STAFF)) for half in halves]

    for caller in (callers.buyer(7), callers.service(), *clerks):
        assert refusal(caller.order.RefundOrder, request_for(order)) == ("PERMISSION_DENIED", 10000006)
    assert not Refund.objects.exists()
