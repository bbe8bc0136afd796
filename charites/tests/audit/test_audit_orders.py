"""Each test breaks one rule about orders, or about keys and ids, by SQL, and expects that one line."""

import pytest
from django.utils import timezone

from charites.tests.audit.busy_shop import Shop, copy_row, execute, findings, insert_record, quoted, without_constraints

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.unguarded_stock_sql]


# I3: orders, lines, records


def test_order_with_another_amount_than_its_lines_is_found(shop: Shop) -> None:
    order_id = shop.unpaid.order_id
    execute("UPDATE shopping_order SET pay_amount = pay_amount + 1 WHERE order_id = %s", order_id)

    assert findings() == {"I3-order-amount": [str(order_id)]}


def test_order_without_lines_is_found(shop: Shop) -> None:
    columns = {"order_id": "804", "idempotency_key": "NULL"}
    copy_row("shopping_order", f"order_id = {shop.closed.order_id}", **columns)

    assert findings() == {"I3-order-amount": ["804"]}


def test_line_without_order_is_found(shop: Shop) -> None:
    copy_row("shopping_order_detail", "goods_id = 1", order_id="805", num="1", pay_amount="price")
    insert_record(805, 1, 1, status=2)

    assert findings() == {"I3-line-without-order": ["805/1"]}


def test_line_without_record_is_found(shop: Shop) -> None:
    order_id = shop.closed.order_id
    execute("DELETE FROM shopping_stock_record WHERE order_id = %s AND goods_id = 2", order_id)

    assert findings() == {"I3-line-without-record": [f"{order_id}/2"]}


def test_line_with_another_quantity_than_its_record_is_found(shop: Shop) -> None:
    order_id = shop.closed.order_id
    execute("UPDATE shopping_stock_record SET num = num + 1 WHERE order_id = %s AND goods_id = 2", order_id)

    assert findings() == {"I3-line-without-record": [f"{order_id}/2"]}


def test_record_without_line_is_found(shop: Shop) -> None:
    insert_record(shop.closed.order_id, 3, 1, status=2)

    assert findings() == {"I3-record-without-line": [f"{shop.closed.order_id}/3"]}


def test_old_record_without_order_is_found_unless_it_was_rolled_back(shop: Shop) -> None:
    insert_record(806, 2, 1, status=1)
    insert_record(807, 2, 1, status=2)
    execute(f"UPDATE shopping_stock SET {quoted('lock')} = {quoted('lock')} + 1, num = num - 1 WHERE goods_id = 2")

    assert findings() == {"I3-record-without-order": ["806/2"]}


def test_young_record_without_order_is_in_its_grace_period(shop: Shop) -> None:
    insert_record(806, 2, 1, status=1, at=timezone.now())
    execute(f"UPDATE shopping_stock SET {quoted('lock')} = {quoted('lock')} + 1, num = num - 1 WHERE goods_id = 2")

    assert findings() == {}


def test_record_of_another_service_needs_no_order_here(shop: Shop) -> None:
    insert_record(806, 2, 1, status=1)
    execute("UPDATE shopping_stock_record SET owner = 'service:warehouse' WHERE order_id = 806")
    execute(f"UPDATE shopping_stock SET {quoted('lock')} = {quoted('lock')} + 1, num = num - 1 WHERE goods_id = 2")

    assert findings() == {}


def test_receipt_with_an_order_is_found(shop: Shop) -> None:
    copy_row("shopping_order", f"order_id = {shop.closed.order_id}", order_id=str(shop.receipt_id), pay_amount="9950")
    columns = {"order_id": str(shop.receipt_id), "num": "4", "price": "1", "pay_amount": "4"}
    copy_row("shopping_order_detail", "goods_id = 2", **columns)
    execute("UPDATE shopping_order SET pay_amount = 4 WHERE order_id = %s", shop.receipt_id)

    assert findings() == {"I3-receipt-with-order": [f"{shop.receipt_id}/2"]}


# I4: the state of an order and of its records


@pytest.mark.parametrize(("status", "fields"), [(300, "closed_by = 'user'"), (100, "closed_by = ''")])
def test_order_in_another_state_than_its_records_is_found(shop: Shop, status: int, fields: str) -> None:
    order = shop.unpaid if status == 300 else shop.closed
    execute(f"UPDATE shopping_order SET status = %s, {fields} WHERE order_id = %s", status, order.order_id)

    assert findings() == {"I4-status": [f"{order.order_id}/1", f"{order.order_id}/2"]}


def test_record_in_another_state_than_its_order_is_found(shop: Shop) -> None:
    order_id = shop.paid.order_id
    execute("UPDATE shopping_stock_record SET status = 2 WHERE order_id = %s AND goods_id = 3", order_id)
    execute("UPDATE shopping_stock SET sold = sold - 1, num = num + 1 WHERE goods_id = 3")

    assert findings() == {"I4-status": [f"{order_id}/3"]}


# I10 and I11: keys and ids, should a constraint be missing


def test_key_of_two_orders_is_found(shop: Shop) -> None:
    with without_constraints("shopping_order"):
        execute("UPDATE shopping_order SET idempotency_key = 'mine' WHERE order_id = %s", shop.closed.order_id)

        assert findings() == {"I10-orders": [f"{shop.paid.user_id}/mine"]}


def test_key_of_two_adjustments_is_found(shop: Shop) -> None:
    with without_constraints("shopping_stock_adjustment"):
        copy_row("shopping_stock_adjustment", "idempotency_key = 'broken-mugs'", delta="0")

        assert findings() == {"I10-adjustments": ["broken-mugs"]}


@pytest.mark.parametrize(
    ("check", "table", "condition", "changes", "ids"),
    [
        ("I11-stock", "shopping_stock", "goods_id = 2", {}, "2"),
        ("I11-records", "shopping_stock_record", "order_id = {closed} AND goods_id = 2", {}, "{closed}/2"),
        ("I11-orders", "shopping_order", "order_id = {closed}", {}, "{closed}"),
        (
            "I11-lines",
            "shopping_order_detail",
            "order_id = {closed} AND goods_id = 2",
            {"price": "0", "pay_amount": "0"},
            "{closed}/2",
        ),
        (
            "I11-payments",
            "shopping_payment",
            "payment_id = {payment}",
            {"status": "'begun'", "trade_id": "NULL", "next_question_at": "'2999-01-01'"},
            "{payment}",
        ),
        ("I11-trades", "shopping_payment", "payment_id = {payment}", {"payment_id": "810"}, "sandbox/{trade}"),
    ],
)
def test_id_that_is_used_twice_is_found(
    shop: Shop, check: str, table: str, condition: str, changes: dict[str, str], ids: str
) -> None:
    known = {"closed": shop.closed.order_id, "payment": shop.payment.payment_id, "trade": shop.payment.trade_id}
    with without_constraints(table):
        copy_row(table, condition.format(**known), **changes)

        assert findings() == {check: [ids.format(**known)]}
