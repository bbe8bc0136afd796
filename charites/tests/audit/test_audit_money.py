"""Each test breaks one rule about money by SQL, and expects that one line."""

from typing import Any

import pytest
from django.utils import timezone

from charites.tests.audit.busy_shop import LONG_AGO, Shop, copy_row, execute, findings, naive, without_constraints
from orders.models import Refund
from orders.payloads import RefundOrder
from orders.services import refund_order, return_pieces

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

        paid_back = [str(shop.refund.payment_id)]
        assert findings() == {"I9-refunded-once": paid_back, "I9-refunded-more": paid_back}


def test_refund_of_another_amount_than_came_in_is_found(shop: Shop) -> None:
    execute("UPDATE shopping_refund SET amount = amount + 1 WHERE id = %s", shop.refund.pk)

    paid_back = [str(shop.refund.payment_id)]
    assert findings() == {"I9-refund-amount": paid_back, "I9-refunded-more": paid_back}


def ask_for_refund(shop: Shop, amount: int = 100, **changes: Any) -> Refund:
    """Somebody refunds a part of the paid order, of which two pieces of product 1 are."""
    requested = refund_order(command=RefundOrder(shop.paid.order_id, amount, "broken", "staff", "k", **changes))
    assert requested.refund
    return requested.refund


def test_more_than_came_in_is_found(shop: Shop) -> None:
    refund = ask_for_refund(shop)
    execute("UPDATE shopping_refund SET amount = %s WHERE id = %s", shop.payment.amount + 1, refund.pk)

    assert findings() == {"I9-refunded-more": [str(shop.payment.payment_id)]}


def test_what_the_provider_refused_is_no_more_than_came_in(shop: Shop) -> None:
    refund = ask_for_refund(shop)
    execute(
        "UPDATE shopping_refund SET amount = %s, status = 'refused' WHERE id = %s", shop.payment.amount + 1, refund.pk
    )

    assert findings() == {}


@pytest.mark.parametrize(
    ("sent", "status", "is_found"),
    [(0, "requested", False), (100, "requested", False), (100, "done", False), (99, "done", True), (101, "done", True)],
)
def test_money_that_the_ledger_does_not_know_is_found(shop: Shop, sent: int, status: str, is_found: bool) -> None:
    refund = ask_for_refund(shop)
    execute("UPDATE shopping_refund SET status = %s WHERE id = %s", status, refund.pk)
    execute(
        "UPDATE sandbox_payment SET refunded = %s, trade_id = %s WHERE payment_id = %s",
        *(sent, shop.payment.trade_id, shop.payment.payment_id),
    )

    assert findings() == ({"I9-refund-not-in-ledger": [str(shop.payment.payment_id)]} if is_found else {})


def test_more_pieces_than_were_bought_are_found(shop: Shop) -> None:
    ask_for_refund(shop, returned={1: 2})
    execute("UPDATE shopping_refund_line SET num = 3")

    assert findings() == {"I9-returned-pieces": [f"{shop.paid.order_id}/1"]}


def test_pieces_without_their_refund_are_found(shop: Shop) -> None:
    ask_for_refund(shop, returned={1: 2})
    execute("UPDATE shopping_refund_line SET refund_id = 5")

    assert findings() == {"I9-returned-pieces": [f"{shop.paid.order_id}/1"]}


def test_pieces_that_stock_never_heard_of_are_found(shop: Shop) -> None:
    refund = ask_for_refund(shop, returned={1: 2})
    execute("UPDATE shopping_refund_line SET created_at = %s", naive(LONG_AGO))

    assert findings() == {"I3-returned-not-added": [f"{refund.refund_id}/1"]}
    return_pieces(refund_ids=[refund.refund_id])
    assert findings() == {}


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
