"""News of money: it pays an order once, or is sent back."""

import pytest
from django.db import OperationalError, connection

from lab.kit.factories import (
    NOW,
    counts,
    later,
    make_capture,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    stored,
)
from lab.kit.interleaving import Background, Interruption, LostCommit, Parked, await_lock_wait
from orders.errors import PaymentNotFound
from orders.models import Order, OrderDetail, Payment
from orders.services import close_due, complete_order
from orders.tests.paying.paid import record, refund_messages, refunds
from stock.errors import StockBusy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


# News of money


def test_capture_of_the_right_amount_pays_the_order_and_sells_its_stock():
    make_goods(1, stock=5)
    order = make_order({1: 2})
    payment = make_payment(order)

    assert record(make_capture(payment, trade_id="T-1", captured_at=later(9))) == [None]

    order = stored(order)
    assert (order.status, order.pay_channel, order.trade_id, order.pay_time) == (
        Order.Status.PAID,
        "sandbox",
        "T-1",
        later(9),
    )
    assert OrderDetail.objects.get().pay_time == later(9)
    payment.refresh_from_db()
    assert (payment.status, payment.trade_id) == (Payment.Status.CAPTURED, "T-1")
    assert counts(1) == (3, 0, 2)
    assert refunds() == []


def test_capture_repeated_has_no_further_effect():
    make_goods(1, stock=5)
    order = make_order({1: 2})
    capture = make_capture(make_payment(order))
    record(capture)
    version = stored(order).version

    assert record(capture, capture) == [None, None]

    assert stored(order).version == version
    assert Payment.objects.count() == 1
    assert counts(1) == (3, 0, 2)
    assert (refunds(), refund_messages()) == ([], [])


@pytest.mark.parametrize(("amount", "currency"), [(9949, "CNY"), (9951, "CNY"), (9950, "USD")])
def test_capture_of_a_wrong_amount_is_stored_and_sent_back(amount, currency):
    make_goods(1, stock=5, price=9950)
    order = make_order()
    payment = make_payment(order)

    assert record(make_capture(payment, amount=amount, currency=currency)) == [None]

    assert stored(order).status == Order.Status.UNPAID
    assert counts(1) == (4, 1, 0)
    payment.refresh_from_db()
    assert (payment.status, payment.amount, payment.currency) == (Payment.Status.CAPTURED, amount, currency)
    assert refunds() == [(payment.payment_id, order.order_id, amount, currency, "amount", "pending")]
    assert refund_messages() == [
        (str(payment.payment_id), {"v": 1, "payment_id": str(payment.payment_id)}),
    ]


def test_capture_of_a_wrong_amount_leaves_the_order_payable():
    make_goods(1, stock=5)
    order = make_order()
    record(make_capture(make_payment(order), amount=1))

    record(make_capture(make_payment(order)))

    assert stored(order).status == Order.Status.PAID
    assert [row[4] for row in refunds()] == ["amount"]


def test_capture_for_a_closed_order_is_late_and_sent_back():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    Payment.objects.update(status=Payment.Status.CLOSED)
    assert close_due(now=later(1800)) == 1

    assert record(make_capture(payment)) == [None]

    assert stored(order).status == Order.Status.CLOSED
    assert counts(1) == (5, 0, 0)
    assert refunds() == [(payment.payment_id, order.order_id, 9950, "CNY", "late", "pending")]


def test_capture_for_a_closed_payment_of_an_unpaid_order_pays_it():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    Payment.objects.update(status=Payment.Status.CLOSED)

    record(make_capture(payment))

    assert stored(order).status == Order.Status.PAID


def test_capture_of_a_second_payment_is_double_and_sent_back():
    make_goods(1, stock=5)
    order = make_order()
    first = make_payment(order)
    Payment.objects.update(status=Payment.Status.CLOSED)
    second = make_payment(order)

    assert record(make_capture(first, trade_id="T-1"), make_capture(second, trade_id="T-2")) == [None, None]

    assert stored(order).trade_id == "T-1"
    assert refunds() == [(second.payment_id, order.order_id, 9950, "CNY", "double", "pending")]
    assert counts(1) == (4, 0, 1)


