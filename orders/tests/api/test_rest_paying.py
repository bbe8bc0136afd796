"""Payments over REST: what buyers begin, and what the provider says."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import override_settings
from django.utils import timezone

from lab.kit.factories import SANDBOX, counts, later, make_goods, make_order, make_payment, stored
from lab.kit.rest_client import anybody, buyer, error_of
from orders.models import Payment, Refund, SandboxPayment
from orders.payments import signing

pytestmark = pytest.mark.django_db


# paying


@override_settings(PAYMENT_PROVIDER=SANDBOX)
def test_payment_begun_twice_is_one_payment() -> None:
    make_goods(1, stock=10)
    order = make_order(now=timezone.now())

    first = buyer().post(f"/api/orders/{order.order_id}/pay")
    again = buyer().post(f"/api/orders/{order.order_id}/pay", {"outcome": "page"})

    assert (first.status_code, again.status_code) == (202, 202)
    payment = Payment.objects.get()
    body = first.json()
    assert body == again.json()
    assert set(body) == {"payment_id", "pay_url", "status"}
    assert (body["payment_id"], body["status"]) == (str(payment.payment_id), "begun")
    assert body["pay_url"].startswith(f"{settings.PUBLIC_URL}/sandbox/pay/{payment.payment_id}:")
    assert SandboxPayment.objects.get().status == "open"


@override_settings(PAYMENT_PROVIDER=SANDBOX, DEMO=True)
def test_payment_in_the_demo_is_captured_at_once() -> None:
    make_goods(1, stock=10)
    order = make_order(now=timezone.now())

    response = buyer().post(f"/api/orders/{order.order_id}/pay")

    assert response.status_code == 202
    assert SandboxPayment.objects.get().status == "captured"
    assert stored(order).status == 100  # the callback follows


def test_payment_without_a_provider_is_busy() -> None:
    make_goods(1, stock=10)
    order = make_order(now=timezone.now())

    response = buyer().post(f"/api/orders/{order.order_id}/pay")

    assert error_of(response)[:2] == (503, 50010010)
    assert 1 <= int(response["Retry-After"]) <= 3
    assert not Payment.objects.exists()


@override_settings(PAYMENT_PROVIDER=SANDBOX)
def test_payment_of_an_order_that_is_about_to_expire_is_refused() -> None:
    make_goods(1, stock=10)
    order = make_order(now=later(-settings.ORDER_PAY_TIMEOUT_SECONDS + 59, start=timezone.now()))

    response = buyer().post(f"/api/orders/{order.order_id}/pay")

    assert error_of(response) == (
        409,
        50010015,
        f"It is too late to pay order {order.order_id}: it is closed in a moment.",
    )


@override_settings(PAYMENT_PROVIDER=SANDBOX)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"outcome": "never"}, "outcome: must be one of now, page"),
        ({"amount": 1}, "amount: is not a field of this request"),
        ({"status": 200}, "status: is not a field of this request"),
    ],
)
def test_payment_with_fields_of_ours_is_invalid(body: dict[str, Any], message: str) -> None:
    make_goods(1, stock=10)
    order = make_order(now=timezone.now())

    assert error_of(buyer().post(f"/api/orders/{order.order_id}/pay", body)) == (400, 10000001, message)
    assert not Payment.objects.exists()


# the provider's callback


def notify(payment: Payment, **changes: Any) -> HttpResponse:
    """Sends a signed notice of the right money, as the provider does."""
    notice = {
        "payment_id": str(payment.payment_id),
        "trade_id": "T1",
        "amount": payment.amount,
        "currency": payment.currency,
        "captured_at": "2026-06-01T12:00:00+00:00",
        **changes,
    }
    body = json.dumps(notice).encode()
    headers = signing.sign(secret=settings.PAYMENT_SECRET, notice_id="n", body=body, now=timezone.now())
    return anybody().send("POST", "/api/payments/notify", body, headers)


@override_settings(PAYMENT_PROVIDER=SANDBOX)
def test_notice_pays_its_order_once_however_often_it_comes() -> None:
    make_goods(1, stock=10)
    payment = make_payment(order := make_order())

    first, again = notify(payment), notify(payment)

    assert (first.status_code, first.json()) == (200, {"status": "success"})
    assert (again.status_code, again.json()) == (200, {"status": "success"})
    assert (stored(order).status, stored(order).version) == (200, 1)
    assert counts(1) == (9, 0, 1)
    assert not Refund.objects.exists()


@override_settings(PAYMENT_PROVIDER=SANDBOX)
@pytest.mark.parametrize(
    ("changes", "reason"), [({"amount": 9949}, "amount"), ({"amount": 9951}, "amount"), ({"currency": "USD"}, "amount")]
)
def test_notice_of_the_wrong_money_becomes_a_refund(changes: dict[str, Any], reason: str) -> None:
    make_goods(1, stock=10)
    payment = make_payment(order := make_order())

    response = notify(payment, **changes)

    assert (response.status_code, response.json()) == (200, {"status": "success"})
    refund = Refund.objects.get()
    assert (refund.payment_id, refund.reason, refund.status) == (payment.payment_id, reason, "pending")
    assert (refund.amount, refund.currency) == (changes.get("amount", 9950), changes.get("currency", "CNY"))
    assert stored(order).status == 100
    assert counts(1) == (9, 1, 0)


@override_settings(PAYMENT_PROVIDER=SANDBOX)
def test_notice_after_the_order_was_closed_becomes_a_refund() -> None:
    make_goods(1, stock=10)
    payment = make_payment(order := make_order())
    buyer().post(f"/api/orders/{order.order_id}/cancel")

    response = notify(payment)

    assert response.status_code == 200
    assert [(refund.reason, refund.amount) for refund in Refund.objects.all()] == [("late", 9950)]
    assert stored(order).status == 300
