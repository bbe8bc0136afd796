"""One order cancelled, and how all of them ended."""

from lab.kit.factories import NOW
from orders.models import Order
from orders.services import cancel_order


def cancel(order: Order, *, user_id=7, closed_by=Order.ClosedBy.USER, now=NOW):
    return cancel_order(order_id=order.order_id, user_id=user_id, closed_by=closed_by, now=now).order


def statuses() -> dict[int, tuple[int, str]]:
    return {order.order_id: (order.status, order.closed_by) for order in Order.objects.all()}
