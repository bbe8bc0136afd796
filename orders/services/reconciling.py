"""Asking the provider about payments that may have brought money without a word.

A payment that was closed, or whose order was, is asked about 1, 5, 15, 60 minutes and 24 hours later: its callback may
be lost, and providers take money that they had promised not to take. Any number of sweeps may do it.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from charites.common.errors import ServiceError
from charites.common.rates import Rate, Rates, take_or_refuse
from charites.common.threads import each_at_once
from charites.common.transactions import run
from orders import selectors
from orders.errors import PaymentsUnavailable
from orders.models import Payment
from orders.payments import calls
from orders.payments.schedule import UNANSWERED_STEP, question_after
from orders.selectors import OrderWithLines
from orders.services.asking import PAYMENT_LEASE, close_at_provider, lease, record_if_captured
from orders.services.refunding import send_forgotten_refunds

log = structlog.get_logger(__name__)
_asks = Rates("ask-provider")

ASK_RATE = Rate(10, 60)  # of one order, on its buyer's word
BATCH = 16  # questions in one round of the sweep: a provider that hangs holds up its other work for 20 s


def reconcile(*, now: datetime) -> int:
    """Asks about payments whose question is due and sends refunds that their messages forgot; returns how many."""
    return ask_about_payments(now=now) + send_forgotten_refunds(now=now)


def ask_about_payments(*, now: datetime) -> int:
    """Asks the provider about every payment whose question is due; returns how many."""
    due = selectors.list_payments_to_ask_about(now=now, limit=BATCH)
    if due:
        each_at_once(lambda payment: ask_about_payment(payment, now=now), due)
    return len(due)


def ask_about_payment(payment: Payment, *, now: datetime) -> None:
    """Asks about one payment, unless another sweep is at it, and plans its next question.

    Money that came in is recorded as any other. After the last answer without money the payment is closed.
    """
    if not lease(payment, now=now):
        return
    try:
        if record_if_captured(payment):
            return
        close_if_begun(payment, now=now)
    except PaymentsUnavailable as error:
        plan_next_question(payment, reason=calls.reason_of(error), now=now)
    except ServiceError as error:
        # There is money: the question stays due, and is asked again when the lease is over.
        log.warning("capture_unrecorded", payment_id=payment.payment_id, error=repr(error))
    else:
        plan_next_question(payment, reason="", now=now)


def close_if_begun(payment: Payment, *, now: datetime) -> None:
    """Money for an order that has ended is not wanted: keeps whoever could still pay from it, if the provider helps.

    Raises StockBusy or OutcomeUnknown when the money came in at this very moment and could not be recorded.
    """
    if payment.status == Payment.Status.BEGUN:
        with suppress(PaymentsUnavailable):
            close_at_provider(payment, timeout_seconds=calls.TIMEOUT_SECONDS, now=now)


def plan_next_question(payment: Payment, *, reason: str, now: datetime) -> None:
    """Writes down when the provider is asked next, as long as the lease is ours. `reason`: why it did not answer."""
    number, due_at = payment.questions, payment.next_question_at or now
    ours = Payment.objects.filter(pk=payment.pk, leased_until=now + PAYMENT_LEASE)
    unpaid = ours.exclude(status=Payment.Status.CAPTURED)
    following = question_after(number, due_at, now=now)
    if following:
        number, next_at = following
        planned = {"questions": number, "next_question_at": next_at, "last_error": reason[:500]}
    elif reason:
        planned = {"next_question_at": now + UNANSWERED_STEP, "last_error": reason[:500]}
    else:
        planned = {"status": Payment.Status.CLOSED, "questions": number + 1, "next_question_at": None, "last_error": ""}
    run(lambda: unpaid.update(**planned, updated_at=now), name="plan_next_question")


def ask_now(*, payment_ids: Sequence[int], now: datetime) -> dict[int, Exception | None]:
    """Asks the provider about payments on somebody's word, and records the money that it names.

    Closes nothing and leaves the planned questions as they are. Returns for each payment that is not captured yet
    None, or why nothing is known.
    """
    errors: dict[int, Exception | None] = {}

    def ask(payment: Payment) -> None:
        try:
            record_if_captured(payment)
            errors[payment.payment_id] = None
        except ServiceError as error:
            errors[payment.payment_id] = error

    if uncaptured := selectors.list_uncaptured(payment_ids=payment_ids):
        each_at_once(ask, uncaptured)
    return errors


def ask_about_order(*, order_id: int, user_id: int | None, now: datetime) -> OrderWithLines:
    """Asks the provider about an order's open payment on its buyer's word; returns the order as it is then.

    Raises OrderNotFound, Limited (ASK_RATE), PaymentsUnavailable, StockBusy, OutcomeUnknown.
    """
    selectors.get_order(order_id=order_id, user_id=user_id)
    begun = selectors.list_begun_payments(order_ids=[order_id])
    if begun:
        take_or_refuse(_asks, str(order_id), ASK_RATE, now)
        for error in ask_now(payment_ids=[begun[order_id].payment_id], now=now).values():
            if error:
                raise error
    return selectors.get_order(order_id=order_id, user_id=user_id)
