"""A shop whose orders are old by now: the tests look at it from half a year ahead."""

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from charites.common import clock
from lab.kit.factories import make_closed_order, make_order, make_paid_order, make_payment, stored
from messaging.models import Message
from orders.models import Order, Payment, Refund
from orders.payloads import RefundOrder
from orders.payments import sandbox
from orders.services import (
    Archived,
    archive_old,
    complete_order,
    record_captures,
    refund_order,
    return_pieces,
    send_refunds,
)

AHEAD = timedelta(days=400)  # all that is in the shop is older than it has to be by then


def archive(folder: Path, *, ahead: timedelta = AHEAD) -> Archived:
    """Archives everything that may leave, and returns what became of it all."""
    now = clock.now() + ahead
    total = Archived()
    for step in archive_old(folder=folder, placed_before=now - timedelta(days=200), now=now):
        total.add(step)
    return total


def make_completed_order(*quantities: Any, **changes: Any) -> Order:
    order = make_paid_order(*quantities, **changes)
    complete_order(order_id=order.order_id, actor="staff", now=clock.now())
    return stored(order)


def make_refunded_order() -> Order:
    """Paid, never completed, and all of its money has gone back, with its pieces."""
    order = make_order()
    capture = sandbox.Sandbox().query(make_payment(order, outcome="now").payment_id, timeout_seconds=1)
    assert record_captures(captures=[capture]) == [None]
    refund = refund_order(command=RefundOrder(order.order_id, None, "broken", "staff:1", "k", returns_all=True)).refund
    assert send_refunds(refund_ids=[refund.refund_id], now=clock.now()) == {}
    return_pieces(refund_ids=[refund.refund_id])
    Message.objects.update(state=Message.State.DONE)
    return stored(order)


def make_ended_orders() -> list[Order]:
    """One of each end."""
    return [make_closed_order({1: 2, 2: 1}), make_completed_order({1: 3, 2: 1}), make_completed_order({1: 1})]


def make_old(order: Order, days: float) -> Order:
    """Makes an order, and all money of it, so many days old."""
    then = clock.now() - timedelta(days=days)
    for rows in (Order.objects, Payment.objects, Refund.objects):
        rows.filter(order_id=order.order_id).update(created_at=then, updated_at=then)
    return order


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """Every order that the files of a folder have, in the order of their names."""
    return [
        json.loads(line) for path in sorted(folder.glob("*.jsonl.gz")) for line in gzip.open(path).read().splitlines()
    ]
