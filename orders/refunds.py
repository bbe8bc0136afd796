"""Money on its way back: the rows that say so, and the messages that send it."""

from collections.abc import Sequence
from typing import NamedTuple

from messaging.services import Draft, publish_many
from orders.models import Refund

REFUND_TOPIC = "payment_refund"


class NewRefund(NamedTuple):
    """Money on its way back, by the columns of its row."""

    payment_id: int
    order_id: int
    amount: int
    currency: str
    reason: Refund.Reason


def store_refunds(refunds: Sequence[NewRefund]) -> None:
    """Inserts refund rows, and the messages that send the money back."""
    Refund.objects.bulk_create(Refund(**refund._asdict()) for refund in refunds)
    if refunds:
        keys = [str(refund.payment_id) for refund in refunds]
        publish_many([Draft(REFUND_TOPIC, key, {"payment_id": key}) for key in keys])
