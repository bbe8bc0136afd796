"""Each test breaks one rule about money by SQL, and expects that one line."""

import pytest
from django.utils import timezone

from charites.tests.audit.busy_shop import LONG_AGO, Shop, copy_row, execute, findings, naive, without_constraints

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.unguarded_stock_sql]


def test_capture_that_neither_paid_nor_is_refunded_is_found(shop: Shop) -> None:
    columns = {"payment_id": "808", "trade_id": "'T-lost'"}
    copy_row("shopping_payment", f"payment_id = {shop.payment.payment_id}", **columns)

    assert findings() == {"I9-capture-without-effect": ["808"]}


@pytest.mark.parametrize("change", ["amount = amount + 1", "currency = 'EUR'"])
def test_capture_of_another_amount_than_its_order_is_found(shop: Shop, change: str) -> None:
    payment_id = shop.payment.payment_id
    execute(f"UPDATE shopping_payment SET {change} WHERE payment_id = %s", payment_id)

    assert findings() == {"I9-capture-without-effect": [str(payment_id)]}


def test_refund_of_the_payment_that_paid_is_found(shop: Shop) -> None:
    payment = shop.payment
    columns = {"payment_id": str(payment.payment_id), "order_id": str(payment.order_id), "amount": str(payment.amount)}
    copy_row("shopping_refund", f"id = {shop.refund.pk}", **columns)

    assert findings() == {"I9-refunded-once": [str(payment.payment_id)]}


def test_second_refund_of_a_payment_is_found(shop: Shop) -> None:
    with without_constraints("shopping_refund"):
        copy_row("shopping_refund", f"id = {shop.refund.pk}")

        assert findings() == {"I9-refunded-once": [str(shop.refund.payment_id)]}


def test_refund_of_another_amount_than_came_in_is_found(shop: Shop) -> None:
    execute("UPDATE shopping_refund SET amount = amount + 1 WHERE id = %s", shop.refund.pk)

    assert findings() == {"I9-refund-amount": [str(shop.refund.payment_id)]}


def test_refund_without_a_capture_is_found(shop: Shop) -> None:
    copy_row("shopping_refund", f"id = {shop.refund.pk}", payment_id="809")

    assert findings() == {"I9-refund-without-capture": ["809"]}


def test_paid_order_without_its_capture_is_found(shop: Shop) -> None:
    execute("DELETE FROM shopping_payment WHERE order_id = %s", shop.completed.order_id)

    assert findings() == {"I9-paid-without-capture": [str(shop.completed.order_id)]}


def test_money_that_the_sandbox_took_and_nobody_recorded_is_found(shop: Shop) -> None:
    payment_id = shop.payment.payment_id
    took = "UPDATE sandbox_payment SET status = 'captured', trade_id = %s, captured_at = %s, expires_at = %s "
    took += f"WHERE payment_id = {payment_id}"
    long_ago, now = naive(LONG_AGO), naive(timezone.now())

    execute(took, shop.payment.trade_id, long_ago, long_ago)
    assert findings() == {}

    execute(took, "T-refused", long_ago, now)  # its order may still be asked about
    assert findings() == {}

    execute(took, "T-refused", long_ago, long_ago)
    assert findings() == {"I9-money-not-recorded": [str(payment_id)]}
