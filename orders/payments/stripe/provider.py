"""Stripe as the shop sees it, through the port. What must not be done twice carries a key of ours.

A payment is a Checkout Session; the trade is its PaymentIntent.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import stripe
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from charites.common.money import places_of
from orders.errors import PaymentsUnavailable
from orders.payloads import Capture
from orders.payments.port import PaymentRequest, RefundRefused, RefundRequest
from orders.payments.statements import StatementLine
from orders.payments.stripe.connection import reached
from orders.payments.stripe.ledger import find, find_to_close, remember
from orders.payments.stripe.notices import CHANNEL, PAYMENT_MARK, REFUND_MARK, read_event
from orders.payments.stripe.statement import read_report

LOOPBACK = ("127.0.0.1", "localhost", "::1")  # where a stand-in for tests may be
# Stripe keeps a page open for half an hour at least and a day at most. The shop ends it when its order's time is up.
LONGER = timedelta(minutes=31)
LONGEST_TIMEOUT = timedelta(hours=23)
# https://docs.stripe.com/currencies#zero-decimal: all others have two places there, or are refused below.
WITHOUT_PLACES = {
    *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"),
}

PAID = {"expand": ["payment_intent.latest_charge"]}
NO_LONGER_PAYABLE = ("canceled", "requires_payment_method")  # an intent whose page is gone
SENT = ("succeeded", "pending", "requires_action")  # a refund that is made, or on its way to the bank
# What no refund of this payment will ever get past; whatever else Stripe says may be different tomorrow.
FOR_GOOD = ("charge_already_refunded", "charge_disputed", "charge_not_refundable", "refund_disputed_payment")


class Undecided(Exception):
    """The buyer has paid in a way that takes days, and the bank has not said yes or no."""


class ClosedMeanwhile(Exception):
    """Somebody has closed the payment while its page was made, which nobody is told."""


class Stripe:
    """See `orders.payments.port.Provider`. Raises ImproperlyConfigured. `outcome` is the sandbox's."""

    channel = CHANNEL

    def __init__(self) -> None:
        currency = settings.CURRENCY
        if not settings.STRIPE_API_KEY or not settings.STRIPE_WEBHOOK_SECRET:
            raise ImproperlyConfigured("Stripe wants STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET.")
        address = urlsplit(settings.STRIPE_API_URL)
        if address.scheme != "https" and address.hostname not in LOOPBACK:
            raise ImproperlyConfigured("STRIPE_API_URL must be https://, or everybody on the way reads the key.")
        if timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS) > LONGEST_TIMEOUT:
            raise ImproperlyConfigured("Stripe's pages are open for a day: ORDER_PAY_TIMEOUT_SECONDS is 82800 at most.")
        if places_of(currency) != (0 if currency in WITHOUT_PLACES else 2):
            raise ImproperlyConfigured(f"Stripe counts {currency} in other units than this shop: choose CURRENCY anew.")

    def begin(self, request: PaymentRequest, *, outcome: str, timeout_seconds: float, now: datetime) -> str:
        with reached(timeout_seconds) as api:
            session = api.checkout.sessions.create(
                params=session_for(request), options={"idempotency_key": f"charites-begin-{request.payment_id}"}
            )
            if not remember(request.payment_id, session.id):
                api.checkout.sessions.expire(session.id)
                raise PaymentsUnavailable from ClosedMeanwhile(f"payment {request.payment_id}")
        return str(session.url)

    def close(self, payment_id: int, *, timeout_seconds: float, now: datetime) -> Capture | None:
        session_id = find_to_close(payment_id)
        if session_id is None:
            return None  # nobody was told its page, and nobody will be
        with reached(timeout_seconds) as api:
            try:
                api.checkout.sessions.expire(session_id)
            except stripe.InvalidRequestError:  # it is not open: paid, or over
                return ended(payment_id, api.checkout.sessions.retrieve(session_id, params=PAID))
        return None

    def query(self, payment_id: int, *, timeout_seconds: float) -> Capture | None:
        session_id = find(payment_id)
        if session_id is None:
            return None
        with reached(timeout_seconds) as api:
            return capture_of(payment_id, api.checkout.sessions.retrieve(session_id, params=PAID))

    def refund(self, request: RefundRequest, *, timeout_seconds: float, now: datetime) -> None:
        with reached(timeout_seconds) as api:
            # Stripe forgets keys after a day, and never what it has sent.
            made = sent_before(api, request) or send(api, request)
        if made.status not in SENT:
            raise RefundRefused(f"refund {made.id} is {made.status}: {made.failure_reason}")

    def read_notice(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture | None:
        return read_event(headers=headers, body=body, now=now)

    def read_statement(self, lines: Iterable[str]) -> Iterator[StatementLine]:
        return read_report(lines)


def session_for(request: PaymentRequest) -> dict[str, Any]:
    """What a session is made of: the same for the same payment, or the key would stand for another request."""
    marks = {PAYMENT_MARK: str(request.payment_id)}
    price = {
        "currency": request.currency.lower(),
        "unit_amount": request.amount,
        "product_data": {"name": str(request.order_id)},
    }
    return {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "client_reference_id": str(request.order_id),
        "metadata": marks,
        "payment_intent_data": {"metadata": marks},  # which the report shows
        "adaptive_pricing": {"enabled": False},  # money in another currency would go back
        "expires_at": int((request.expires_at + LONGER).timestamp()),
        "success_url": settings.STRIPE_RETURN_URL,
        "cancel_url": settings.STRIPE_RETURN_URL,
    }


def ended(payment_id: int, session: Any) -> Capture | None:
    """The money of a session that is no longer open; None where none will come. Raises Undecided."""
    capture = capture_of(payment_id, session)
    intent = session.payment_intent
    if capture is None and session.status != "expired" and not (intent and intent.status in NO_LONGER_PAYABLE):
        raise Undecided(f"session {session.id} is {session.status}, {session.payment_status}")
    return capture


def capture_of(payment_id: int, session: Any) -> Capture | None:
    """The money of a session that came with its intent and charge; None while there is none."""
    if session.payment_status != "paid":
        return None
    intent = session.payment_intent
    return Capture(
        payment_id=payment_id,
        channel=CHANNEL,
        trade_id=intent.id,
        amount=intent.amount_received,
        currency=intent.currency.upper(),
        captured_at=datetime.fromtimestamp((intent.latest_charge or intent).created, UTC),
    )


def sent_before(api: Any, request: RefundRequest) -> Any:
    """The refund of this number, where there is one."""
    listed = api.refunds.list(params={"payment_intent": request.trade_id, "limit": 100})
    number = str(request.refund_id)
    return next((made for made in listed.auto_paging_iter() if getattr(made.metadata, REFUND_MARK, "") == number), None)


def send(api: Any, request: RefundRequest) -> Any:
    """Makes a refund. Raises RefundRefused."""
    number = str(request.refund_id)
    params = {"payment_intent": request.trade_id, "amount": request.amount, "metadata": {REFUND_MARK: number}}
    try:
        return api.refunds.create(params=params, options={"idempotency_key": f"charites-refund-{number}"})
    except stripe.InvalidRequestError as error:
        if error.code in FOR_GOOD:
            raise RefundRefused(f"{error.code}: {error.user_message}") from error
        raise
