"""Callbacks of the provider."""

import json

import pytest

from charites.common.errors import Invalid
from lab.kit.factories import NOW, later, make_goods, make_order, make_payment, stored
from orders.errors import BadSignature, PaymentNotFound
from orders.models import Order, Payment
from orders.payments import signing
from orders.services import receive_notice
from orders.tests.paying.paid import refunds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


def notice(payment: Payment, **changes) -> bytes:
    body = {
        "payment_id": str(payment.payment_id),
        "trade_id": "T-1",
        "amount": payment.amount,
        "currency": "CNY",
        "captured_at": NOW.isoformat(),
    }
    return json.dumps({**body, **changes}).encode()


def receive(settings, body: bytes, *, signed_at=NOW, now=NOW) -> None:
    headers = signing.sign(secret=settings.PAYMENT_SECRET, notice_id="n", body=body, now=signed_at)
    receive_notice(headers=headers, body=body, now=now)


def test_notice_that_is_signed_pays_the_order_and_again_has_no_effect(settings):
    make_goods(1, stock=5)
    order = make_order()
    body = notice(make_payment(order))

    receive(settings, body)
    receive(settings, body, signed_at=later(60), now=later(60))

    assert stored(order).status == Order.Status.PAID
    assert refunds() == []


def test_notice_of_another_providers_payment_is_unknown_however_often_it_comes(settings):
    make_goods(1, stock=5)
    order = make_order()
    body = notice(make_payment(order))
    Payment.objects.update(channel="another")

    for _ in range(2):
        with pytest.raises(PaymentNotFound):
            receive(settings, body)

    assert stored(order).status == Order.Status.UNPAID
    assert refunds() == []


def test_notice_that_is_forged_or_stale_is_refused_and_writes_nothing(settings):
    make_goods(1, stock=5)
    order = make_order()
    body = notice(make_payment(order))
    headers = signing.sign(secret="another secret", notice_id="n", body=body, now=NOW)

    with pytest.raises(BadSignature):
        receive_notice(headers=headers, body=body, now=NOW)
    with pytest.raises(BadSignature):
        receive(settings, body, signed_at=NOW, now=later(301))

    assert stored(order).status == Order.Status.UNPAID


@pytest.mark.parametrize(
    ("secret", "fallbacks", "accepted"),
    [
        ("new", ["old"], {"old", "new"}),  # the shop has changed, the provider not yet
        ("old", ["new"], {"old", "new"}),  # the shop knows what comes
        ("new", [], {"new"}),  # the change is over
        ("new", ["old", "older"], {"old", "older", "new"}),
    ],
)
def test_notice_may_be_signed_with_the_secret_or_a_fallback(settings, secret, fallbacks, accepted):
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    settings.PAYMENT_SECRET, settings.PAYMENT_SECRET_FALLBACKS = secret, fallbacks

    for signed_with in ("old", "older", "new", "another"):
        body = notice(payment, trade_id=f"T-{signed_with}")
        headers = signing.sign(secret=signed_with, notice_id="n", body=body, now=NOW)
        if signed_with in accepted:
            receive_notice(headers=headers, body=body, now=NOW)
        else:
            with pytest.raises(BadSignature):
                receive_notice(headers=headers, body=body, now=NOW)

    stored_trades = set(Payment.objects.values_list("trade_id", flat=True))
    assert stored_trades == {f"T-{name}" for name in accepted}


def test_notice_for_an_unknown_payment_is_not_found(settings):
    make_goods(1, stock=5)
    payment = make_payment(make_order())

    with pytest.raises(PaymentNotFound):
        receive(settings, notice(payment, payment_id="404"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"payment_id": Infinity, "trade_id": "T", "amount": 1, "currency": "CNY", "captured_at": "2026-01-01"}',
    ],
)
def test_notice_that_is_signed_but_no_notice_is_invalid(settings, body):
    with pytest.raises(Invalid):
        receive(settings, body)


@pytest.mark.parametrize(
    "change",
    [
        {"payment_id": "x"},
        {"payment_id": None},
        {"payment_id": "0"},
        {"payment_id": str(2**63)},
        {"trade_id": ""},
        {"trade_id": "x" * 65},
        {"trade_id": 7},
        {"trade_id": "\ud800"},
        {"amount": "100"},
        {"amount": 1.5},
        {"amount": True},
        {"amount": 0},
        {"amount": -1},
        {"amount": 2**63},
        {"currency": "YUAN"},
        {"currency": None},
        {"captured_at": "yesterday"},
        {"captured_at": "2026-01-01T00:00:00"},
        {"captured_at": "2026-13-01T00:00:00Z"},
        {"captured_at": 7},
    ],
)
def test_notice_with_a_wrong_field_is_invalid_and_writes_nothing(settings, change):
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)

    with pytest.raises(Invalid) as caught:
        receive(settings, notice(payment, **change))
    assert [caught.value.details["field"]] == list(change)

    assert stored(order).status == Order.Status.UNPAID
    assert refunds() == []
