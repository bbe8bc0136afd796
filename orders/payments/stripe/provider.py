"""Stripe as the shop sees it, through the port. Every call carries a key of ours, so that it may be made again.

A payment is a Checkout Session; its number is kept here, since Stripe finds sessions by its own numbers alone. The
trade is the session's PaymentIntent.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import stripe
from django.conf import settings
from django.db import connection
from stripe import HTTPXClient, StripeClient

from charites.common.transactions import run
from orders.models import StripeSession
from orders.payloads import Capture
from orders.payments.port import PaymentRequest, RefundRefused, RefundRequest
from orders.payments.statements import StatementLine
from orders.payments.stripe.notices import read_event
from orders.payments.stripe.statement import read_report

CHANNEL = "stripe"
# Stripe wants a session to last half an hour at least; ours is closed by us when its order's time is up.
LONGER = timedelta(minutes=31)
SENT = ("succeeded", "pending", "requires_action")  # a refund that is made, or on its way to the bank
# What Stripe answers a refund with that will never be made; other refusals are of us or of the moment.
FOR_GOOD = {
    "charge_already_refunded",
    "charge_disputed",
    "charge_exceeds_source_limit",
    "refund_disputed_payment",
    "amount_too_large",
    "amount_too_small",
    "parameter_invalid_integer",
}


class Undecided(Exception):
    """The buyer has paid in a way that takes time, and the bank has not said yes or no."""


@cache
def client(secret: str, base: str, seconds: float) -> StripeClient:
    """The client of calls that may take so many seconds. It repeats nothing by itself: the shop does."""
    http = HTTPXClient(timeout=seconds, allow_sync_methods=True)
    return StripeClient(secret, base_addresses={"api": base}, max_network_retries=0, http_client=http)


def api(seconds: float) -> Any:
    return client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, seconds).v1


class Stripe:
    """See `orders.payments.port.Provider`. `outcome` is the sandbox's."""

    channel = CHANNEL

    def __init__(self) -> None:
        if not settings.STRIPE_SECRET_KEY or not settings.STRIPE_WEBHOOK_SECRETS:
            raise ValueError("STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS have to be set")

    def begin(self, request: PaymentRequest, *, outcome: str, timeout_seconds: float, now: datetime) -> str:
        number = str(request.payment_id)
        price = {
            "currency": request.currency.lower(),
            "unit_amount": request.amount,
            "product_data": {"name": f"{request.order_id}"},
        }
        about = {"payment_id": number, "order_id": str(request.order_id)}
        session = api(timeout_seconds).checkout.sessions.create(
            params={
                "mode": "payment",
                "client_reference_id": str(request.order_id),
                "line_items": [{"price_data": price, "quantity": 1}],
                "metadata": about,
                "payment_intent_data": {"metadata": about},
                # The same for the same payment, or the key would stand for another request.
                "expires_at": int((request.expires_at + LONGER).timestamp()),
                "success_url": settings.STRIPE_RETURN_URL,
                "cancel_url": settings.STRIPE_RETURN_URL,
            },
            options={"idempotency_key": f"charites-begin-{number}"},
        )
        remember(request.payment_id, session.id)
        return str(session.url)

    def close(self, payment_id: int, *, timeout_seconds: float, now: datetime) -> Capture | None:
        session_id = find(payment_id)
        if session_id is None:
            return None  # nobody ever got its page
        sessions = api(timeout_seconds).checkout.sessions
        try:
            session = sessions.expire(session_id)
        except stripe.InvalidRequestError:  # it is not open: paid, or over
            session = sessions.retrieve(session_id)
        if session.status == "expired":
            return None
        return self._capture(payment_id, session_id, timeout_seconds, must_be_paid=True)

    def query(self, payment_id: int, *, timeout_seconds: float) -> Capture | None:
        session_id = find(payment_id)
        return self._capture(payment_id, session_id, timeout_seconds) if session_id else None

    def _capture(
        self, payment_id: int, session_id: str, timeout_seconds: float, *, must_be_paid: bool = False
    ) -> Capture | None:
        """The money of a session. Raises Undecided where there is none and there has to be."""
        expanded = {"expand": ["payment_intent.latest_charge"]}
        session = api(timeout_seconds).checkout.sessions.retrieve(session_id, params=expanded)
        if session.payment_status != "paid":
            if must_be_paid:
                raise Undecided(f"session {session_id} is {session.status}, {session.payment_status}")
            return None
        intent = session.payment_intent
        return Capture(
            payment_id=payment_id,
            channel=CHANNEL,
            trade_id=intent.id,
            amount=intent.amount_received,
            currency=intent.currency.upper(),
            captured_at=datetime.fromtimestamp(intent.latest_charge.created, UTC),
        )

    def refund(self, request: RefundRequest, *, timeout_seconds: float, now: datetime) -> None:
        refunds, number = api(timeout_seconds).refunds, str(request.refund_id)
        # Stripe forgets keys after a day; what it knows of the payment it does not.
        listed = refunds.list(params={"payment_intent": request.trade_id, "limit": 100})
        made = next(
            (each for each in listed.auto_paging_iter() if (each.metadata or {}).get("refund_id") == number), None
        )
        if made is None:
            try:
                made = refunds.create(
                    params={
                        "payment_intent": request.trade_id,
                        "amount": request.amount,
                        "metadata": {"refund_id": number},
                    },
                    options={"idempotency_key": f"charites-refund-{number}"},
                )
            except stripe.InvalidRequestError as error:
                if error.code in FOR_GOOD:
                    raise RefundRefused(f"{error.code}: {error.user_message}") from error
                raise
        if made.status not in SENT:
            raise RefundRefused(f"refund {made.id} is {made.status}: {made.failure_reason}")

    def read_notice(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture | None:
        return read_event(headers=headers, body=body, now=now)

    def read_statement(self, lines: Iterable[str]) -> Iterator[StatementLine]:
        return read_report(lines)


def remember(payment_id: int, session_id: str) -> None:
    """Keeps the number of a payment's session; the same again is harmless."""
    with_target = connection.features.supports_update_conflicts_with_target
    row = StripeSession(payment_id=payment_id, session_id=session_id)

    def write() -> None:
        StripeSession.objects.bulk_create(
            [row],
            update_conflicts=True,
            update_fields=["payment_id"],
            unique_fields=["payment_id"] if with_target else None,
        )

    run(write, name="stripe_begin", find=lambda: None)  # without a reply: the next one who asks writes the same


def find(payment_id: int) -> str | None:
    rows = StripeSession.objects.filter(payment_id=payment_id)
    return rows.values_list("session_id", flat=True).first()
