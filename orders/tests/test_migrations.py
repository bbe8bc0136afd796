"""What is taken back of the tables, and what is not."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from lab.kit.factories import make_capture, make_goods, make_order, make_paid_order, make_payment
from orders.models import ArchivedOrder, Refund
from orders.payloads import RefundOrder
from orders.services import record_captures, refund_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def all_tables() -> Iterator[None]:
    """Whatever a test takes back is there for the next one."""
    yield
    call_command("migrate", "orders", verbosity=0)


def tables_of_refunds() -> dict[str, Any]:
    with connection.cursor() as cursor:
        names = ("shopping_refund", "shopping_refund_line")
        return {name: connection.introspection.get_constraints(cursor, name) for name in names}


def test_refunds_that_people_asked_for_keep_their_tables() -> None:
    make_goods(1, price=9950, stock=10)
    order = make_paid_order({1: 1})
    for key in ("a", "b"):
        refund_order(command=RefundOrder(order.order_id, 100, "broken", "staff:1", key))
    before = tables_of_refunds()

    with pytest.raises(CommandError, match="0011 is not taken back: 2 refunds that people asked for"):
        call_command("migrate", "orders", "0010", verbosity=0)

    assert tables_of_refunds() == before
    assert Refund.objects.count() == 2


def test_refunds_of_late_money_alone_keep_nothing_from_being_taken_back() -> None:
    make_goods(1, price=9950, stock=10)
    order = make_order({1: 1})
    payment = make_payment(order)
    assert record_captures(captures=[make_capture(payment, amount=1)]) == [None]
    refund_id = Refund.objects.get().refund_id

    call_command("migrate", "orders", "0010", verbosity=0)
    call_command("migrate", "orders", verbosity=0)

    assert Refund.objects.get().refund_id == refund_id


def test_archived_orders_keep_their_tables() -> None:
    row = {"user_id": 7, "status": 300, "pay_amount": 1, "pieces": 0, "archive_id": 1}
    ArchivedOrder.objects.create(order_id=1, **row)

    with pytest.raises(CommandError, match="0013 is not taken back: 1 orders were archived"):
        call_command("migrate", "orders", "0012", verbosity=0)
    assert ArchivedOrder.objects.count() == 1

    ArchivedOrder.objects.all().delete()
    call_command("migrate", "orders", "0012", verbosity=0)
    call_command("migrate", "orders", verbosity=0)
    assert ArchivedOrder.objects.count() == 0
