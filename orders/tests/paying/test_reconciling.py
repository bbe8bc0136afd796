"""Payments that may have brought money without a word: who asks about them, and when."""

from datetime import timedelta

import pytest

from lab.kit.factories import (
    NOW,
    SANDBOX,
    later,
    make_capture,
    make_closed_order,
    make_goods,
    make_order,
    make_payment,
    stored,
)
from lab.kit.interleaving import Parked
from lab.kit.providers import AWAY, ELSEWHERE
from orders.models import Order, Payment
from orders.services import ask_about_payments, ask_now, cancel_order, close_due, close_overdue_payments, reconcile
from orders.tests.conftest import TIMEOUT
from orders.tests.paying.asked import CLOSED_ANYWAY, STEPS, asked, closed_anyway, refunds, reread

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pay_timeout")]


# When


@pytest.mark.long
def test_payment_of_an_order_that_was_closed_anyway_is_asked_about_five_times_and_then_closed(provider):
    payment = closed_anyway(provider)

    times = []
    for minute in range(24 * 60 + 120):
        before = asked(provider, payment)
        ask_about_payments(now=CLOSED_ANYWAY + timedelta(minutes=minute))
        times += [timedelta(minutes=minute)] * (asked(provider, payment) - before)

    assert times == STEPS
    payment = reread(payment)
    assert (payment.status, payment.next_question_at, payment.questions) == (Payment.Status.CLOSED, None, 5)
    assert refunds() == []


def test_question_is_not_asked_a_moment_too_early(provider):
    payment = closed_anyway(provider)

    assert ask_about_payments(now=CLOSED_ANYWAY + timedelta(seconds=59.999)) == 0
    assert ask_about_payments(now=CLOSED_ANYWAY + timedelta(seconds=60)) == 1

    assert asked(provider, payment) == 1


def test_payment_that_the_provider_has_closed_is_asked_about_too(provider):
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    cancel_order(order_id=order.order_id, user_id=7, closed_by=Order.ClosedBy.USER, now=NOW)
    assert reread(payment).status == Payment.Status.CLOSED

    for step in STEPS:
        assert ask_about_payments(now=NOW + step) == 1
    assert ask_about_payments(now=NOW + timedelta(days=30)) == 0

    assert asked(provider, payment) == 5
    assert reread(payment).next_question_at is None


def test_questions_after_a_pause_of_the_sweep_are_one(provider):
    payment = closed_anyway(provider)
    after_the_pause = CLOSED_ANYWAY + timedelta(minutes=20)

    assert ask_about_payments(now=after_the_pause) == 1
    assert ask_about_payments(now=after_the_pause + timedelta(minutes=1)) == 0

    assert reread(payment).next_question_at == CLOSED_ANYWAY + timedelta(hours=1)


def test_payment_that_is_begun_has_a_question_planned_should_all_else_forget_it():
    make_goods(1, stock=5)
    payment = make_payment(make_order())

    assert payment.next_question_at == CLOSED_ANYWAY + timedelta(minutes=1)


def test_question_to_a_provider_that_answers_again_closes_the_payment_there(provider):
    payment = closed_anyway(provider)
    provider.script["close"] = None

    ask_about_payments(now=CLOSED_ANYWAY + STEPS[0])

    payment = reread(payment)
    assert (payment.status, payment.questions) == (Payment.Status.CLOSED, 1)
    assert payment.next_question_at == CLOSED_ANYWAY + STEPS[1]


# Without an answer


def test_question_without_an_answer_goes_on_to_the_next(provider):
    payment = closed_anyway(provider)
    provider.script["query"] = TimeoutError("no answer")

    ask_about_payments(now=CLOSED_ANYWAY + STEPS[0])

    payment = reread(payment)
    assert (payment.status, payment.questions) == (Payment.Status.BEGUN, 1)
    assert payment.next_question_at == CLOSED_ANYWAY + STEPS[1]
    assert payment.last_error == "TimeoutError('no answer')"


