"""What the sandbox writes down about its payments, and when it takes money."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import connection

from charites.common.transactions import expect_rows, run
from orders.errors import PaymentNotFound
from orders.models import SandboxPayment, SandboxRefund
from orders.payloads import Capture
from orders.payments.port import PaymentRequest, RefundRefused, RefundRequest
from orders.payments.sandbox.notices import announce, as_capture, notice_of

LATE_CALLBACK = timedelta(seconds=5)  # after a payment was taken though closed: the shop has closed the order by then


def insert_open(request: PaymentRequest) -> None:
    """Opens a payment in the ledger unless it is there."""
    SandboxPayment.objects.bulk_create(
        [
            SandboxPayment(
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


def act(*, payment_id: int, outcome: str, now: datetime) -> None:
    """What a buyer does on the pay page. Outcomes: `pay`, `decline`, `lose` (the callback), `late` (after closing)."""
    open_rows = SandboxPayment.objects.filter(
        payment_id=payment_id, status=SandboxPayment.Status.OPEN, expires_at__gt=now
    )
    match outcome:
        case "pay":
            capture_payment(payment_id=payment_id, now=now)
        case "decline":
            run(lambda: open_rows.update(declined_at=now, updated_at=now), name="sandbox_decline")
        case "lose":
            capture_payment(payment_id=payment_id, now=now, announced=False)
        case "late":
            run(lambda: open_rows.update(pays_when_closed=True, updated_at=now), name="sandbox_late")


def capture_payment(*, payment_id: int, now: datetime, announced: bool = True) -> bool:
    """Takes the buyer's money while the payment is open and not expired, and announces it; whether it did.

    Without `announced` the callback is lost.
    """
    return run(partial(write_capture, payment_id, now=now, announced=announced), name="sandbox_capture")


def write_capture(payment_id: int, *, now: datetime, announced: bool = True, though_closed: bool = False) -> bool:
    """`capture_payment` inside the caller's transaction. `though_closed`: the money is taken although the payment is
    closed, and the callback comes a little later."""
    wanted = SandboxPayment.objects.filter(payment_id=payment_id, status=SandboxPayment.Status.OPEN, expires_at__gt=now)
    if though_closed:
        wanted = SandboxPayment.objects.filter(payment_id=payment_id, status=SandboxPayment.Status.CLOSED)
    captured = wanted.update(
        status=SandboxPayment.Status.CAPTURED, trade_id=f"SB{secrets.token_hex(12)}", captured_at=now, updated_at=now
    )
    if captured and announced:
        announce(payment_id, deliver_at=now + LATE_CALLBACK if though_closed else now)
    return captured == 1


def write_close(payment_id: int, *, now: datetime) -> bool:
    """Closes an open payment inside the caller's transaction; whether it did."""
    open_rows = SandboxPayment.objects.filter(payment_id=payment_id, status=SandboxPayment.Status.OPEN)
    closed = open_rows.update(status=SandboxPayment.Status.CLOSED, updated_at=now)
    if closed and SandboxPayment.objects.filter(payment_id=payment_id, pays_when_closed=True).exists():
        # What no provider should do, and some do: its word is that the payment is closed.
        write_capture(payment_id, now=now, though_closed=True)
    return closed == 1


def write_refund(request: RefundRequest, *, now: datetime) -> None:
    """Sends money of a trade back inside the caller's transaction, once under each number. Raises PaymentNotFound,
    RefundRefused."""
    trades = SandboxPayment.objects.filter(trade_id=request.trade_id, status=SandboxPayment.Status.CAPTURED)
    row = trades.select_for_update().first()
    if row is None:
        raise PaymentNotFound(payment_id=request.payment_id)
    if SandboxRefund.objects.filter(refund_id=request.refund_id).exists() or is_sent_back(row, request):
        return
    left = row.amount - row.refunded
    if request.amount > left or request.currency != row.currency:
        raise RefundRefused(f"of trade {row.trade_id} {left} {row.currency} are left")
    about = {"refund_id": request.refund_id, "payment_id": row.payment_id, "amount": request.amount}
    SandboxRefund.objects.create(**about, created_at=now, updated_at=now)
    changed = SandboxPayment.objects.filter(pk=row.pk, refunded=row.refunded)
    expect_rows(changed.update(refunded=row.refunded + request.amount, updated_at=now), 1)


def is_sent_back(row: SandboxPayment, request: RefundRequest) -> bool:
    """Whether the version before this one has sent it, which kept no rows of its refunds: all of a trade, once."""
    return request.refund_id == request.payment_id and row.refunded == request.amount == row.amount


def take_payments(requests: Sequence[PaymentRequest], *, now: datetime) -> list[Capture]:
    """Collects many payments at once and announces none: the caller brings the news, as a reconciliation does.

    Made for demo data: these buyers paid at `now`, which may be long ago, and no callback is due any more.
    """
    rows = [
        SandboxPayment(
            payment_id=request.payment_id,
            amount=request.amount,
            currency=request.currency,
            status=SandboxPayment.Status.CAPTURED,
            trade_id=f"SB{secrets.token_hex(12)}",
            captured_at=now,
            expires_at=request.expires_at,
        )
        for request in requests
    ]
    run(lambda: SandboxPayment.objects.bulk_create(rows), name="sandbox_take")
    return [as_capture(notice_of(row)) for row in rows]
