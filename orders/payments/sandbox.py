"""The sandbox provider: its own books, a pay page, signed callbacks. For the demo and for tests.

It stands for a company on the other side of the network, so it touches nothing of the shop but the message table,
which carries its callbacks, and the shop touches its books only through the provider port.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import httpx
from django.conf import settings
from django.core.signing import BadSignature as BadLink
from django.core.signing import Signer
from django.db import connection
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from charites.common import clock
from charites.common.errors import Invalid
from charites.common.transactions import run
from messaging.errors import DeliveryFailed
from messaging.models import Message
from messaging.services import Draft, publish, publish_many, send_again
from orders.errors import PaymentNotFound
from orders.models import SandboxPayment
from orders.moves import Capture
from orders.payments import signing
from orders.payments.provider import PaymentRequest, RefundRequest, check_capture

CHANNEL = "sandbox"
NOTIFY_TOPIC = "payment_notify"
NOTIFY_STEPS = (1, 3, 5, 10, 15, 30, 60)  # minutes; seconds in the demo
TIMEOUT_SECONDS = 5
LATE_CALLBACK = timedelta(seconds=5)  # after a payment was taken though closed: the shop has closed the order by then
Books = SandboxPayment


def notify_ladder() -> tuple[timedelta, ...]:
    """How long the sandbox waits after each callback that was not answered with success."""
    unit = timedelta(seconds=1) if settings.DEMO else timedelta(minutes=1)
    return tuple(step * unit for step in NOTIFY_STEPS)


class Sandbox:
    """See `orders.payments.provider.Provider`. Outcomes of `begin`: `now` pays at once, `page` waits for the page."""

    channel = CHANNEL

    def begin(self, request: PaymentRequest, *, outcome: str, timeout_seconds: float, now: datetime) -> str:
        def open_payment() -> None:
            insert_open(request)
            if outcome == "now":
                write_capture(request.payment_id, now=now)

        run(open_payment, name="sandbox_begin")
        link = Signer(salt=CHANNEL).sign(str(request.payment_id))
        return f"{settings.PUBLIC_URL}/sandbox/pay/{link}"

    def close(self, payment_id: int, *, timeout_seconds: float, now: datetime) -> Capture | None:
        open_rows = Books.objects.filter(payment_id=payment_id, status=Books.Status.OPEN)
        if run(lambda: open_rows.update(status=Books.Status.CLOSED, updated_at=now), name="sandbox_close"):
            if Books.objects.filter(payment_id=payment_id, pays_when_closed=True).exists():
                # What no provider should do, and some do: its word is that the payment is closed.
                capture_payment(payment_id=payment_id, now=now, though_closed=True)
            return None
        return self.query(payment_id, timeout_seconds=timeout_seconds)

    def query(self, payment_id: int, *, timeout_seconds: float) -> Capture | None:
        row = Books.objects.filter(payment_id=payment_id, status=Books.Status.CAPTURED).first()
        return as_capture(notice_of(row)) if row else None

    def refund(self, request: RefundRequest, *, timeout_seconds: float, now: datetime) -> None:
        captured = Books.objects.filter(trade_id=request.trade_id, status=Books.Status.CAPTURED)
        covered = captured.filter(amount__gte=request.amount, currency=request.currency)
        if not run(lambda: covered.update(refunded=request.amount, updated_at=now), name="sandbox_refund"):
            raise PaymentNotFound(payment_id=request.payment_id)

    def read_notice(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture:
        accepted = [settings.PAYMENT_SECRET, *settings.PAYMENT_SECRET_FALLBACKS]
        signing.verify(secrets=accepted, headers=headers, body=body, now=now)
        try:
            return as_capture(json.loads(body))
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise Invalid("body", _("is not a notice of a captured payment")) from error


def insert_open(request: PaymentRequest) -> None:
    """Opens a payment in the books unless it is there."""
    Books.objects.bulk_create(
        [
            Books(
                payment_id=request.payment_id,
                amount=request.amount,
                currency=request.currency,
                expires_at=request.expires_at,
            )
        ],
        update_conflicts=True,
        update_fields=["payment_id"],
        unique_fields=["payment_id"] if connection.features.supports_update_conflicts_with_target else None,
    )


def read_link(link: str) -> SandboxPayment:
    """Returns the payment of a pay page's address. Raises PaymentNotFound, also for a forged address."""
    try:
        payment_id = int(Signer(salt=CHANNEL).unsign(link))
    except (BadLink, ValueError) as error:
        raise PaymentNotFound(payment_id=link[:32]) from error
    row = Books.objects.filter(payment_id=payment_id).first()
    if row is None:
        raise PaymentNotFound(payment_id=payment_id)
    return row


def act(*, payment_id: int, outcome: str, now: datetime) -> None:
    """What a buyer does on the pay page. Outcomes: `pay`, `decline`, `lose` (the callback), `late` (after closing)."""
    open_rows = Books.objects.filter(payment_id=payment_id, status=Books.Status.OPEN, expires_at__gt=now)
    match outcome:
        case "pay":
            capture_payment(payment_id=payment_id, now=now)
        case "decline":
            run(lambda: open_rows.update(declined_at=now, updated_at=now), name="sandbox_decline")
        case "lose":
            capture_payment(payment_id=payment_id, now=now, announced=False)
        case "late":
            run(lambda: open_rows.update(pays_when_closed=True, updated_at=now), name="sandbox_late")


