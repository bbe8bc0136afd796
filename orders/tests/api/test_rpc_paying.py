"""PayOrder and CancelOrder over a real connection."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from lab.kit.factories import counts, make_closed_order, make_goods, make_order, make_paid_order, make_payment, stored
from lab.kit.grpc_server import Callers, refusal
from lab.kit.providers import Scripted
from orders.models import Order, Payment
from orders.rpc.orders_pb2 import OrderRequest, PayOrderRequest
from orders.tests.api.rpc_orders import INVALID

WRONG_STATE = ("FAILED_PRECONDITION", 50010006)


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


@pytest.mark.parametrize("nonsense", ["javascript:alert(1)", "https://a\u202eb", {"pay_url": "https://x"}])
def test_pay_order_with_a_senseless_answer_of_the_provider_is_unknown(
    callers: Callers, provider: type[Scripted], nonsense: object
) -> None:
    make_goods(1, stock=10)
    order = make_order(user_id=7, now=timezone.now())
    provider.script["begin"] = nonsense

    refused = refusal(callers.buyer(7).order.PayOrder, PayOrderRequest(order_id=order.order_id))

    assert refused == ("DEADLINE_EXCEEDED", 50010013)
    assert stored(order).status == Order.Status.UNPAID


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

    told = refusal(callers.buyer(7).order.PayOrder, PayOrderRequest(order_id=order.order_id))
    assert told == ("FAILED_PRECONDITION", 50010015)
    assert not Payment.objects.exists()
