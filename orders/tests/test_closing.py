from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from lab.kit.factories import (
    NOW,
    SANDBOX,
    counts,
    later,
    make_capture,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    stored,
)
from lab.kit.interleaving import Background, Interruption, LostCommit, Parked, await_lock_wait
from lab.kit.providers import AWAY
from orders.errors import OrderNotFound, OrderStateConflict, PaymentsUnavailable
from orders.flows import local as flow
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payloads import Closing
from orders.payments.sandbox import capture_payment
from orders.services import (
    begin_payment,
    cancel_order,
    close_due,
    close_overdue_payments,
    complete_order,
    complete_orders,
    record_captures,
)
from stock.errors import StockBusy
from stock.models import StockRecord
from stock.moves import Status, roll_back
from stock.services import confirm_stock

pytestmark = pytest.mark.django_db

TIMEOUT = 1800


@pytest.fixture(autouse=True)
def _sandbox(settings):
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.ORDER_PAY_TIMEOUT_SECONDS = TIMEOUT


def cancel(order: Order, *, user_id=7, closed_by=Order.ClosedBy.USER, now=NOW):
    return cancel_order(order_id=order.order_id, user_id=user_id, closed_by=closed_by, now=now).order


def statuses() -> dict[int, tuple[int, str]]:
    return {order.order_id: (order.status, order.closed_by) for order in Order.objects.all()}


# Time-out


def test_close_due_closes_an_overdue_order_and_gives_its_stock_back():
    make_goods(1, stock=5)
    order = make_order({1: 2})

    assert close_due(now=later(TIMEOUT)) == 1

    order = stored(order)
    assert (order.status, order.closed_by, order.version) == (Order.Status.CLOSED, "timeout", 1)
    assert counts(1) == (5, 0, 0)
    assert StockRecord.objects.get().status == StockRecord.Status.ROLLED_BACK


def test_close_due_before_the_time_closes_nothing():
    make_goods(1, stock=5)
    order = make_order()

    assert close_due(now=later(TIMEOUT - 0.000001)) == 0

    assert stored(order).status == Order.Status.UNPAID
    assert counts(1) == (4, 1, 0)


def test_close_due_leaves_every_other_order_alone():
    make_goods(1, stock=9)
    paid, closed, completed = make_paid_order(), make_closed_order(), make_paid_order()
    complete_order(order_id=completed.order_id, actor="staff", now=NOW)
    overdue, young = make_order(), make_order(now=later(1))

    assert close_due(now=later(TIMEOUT)) == 1

    assert statuses() == {
        paid.order_id: (200, ""),
        closed.order_id: (300, "user"),
        completed.order_id: (400, ""),
        overdue.order_id: (300, "timeout"),
        young.order_id: (100, ""),
    }
    assert counts(1) == (6, 1, 2)


def test_close_due_again_closes_nothing_more():
    make_goods(1, stock=5)
    make_order({1: 2})
    close_due(now=later(TIMEOUT))

    assert close_due(now=later(TIMEOUT)) == 0

    assert counts(1) == (5, 0, 0)


def test_close_due_leaves_orders_with_a_begun_payment_alone():
    make_goods(1, stock=5)
    order = make_order()
    make_payment(order)

    assert close_due(now=later(TIMEOUT + 3600)) == 0

    assert stored(order).status == Order.Status.UNPAID


@pytest.mark.parametrize("state", [Payment.Status.CLOSED, Payment.Status.CAPTURED])
def test_close_due_takes_orders_whose_payments_have_ended(state):
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    if state is Payment.Status.CAPTURED:
        record_captures(captures=[make_capture(payment, amount=1)])
    else:
        Payment.objects.update(status=state)

    assert close_due(now=later(TIMEOUT)) == 1


