"""Refunds at the sandbox."""

import pytest

from lab.kit.factories import NOW, later, make_capture, make_goods, make_order, make_payment
from lab.kit.providers import AWAY
from orders.errors import PaymentsUnavailable
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.services import cancel_order, send_refunds
from orders.tests.paying.paid import record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


def test_send_refunds_returns_the_money_once():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order, outcome="now")
    ledger = SandboxPayment.objects.get()
    Payment.objects.update(status=Payment.Status.CLOSED)
    cancel_order(order_id=order.order_id, user_id=7, closed_by=Order.ClosedBy.USER, now=NOW)
    record(make_capture(payment, trade_id=ledger.trade_id))

    send_refunds(refund_ids=[payment.payment_id], now=later(1))
    send_refunds(refund_ids=[payment.payment_id], now=later(2))

    refund = Refund.objects.get()
    assert (refund.status, refund.attempts, refund.reason) == (Refund.Status.DONE, 1, "late")
    ledger.refresh_from_db()
    assert ledger.refunded == 9950


def test_send_refunds_with_the_provider_away_leaves_them_pending(settings):
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    record(make_capture(payment, amount=5))
    settings.PAYMENT_PROVIDER = AWAY

    errors = send_refunds(refund_ids=[payment.payment_id], now=NOW)

    assert {payment_id: type(error) for payment_id, error in errors.items()} == {
        payment.payment_id: PaymentsUnavailable
    }
    refund = Refund.objects.get()
    assert (refund.status, refund.attempts) == (Refund.Status.PENDING, 1)
