"""What orders sends and receives: one function a topic."""

from collections.abc import Sequence

from django.utils import timezone

from messaging.models import Message
from messaging.registry import register
from orders import services
from orders.payments import sandbox
from orders.writer import REFUND_TOPIC


def send_refunds(messages: Sequence[Message]) -> None:
    """Topic `payment_refund`: sends money back that did not pay an order."""
    services.send_refunds(payment_ids=[int(message.payload["payment_id"]) for message in messages], now=timezone.now())


def register_topics() -> None:
    """Called once when Django starts."""
    register(sandbox.NOTIFY_TOPIC, sandbox.send_notice, remote=True, ladder=sandbox.notify_ladder())
    register(REFUND_TOPIC, send_refunds, remote=True)
