"""The gRPC service `Order`, over a real connection."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from charites.common.models import MAX_INT64
from goods.models import Goods
from lab.kit.factories import (
    SANDBOX,
    counts,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    stored,
)
from lab.kit.grpc_server import Callers, grpc_callers, refusal
from orders.models import Order, OrderDetail, Payment
from orders.rpc.orders_pb2 import (
    CreateOrderRequest,
    ListOrdersRequest,
    OrderItem,
    OrderLine,
    OrderReply,
    OrderRequest,
    PayOrderRequest,
)

INVALID = ("INVALID_ARGUMENT", 10000001)
NOT_FOUND = ("NOT_FOUND", 50010003)
WRONG_STATE = ("FAILED_PRECONDITION", 50010006)


@pytest.fixture
def callers(transactional_db: None) -> Iterator[Callers]:
    with override_settings(PAYMENT_PROVIDER=SANDBOX), grpc_callers() as callers:
        yield callers


def wanted(**fields: Any) -> CreateOrderRequest:
    """A valid request for one piece of product 1, in the old client's form."""
    defaults = {"goods_id": 1, "num": 1, "address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
    return CreateOrderRequest(**{**defaults, **fields})


def lines(*pairs: tuple[int, int]) -> list[OrderLine]:
    return [OrderLine(goods_id=goods_id, num=number) for goods_id, number in pairs]


# CreateOrder


def test_create_order_replies_with_the_order_and_reserves(callers: Callers) -> None:
    make_goods(1, stock=10, head_imgs=["/1.svg"])

    reply = callers.buyer(7).order.CreateOrder(wanted(num=2, order_id=5))

    order = Order.objects.get()
    assert order.order_id != 5
    expected = OrderReply(
        order_id=order.order_id,
        user_id=7,
        status=100,
        status_label="unpaid",
        pay_amount=19900,
        expires_at=order.expires_at,
        address="1 Harbour Road",
        name="Li Lei",
        phone="13800000000",
        items=[
            OrderItem(
                goods_id=1,
                num=2,
                title="Goods 1",
                price=9950,
                market_price=12900,
                pay_amount=19900,
                head_imgs=["/1.svg"],
            )
        ],
    )
    assert reply.HasField("created_at")
    reply.ClearField("created_at")
    assert reply == expected
    assert counts(1) == (8, 2, 0)


def test_create_order_of_several_goods_merges_lines(callers: Callers) -> None:
    make_goods(1, stock=10)
    make_goods(2, stock=10)

    reply = callers.buyer().order.CreateOrder(wanted(goods_id=0, num=0, items=lines((2, 1), (1, 2), (2, 3))))

    assert [(item.goods_id, item.num) for item in reply.items] == [(1, 2), (2, 4)]
    assert (counts(1), counts(2)) == ((8, 2, 0), (6, 4, 0))


def test_create_order_by_a_service_is_for_the_user_it_names(callers: Callers) -> None:
    make_goods(1, stock=10)

    reply = callers.service().order.CreateOrder(wanted(user_id=42))

    assert reply.user_id == 42
    assert Order.objects.get().user_id == 42


def test_create_order_for_oneself_may_name_oneself(callers: Callers) -> None:
    make_goods(1, stock=10)

    assert callers.buyer(7).order.CreateOrder(wanted(user_id=7)).user_id == 7


@pytest.mark.parametrize("who", ["buyer", "staff"])
def test_create_order_for_somebody_else_is_forbidden(callers: Callers, who: str) -> None:
    make_goods(1, stock=10)
    caller = getattr(callers, who)()

    assert refusal(caller.order.CreateOrder, wanted(user_id=42)) == ("PERMISSION_DENIED", 10000006)
    assert not Order.objects.exists()
    assert counts(1) == (10, 0, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"goods_id": 0},
        {"goods_id": -1},
        {"num": 0},
        {"num": -1},
        {"num": MAX_INT64},
        {"items": lines((1, 1))},
        {"goods_id": 0, "num": 0, "items": lines((1, 3), (1, -2))},
        {"goods_id": 0, "num": 0, "items": lines((1, 0))},
        {"goods_id": 0, "num": 0, "items": lines((1, MAX_INT64), (1, MAX_INT64))},
        {"goods_id": 0, "num": 0, "items": lines(*[(1, 1)] * 101)},
        {"address": ""},
        {"address": "a" * 256},
        {"name": " "},
        {"name": "n" * 129},
        {"phone": ""},
        {"phone": "1" * 33},
        {"idempotency_key": "k" * 65},
        {"idempotency_key": "kéy"},
        {"room_id": -1},
    ],
    ids=str,
)
def test_create_order_with_bad_fields_is_refused_without_effect(callers: Callers, fields: dict[str, Any]) -> None:
    make_goods(1, stock=10)
    expected = ("NOT_FOUND", 30010006) if "room_id" in fields else INVALID

    assert refusal(callers.buyer().order.CreateOrder, wanted(**fields)) == expected
    assert not Order.objects.exists()
    assert counts(1) == (10, 0, 0)


@pytest.mark.parametrize("user_id", [0, -1])
def test_create_order_by_a_service_for_nobody_is_invalid(callers: Callers, user_id: int) -> None:
    make_goods(1, stock=10)

    assert refusal(callers.service().order.CreateOrder, wanted(user_id=user_id)) == INVALID
    assert not Order.objects.exists()


