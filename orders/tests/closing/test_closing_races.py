"""Time-outs, cancels and payments of one order side by side."""

import pytest
from django.db import transaction

from lab.kit.factories import NOW, counts, later, make_capture, make_goods, make_order, make_payment, stored
from lab.kit.interleaving import Background, Parked, await_lock_wait
from orders.errors import OrderStateConflict, PaymentsUnavailable
from orders.models import Order, Payment, Refund
from orders.services import begin_payment, close_due, record_captures
from orders.tests.closing.closed import cancel
from orders.tests.conftest import TIMEOUT

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_close_due_skips_an_order_that_somebody_has_locked_and_closes_it_next_time():
    make_goods(1, stock=5)
    locked, free = make_order(), make_order()

    with Parked(lambda: lock(locked), at="FOR UPDATE$", after=True) as holder:
        assert close_due(now=later(TIMEOUT)) == 1
        assert (stored(locked).status, stored(free).status) == (Order.Status.UNPAID, Order.Status.CLOSED)
        holder.go()

    assert close_due(now=later(TIMEOUT)) == 1
    assert stored(locked).status == Order.Status.CLOSED
    assert counts(1) == (5, 0, 0)


def lock(order: Order) -> None:
    with transaction.atomic():
        list(Order.objects.select_for_update().filter(order_id=order.order_id))


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_close_every_order_once():
    make_goods(1, stock=10)
    orders = [make_order() for _ in range(6)]

    with Parked(lambda: close_due(now=later(TIMEOUT)), at="UPDATE shopping_order ", after=True) as first:
        assert close_due(now=later(TIMEOUT)) == 0
        assert first.go() == 6

    assert {stored(order).status for order in orders} == {Order.Status.CLOSED}
    assert counts(1) == (10, 0, 0)


def begun_and_overdue() -> tuple[Order, Payment]:
    """An overdue order whose payment is closed on our side; the provider's news is on its way."""
    order = make_order({1: 2})
    payment = make_payment(order)
    Payment.objects.update(status=Payment.Status.CLOSED)
    return order, payment


PAYING = [
    "SELECT .* FROM shopping_payment .*FOR UPDATE",
    "UPDATE shopping_payment ",
    "SELECT .* FROM shopping_order .*FOR UPDATE",
    "UPDATE shopping_order ",
    "UPDATE shopping_order_detail ",
    "SELECT .* FROM shopping_stock_record .*FOR UPDATE",
    "UPDATE shopping_stock_record ",
    "UPDATE shopping_stock ",
]
CLOSING = [
    "SELECT .* FROM shopping_order .*SKIP LOCKED",
    "^SELECT shopping_payment.order_id",
    "UPDATE shopping_order ",
    "SELECT .* FROM shopping_stock_record .*FOR UPDATE",
    "UPDATE shopping_stock_record ",
    "UPDATE shopping_stock ",
]


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", PAYING)
def test_time_out_at_every_statement_of_a_payment_leaves_one_of_the_two(at, after):
    make_goods(1, stock=5)
    order, payment = begun_and_overdue()

    with Parked(lambda: record_captures(captures=[make_capture(payment)]), at=at, after=after) as paying:
        closed = close_due(now=later(TIMEOUT))
        assert paying.go() == [None]

    assert_paid_or_refunded(order, closed)


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", CLOSING)
def test_payment_at_every_statement_of_a_time_out_leaves_one_of_the_two(at, after):
    make_goods(1, stock=5)
    order, payment = begun_and_overdue()

    with (
        Parked(lambda: close_due(now=later(TIMEOUT)), at=at, after=after) as closing,
        Background(lambda: record_captures(captures=[make_capture(payment)])) as paying,
    ):
        if at != CLOSING[0] or after:
            await_lock_wait()
        else:
            assert paying.result() == [None]
        closed = closing.go()
        assert paying.result() == [None]

    assert_paid_or_refunded(order, closed)


def assert_paid_or_refunded(order: Order, closed: int) -> None:
    if closed:
        assert stored(order).status == Order.Status.CLOSED
        assert [refund.reason for refund in Refund.objects.all()] == [Refund.Reason.LATE]
        assert counts(1) == (5, 0, 0)
    else:
        assert stored(order).status == Order.Status.PAID
        assert not Refund.objects.exists()
        assert counts(1) == (3, 0, 2)


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_begin_while_the_order_is_being_closed_waits_and_is_refused():
    make_goods(1, stock=5)
    order = make_order()

    def begin():
        return begin_payment(order_id=order.order_id, user_id=7, outcome="page", now=NOW)

    with (
        Parked(lambda: close_due(now=later(TIMEOUT)), at="UPDATE shopping_order ", after=True) as closing,
        Background(begin) as beginning,
    ):
        await_lock_wait()
        assert closing.go() == 1
        with pytest.raises(OrderStateConflict):
            beginning.result()

    assert not Payment.objects.exists()


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_time_out_while_a_payment_is_beginning_leaves_the_order():
    make_goods(1, stock=5)
    order = make_order()

    def begin():
        return begin_payment(order_id=order.order_id, user_id=7, outcome="page", now=NOW)

    with Parked(begin, at="INSERT INTO shopping_payment ") as beginning:
        assert close_due(now=later(TIMEOUT)) == 0
        beginning.go()

    assert close_due(now=later(TIMEOUT)) == 0
    assert stored(order).status == Order.Status.UNPAID


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_cancel_and_time_out_at_once_close_the_order_once():
    make_goods(1, stock=5)
    order = make_order()

    with (
        Parked(lambda: close_due(now=later(TIMEOUT)), at="UPDATE shopping_order ", after=True) as closing,
        Background(lambda: cancel(order)) as cancelling,
    ):
        await_lock_wait()
        assert closing.go() == 1
        with pytest.raises(OrderStateConflict):
            cancelling.result()

    assert stored(order).closed_by == "timeout"
    assert counts(1) == (5, 0, 0)


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_cancel_that_a_beginning_payment_overtakes_is_refused_and_closes_nothing():
    make_goods(1, stock=5)
    order = make_order()

    with Parked(lambda: cancel(order), at="SELECT .* FROM shopping_order .*FOR UPDATE") as cancelling:
        make_payment(order)
        with pytest.raises((OrderStateConflict, PaymentsUnavailable)):
            cancelling.go()

    assert stored(order).status == Order.Status.UNPAID
    assert Payment.objects.get().status == Payment.Status.BEGUN
