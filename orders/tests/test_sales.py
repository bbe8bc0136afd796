"""What is being sold of some products."""

from datetime import UTC, datetime, timedelta

import pytest

from charites.common.ids import EPOCH_MS, first_id_at
from charites.common.models import MAX_INT64
from lab.kit.factories import NOW, SANDBOX, make_closed_order, make_goods, make_order, make_paid_order
from orders import sales
from orders.models import Order, OrderDetail
from orders.sales import MINUTE, SalesMinute, list_newest_orders, list_sales
from orders.selectors import sum_amounts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _goods(settings):
    settings.PAYMENT_PROVIDER = SANDBOX
    for goods_id in (1, 2, 3):
        make_goods(goods_id, stock=200)


def numbered(order: Order, moment: datetime, more: int = 0) -> int:
    """Gives an order a number of this moment, as if it had been placed then."""
    number = first_id_at(moment) + more
    Order.objects.filter(pk=order.pk).update(order_id=number)
    OrderDetail.objects.filter(order_id=order.order_id).update(order_id=number)
    return number


def counted(found: list[SalesMinute]) -> list[tuple[int, int]]:
    return [(minute.orders, minute.paid_amount) for minute in found]


def test_newest_orders_are_those_of_any_of_the_products_newest_first():
    first, second, third = make_order({1: 1}), make_order({1: 1, 2: 2, 3: 1}), make_closed_order({2: 1})
    make_order({3: 1})

    found = list_newest_orders(goods_ids=[1, 2], limit=10)

    assert [order.order for order in found] == [third, second, first]
    assert [(line.goods_id, line.num) for line in found[1].lines] == [(1, 1), (2, 2), (3, 1)]
    assert [order.order for order in list_newest_orders(goods_ids=[1, 2], limit=3)] == [third, second, first]
    assert [order.order for order in list_newest_orders(goods_ids=[1, 2], limit=2)] == [third, second]


def test_newest_orders_of_very_many_products_are_those_of_the_first_of_them(monkeypatch):
    monkeypatch.setattr(sales, "MOST_PRODUCTS", 2)
    order = make_order({2: 1})
    make_order({3: 1})

    assert [found.order for found in list_newest_orders(goods_ids=[1, 2, 3], limit=9)] == [order]


@pytest.mark.parametrize("goods_ids", [[], [9]])
def test_nothing_is_sold_of_no_products(goods_ids):
    make_order()

    assert list_newest_orders(goods_ids=goods_ids, limit=10) == []
    assert counted(list_sales(goods_ids=goods_ids, minutes=2, now=NOW)) == [(0, 0), (0, 0)]


def test_sales_are_counted_by_the_minute_and_paid_ones_summed():
    start = NOW - 2 * MINUTE
    numbered(make_order({1: 1}), start - timedelta(milliseconds=1))  # before the first minute
    numbered(make_paid_order({1: 2, 2: 1, 3: 5}), start)
    numbered(make_order({2: 3}), start + timedelta(seconds=59, milliseconds=999), more=5)
    numbered(make_paid_order({2: 1}), NOW + timedelta(seconds=30))
    numbered(make_paid_order({3: 1}), NOW)  # of another product

    found = list_sales(goods_ids=[1, 2], minutes=3, now=NOW + timedelta(seconds=42))

    assert [minute.starts_at for minute in found] == [start, start + MINUTE, NOW]
    assert counted(found) == [(2, 3 * 9950), (0, 0), (1, 9950)]


def test_amounts_add_up_to_more_than_any_column_holds():
    for second in range(3):
        numbered(make_paid_order({1: 1}), NOW + timedelta(seconds=second))
    OrderDetail.objects.update(pay_amount=MAX_INT64, pay_time=NOW)
    Order.objects.update(pay_amount=MAX_INT64)

    found = list_sales(goods_ids=[1], minutes=1, now=NOW)

    assert counted(found) == [(3, 3 * MAX_INT64)]
    assert sum_amounts(Order.objects.all()) == (3 * MAX_INT64, 3 * MAX_INT64)
    assert sum_amounts(Order.objects.none()) == (0, 0)


def test_where_more_is_sold_only_minutes_that_are_known_whole_are_counted(monkeypatch):
    monkeypatch.setattr(sales, "MOST_LINES", 3)
    for index, ago in enumerate((3, 2, 2, 1, 0)):
        numbered(make_order({1: 1}), NOW - ago * MINUTE + timedelta(seconds=1), more=index)

    found = list_sales(goods_ids=[1], minutes=4, now=NOW + timedelta(seconds=42))

    assert counted(found) == [(1, 0), (1, 0)]
    assert found[0].starts_at == NOW - MINUTE


def test_where_more_is_sold_in_the_last_minute_it_is_counted_as_far_as_it_is_known(monkeypatch):
    monkeypatch.setattr(sales, "MOST_LINES", 2)
    for second in range(4):
        numbered(make_order({1: 1}), NOW + timedelta(seconds=second))

    assert counted(list_sales(goods_ids=[1], minutes=4, now=NOW + timedelta(seconds=42))) == [(2, 0)]


def test_numbers_of_a_minute_begin_with_the_minute():
    assert datetime.fromtimestamp(EPOCH_MS / 1000, UTC).second == 0
    assert first_id_at(NOW) % sales.NUMBERS_A_MINUTE == 0
    assert first_id_at(NOW + MINUTE) - first_id_at(NOW) == sales.NUMBERS_A_MINUTE


def test_statements_are_as_many_however_many_the_products(django_assert_num_queries):
    make_order({1: 1, 2: 1, 3: 1})

    with django_assert_num_queries(3):
        list_newest_orders(goods_ids=[1, 2, 3], limit=10)
    with django_assert_num_queries(3):
        list_sales(goods_ids=[1, 2, 3], minutes=3, now=NOW)
