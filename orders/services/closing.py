"""Closing orders - time-out, buyer, staff - and completing them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from django.conf import settings
from django.db.models import F
from django.utils.translation import gettext_lazy as _
from prometheus_client import Histogram

from charites.common.errors import Limited, OutcomeUnknown, ServiceError
from charites.common.threads import each_at_once
from charites.common.transactions import Undone, expect_rows, reading_the_answer, run
from orders import flows, selectors
from orders.announcements import announce_completed
from orders.errors import OrderStateConflict, PaymentsUnavailable
from orders.events import ORDER_CLOSED, ORDER_COMPLETED
from orders.limits import cancel_rate, cancelled_lately
from orders.models import Order, Payment
from orders.payloads import Closing
from orders.payments import calls
from orders.payments.schedule import PROVIDER_PATIENCE, first_question_at
from orders.selectors import OrderWithLines
from orders.services.asking import close_at_provider, lease
from orders.services.outcomes import ORDERS, error_of
from stock.moves import Outcome, Status, roll_back

log = structlog.get_logger(__name__)

LATENESS = Histogram(
    "charites_order_lateness_seconds",
    "How long after its time an order was closed by its time-out.",
    buckets=[0.5, 1, 2, 5, 10, 30, 60, 300, 1800],
)
CANCEL_TIMEOUT_SECONDS = 2
CLOSE_TIMEOUT_SECONDS = 5
COMPLETED = Order.Status.COMPLETED
PROVIDER_BATCH = 32  # closings in one round of the sweep: a provider that hangs holds up its other work for 20 s


def close_due(*, now: datetime) -> int:
    """Closes every unpaid order whose time is up and gives its stock back; returns how many.

    Orders with a begun payment are left to `close_overdue_payments`. Any number may run at once.
    """
    closed, after = 0, None
    while True:
        page = selectors.list_due(now=now, after=after, limit=settings.ORDER_TIMEOUT_BATCH)
        if not page:
            return closed
        outcomes = close({due.order_id: due.pay_amount for due in page}, Closing(Order.ClosedBy.TIMEOUT, now))
        for due, outcome in zip(page, outcomes, strict=True):
            if outcome.status is Status.OK:
                LATENESS.observe((now - due.expires_at).total_seconds())
                closed += 1
        after = page[-1]


def close(amounts: Mapping[int, int], closing: Closing) -> list[Outcome]:
    """Closes orders (order_id -> cents) under the given rule; logs what should never happen, counts and tells what
    did."""
    outcomes = flows.carry_out([roll_back(order_id, payload=closing) for order_id in amounts])
    for (order_id, amount), outcome in zip(amounts.items(), outcomes, strict=True):
        if outcome.status is Status.OK:
            ORDERS.labels(f"closed_by_{closing.closed_by}").inc()
            ORDER_CLOSED.tell(str(order_id), str(closing.closed_by), amount, settings.CURRENCY)
        elif outcome.status is Status.FAILED:
            log.error("close_failed", order_id=order_id, error=repr(outcome.error))
    return outcomes


def close_overdue_payments(*, now: datetime) -> int:
    """Closes begun payments of overdue orders at the provider, so that the orders can be closed; returns how many
    it asked about.

    A payment that turns out to be captured pays its order. Without an answer it is asked again when the lease is
    over, and after 10 minutes the order is closed anyway.
    """
    overdue = selectors.list_overdue_payments(now=now, limit=PROVIDER_BATCH)
    if overdue:
        each_at_once(lambda entry: close_overdue_payment(*entry, now=now), overdue)
    return len(overdue)


def close_overdue_payment(payment: Payment, expired_at: datetime, *, now: datetime) -> None:
    """Closes one begun payment, unless another sweep is at it."""
    if not lease(payment, now=now):
        return
    try:
        close_at_provider(payment, timeout_seconds=CLOSE_TIMEOUT_SECONDS, now=now)
    except PaymentsUnavailable as error:
        note_no_answer(payment, calls.reason_of(error), now=now)
        if expired_at <= now - PROVIDER_PATIENCE:
            close_without_answer(payment, now=now)
    except ServiceError as error:
        log.warning("capture_unrecorded", payment_id=payment.payment_id, error=repr(error))


def note_no_answer(payment: Payment, reason: str, *, now: datetime) -> None:
    """Shows operators why a payment hangs."""
    begun = Payment.objects.filter(pk=payment.pk, status=Payment.Status.BEGUN)
    run(lambda: begun.update(last_error=reason[:500], updated_at=now), name="note_no_answer")


def close_without_answer(payment: Payment, *, now: datetime) -> None:
    """Closes an order whose payment may still bring money; from now on the provider is asked about it."""
    close({payment.order_id: payment.amount}, Closing(Order.ClosedBy.TIMEOUT, now, despite_payment=True))
    begun = Payment.objects.filter(pk=payment.pk, status=Payment.Status.BEGUN)
    ask_at = first_question_at(now)
    run(lambda: begun.update(questions=0, next_question_at=ask_at, updated_at=now), name="plan_first_question")


def cancel_order(*, order_id: int, user_id: int | None, closed_by: Order.ClosedBy, now: datetime) -> OrderWithLines:
    """Closes an unpaid order on somebody's word and gives its stock back; a begun payment is closed first.

    Raises OrderNotFound, OrderStateConflict, PaymentsUnavailable, StockBusy, OutcomeUnknown.
    """
    selectors.get_order(order_id=order_id, user_id=user_id)
    if error := cancel_orders(order_ids=[order_id], closed_by=closed_by, now=now)[order_id]:
        raise error
    with reading_the_answer():
        return selectors.get_order(order_id=order_id, user_id=user_id)


def cancel_orders(*, order_ids: Sequence[int], closed_by: Order.ClosedBy, now: datetime) -> dict[int, Exception | None]:
    """Closes unpaid orders on somebody's word, as `cancel_order` does for one. Returns for each None, or its error."""
    rows = [order for order in selectors.list_by_numbers(order_ids=order_ids) if is_unpaid(order)]
    limited = refuse_hasty(rows, now=now) if closed_by == Order.ClosedBy.USER else {}
    unpaid = {order.order_id: order.pay_amount for order in rows if order.order_id not in limited}
    asked = [order_id for order_id in order_ids if order_id in unpaid]
    begun = selectors.list_begun_payments(order_ids=asked)
    errors = limited | close_payments(list(begun.values()), now=now)
    waiting = [order_id for order_id in asked if order_id not in errors]
    amounts = {order_id: unpaid[order_id] for order_id in waiting}
    outcomes = dict(zip(amounts, close(amounts, Closing(closed_by, now)), strict=True))
    for order_id, outcome in outcomes.items():
        if outcome.error:
            # Where a payment was closed before it, no more can be said than that the order may be open.
            is_partly_done = order_id in begun and outcome.status is Status.BUSY
            errors[order_id] = OutcomeUnknown() if is_partly_done else error_of(outcome)
    closed = {order_id for order_id, outcome in outcomes.items() if outcome.status is Status.OK}
    with reading_the_answer():
        errors |= not_cancelled([order_id for order_id in order_ids if order_id not in closed | errors.keys()])
    return {order_id: errors.get(order_id) for order_id in order_ids}