def test_last_question_stands_until_it_is_answered(provider):
    payment = closed_anyway(provider)
    provider.script["query"] = TimeoutError("no answer")
    for step in STEPS:
        assert ask_about_payments(now=CLOSED_ANYWAY + step) == 1

    for hours in (1, 2, 3):
        assert reread(payment).status == Payment.Status.BEGUN
        assert reread(payment).next_question_at == CLOSED_ANYWAY + STEPS[-1] + timedelta(hours=hours)
        assert ask_about_payments(now=CLOSED_ANYWAY + STEPS[-1] + timedelta(hours=hours)) == 1
    provider.script["query"] = lambda payment_id: make_capture(payment)
    ask_about_payments(now=CLOSED_ANYWAY + STEPS[-1] + timedelta(hours=4))

    assert refunds() == [(payment.payment_id, "late", "pending")]


@pytest.mark.parametrize("nobody", [AWAY, ELSEWHERE, ""])
def test_provider_that_is_away_or_another_one_gives_no_answer(provider, settings, nobody):
    payment = closed_anyway(provider)
    settings.PAYMENT_PROVIDER = nobody

    ask_about_payments(now=CLOSED_ANYWAY + STEPS[0])

    assert (reread(payment).status, reread(payment).questions) == (Payment.Status.BEGUN, 1)
    assert provider.calls == []


# Several sweeps


def test_two_sweeps_do_not_ask_about_one_payment_at_once(provider):
    payment = closed_anyway(provider)
    at = CLOSED_ANYWAY + STEPS[0]
    found = []

    def ask_meanwhile(payment_id):
        found.append(ask_about_payments(now=at + timedelta(seconds=1)))

    provider.script["query"] = ask_meanwhile

    ask_about_payments(now=at)

    assert found == [0]
    assert asked(provider, payment) == 1


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_sweep_that_has_read_a_payment_which_another_one_asks_about_leaves_it(provider):
    payment = closed_anyway(provider)
    at = CLOSED_ANYWAY + STEPS[0]

    with Parked(lambda: ask_about_payments(now=at), at="^UPDATE shopping_payment") as late:
        assert ask_about_payments(now=at) == 1
        late.go()

    assert asked(provider, payment) == 1
    assert reread(payment).questions == 1


# What an earlier version left


def test_begun_payment_without_a_planned_question_is_asked_about_once_its_order_has_ended(provider):
    make_goods(1, stock=5)
    unpaid, closed = make_order(), make_order()
    waiting, left = make_payment(unpaid), make_payment(closed)
    Payment.objects.update(next_question_at=None)
    Order.objects.filter(pk=closed.pk).update(status=Order.Status.CLOSED)

    assert ask_about_payments(now=NOW) == 1

    assert provider.calls == [("query", left.payment_id), ("close", left.payment_id)]
    assert reread(left).next_question_at == NOW + timedelta(minutes=4)
    assert reread(waiting).next_question_at is None


# On somebody's word


def test_ask_now_records_money_and_closes_nothing(provider):
    make_goods(1, stock=5)
    order, other = make_order(), make_order()
    payment, unpaid = make_payment(order), make_payment(other)
    planned = unpaid.next_question_at
    captures = {payment.payment_id: make_capture(payment)}
    provider.script["query"] = captures.get

    assert ask_now(payment_ids=[payment.payment_id], now=NOW) == {payment.payment_id: None}
    assert ask_now(payment_ids=[unpaid.payment_id], now=NOW) == {unpaid.payment_id: None}
    assert ask_now(payment_ids=[payment.payment_id, 404], now=NOW) == {}

    assert stored(order).status == Order.Status.PAID
    assert (reread(unpaid).status, reread(unpaid).next_question_at) == (Payment.Status.BEGUN, planned)
    assert {call for call, _ in provider.calls} == {"query"}


def test_reconcile_counts_what_it_did(provider):
    closed_anyway(provider)

    assert reconcile(now=CLOSED_ANYWAY + STEPS[0]) == 1
    assert reconcile(now=CLOSED_ANYWAY + STEPS[0]) == 0


@pytest.mark.django_db(transaction=True)
def test_many_payments_are_asked_about_in_rounds(settings):
    settings.PAYMENT_PROVIDER = SANDBOX
    make_goods(1, stock=50)
    for _ in range(18):
        order = make_order()
        make_payment(order)
    close_overdue_payments(now=later(TIMEOUT))
    close_due(now=later(TIMEOUT))
    make_closed_order()

    rounds = [ask_about_payments(now=later(TIMEOUT) + STEPS[0]) for _ in range(3)]

    assert rounds == [16, 2, 0]
    assert set(Payment.objects.values_list("status", "questions")) == {(Payment.Status.CLOSED, 1)}
