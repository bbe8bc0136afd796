"""The guard against writes outside of transactions sees them, and looks away where it should."""

import pytest

from charites.common.transactions import outermost
from lab.kit import autocommit_guard, sql_guard
from lab.kit.factories import make_goods, make_order, make_stock
from orders.models import Order
from stock import records
from stock.models import Stock
from stock.moves import Line, reserve
from stock.strategies import statements

pytestmark = pytest.mark.django_db(transaction=True)


def test_statement_of_the_shop_outside_of_a_transaction_is_found():
    make_stock(1, 5)

    statements.add(Line(1, -1, 1, 0))

    (complaint,) = sql_guard.complaints
    sql_guard.complaints.clear()
    assert complaint.startswith("stock/strategies/statements.py:")
    assert " writes outside of any transaction: UPDATE " in complaint


def test_the_same_inside_of_one_is_fine():
    make_stock(1, 5)

    with outermost():
        statements.add(Line(1, -1, 1, 0))

    assert sql_guard.complaints == []


def test_statement_of_a_test_is_its_own_affair():
    make_goods(1, stock=5)
    order = make_order({1: 1})

    Order.objects.filter(pk=order.pk).update(receive_name="Han Meimei")

    assert sql_guard.complaints == []


def test_reading_needs_no_transaction():
    make_stock(1, 5)

    statements.read_stock([1], lock=False)

    assert (sql_guard.complaints, Stock.objects.count()) == ([], 1)


@pytest.mark.parametrize(
    ("sql", "is_write"),
    [
        ("UPDATE `shopping_stock` SET num = 1", True),
        ('INSERT INTO "messaging_message" VALUES (1)', True),
        ("DELETE FROM sandbox_payment", True),
        ("SELECT num FROM shopping_stock FOR UPDATE", False),
        ("UPDATE auth_user SET last_login = 1", False),
    ],
)
def test_writes_of_our_tables_are_told_from_the_rest(sql, is_write):
    assert bool(autocommit_guard.WRITE.match(sql)) is is_write


def test_rows_that_django_wraps_a_block_of_its_own_around_are_found_too():
    records.insert_records([reserve(10, {1: 2})])

    (complaint,) = sql_guard.complaints
    sql_guard.complaints.clear()
    assert " writes outside of any transaction: INSERT INTO " in complaint
