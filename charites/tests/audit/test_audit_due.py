"""Each test leaves undone, by SQL, what is due, and expects that one line."""

from datetime import timedelta

import pytest
from django.utils import timezone

from charites.tests.audit.busy_shop import LONG_AGO, TOPIC, Shop, execute, findings, naive
from messaging.models import Message
from orders.models import Payment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.unguarded_stock_sql]


# I6 and I7: messages


@pytest.mark.parametrize(
    ("check", "state", "age"),
    [
        ("I6-overdue", Message.State.READY, timedelta(seconds=700)),
        ("I6-dead", Message.State.DEAD, timedelta(0)),
        ("I7-half", Message.State.HALF, timedelta(seconds=700)),
    ],
)
def test_message_that_had_no_effect_is_found(shop: Shop, check: str, state: str, age: timedelta) -> None:
    message = insert_message(state, age)

    assert findings() == {check: [str(message.pk)]}


@pytest.mark.parametrize("state", [Message.State.READY, Message.State.HALF])
def test_message_that_is_due_since_a_moment_is_no_finding(shop: Shop, state: str) -> None:
    insert_message(state, timedelta(seconds=500))

    assert findings() == {}


def insert_message(state: str, age: timedelta) -> Message:
    at = timezone.now() - age
    return Message.objects.create(topic=TOPIC, key="1", payload={"v": 1}, state=state, deliver_at=at, created_at=at)


# I12: what is due gets done


@pytest.mark.parametrize(("seconds", "is_found"), [(1190, False), (1210, True)])
def test_unpaid_order_whose_time_is_long_over_is_found(shop: Shop, seconds: int, is_found: bool) -> None:
    """Ten minutes of grace, and ten that a silent provider may keep an order open."""
    at = naive(timezone.now() - timedelta(seconds=seconds))
    execute("UPDATE shopping_order SET expires_at = %s WHERE status = 300", at)
    execute("UPDATE shopping_order SET expires_at = %s WHERE order_id = %s", at, shop.unpaid.order_id)

    assert findings() == ({"I12-overdue-order": [str(shop.unpaid.order_id)]} if is_found else {})


@pytest.mark.parametrize(
    ("status", "order_status", "minutes", "is_found"),
    [
        ("begun", 300, None, True),
        ("begun", 200, None, True),
        ("begun", 100, None, False),  # its order's time-out asks
        ("begun", 300, 11, True),
        ("begun", 300, 9, False),
        ("begun", 300, -60, False),
        ("closed", 300, 11, True),
        ("closed", 300, None, False),  # the last question was answered
    ],
)
def test_payment_that_nobody_asks_about_is_found(
    shop: Shop, status: str, order_status: int, minutes: int | None, is_found: bool
) -> None:
    order = {100: shop.unpaid, 200: shop.paid, 300: shop.closed}[order_status]
    due = None if minutes is None else timezone.now() - timedelta(minutes=minutes)
    columns = {"payment_id": 811, "order_id": order.order_id, "status": status, "next_question_at": due}
    Payment.objects.create(channel="sandbox", amount=1, currency="CNY", **columns)

    assert findings() == ({"I12-payment-not-asked-about": ["811"]} if is_found else {})


def test_begun_payment_of_no_order_is_found(shop: Shop) -> None:
    Payment.objects.create(payment_id=812, order_id=4711, channel="sandbox", amount=1, currency="CNY")

    assert findings() == {"I12-payment-not-asked-about": ["812"]}


@pytest.mark.parametrize("column", ["next_try_at", "created_at"])
def test_refund_that_nobody_sends_is_found(shop: Shop, column: str) -> None:
    execute(f"UPDATE shopping_refund SET {column} = %s WHERE id = %s", naive(LONG_AGO), shop.refund.pk)

    assert findings() == {"I12-refund-not-tried": [str(shop.refund.payment_id)]}


@pytest.mark.parametrize("change", ["DELETE FROM messaging_message", "UPDATE messaging_message SET state = 'dead'"])
def test_refund_whose_message_is_gone_or_dead_is_found(shop: Shop, change: str) -> None:
    payment_id = str(shop.refund.payment_id)
    soon = naive(timezone.now() + timedelta(hours=1))
    execute("UPDATE shopping_refund SET created_at = %s, next_try_at = %s", naive(LONG_AGO), soon)
    assert findings() == {}
    message = Message.objects.get(topic="payment_refund", key=payment_id)

    execute(f"{change} WHERE id = %s", message.pk)

    assert findings().pop("I12-refund-without-message") == [payment_id]
