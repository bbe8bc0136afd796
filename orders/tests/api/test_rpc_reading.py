"""GetOrder and ListOrders over a real connection, and who may call what."""

import pytest
from django.utils import timezone

from lab.kit.factories import make_goods, make_order, make_paid_order, stored
from lab.kit.grpc_server import Callers, refusal
from orders.models import Order, Payment
from orders.rpc.orders_pb2 import ListOrdersRequest, OrderRequest, PayOrderRequest
from orders.tests.api.rpc_orders import INVALID, NOT_FOUND, wanted

# GetOrder, ListOrders


def test_get_order_shows_a_paid_order_to_its_buyer_staff_and_services(callers: Callers) -> None:
    make_goods(1, stock=10)
    order = make_paid_order(user_id=7)
    request = OrderRequest(order_id=order.order_id)

    replies = [caller.order.GetOrder(request) for caller in (callers.buyer(7), callers.staff(), callers.service())]

    assert [(reply.order_id, reply.status, reply.status_label) for reply in replies] == [
        (order.order_id, 200, "paid")
    ] * 3
    assert replies[0].paid_at.ToDatetime(order.pay_time.tzinfo) == order.pay_time


def test_get_order_of_somebody_else_is_not_found(callers: Callers) -> None:
    make_goods(1, stock=10)
    order = make_order(user_id=7)

    assert refusal(callers.buyer(8).order.GetOrder, OrderRequest(order_id=order.order_id)) == NOT_FOUND
    assert refusal(callers.staff().order.GetOrder, OrderRequest(order_id=order.order_id + 1)) == NOT_FOUND


def test_list_orders_pages_through_the_callers_own(callers: Callers) -> None:
    make_goods(1, stock=10)
    mine = [make_order(user_id=7).order_id for _ in range(3)]
    make_order(user_id=8)
    listing = callers.buyer(7).order.ListOrders

    first = listing(ListOrdersRequest(limit=2)).orders
    second = listing(ListOrdersRequest(limit=2, before_id=first[-1].order_id)).orders

    assert [order.order_id for order in [*first, *second]] == mine[::-1]
    assert all(len(order.items) == 1 for order in first)


def test_list_orders_shows_staff_everybodys_or_one_users(callers: Callers) -> None:
    make_goods(1, stock=10)
    orders = [make_order(user_id=user_id).order_id for user_id in (7, 8)]
    paid = make_paid_order(user_id=8).order_id
    listing = callers.staff().order.ListOrders

    assert [order.order_id for order in listing(ListOrdersRequest()).orders] == [paid, *orders[::-1]]
    assert [order.order_id for order in listing(ListOrdersRequest(user_id=7)).orders] == [orders[0]]
    assert [order.order_id for order in listing(ListOrdersRequest(status=200)).orders] == [paid]


def test_list_orders_of_somebody_else_is_forbidden(callers: Callers) -> None:
    listing = callers.buyer(7).order.ListOrders

    assert refusal(listing, ListOrdersRequest(user_id=8)) == ("PERMISSION_DENIED", 10000006)


@pytest.mark.parametrize(
    "request_", [ListOrdersRequest(limit=101), ListOrdersRequest(limit=-1), ListOrdersRequest(status=1)]
)
def test_list_orders_with_bad_fields_is_invalid(callers: Callers, request_: ListOrdersRequest) -> None:
    assert refusal(callers.buyer().order.ListOrders, request_) == INVALID


# Who may


OF_ONE_ORDER = {"GetOrder": OrderRequest, "PayOrder": PayOrderRequest, "CancelOrder": OrderRequest}


@pytest.mark.parametrize("name", OF_ONE_ORDER)
def test_somebody_elses_order_is_not_found(callers: Callers, name: str) -> None:
    make_goods(1, stock=10)
    order = make_order(user_id=7, now=timezone.now())

    assert refusal(getattr(callers.buyer(8).order, name), OF_ONE_ORDER[name](order_id=order.order_id)) == NOT_FOUND
    assert stored(order).status == Order.Status.UNPAID
    assert not Payment.objects.exists()


@pytest.mark.parametrize("order_id", [0, -1])
@pytest.mark.parametrize("name", OF_ONE_ORDER)
def test_an_order_without_a_number_is_invalid(callers: Callers, name: str, order_id: int) -> None:
    assert refusal(getattr(callers.buyer().order, name), OF_ONE_ORDER[name](order_id=order_id)) == INVALID


@pytest.mark.parametrize("name", [*OF_ONE_ORDER, "CreateOrder", "ListOrders"])
def test_orders_without_a_token_are_unauthenticated(callers: Callers, name: str) -> None:
    make_goods(1, stock=10)
    requests = {"CreateOrder": wanted(), "ListOrders": ListOrdersRequest()}
    request = requests.get(name) or OF_ONE_ORDER[name](order_id=1)

    assert refusal(getattr(callers.anybody().order, name), request) == ("UNAUTHENTICATED", 10000002)
    assert not Order.objects.exists()