def test_capture_by_a_second_trade_of_one_payment_is_double_and_stored_under_a_payment_of_its_own():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)

    assert record(make_capture(payment, trade_id="T-1"), make_capture(payment, trade_id="T-2", amount=9950)) == [
        None,
        None,
    ]

    spare = Payment.objects.get(trade_id="T-2")
    assert spare.payment_id != payment.payment_id
    assert (spare.order_id, spare.status, spare.amount) == (order.order_id, Payment.Status.CAPTURED, 9950)
    assert refunds() == [(spare.payment_id, order.order_id, 9950, "CNY", "double", "pending")]
    assert stored(order).trade_id == "T-1"


def test_capture_for_a_completed_order_is_double():
    make_goods(1, stock=5)
    order = make_paid_order()
    complete_order(order_id=order.order_id, actor="staff", now=NOW)
    payment = Payment.objects.get()

    record(make_capture(payment))

    assert [row[4] for row in refunds()] == ["double"]
    assert stored(order).status == Order.Status.COMPLETED


def test_captures_whose_trade_ids_differ_in_case_only_are_two():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)

    record(make_capture(payment, trade_id="trade"), make_capture(payment, trade_id="TRADE"))

    assert [row[4] for row in refunds()] == ["double"]


def test_capture_for_an_unknown_payment_is_not_found_and_harms_no_other():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    good = make_capture(payment)

    errors = record(make_capture(payment, payment_id=404), good)

    assert [type(error) for error in errors] == [PaymentNotFound, type(None)]
    assert stored(order).status == Order.Status.PAID


def test_captures_of_many_orders_are_recorded_in_one_go(django_assert_max_num_queries):
    make_goods(1, stock=50)
    payments = [make_payment(make_order()) for _ in range(20)]

    with django_assert_max_num_queries(18):
        errors = record(*[make_capture(payment) for payment in payments])

    assert errors == [None] * 20
    assert counts(1) == (30, 0, 20)
    trades = {row.order_id: row.trade_id for row in Order.objects.all()}
    assert trades == {row.order_id: row.trade_id for row in Payment.objects.all()}


def test_capture_after_a_deadlock_counts_once():
    make_goods(1, stock=5)
    order = make_order()
    capture = make_capture(make_payment(order), amount=1)

    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="INSERT INTO shopping_refund", times=2)
    with connection.execute_wrapper(deadlock):
        assert record(capture) == [None]

    assert len(refunds()) == len(refund_messages()) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("carried_out", [True, False])
def test_capture_whose_commit_is_lost_is_resolved(carried_out):
    make_goods(1, stock=5)
    order = make_order()
    capture = make_capture(make_payment(order))

    with LostCommit(carried_out=carried_out, error=OperationalError(2013, "Lost connection")):
        (error,) = record(capture)

    # The provider is told to try again when nothing is stored.
    assert type(error) is (type(None) if carried_out else StockBusy)
    assert stored(order).status == (Order.Status.PAID if carried_out else Order.Status.UNPAID)
    assert record(capture) == [None]
    assert counts(1) == (4, 0, 1)
    assert refunds() == []


# Side by side


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_one_trade_reported_from_two_sides_pays_once():
    make_goods(1, stock=5)
    order = make_order()
    capture = make_capture(make_payment(order))

    with (
        Parked(lambda: record(capture), at="UPDATE shopping_order ", after=True) as first,
        Background(lambda: record(capture)) as second,
    ):
        await_lock_wait()
        assert (first.go(), second.result()) == ([None], [None])

    assert counts(1) == (4, 0, 1)
    assert refunds() == []


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_trades_of_one_order_from_two_sides_pay_once_and_refund_once():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)

    with (
        Parked(lambda: record(make_capture(payment, trade_id="T-1")), at="UPDATE shopping_order ", after=True) as first,
        Background(lambda: record(make_capture(payment, trade_id="T-2"))) as second,
    ):
        await_lock_wait()
        assert (first.go(), second.result()) == ([None], [None])

    assert stored(order).trade_id == "T-1"
    assert [row[4] for row in refunds()] == ["double"]
