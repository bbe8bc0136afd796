"""What comes of the money that a question about a payment finds."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection

from lab.kit.factories import NOW, counts, make_capture, make_goods, make_order, make_payment, stored
from lab.kit.interleaving import Interruption
from messaging.models import Message
from orders.models import Order, Payment
from orders.services import ask_about_payments, cancel_order, record_captures
from orders.tests.paying.asked import CLOSED_ANYWAY, STEPS, closed_anyway, refunds, reread

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pay_timeout")]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_money_that_a_question_finds_is_sent_back_once(provider, step):
    payment = closed_anyway(provider)
    for earlier in STEPS[: STEPS.index(step)]:
        ask_about_payments(now=CLOSED_ANYWAY + earlier)
    capture = make_capture(payment)
    provider.script["query"] = capture

    ask_about_payments(now=CLOSED_ANYWAY + step)
    for seconds in (1, 3600, 86400):
        assert ask_about_payments(now=CLOSED_ANYWAY + step + timedelta(seconds=seconds)) == 0
    assert record_captures(captures=[capture]) == [None]  # its callback, days late

    assert refunds() == [(payment.payment_id, "late", "pending")]
    assert Message.objects.filter(topic="payment_refund").count() == 1
    assert (reread(payment).status, reread(payment).next_question_at) == (Payment.Status.CAPTURED, None)
    assert counts(1) == (5, 0, 0)


def test_money_of_a_payment_that_the_provider_had_closed_is_sent_back(provider):
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    cancel_order(order_id=order.order_id, user_id=7, closed_by=Order.ClosedBy.USER, now=NOW)
    provider.script["query"] = make_capture(payment)

    ask_about_payments(now=NOW + STEPS[0])

    assert refunds() == [(payment.payment_id, "late", "pending")]


def test_money_of_a_payment_beside_the_one_that_paid_is_sent_back(provider):
    make_goods(1, stock=5)
    order = make_order()
    first = make_payment(order)
    Payment.objects.update(status=Payment.Status.CLOSED)
    second = make_payment(order)
    record_captures(captures=[make_capture(first)])
    provider.script["query"] = lambda payment_id: make_capture(second)

    assert ask_about_payments(now=CLOSED_ANYWAY + STEPS[0]) == 1

    assert refunds() == [(second.payment_id, "double", "pending")]
    assert stored(order).trade_id == reread(first).trade_id


def test_money_that_cannot_be_recorded_now_is_asked_about_again(provider, settings):
    settings.TRANSACTION_DEADLINE_SECONDS = -1.0
    payment = closed_anyway(provider)
    provider.script["query"] = make_capture(payment)
    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="INSERT INTO shopping_refund", times=10)

    with connection.execute_wrapper(deadlock):
        ask_about_payments(now=CLOSED_ANYWAY + STEPS[0])
    assert (refunds(), reread(payment).questions) == ([], 0)
    assert ask_about_payments(now=CLOSED_ANYWAY + STEPS[0] + timedelta(seconds=31)) == 1

    assert refunds() == [(payment.payment_id, "late", "pending")]


def test_money_that_comes_in_while_the_last_question_is_asked_is_not_lost(provider, settings):
    settings.TRANSACTION_DEADLINE_SECONDS = -1.0
    payment = closed_anyway(provider)
    for step in STEPS[:-1]:
        ask_about_payments(now=CLOSED_ANYWAY + step)
    provider.script["close"] = make_capture(payment)  # there was none a moment ago
    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="INSERT INTO shopping_refund", times=10)

    with connection.execute_wrapper(deadlock):
        ask_about_payments(now=CLOSED_ANYWAY + STEPS[-1])
    assert reread(payment).status == Payment.Status.BEGUN
    ask_about_payments(now=CLOSED_ANYWAY + STEPS[-1] + timedelta(seconds=31))

    assert refunds() == [(payment.payment_id, "late", "pending")]
