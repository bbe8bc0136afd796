"""Each test breaks one rule about stock by SQL, and expects that one line."""

import pytest

from charites.tests.audit.busy_shop import Shop, copy_row, execute, findings, insert_record, quoted, without_constraints

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.unguarded_stock_sql]


# I1: the sums


def test_adjustments_that_do_not_add_up_are_found(shop: Shop) -> None:
    execute("UPDATE shopping_stock_adjustment SET delta = delta + 1 WHERE goods_id = 3 AND delta > 0")

    assert findings() == {"I1-adjustments": ["3"]}


def test_reserved_that_differs_from_its_records_is_found(shop: Shop) -> None:
    execute(f"UPDATE shopping_stock SET {quoted('lock')} = {quoted('lock')} + 1, num = num - 1 WHERE goods_id = 2")

    assert findings() == {"I1-reserved": ["2"]}


def test_sold_that_differs_from_its_records_is_found(shop: Shop) -> None:
    execute("UPDATE shopping_stock SET sold = sold - 1, num = num + 1 WHERE goods_id = 2")

    assert findings() == {"I1-sold": ["2"]}


def test_stock_row_without_a_first_adjustment_is_found(shop: Shop) -> None:
    execute("DELETE FROM shopping_stock_adjustment WHERE goods_id = 2")

    assert findings() == {"I1-first-adjustment": ["2"]}


def test_records_and_adjustments_without_a_stock_row_are_found(shop: Shop) -> None:
    insert_record(801, 41, 1, status=3, kind="receipt")
    copy_row("shopping_stock_adjustment", "goods_id = 2", idempotency_key="NULL", goods_id="42")

    assert findings() == {"I1-unknown-goods": ["41", "42"]}


# I2: nothing negative


@pytest.mark.parametrize("column", ["num", "lock", "sold"])
def test_negative_stock_is_found(shop: Shop, column: str) -> None:
    # The sums are made to agree, so that only the sign is wrong; reserved and sold need a negative record for that.
    with without_constraints("shopping_stock", "shopping_stock_record"):
        copy_row("shopping_stock", "goods_id = 2", goods_id="44", num="0", lock="0", sold="0")
        copy_row("shopping_stock_adjustment", "goods_id = 2", idempotency_key="NULL", goods_id="44", delta="-1")
        execute(f"UPDATE shopping_stock SET {quoted(column)} = -1 WHERE goods_id = 44")
        if column != "num":
            insert_record(802, 44, -1, status={"lock": 1, "sold": 3}[column], kind="receipt")
        expected = {"I2-stock": ["44"]} | ({"I2-records": ["802/44"]} if column != "num" else {})

        assert findings() == expected


@pytest.mark.parametrize(("num", "status"), [(-1, 2), (0, 3)])
def test_record_of_no_piece_is_found(shop: Shop, num: int, status: int) -> None:
    with without_constraints("shopping_stock_record"):
        insert_record(803, 1, num, status=status, kind="receipt")

        assert findings() == {"I2-records": ["803/1"]}


def test_line_with_another_amount_than_its_price_is_found(shop: Shop) -> None:
    order_id = shop.paid.order_id
    execute("UPDATE shopping_order_detail SET price = price + 1 WHERE order_id = %s AND goods_id = 3", order_id)

    assert findings() == {"I2-lines": [f"{order_id}/3"]}


def test_line_of_no_piece_is_found(shop: Shop) -> None:
    order_id = shop.closed.order_id
    columns = {"goods_id": "3", "num": "0", "pay_amount": "0"}
    copy_row("shopping_order_detail", f"order_id = {order_id}", **columns)
    insert_record(order_id, 3, 0, status=2)

    assert findings() == {"I2-lines": [f"{order_id}/3"]}