def capture_payment(*, payment_id: int, now: datetime, announced: bool = True, though_closed: bool = False) -> bool:
    """Takes the buyer's money while the payment is open and not expired, and announces it; whether it did.

    Without `announced` the callback is lost. `though_closed`: it is taken although the payment is closed, and the
    callback comes a little later.
    """
    write = partial(write_capture, payment_id, now=now, announced=announced, though_closed=though_closed)
    return run(write, name="sandbox_capture")


def write_capture(payment_id: int, *, now: datetime, announced: bool = True, though_closed: bool = False) -> bool:
    """`capture_payment` inside the caller's transaction."""
    wanted = Books.objects.filter(payment_id=payment_id, status=Books.Status.OPEN, expires_at__gt=now)
    if though_closed:
        wanted = Books.objects.filter(payment_id=payment_id, status=Books.Status.CLOSED)
    captured = wanted.update(
        status=Books.Status.CAPTURED, trade_id=f"SB{secrets.token_hex(12)}", captured_at=now, updated_at=now
    )
    if captured and announced:
        announce(payment_id, deliver_at=now + LATE_CALLBACK if though_closed else now)
    return captured == 1


def announce(payment_id: int, *, deliver_at: datetime) -> None:
    """Stores the callback about a captured payment inside the caller's transaction."""
    notice = notice_of(Books.objects.get(payment_id=payment_id))
    publish(NOTIFY_TOPIC, notice, key=str(payment_id), deliver_at=deliver_at)


def announce_again(*, payment_ids: Sequence[int], now: datetime) -> list[int]:
    """Sends the callbacks of captured payments once more, delivered before or not; returns whose.

    A callback that was given up gets a new series of tries; otherwise a new one is made from the books.
    """
    captured = Books.objects.filter(payment_id__in=payment_ids, status=Books.Status.CAPTURED).order_by("payment_id")
    rows = {str(row.payment_id): row for row in captured}
    dead = Message.objects.filter(topic=NOTIFY_TOPIC, key__in=list(rows), state=Message.State.DEAD)
    revived = dict(dead.values_list("key", "pk"))
    if revived:
        send_again(message_ids=list(revived.values()), now=now)
    drafts = [Draft(NOTIFY_TOPIC, key, notice_of(row), now) for key, row in rows.items() if key not in revived]
    run(lambda: publish_many(drafts), name="sandbox_announce")
    return [row.payment_id for row in rows.values()]


def take_payments(requests: Sequence[PaymentRequest], *, now: datetime) -> list[Capture]:
    """Collects many payments at once and announces none: the caller brings the news, as a reconciliation does.

    Made for demo data: these buyers paid at `now`, which may be long ago, and no callback is due any more.
    """
    rows = [
        Books(
            payment_id=request.payment_id,
            amount=request.amount,
            currency=request.currency,
            status=Books.Status.CAPTURED,
            trade_id=f"SB{secrets.token_hex(12)}",
            captured_at=now,
            expires_at=request.expires_at,
        )
        for request in requests
    ]
    run(lambda: Books.objects.bulk_create(rows), name="sandbox_take")
    return [as_capture(notice_of(row)) for row in rows]


def notice_of(row: SandboxPayment) -> dict[str, Any]:
    """The body of a callback."""
    return {
        "payment_id": str(row.payment_id),
        "trade_id": row.trade_id,
        "amount": row.amount,
        "currency": row.currency,
        "captured_at": row.captured_at.isoformat() if row.captured_at else "",
    }


def as_capture(notice: Mapping[str, Any]) -> Capture:
    """Reads a callback's body; a provider's payload is hostile until proven otherwise.

    Raises KeyError, TypeError, ValueError or OverflowError when it is not a notice.
    """
    captured_at = parse_datetime(notice["captured_at"])
    capture = Capture(
        payment_id=int(notice["payment_id"]),
        channel=CHANNEL,
        trade_id=notice["trade_id"],
        amount=notice["amount"],
        currency=notice["currency"],
        captured_at=cast("datetime", captured_at),
    )
    check_capture(capture)
    return capture


def send_notice(messages: Sequence[Message]) -> None:
    """Calls the shop back. Raises DeliveryFailed unless it answers with success; the ladder then tries again."""
    for message in messages:
        notice = {name: value for name, value in message.payload.items() if name != "v"}
        body = json.dumps(notice).encode()
        headers = signing.sign(
            secret=settings.PAYMENT_SECRET, notice_id=f"notice-{message.pk}", body=body, now=clock.now()
        )
        headers |= {"content-type": "application/json", "x-request-id": message.headers.get("request_id", "")}
        try:
            answer = httpx.post(settings.PAYMENT_NOTIFY_URL, content=body, headers=headers, timeout=TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            raise DeliveryFailed(reason=repr(error)) from error
        if not answer.is_success:
            raise DeliveryFailed(status=answer.status_code)
