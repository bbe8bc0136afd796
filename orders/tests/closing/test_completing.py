"""Orders that are completed."""

import pytest

from lab.kit.factories import NOW, counts, later, make_closed_order, make_goods, make_order, make_paid_order
from orders.errors import OrderNotFound, OrderStateConflict
from orders.services import complete_order, complete_orders
from orders.tests.closing.closed import statuses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


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