def refuse_hasty(orders: Sequence[Order], *, now: datetime) -> dict[int, Exception]:
    """Returns order_id -> error for those of the orders that their buyers cancel faster than CANCEL_RATE."""
    rate = cancel_rate()
    if not rate.times or not orders:
        return {}
    cancelled = cancelled_lately(user_ids={order.user_id for order in orders}, now=now)
    refused: dict[int, Exception] = {}
    for order in orders:
        cancelled[order.user_id] = cancelled.get(order.user_id, 0) + 1
        if cancelled[order.user_id] > rate.times:
            refused[order.order_id] = Limited(retry_after_seconds=rate.seconds)
    return refused


def is_unpaid(order: Order) -> bool:
    return order.status == Order.Status.UNPAID


def close_payments(begun: Sequence[Payment], *, now: datetime) -> dict[int, Exception]:
    """Closes begun payments at the provider; returns order_id -> error where that is not certain."""
    errors: dict[int, Exception] = {}

    def close_one(payment: Payment) -> None:
        try:
            close_at_provider(payment, timeout_seconds=CANCEL_TIMEOUT_SECONDS, now=now)
        except ServiceError as error:
            errors[payment.order_id] = error

    if begun:
        each_at_once(close_one, begun)
    return errors


def not_cancelled(order_ids: Sequence[int]) -> dict[int, Exception]:
    """Why these orders were not closed: none of that number, or not in the right state."""
    found = {order.order_id: order for order in selectors.list_by_numbers(order_ids=order_ids)}
    missing = [order_id for order_id in order_ids if order_id not in found]
    errors: dict[int, Exception] = {**selectors.explain_missing(order_ids=missing)}
    for order_id, order in found.items():
        # Still unpaid: a payment has begun since those that were open were closed at the provider.
        state = _("being paid at this moment; try again") if is_unpaid(order) else order.get_status_display()
        errors[order_id] = OrderStateConflict(order_id=order_id, wanted=_("cancelled"), found=state)
    return errors


def complete_order(*, order_id: int, actor: str, now: datetime) -> OrderWithLines:
    """Completes one paid order. Raises OrderNotFound, OrderStateConflict, Busy, OutcomeUnknown."""
    completed = complete_orders(order_ids=[order_id], actor=actor, now=now)
    with reading_the_answer():
        found = selectors.get_order(order_id=order_id, user_id=None)
    if not completed:
        raise OrderStateConflict(order_id=order_id, wanted=_("completed"), found=found.order.get_status_display())
    return found


def complete_orders(*, order_ids: Sequence[int], actor: str, now: datetime) -> list[int]:
    """Completes those of the orders that are paid, in one transaction; returns their numbers.

    Raises Busy, OutcomeUnknown.
    """

    def complete() -> list[int]:
        paid = selectors.in_status(Order.Status.PAID).filter(order_id__in=order_ids).order_by("order_id")
        locked = list(paid.select_for_update().values_list("order_id", flat=True))
        completed = paid.filter(order_id__in=locked).update(
            status=Order.Status.COMPLETED, updated_by=actor, version=F("version") + 1, updated_at=now
        )
        expect_rows(completed, len(locked))
        announce_completed(locked)
        return locked

    def find() -> list[int] | Undone:
        """After a COMMIT without a reply. Nothing but this call completes these orders by this actor at this time."""
        rows = Order.objects.filter(order_id__in=order_ids).order_by("order_id").select_for_update()
        mine = [row.order_id for row in rows if (row.status, row.updated_by, row.updated_at) == (COMPLETED, actor, now)]
        return mine or Undone.BUSY

    completed = run(complete, name="complete_orders", find=find)
    ORDERS.labels("completed").inc(len(completed))
    for order_id in completed:
        ORDER_COMPLETED.tell(str(order_id))
    return completed
