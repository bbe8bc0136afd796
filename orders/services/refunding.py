"""Sending money back.

A message starts each refund and tries it again on its ladder; the row says what is due, so that the sweep sends what no
message cares for any more. Whoever sends has a lease on the row, and the provider sends back once per trade.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.db.models import F
from prometheus_client import Counter

from charites.common.errors import Busy, OutcomeUnknown, ServiceError
from charites.common.threads import each_at_once
from charites.common.transactions import Undone, run
from orders import selectors
from orders.errors import PaymentsUnavailable
from orders.events import REFUND_DONE, REFUND_FAILED
from orders.models import Refund
from orders.payments import calls
from orders.payments.port import RefundRequest
from orders.payments.schedule import refund_try_after
from orders.selectors import DueRefund

log = structlog.get_logger(__name__)

REFUND_LEASE = timedelta(seconds=60)  # longer than a call with its time-out
MESSAGE_GRACE = timedelta(minutes=1)  # so long the message of a refund has for a try that is due
BATCH = 32

REFUNDS = Counter("charites_refunds", "Tries to send money back.", ["outcome"])


def send_refunds(*, payment_ids: Sequence[int], now: datetime) -> dict[int, Exception]:
    """Sends the money of pending refunds back at the provider, at most 8 at once, and marks them as done.

    Returns payment_id -> error of those that stay pending or of which nobody knows: PaymentsUnavailable (no answer, or
    somebody else is at it), Busy, OutcomeUnknown.
    """
    return send_all(selectors.list_pending_refunds(payment_ids=payment_ids), now=now)


def send_forgotten_refunds(*, now: datetime) -> int:
    """Sends refunds whose try is overdue because their message is gone or dead; returns how many it tried."""
    forgotten = selectors.list_forgotten_refunds(due_before=now - MESSAGE_GRACE, now=now, limit=BATCH)
    for due in forgotten:
        log.warning("refund_without_message", payment_id=due.refund.payment_id, attempts=due.refund.attempts)
    send_all(forgotten, now=now)
    return len(forgotten)


def send_all(refunds: Sequence[DueRefund], *, now: datetime) -> dict[int, Exception]:
    errors: dict[int, Exception] = {}

    def send(due: DueRefund) -> None:
        try:
            send_refund(due, now=now)
        except ServiceError as error:
            errors[due.refund.payment_id] = error

    if refunds:
        each_at_once(send, refunds)
    return errors


def send_refund(due: DueRefund, *, now: datetime) -> None:
    """Tries one refund. Raises PaymentsUnavailable, Busy, OutcomeUnknown.

    The provider sends back once per trade, so that a try whose end could not be written down may be repeated.
    """
    refund = due.refund
    lease(refund, now=now)
    request = RefundRequest(refund.payment_id, due.trade_id, refund.amount, refund.currency)
    pending = Refund.objects.filter(pk=refund.pk, status=Refund.Status.PENDING)
    try:
        calls.refund(request, channel=due.channel, now=now)
    except PaymentsUnavailable as error:
        REFUNDS.labels("failed").inc()
        ours = pending.filter(attempts=refund.attempts + 1)  # or somebody else is at it: our lease has run out
        reason = calls.reason_of(error)[:500]
        with suppress(Busy, OutcomeUnknown):  # then the lease runs out
            if run(lambda: ours.update(leased_until=None, last_error=reason, updated_at=now), name="fail_refund"):
                ids = (str(refund.payment_id), str(refund.order_id))
                REFUND_FAILED.tell(*ids, refund.attempts + 1, refund.amount, refund.currency)
        raise
    REFUNDS.labels("done").inc()
    done = {"status": Refund.Status.DONE, "done_at": now, "next_try_at": None}
    write = partial(pending.update, **done, leased_until=None, last_error="", updated_at=now)

    def find() -> int | Undone:
        """After a COMMIT without a reply: money was sent back, by whichever try."""
        return is_stored(refund, status=Refund.Status.DONE)

    try:
        is_finished = run(write, name="finish_refund", find=find)
    except Busy as error:
        raise OutcomeUnknown from error  # the money is on its way
    if is_finished:
        REFUND_DONE.tell(str(refund.payment_id), str(refund.order_id), refund.amount, refund.currency)


def lease(refund: Refund, *, now: datetime) -> None:
    """Takes a refund for one try, as it was read; the next one is planned before this one can get lost.

    Raises PaymentsUnavailable when somebody else was faster.
    """
    is_held = refund.leased_until is not None and refund.leased_until > now
    # Every lease is one more attempt: who has read it before that comes too late.
    unclaimed = Refund.objects.filter(pk=refund.pk, status=Refund.Status.PENDING, attempts=refund.attempts)
    write = partial(
        unclaimed.update,
        leased_until=now + REFUND_LEASE,
        attempts=F("attempts") + 1,
        next_try_at=refund_try_after(refund.attempts + 1, now=now),
        updated_at=now,
    )

    def find() -> int | Undone:
        """After a COMMIT without a reply: a try and its time name its lease."""
        return is_stored(refund, leased_until=now + REFUND_LEASE, attempts=refund.attempts + 1)

    if is_held or not run(write, name="lease_refund", find=find):
        raise PaymentsUnavailable from RuntimeError("somebody else is sending this refund")


def is_stored(refund: Refund, **columns: Any) -> int | Undone:
    """Whether a refund's row has these values now, by a locking read."""
    rows = Refund.objects.select_for_update().filter(pk=refund.pk, **columns)
    return len(rows) or Undone.BUSY