def test_create_order_of_what_cannot_be_sold_is_refused(callers: Callers) -> None:
    make_goods(1, stock=1)
    make_goods(2, stock=1, is_deleted=True)
    make_goods(3, stock=1, status=Goods.Status.OFF_SALE)
    create = callers.buyer().order.CreateOrder

    assert refusal(create, wanted(num=2)) == ("FAILED_PRECONDITION", 40010003)
    assert refusal(create, wanted(goods_id=2)) == ("NOT_FOUND", 30010001)
    assert refusal(create, wanted(goods_id=3)) == ("FAILED_PRECONDITION", 30010005)
    assert refusal(create, wanted(goods_id=4)) == ("NOT_FOUND", 30010001)
    assert not Order.objects.exists()
    assert not OrderDetail.objects.exists()


def test_create_order_with_one_key_in_metadata_and_field_is_one_order(callers: Callers) -> None:
    make_goods(1, stock=10)
    create = callers.buyer().order.CreateOrder

    first = create(wanted(), metadata=[("idempotency-key", "k1")])
    second = create(wanted(idempotency_key="k1"))
    third = create(wanted(idempotency_key="k1"), metadata=[("idempotency-key", "k1")])

    assert first.order_id == second.order_id == third.order_id
    assert counts(1) == (9, 1, 0)


def test_create_order_with_a_used_key_and_another_request_is_refused(callers: Callers) -> None:
    make_goods(1, stock=10)
    create = callers.buyer().order.CreateOrder
    create(wanted(idempotency_key="k1"))

    assert refusal(create, wanted(num=2, idempotency_key="k1")) == ("INVALID_ARGUMENT", 10000009)
    assert counts(1) == (9, 1, 0)


def test_create_order_with_two_different_keys_is_invalid(callers: Callers) -> None:
    make_goods(1, stock=10)
    create = callers.buyer().order.CreateOrder

    assert refusal(create, wanted(idempotency_key="k1"), metadata=[("idempotency-key", "k2")]) == INVALID
    assert not Order.objects.exists()


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


# PayOrder, CancelOrder


def test_pay_order_opens_one_payment(callers: Callers) -> None:
    make_goods(1, stock=10)
    order = make_order(user_id=7, now=timezone.now())
    pay = callers.buyer(7).order.PayOrder

    replies = [pay(PayOrderRequest(order_id=order.order_id)) for _ in range(2)]

    payment = Payment.objects.get()
    assert [(reply.payment_id, reply.status) for reply in replies] == [(payment.payment_id, "begun")] * 2
    assert "/sandbox/pay/" in replies[0].pay_url


def test_pay_order_with_an_unknown_outcome_is_invalid(callers: Callers) -> None:
    make_goods(1, stock=10)
    order = make_order(user_id=7, now=timezone.now())
    request = PayOrderRequest(order_id=order.order_id, outcome="never")

    assert refusal(callers.buyer(7).order.PayOrder, request) == INVALID
    assert not Payment.objects.exists()


def test_pay_order_without_a_provider_is_unavailable(callers: Callers) -> None:
    make_goods(1, stock=10)
    order = make_order(user_id=7, now=timezone.now())

    with override_settings(PAYMENT_PROVIDER=""):
        refused = refusal(callers.buyer(7).order.PayOrder, PayOrderRequest(order_id=order.order_id))

    assert refused == ("UNAVAILABLE", 50010010)


def test_cancel_order_gives_the_stock_back(callers: Callers) -> None:
    make_goods(1, stock=10)
    order = make_order({1: 4}, user_id=7)

    reply = callers.buyer(7).order.CancelOrder(OrderRequest(order_id=order.order_id))

    assert (reply.order_id, reply.status, reply.closed_by) == (order.order_id, 300, "user")
    assert counts(1) == (10, 0, 0)


def test_cancel_order_by_staff_says_so(callers: Callers) -> None:
    make_goods(1, stock=10)
    order = make_order(user_id=7)

    reply = callers.staff().order.CancelOrder(OrderRequest(order_id=order.order_id))

    assert (reply.status, reply.closed_by) == (300, "staff")


def test_cancel_order_whose_payment_was_captured_is_refused_and_paid(callers: Callers) -> None:
    make_goods(1, stock=10)
    order = make_order(user_id=7, now=timezone.now())
    make_payment(order, now=timezone.now(), outcome="now")

    assert refusal(callers.buyer(7).order.CancelOrder, OrderRequest(order_id=order.order_id)) == WRONG_STATE
    assert stored(order).status == Order.Status.PAID


@pytest.mark.parametrize("make", [make_paid_order, make_closed_order])
@pytest.mark.parametrize("name", ["PayOrder", "CancelOrder"])
def test_pay_and_cancel_in_a_wrong_state_are_refused(callers: Callers, make: Callable[..., Order], name: str) -> None:
    make_goods(1, stock=10)
    order = make(user_id=7)
    before = (order.status, counts(1))
    request = {"PayOrder": PayOrderRequest, "CancelOrder": OrderRequest}[name](order_id=order.order_id)

    assert refusal(getattr(callers.buyer(7).order, name), request) == WRONG_STATE
    assert (stored(order).status, counts(1)) == before


def test_pay_order_about_to_expire_is_refused(callers: Callers) -> None:
    make_goods(1, stock=10)
    order = make_order(user_id=7, now=timezone.now() - timedelta(seconds=1795))

    assert refusal(callers.buyer(7).order.PayOrder, PayOrderRequest(order_id=order.order_id)) == WRONG_STATE
    assert not Payment.objects.exists()


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
