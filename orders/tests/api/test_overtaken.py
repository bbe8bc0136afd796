"""A payment begins between the two steps of a cancellation: what is closed at the provider, and the order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from django.utils import timezone

from charites.common.rpc import read_error
from lab.kit.admin_site import confirm, make_operator, sign_in
from lab.kit.factories import make_goods, make_order, make_payment, stored
from lab.kit.grpc_server import Callers
from lab.kit.interleaving import plain
from lab.kit.rest_client import buyer, error_of
from lab.kit.wrappers import on_every_connection
from orders.models import Order, Payment
from orders.rpc.orders_pb2 import OrderRequest


@contextmanager
def overtaken(order: Order) -> Iterator[None]:
    """The buyer begins to pay right after somebody, on whatever connection, has looked for begun payments."""
    looked: list[str] = []

    def pay(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = execute(sql, params, many, context)
        if " FROM shopping_payment " in plain(sql) and not looked:
            looked.append(sql)
            make_payment(order, now=timezone.now())
        return found

    with on_every_connection(pay):
        yield


def over_rest(_callers: Callers, order: Order) -> str:
    status, code, words = error_of(buyer().post(f"/api/orders/{order.order_id}/cancel"))
    assert (status, code) == (409, 50010006)
    return words


def over_grpc(callers: Callers, order: Order) -> str:
    with pytest.raises(grpc.RpcError) as refused:
        callers.buyer().order.CancelOrder(OrderRequest(order_id=order.order_id))
    error = read_error(refused.value)
    assert error
    assert (refused.value.code().name, error.code) == ("FAILED_PRECONDITION", 50010006)
    return error.message


def in_the_admin(_callers: Callers, order: Order) -> str:
    (words,) = confirm(sign_in(make_operator()), "close_orders", [order])
    return words


@pytest.mark.parametrize("cancel", [over_rest, over_grpc, in_the_admin])
def test_cancellation_that_a_payment_overtakes_says_so_and_closes_nothing(
    callers: Callers, cancel: Callable[[Callers, Order], str]
) -> None:
    make_goods(1, stock=5)
    order = make_order(now=timezone.now())

    with overtaken(order):
        words = cancel(callers, order)

    assert words == f"Order {order.order_id} cannot be cancelled: it is being paid at this moment; try again."
    assert stored(order).status == Order.Status.UNPAID
    assert Payment.objects.get().status == Payment.Status.BEGUN
