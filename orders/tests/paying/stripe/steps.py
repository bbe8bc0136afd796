"""What buyers, Stripe and staff do, in a step each."""

import json
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from lab.kit.factories import BUYER_ID, stored
from lab.kit.rest_client import anybody
from lab.kit.stripe_api import StripeApi, signature
from orders.models import Order, Payment, Refund, StripeSession
from orders.payloads import RefundOrder
from orders.services import begin_payment, close_due, close_overdue_payments, refund_order, send_refunds

NOTIFY = "/api/payments/notify"


def begin(order: Order) -> Payment:
    return begin_payment(order_id=order.order_id, user_id=BUYER_ID, outcome="page", now=timezone.now()).payment


def session_of(payment: Payment) -> str:
    return StripeSession.objects.get(payment_id=payment.payment_id).session_id


def pay(api: StripeApi, order: Order) -> str:
    """The buyer pays on Stripe's page, and nobody has told the shop; returns the session."""
    session_id = session_of(begin(order))
    api.pay(session_id)
    return session_id


def notify(event: dict[str, Any], **options: Any) -> HttpResponse:
    body = json.dumps(event).encode()
    return anybody().send("POST", NOTIFY, body, signature(body, **options))


def end_in_time(order: Order, *, minutes: float = 0) -> None:
    """The sweep, so long after the order's time is up."""
    now = order.expires_at + timedelta(minutes=minutes)
    close_overdue_payments(now=now)
    close_due(now=now)


def status_of(order: Order) -> int:
    return stored(order).status


def request_refund(api: StripeApi, order: Order, amount: int = 100, key: str = "k") -> Refund:
    """Staff asks for a part of the money of an order, which is paid first unless it is."""
    if status_of(order) == Order.Status.UNPAID:
        assert notify(api.event(pay(api, order))).status_code == 200
    requested = refund_order(command=RefundOrder(order.order_id, amount, "broken", "staff:3", key)).refund
    assert requested
    return requested


def send(refund: Refund) -> list[type[Exception]]:
    """One try to send money back; returns what it ended with."""
    Refund.objects.update(leased_until=None)  # a minute later
    return [type(error) for error in send_refunds(refund_ids=[refund.refund_id], now=timezone.now()).values()]
