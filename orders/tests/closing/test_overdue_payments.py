"""Orders whose time is up while a payment has begun."""

from datetime import timedelta

import pytest

from lab.kit.factories import SANDBOX, counts, later, make_capture, make_goods, make_order, make_payment, stored
from lab.kit.providers import AWAY
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payments.sandbox import capture_payment
from orders.services import close_due, close_overdue_payments, record_captures
from orders.tests.conftest import TIMEOUT

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


def test_close_overdue_payments_closes_the_payment_so_that_the_order_can_be_closed():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)

    assert close_overdue_payments(now=later(TIMEOUT)) == 1
    assert close_due(now=later(TIMEOUT)) == 1

    payment.refresh_from_db()
    assert payment.status == Payment.Status.CLOSED
    assert SandboxPayment.objects.get().status == SandboxPayment.Status.CLOSED
    assert stored(order).status == Order.Status.CLOSED
    assert counts(1) == (5, 0, 0)


def test_close_overdue_payments_before_the_time_asks_nobody():
    make_goods(1, stock=5)
    make_payment(make_order())

    assert close_overdue_payments(now=later(TIMEOUT - 1)) == 0

    assert Payment.objects.get().status == Payment.Status.BEGUN


def test_close_overdue_payments_that_were_captured_meanwhile_pays_the_order():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    assert capture_payment(payment_id=payment.payment_id, now=later(5))

    close_overdue_payments(now=later(TIMEOUT))

    assert close_due(now=later(TIMEOUT)) == 0
    assert stored(order).status == Order.Status.PAID
    assert counts(1) == (4, 0, 1)


def test_close_overdue_payments_with_the_provider_away_leaves_the_order_for_ten_minutes(settings):
    make_goods(1, stock=5)
    order = make_order()
    make_payment(order)
    settings.PAYMENT_PROVIDER = AWAY
    patience = timedelta(minutes=10)

    close_overdue_payments(now=later(TIMEOUT) + patience - timedelta(seconds=1))
    assert stored(order).status == Order.Status.UNPAID

    close_overdue_payments(now=later(TIMEOUT + 60) + patience)
    assert (stored(order).status, stored(order).closed_by) == (Order.Status.CLOSED, "timeout")
    assert counts(1) == (5, 0, 0)


def test_close_overdue_payments_asks_about_a_payment_again_when_its_lease_is_over(settings):
    make_goods(1, stock=5)
    make_payment(make_order())
    settings.PAYMENT_PROVIDER = AWAY
    close_overdue_payments(now=later(TIMEOUT))
    settings.PAYMENT_PROVIDER = SANDBOX

    assert close_overdue_payments(now=later(TIMEOUT + 29)) == 0
    assert close_overdue_payments(now=later(TIMEOUT + 31)) == 1


def test_money_for_an_order_that_was_closed_without_an_answer_is_sent_back(settings):
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    settings.PAYMENT_PROVIDER = AWAY
    close_overdue_payments(now=later(TIMEOUT + 601))

    assert record_captures(captures=[make_capture(payment)]) == [None]

    assert stored(order).status == Order.Status.CLOSED
    assert Refund.objects.get().reason == Refund.Reason.LATE
