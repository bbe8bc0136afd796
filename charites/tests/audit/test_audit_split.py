"""The audit of the split form: two real databases, each rule about both of them broken by hand."""

import tracemalloc

import pytest
from django.db import connection
from django.utils import timezone

from charites.audit import comparison, own_database, run_audit
from charites.tests.audit.busy_shop import LONG_AGO, naive
from charites.tests.audit.split_shop import WITH_TIME, Split, in_orders, insert_records, make_old
from lab.kit import factories
from messaging.models import Message
from orders.models import Order, OrderDetail
from stock.models import StockRecord

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.unguarded_stock_sql]


def test_healthy_services_have_no_finding(split: Split) -> None:
    results = run_audit(now=timezone.now(), databases=[own_database(), split.stock])

    names = [(result.database, result.check.id) for result in results]
    assert split.findings() == {}
    assert len(set(names)) == len(names)
    assert {database for database, _ in names} == {"orders", "stock", "orders + stock"}
    assert [name for database, name in names if database == "orders + stock"] == [
        "I3-line-without-record",
        "I3-record-without-line",
        "I3-record-without-order",
        "I3-receipt-with-order",
        "I4-status",
    ]


# What each database tells by itself


def test_each_database_is_audited_by_itself(split: Split) -> None:
    split.in_stock("DELETE FROM shopping_stock_adjustment WHERE goods_id = 2")
    in_orders("UPDATE shopping_order SET pay_amount = pay_amount + 1 WHERE order_id = %s", split.closed.order_id)
    Message.objects.create(topic="x", key="1", payload={}, state=Message.State.DEAD, deliver_at=factories.NOW)
    dead = Message.objects.get()

    assert split.findings() == {
        ("orders", "I3-order-amount"): [str(split.closed.order_id)],
        ("orders", "I6-dead"): [str(dead.pk)],
        ("stock", "I1-first-adjustment"): ["2"],
    }


# The rules about both


def test_line_without_record_is_found(split: Split) -> None:
    order_id = split.closed.order_id
    split.in_stock("DELETE FROM shopping_stock_record WHERE order_id = %s AND goods_id = 2", order_id)

    assert split.findings() == {("orders + stock", "I3-line-without-record"): [f"{order_id}/2"]}


def test_line_of_another_quantity_than_its_record_is_found(split: Split) -> None:
    order_id = split.closed.order_id
    split.in_stock("UPDATE shopping_stock_record SET num = num + 1 WHERE order_id = %s AND goods_id = 2", order_id)

    assert split.findings() == {("orders + stock", "I3-line-without-record"): [f"{order_id}/2"]}


def test_record_without_line_is_found(split: Split) -> None:
    split.insert_record(split.closed.order_id, 3, 1, status=2)

    assert split.findings() == {("orders + stock", "I3-record-without-line"): [f"{split.closed.order_id}/3"]}


def test_record_without_order_is_found_unless_it_was_rolled_back(split: Split) -> None:
    split.insert_record(806, 2, 1, status=1)
    split.insert_record(807, 2, 1, status=2)
    split.in_stock("UPDATE shopping_stock SET `lock` = `lock` + 1, num = num - 1 WHERE goods_id = 2")

    assert split.findings() == {("orders + stock", "I3-record-without-order"): ["806/2"]}


def test_record_of_another_service_needs_no_order_here(split: Split) -> None:
    split.insert_record(806, 2, 1, status=1)
    split.in_stock("UPDATE shopping_stock_record SET owner = 'service:warehouse' WHERE order_id = 806")
    split.in_stock("UPDATE shopping_stock SET `lock` = `lock` + 1, num = num - 1 WHERE goods_id = 2")

    assert split.findings() == {}


def test_receipt_with_an_order_is_found(split: Split) -> None:
    order = factories.stored(split.closed)
    order.pk, order.order_id = None, split.receipt_id
    order.save(force_insert=True)
    in_orders(
        "UPDATE shopping_order SET pay_amount = 0, updated_at = %s WHERE order_id = %s", naive(LONG_AGO), order.order_id
    )

    assert split.findings() == {
        ("orders", "I3-order-amount"): [str(split.receipt_id)],
        ("orders + stock", "I3-receipt-with-order"): [f"{split.receipt_id}/2"],
    }