def test_close_due_with_more_orders_than_a_page_closes_all_of_them(settings):
    settings.ORDER_TIMEOUT_BATCH = 3
    make_goods(1, stock=20)
    for n in range(8):
        make_order(now=later(n // 3))

    assert close_due(now=later(TIMEOUT + 9)) == 8

    assert counts(1) == (20, 0, 0)


def test_close_due_gets_past_a_page_of_orders_that_cannot_be_closed(settings):
    settings.ORDER_TIMEOUT_BATCH = 2
    make_goods(1, stock=20)
    poisoned = [make_order(now=later(n)) for n in range(3)]
    healthy = [make_order(now=later(10 + n)) for n in range(3)]
    for order in poisoned:
        confirm_stock(order_id=order.order_id)  # sold, although nobody paid

    assert close_due(now=later(TIMEOUT + 60)) == 3

    assert {stored(order).status for order in healthy} == {Order.Status.CLOSED}
    assert {stored(order).status for order in poisoned} == {Order.Status.UNPAID}
    assert counts(1) == (17, 0, 3)


def test_close_due_with_one_poisoned_order_in_the_batch_closes_its_neighbours():
    make_goods(1, stock=20)
    orders = [make_order() for _ in range(7)]
    confirm_stock(order_id=orders[3].order_id)

    assert close_due(now=later(TIMEOUT)) == 6

    assert stored(orders[3]).status == Order.Status.UNPAID


def test_close_due_of_many_sends_a_handful_of_statements():
    make_goods(1, stock=50)

    def statements(number: int) -> int:
        for _ in range(number):
            make_order()
        with CaptureQueriesContext(connection) as captured:
            assert close_due(now=later(TIMEOUT)) == number
        return len(captured)

    assert statements(20) == statements(2) < 15


def test_close_due_after_a_deadlock_closes_once():
    make_goods(1, stock=5)
    make_order({1: 2})

    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="UPDATE shopping_stock ", times=2)
    with connection.execute_wrapper(deadlock):
        assert close_due(now=later(TIMEOUT)) == 1

    assert counts(1) == (5, 0, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("carried_out", [True, False])
def test_close_due_whose_commit_is_lost_converges(carried_out):
    make_goods(1, stock=5)
    order = make_order({1: 2})

    with LostCommit(carried_out=carried_out, error=OperationalError(2013, "Lost connection")):
        assert close_due(now=later(TIMEOUT)) == (1 if carried_out else 0)
    close_due(now=later(TIMEOUT))

    assert stored(order).status == Order.Status.CLOSED
    assert counts(1) == (5, 0, 0)


def test_a_batch_of_time_outs_goes_by_the_clock_of_each():
    make_goods(1, stock=5)
    first, second = make_order(), make_order()
    early = Closing(Order.ClosedBy.TIMEOUT, later(TIMEOUT - 1))
    late = Closing(Order.ClosedBy.TIMEOUT, later(TIMEOUT))

    outcomes = flow.carry_out([roll_back(first.order_id, payload=early), roll_back(second.order_id, payload=late)])

    assert [outcome.status for outcome in outcomes] == [Status.REPEATED, Status.OK]
    assert stored(first).status == Order.Status.UNPAID


# Overdue orders with a begun payment


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


# Cancel


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


# Complete


def test_complete_of_a_paid_order_completes_it():
    make_goods(1, stock=5)
    order = make_paid_order()

    completed = complete_order(order_id=order.order_id, actor="staff:1", now=later(5)).order

    assert (completed.status, completed.updated_by, completed.updated_at) == (400, "staff:1", later(5))
    assert counts(1) == (4, 0, 1)


def test_complete_in_every_other_state_is_refused():
    make_goods(1, stock=5)
    unpaid, closed, completed = make_order(), make_closed_order(), make_paid_order()
    complete_order(order_id=completed.order_id, actor="staff", now=NOW)
    before = statuses()

    for order in (unpaid, closed, completed):
        with pytest.raises(OrderStateConflict):
            complete_order(order_id=order.order_id, actor="staff", now=NOW)
    with pytest.raises(OrderNotFound):
        complete_order(order_id=404, actor="staff", now=NOW)

    assert statuses() == before


def test_complete_of_many_returns_those_that_were_paid():
    make_goods(1, stock=5)
    first, unpaid, second = make_paid_order(), make_order(), make_paid_order()

    completed = complete_orders(
        order_ids=[second.order_id, unpaid.order_id, first.order_id, 404], actor="staff", now=NOW
    )

    assert completed == sorted([first.order_id, second.order_id])


# Side by side


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
