"""Sending money back.

A message starts each refund and tries it again on its ladder; the row says what is due, so that the sweep sends what no
message cares for any more. Whoever sends has a lease on the row, and the provider sends back once per number.

    pending, requested --sent--> done
    requested --the provider refuses--> refused, and the amount may be asked for again

Money that paid no order has to go back, whatever the provider says: it stays pending, and is tried again.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.db.models import F, QuerySet
from prometheus_client import Counter

from charites.common.errors import Busy, OutcomeUnknown, ServiceError
from charites.common.threads import each_at_once
from charites.common.transactions import Undone, run
from orders import selectors
from orders.announcements import announce_refunded
from orders.errors import PaymentsUnavailable
from orders.events import REFUND_CONTRADICTED, REFUND_DONE, REFUND_FAILED, REFUND_REFUSED
from orders.models import ERROR_LENGTH, Payment, Refund
from orders.payments import calls
from orders.payments.port import RefundRefused, RefundRequest
from orders.payments.schedule import refund_try_after
from orders.refunds import REFUNDABLE
from orders.selectors import DueRefund

log = structlog.get_logger(__name__)

REFUND_LEASE = timedelta(seconds=60)  # longer than a call with its time-out
MESSAGE_GRACE = timedelta(minutes=1)  # so long the message of a refund has for a try that is due
BATCH = 32

REFUNDS = Counter("charites_refunds", "Tries to send money back.", ["outcome"])


def send_refunds(*, refund_ids: Sequence[int], now: datetime) -> dict[int, Exception]:
    """Sends the money of refunds on their way back at the provider, at most 8 at once, and marks them as done.

    Returns refund_id -> error of those that stay on their way or of which nobody knows: PaymentsUnavailable (no answer,
    or somebody else is at it), Busy, OutcomeUnknown.
    """
    return send_all(selectors.list_refunds_to_send(refund_ids=refund_ids), now=now)


def send_forgotten_refunds(*, now: datetime) -> int:
    """Sends refunds whose try is overdue because their message is gone or dead; returns how many it tried."""
    forgotten = selectors.list_forgotten_refunds(due_before=now - MESSAGE_GRACE, now=now, limit=BATCH)
    for due in forgotten:
        log.warning("refund_without_message", refund_id=due.refund.refund_id, attempts=due.refund.attempts)
    send_all(forgotten, now=now)
    return len(forgotten)


def send_all(refunds: Sequence[DueRefund], *, now: datetime) -> dict[int, Exception]:
    errors: dict[int, Exception] = {}

    def send(due: DueRefund) -> None:
        try:
            send_refund(due, now=now)
        except ServiceError as error:
            errors[due.refund.refund_id] = error

    if refunds:
        each_at_once(send, refunds)
    return errors


def send_refund(due: DueRefund, *, now: datetime) -> None:
    """Tries one refund. Raises PaymentsUnavailable, Busy, OutcomeUnknown.

    The provider sends back once per number, so that a try whose end could not be written down may be repeated.
    """
    refund = due.refund
    lease(refund, now=now)
    request = RefundRequest(refund.refund_id, refund.payment_id, due.trade_id, refund.amount, refund.currency)
    try:
        calls.refund(request, channel=due.channel, now=now)
    except RefundRefused as error:
        if refund.status == Refund.Status.REQUESTED and write_refused(refund, str(error), now=now):
            return
        note_failure(refund, f"refused: {error}", now=now)
        raise PaymentsUnavailable from error
    except PaymentsUnavailable as error:
        note_failure(refund, calls.reason_of(error), now=now)
        raise
    write_done(refund, now=now)


def note_failure(refund: Refund, reason: str, *, now: datetime) -> None:
    """Counts a try that failed, and writes down why; the next one is planned already."""
    REFUNDS.labels("failed").inc()
    ours = unsent(refund).filter(attempts=refund.attempts + 1)  # or somebody else is at it: our lease has run out
    end = partial(ours.update, leased_until=None, last_error=reason[:ERROR_LENGTH], updated_at=now)
    with suppress(Busy, OutcomeUnknown):  # then the lease runs out
        if run(end, name="fail_refund"):
            REFUND_FAILED.tell(*numbers_of(refund), refund.attempts + 1, refund.amount, refund.currency)


def write_refused(refund: Refund, reason: str, *, now: datetime) -> bool:
    """requested -> refused: the provider sends nothing under this number, and the amount may be asked for again.

    False where the order was closed meanwhile (all of its money has to go back, so it is tried again), or where
    somebody else is at it by now. Raises Busy, OutcomeUnknown: whoever asks the provider again hears the same.
    """

    def write() -> int:
        # The locks of whoever refunds or closes the order, in the order of theirs: what is left changes here.
        list(Payment.objects.filter(payment_id=refund.payment_id).select_for_update())
        is_paid = list(selectors.in_statuses(*REFUNDABLE).filter(order_id=refund.order_id).select_for_update())
        refused = {"status": Refund.Status.REFUSED, "next_try_at": None, "leased_until": None}
        ours = unsent(refund).filter(attempts=refund.attempts + 1)
        return ours.update(**refused, last_error=reason[:ERROR_LENGTH], updated_at=now) if is_paid else 0

    def find() -> int | Undone:
        """After a COMMIT without a reply: the provider has refused it, by whichever try."""
        return is_stored(refund, status=Refund.Status.REFUSED)

    if not run(write, name="refuse_refund", find=find):
        return False
    REFUNDS.labels("refused").inc()
    REFUND_REFUSED.tell(*numbers_of(refund), refund.amount, refund.currency)
    return True


def write_done(refund: Refund, *, now: datetime) -> None:
    """The provider has sent the money. Raises OutcomeUnknown where that cannot be written down: it is on its way."""
    REFUNDS.labels("done").inc()
    done = {"status": Refund.Status.DONE, "done_at": now, "next_try_at": None}

    def write() -> int:
        written = unsent(refund).update(**done, leased_until=None, last_error="", updated_at=now)
        if written:
            announce_refunded(refund)
        return written

    def find() -> int | Undone:
        """After a COMMIT without a reply: money was sent back, by whichever try."""
        return is_stored(refund, status=Refund.Status.DONE)

    try:
        is_finished = run(write, name="finish_refund", find=find)
    except Busy as error:
        raise OutcomeUnknown from error
    if is_finished:
        REFUND_DONE.tell(*numbers_of(refund), refund.amount, refund.currency)
    elif Refund.objects.filter(pk=refund.pk, status=Refund.Status.REFUSED).exists():
        REFUND_CONTRADICTED.tell(*numbers_of(refund), refund.amount, refund.currency)


def unsent(refund: Refund) -> QuerySet[Refund]:
    """The row of a refund, as long as it is on its way as it was read."""
    return Refund.objects.filter(pk=refund.pk, status=refund.status)


def numbers_of(refund: Refund) -> tuple[str, str, str]:
    return str(refund.refund_id), str(refund.payment_id), str(refund.order_id)


def lease(refund: Refund, *, now: datetime) -> None:
    """Takes a refund for one try, as it was read; the next one is planned before this one can get lost.

    Raises PaymentsUnavailable when somebody else was faster.
    """
    is_held = refund.leased_until is not None and refund.leased_until > now
    # Every lease is one more attempt: who has read it before that comes too late.
    unclaimed = unsent(refund).filter(attempts=refund.attempts)
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
