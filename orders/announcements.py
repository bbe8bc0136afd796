"""What other systems may hear of orders."""

from collections.abc import Iterable, Sequence

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from charites.common.announcements import Announcement, announce, declare, is_wanted
from charites.common.times import as_utc
from orders.models import Refund
from orders.payloads import Capture
from orders.selectors import OrderWithLines, list_by_numbers, with_lines


def read_placed(order_ids: Sequence[str]) -> dict[str, dict[str, object]]:
    """Returns what is told of new orders, by order_id: it stays as it was, whatever has become of them by now."""
    orders = list_by_numbers(order_ids=[int(order_id) for order_id in order_ids])
    return {str(found.order.order_id): as_placed(found) for found in with_lines(orders)}


PLACED = declare("order.placed", _("A buyer has an order, and its stock is reserved."), read_placed)
PAID = declare("order.paid", _("Money came in and paid its order."))
CLOSED = declare(
    "order.closed", _("An order was closed: unpaid, by its time-out, its buyer or staff; or stock refuses it.")
)
COMPLETED = declare("order.completed", _("A paid order was completed."))
REFUNDED = declare("order.refunded", _("The provider has sent money of an order back."))


def announce_placed(order_ids: Iterable[int]) -> None:
    """Inside the transaction that places these orders."""
    if is_wanted(PLACED):
        announce(Announcement(PLACED, str(order_id)) for order_id in order_ids)


def as_placed(found: OrderWithLines) -> dict[str, object]:
    order = found.order
    return {
        "order_id": str(order.order_id),
        "user_id": str(order.user_id),
        "room_id": None if order.room_id is None else str(order.room_id),
        "amount": order.pay_amount,
        "currency": settings.CURRENCY,
        "expires_at": as_utc(order.expires_at),
        "items": [{"goods_id": str(line.goods_id), "quantity": line.num, "price": line.price} for line in found.lines],
    }


def announce_paid(captures: Iterable[tuple[int, Capture]]) -> None:
    """Inside the transaction that pays these orders: (order_id, capture)."""
    if is_wanted(PAID):
        announce(Announcement(PAID, str(order_id), as_paid(order_id, capture)) for order_id, capture in captures)


def as_paid(order_id: int, capture: Capture) -> dict[str, object]:
    return {
        "order_id": str(order_id),
        "channel": capture.channel,
        "amount": capture.amount,
        "currency": capture.currency,
        "paid_at": as_utc(capture.captured_at),
    }


def announce_closed(order_ids: Iterable[int], closed_by: str) -> None:
    """Inside the transaction that closes these orders."""
    if is_wanted(CLOSED):
        announce(
            Announcement(CLOSED, str(order_id), {"order_id": str(order_id), "closed_by": str(closed_by)})
            for order_id in order_ids
        )


def announce_completed(order_ids: Iterable[int]) -> None:
    """Inside the transaction that completes these orders."""
    if is_wanted(COMPLETED):
        announce(Announcement(COMPLETED, str(order_id), {"order_id": str(order_id)}) for order_id in order_ids)


def announce_refunded(refund: Refund) -> None:
    """Inside the transaction that writes a refund down as sent."""
    if is_wanted(REFUNDED):
        data = {
            "order_id": str(refund.order_id),
            "refund_id": str(refund.refund_id),
            "amount": refund.amount,
            "currency": refund.currency,
            "reason": refund.reason,
        }
        announce([Announcement(REFUNDED, str(refund.order_id), data)])
