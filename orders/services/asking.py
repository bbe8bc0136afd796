"""What becomes of the provider's answer about one payment."""

from datetime import datetime, timedelta

from charites.common.errors import Busy, OutcomeUnknown
from charites.common.transactions import run
from orders.models import Payment
from orders.payloads import Capture
from orders.payments import calls
from orders.payments.schedule import first_question_at
from orders.services.paying import record_captures

PAYMENT_LEASE = timedelta(seconds=30)  # longer than two calls with their time-outs


def lease(payment: Payment, *, now: datetime) -> bool:
    """Whether the caller is the one who asks about this payment now, as it was read."""
    unclaimed = Payment.objects.filter(pk=payment.pk, status=payment.status, leased_until=payment.leased_until)
    return run(lambda: unclaimed.update(leased_until=now + PAYMENT_LEASE, updated_at=now), name="lease_payment") == 1


def close_at_provider(payment: Payment, *, timeout_seconds: float, now: datetime) -> None:
    """Makes sure that a payment brings no more money; records the money when it came in before.

    Raises PaymentsUnavailable when the provider does not answer, StockBusy or OutcomeUnknown when what it said could
    not be recorded: then it is still to be asked about.
    """
    capture = calls.close(payment, timeout_seconds=timeout_seconds, now=now)
    if capture:
        record(capture)
        return
    # Providers take money that they had promised not to take, so even a closed payment is asked about again.
    begun = Payment.objects.filter(pk=payment.pk, status=Payment.Status.BEGUN)
    closed = {"status": Payment.Status.CLOSED, "questions": 0, "next_question_at": first_question_at(now)}
    try:
        run(lambda: begun.update(**closed, last_error="", updated_at=now), name="close_payment")
    except Busy as error:
        raise OutcomeUnknown from error  # the provider has closed it


def record_if_captured(payment: Payment) -> bool:
    """Asks whether a payment brought money, and records it; whether it did. Raises as `close_at_provider`."""
    capture = calls.query(payment)
    if capture:
        record(capture)
    return capture is not None


def record(capture: Capture) -> None:
    """Raises PaymentNotFound, StockBusy, OutcomeUnknown."""
    for error in record_captures(captures=[capture]):
        if error:
            raise error
