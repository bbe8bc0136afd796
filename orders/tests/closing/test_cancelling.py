"""Orders that somebody cancels."""

import pytest
from django.db import OperationalError, connection

from lab.kit.factories import (
    NOW,
    counts,
    later,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    stored,
)
from lab.kit.interleaving import Interruption
from lab.kit.providers import AWAY
from orders.errors import OrderNotFound, OrderStateConflict, PaymentsUnavailable
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payments.sandbox import capture_payment
from orders.services import cancel_order, complete_order
from orders.tests.closing.closed import cancel, statuses
from stock.errors import StockBusy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


def test_cancel_closes_an_unpaid_order_and_gives_its_stock_back():
    make_goods(1, stock=5)
    order = make_order({1: 2})

    cancelled = cancel(order)

    assert (cancelled.status, cancelled.closed_by) == (Order.Status.CLOSED, "user")
    assert counts(1) == (5, 0, 0)


def test_cancel_by_staff_says_so():
    make_goods(1, stock=5)

    assert cancel(make_order(), user_id=None, closed_by=Order.ClosedBy.STAFF).closed_by == "staff"


def test_cancel_of_somebody_elses_or_an_unknown_order_is_not_found():
    make_goods(1, stock=5)
    order = make_order()

    with pytest.raises(OrderNotFound):
        cancel(order, user_id=8)
    with pytest.raises(OrderNotFound):
        cancel_order(order_id=404, user_id=None, closed_by=Order.ClosedBy.STAFF, now=NOW)

    assert stored(order).status == Order.Status.UNPAID


def test_cancel_in_every_state_but_unpaid_is_refused():
    make_goods(1, stock=5)
    paid, closed, completed = make_paid_order(), make_closed_order(), make_paid_order()
    complete_order(order_id=completed.order_id, actor="staff", now=NOW)
    before = statuses()

    for order in (paid, closed, completed):
        with pytest.raises(OrderStateConflict):
            cancel(order)

    assert statuses() == before
    assert counts(1) == (3, 0, 2)


def test_cancel_with_a_begun_payment_closes_it_first():
    make_goods(1, stock=5)
    order = make_order()
    make_payment(order)

    assert cancel(order).status == Order.Status.CLOSED

    assert Payment.objects.get().status == Payment.Status.CLOSED
    assert SandboxPayment.objects.get().status == SandboxPayment.Status.CLOSED


def test_cancel_with_a_payment_captured_meanwhile_is_refused_and_the_order_is_paid():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    capture_payment(payment_id=payment.payment_id, now=later(5))

    with pytest.raises(OrderStateConflict) as caught:
        cancel(order, now=later(6))

    assert str(caught.value.details["found"]) == "paid"
    assert stored(order).status == Order.Status.PAID
    assert counts(1) == (4, 0, 1)
    assert not Refund.objects.exists()


def test_cancel_with_captured_money_that_cannot_be_recorded_now_is_busy_and_it_is_asked_about_again(settings):
    settings.TRANSACTION_DEADLINE_SECONDS = -1.0
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    capture_payment(payment_id=payment.payment_id, now=later(5))
    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="UPDATE shopping_stock ", times=10)

    with connection.execute_wrapper(deadlock), pytest.raises(StockBusy):
        cancel(order, now=later(6))

    assert stored(order).status == Order.Status.UNPAID
    assert Payment.objects.get().status == Payment.Status.BEGUN


def test_cancel_with_the_provider_away_is_unavailable_and_changes_nothing(settings):
    make_goods(1, stock=5)
    order = make_order()
    make_payment(order)
    settings.PAYMENT_PROVIDER = AWAY

    with pytest.raises(PaymentsUnavailable):
        cancel(order)

    assert stored(order).status == Order.Status.UNPAID
    assert Payment.objects.get().status == Payment.Status.BEGUN
