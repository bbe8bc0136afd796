"""Orders whose time is up."""

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from lab.kit.factories import (
    NOW,
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
from lab.kit.interleaving import Interruption, LostCommit
from lab.kit.stock_steps import confirm_stock
from orders.flows import local as flow
from orders.models import Order, Payment
from orders.payloads import Closing
from orders.services import close_due, complete_order, record_captures
from orders.tests.closing.closed import statuses
from orders.tests.conftest import TIMEOUT
from stock.models import StockRecord
from stock.moves import Status, roll_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


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