@pytest.mark.parametrize(("kind", "status", "closed_by"), [("unpaid", 300, "user"), ("closed", 100, "")])
def test_order_in_another_state_than_its_records_is_found(split: Split, kind: str, status: int, closed_by: str) -> None:
    order_id = getattr(split, kind).order_id
    in_orders("UPDATE shopping_order SET status = %s, closed_by = %s WHERE order_id = %s", status, closed_by, order_id)

    assert split.findings() == {("orders + stock", "I4-status"): [f"{order_id}/1", f"{order_id}/2"]}


def test_record_in_another_state_than_its_order_is_found(split: Split) -> None:
    order_id = split.paid.order_id
    split.in_stock("UPDATE shopping_stock_record SET status = 2 WHERE order_id = %s AND goods_id = 3", order_id)
    split.in_stock("UPDATE shopping_stock SET sold = sold - 1, num = num + 1 WHERE goods_id = 3")

    assert split.findings() == {("orders + stock", "I4-status"): [f"{order_id}/3"]}


@pytest.mark.parametrize("table", WITH_TIME)
def test_difference_of_which_one_side_is_young_is_no_finding(split: Split, table: str) -> None:
    order_id = split.closed.order_id
    split.in_stock("UPDATE shopping_stock_record SET num = num + 1 WHERE order_id = %s AND goods_id = 2", order_id)
    change = split.in_stock if table == "shopping_stock_record" else in_orders

    change(f"UPDATE {table} SET updated_at = %s WHERE order_id = %s", naive(timezone.now()), order_id)
    young = split.findings()
    change(f"UPDATE {table} SET updated_at = %s WHERE order_id = %s", naive(LONG_AGO), order_id)
    old = split.findings()

    assert (young, old) == ({}, {("orders + stock", "I3-line-without-record"): [f"{order_id}/2"]})


def test_young_record_without_order_is_in_its_grace_period(split: Split) -> None:
    split.insert_record(806, 2, 1, status=1)
    split.in_stock("UPDATE shopping_stock SET `lock` = `lock` + 1, num = num - 1 WHERE goods_id = 2")
    split.in_stock("UPDATE shopping_stock_record SET updated_at = %s WHERE order_id = 806", naive(timezone.now()))

    assert split.findings() == {}


# Many rows


def test_many_lines_are_compared_page_by_page(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 100
    monkeypatch.setattr(comparison, "PAGE_ROWS", rows)
    first, count = 10**18, 1_500
    fill(split, first, count)
    # Around the border of two pages of lines (two per order), of two pages of orders, and at both ends.
    edges = [first, first + rows // 2 - 1, first + rows // 2, first + rows - 1, first + rows]
    missing = [*edges, first + count - 1]
    for order_id in missing:
        split.in_stock("DELETE FROM shopping_stock_record WHERE order_id = %s AND goods_id = 1", order_id)

    tracemalloc.start()
    found = split.findings()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found == {("orders + stock", "I3-line-without-record"): [f"{order_id}/1" for order_id in missing]}
    assert peak_bytes < 400_000  # three pages take 0.12 MB, all rows would take 1.7 MB


def fill(split: Split, first: int, count: int) -> None:
    """Makes closed orders of two lines each, in both databases."""
    ids = range(first, first + count)
    like = factories.stored(split.closed)
    line = OrderDetail.objects.filter(order_id=like.order_id).order_by("goods_id")[0]
    order_fields = {name: getattr(like, name) for name in ("user_id", "status", "closed_by", "expires_at")}
    line_fields = {
        "user_id": like.user_id,
        "title": line.title,
        "market_price": 1,
        "price": 1,
        "num": 1,
        "pay_amount": 1,
    }
    Order.objects.bulk_create((Order(order_id=id, pay_amount=2, **order_fields) for id in ids), batch_size=500)
    OrderDetail.objects.bulk_create(
        (OrderDetail(order_id=id, goods_id=goods_id, **line_fields) for id in ids for goods_id in (1, 2)),
        batch_size=500,
    )
    insert_records(
        split.stock.connection,
        [(id, goods_id, 1, StockRecord.Status.ROLLED_BACK, "order") for id in ids for goods_id in (1, 2)],
    )
    make_old(connection, "shopping_order", "shopping_order_detail")
