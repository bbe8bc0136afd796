"""What is written down of Stripe's: the number of each payment's session, by which alone Stripe finds it."""

from django.db import connection

from charites.common.transactions import run
from orders.models import StripeSession

CLOSED = ""  # in place of a session: the payment was closed before anybody was told a page


def remember(payment_id: int, session_id: str) -> bool:
    """Keeps the number of a payment's session before anybody is told its page; the same again is harmless. False where
    the payment was closed meanwhile. Raises Busy, OutcomeUnknown."""
    return keep_first(payment_id, session_id) == session_id


def find_to_close(payment_id: int) -> str | None:
    """Returns the session of a payment. One that has none gets none from now on: None. Raises Busy, OutcomeUnknown."""
    return find(payment_id) or keep_first(payment_id, CLOSED) or None


def find(payment_id: int) -> str | None:
    rows = StripeSession.objects.filter(payment_id=payment_id)
    return rows.values_list("session_id", flat=True).first() or None


def keep_first(payment_id: int, session_id: str) -> str:
    """Writes a number unless there is one; returns the one there is."""
    row = StripeSession(payment_id=payment_id, session_id=session_id)
    has_target = connection.features.supports_update_conflicts_with_target

    def write() -> str:
        StripeSession.objects.bulk_create(
            [row],
            update_conflicts=True,
            update_fields=["payment_id"],
            unique_fields=["payment_id"] if has_target else None,
        )
        return StripeSession.objects.values_list("session_id", flat=True).get(payment_id=payment_id)

    return run(write, name="stripe_session")
