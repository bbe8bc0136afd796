"""One payment begun, its money recorded, and the refunds that came of it."""

from lab.kit.factories import NOW
from messaging.models import Message
from orders.models import Order, Refund
from orders.services import begin_payment, record_captures


def begin(order: Order, *, now=NOW, outcome="page", user_id=7):
    return begin_payment(order_id=order.order_id, user_id=user_id, outcome=outcome, now=now)


def record(*captures) -> list[Exception | None]:
    return record_captures(captures=captures)


def refunds() -> list[tuple[int, int, int, str, str, str]]:
    """Returns (payment_id, order_id, amount, currency, reason, status) of every refund."""
    rows = Refund.objects.order_by("pk")
    return list(rows.values_list("payment_id", "order_id", "amount", "currency", "reason", "status"))


def refund_messages() -> list[tuple[str, dict]]:
    rows = Message.objects.filter(topic="payment_refund").order_by("pk")
    return [(row.key, row.payload) for row in rows]
